"""Private files are whole or not there, and nothing half written is left beside them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from app.kernel import crypto


def test_a_full_disk_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            crypto.write_private_once(tmp_path / "kept", b"content")
    assert list(tmp_path.iterdir()) == []
    crypto.write_private_once(tmp_path / "kept", b"content")
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]
