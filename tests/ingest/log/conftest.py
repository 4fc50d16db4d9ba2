"""A log with a key: what tests of checkpoints, proofs and packs stand on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.kernel.crypto import KeyFolder
from ingest.log import checkpoint
from ingest.log.checkpoint import LogKey
from tests.support import sealing
from tests.support.ground import Ground


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


@pytest.fixture
def key(keys: KeyFolder) -> LogKey:
    return checkpoint.init(keys, "onepay.example/log")


@pytest.fixture
def seal(ground: Ground, key: LogKey) -> Callable[[int], list[str]]:
    """Record so many events, number them, sign the head; returns the ids."""

    def run(count: int) -> list[str]:
        ids = sealing.record(ground, *[sealing.failed_login() for _ in range(count)])
        sealing.sequencer(ground).drain()
        checkpoint.sign(ground.db, key, ground.clock.now())
        return ids

    return run
