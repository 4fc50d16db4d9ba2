"""The end of a process is told and numbered, whatever else of its last words could not be written."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from app import process
from app.gateway.folding import Folding
from app.kernel.db import StorageFull
from app.lock import HomeLock
from ingest.log import read
from tests.failure.served import free_port
from tests.support.installation import installed


def test_counts_that_cannot_be_written_do_not_silence_the_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    def full(*_: object) -> int:
        raise StorageFull

    with installed(tmp_path / "home", port=free_port(), drain_seconds=1) as house:
        lock = HomeLock(house.system.settings.home)
        lock.take()
        try:
            running = process.start(house.system, lock)
            monkeypatch.setattr(Folding, "flush", full)
            process.finish(running)
        finally:
            lock.release()
            for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
                signal.signal(number, handler)
        with house.system.db.read() as session:
            size = read.head(session).size
            (last,) = read.entries(session, size - 1, size)
    assert last.kind == "health.process.stopped"
