"""At a start: a database that was taken back, or is another one, numbers nothing until the right one is back."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.kernel.db import Database
from ingest import models
from ingest.events.health import LogRolledBack
from ingest.log import read
from ingest.log.archive import Archive
from ingest.log.checkpoint import FORK, ROLLBACK, RUNNING, Forked, LogKey, Signer
from ingest.log.outbox import RECORDING
from ingest.log.witness import FileWitness
from ingest.settings import ArchiveSettings
from tests.support import sealing
from tests.support.ground import Ground, make_ground


class Installed:
    """A log whose database can be put away and put back."""

    def __init__(self, ground: Ground, key: LogKey, folder: Path) -> None:
        self.ground, self.key, self.folder = ground, key, folder
        self.file = Path(ground.db.url.removeprefix("sqlite:///"))

    def signer(self) -> Signer:
        witness = FileWitness(self.ground.db, self.key.verifier, self.folder / "witness", beside=self.folder)
        archive = Archive(ArchiveSettings(folder=self.folder / "archive"), ids=self.ground.ids)
        return Signer(db=self.ground.db, key=self.key, archive=archive, witnesses=(witness,))

    def grow(self, count: int) -> None:
        sealing.record(self.ground, *[sealing.failed_login() for _ in range(count)])
        sealing.sequencer(self.ground).drain()

    def sign(self) -> None:
        self.signer().sign(self.ground.clock.now())

    def look_back(self) -> str:
        return self.signer().look_back(self.ground.ctx())

    def take_away(self, name: str) -> Path:
        """Close the database and copy it; it goes on where it was."""
        self.ground.db.close()
        kept = self.folder / name
        shutil.copy(self.file, kept)
        self.open()
        return kept

    def put_back(self, kept: Path) -> None:
        self.ground.db.close()
        for end in ("-wal", "-shm"):
            self.file.with_name(self.file.name + end).unlink(missing_ok=True)
        shutil.copy(kept, self.file)
        self.open()

    def open(self) -> None:
        self.ground.db = Database(self.ground.db.url, info={RECORDING: self.ground.recording})

    def head(self) -> read.Head:
        with self.ground.db.read() as session:
            return read.head(session)

    def waiting(self) -> list[str]:
        with self.ground.db.read() as session:
            return list(session.scalars(sa.select(models.outbox.c.kind)))


@pytest.fixture
def installed(ground: Ground, key: LogKey, tmp_path: Path) -> Installed:
    made = Installed(ground, key, tmp_path)
    made.grow(5)
    made.sign()
    return made


def test_a_sound_log_goes_on(installed: Installed) -> None:
    installed.grow(3)
    assert installed.look_back() == RUNNING
    assert installed.waiting() == []
    assert installed.head().state == RUNNING


@pytest.mark.parametrize("left", ["all", "witness", "archive", "log.last"])
def test_a_database_of_before_is_refuted_by_each_that_saw_more(installed: Installed, key: LogKey, left: str) -> None:
    before, last = installed.take_away("before.db"), key.last.read_text()
    installed.ground.clock.move(timedelta(minutes=5))
    installed.grow(4)
    installed.sign()
    after = installed.take_away("after.db")
    installed.put_back(before)
    if left not in ("all", "log.last"):
        key.last.write_text(last)
    if left not in ("all", "witness"):
        (installed.folder / "witness" / f"{9:020d}").unlink()
    if left not in ("all", "archive"):
        (installed.folder / "archive" / "archived").write_text("5")

    assert installed.look_back() == ROLLBACK
    assert installed.look_back() == ROLLBACK
    told = installed.waiting()
    assert set(told) == {LogRolledBack.kind}
    assert len(told) == (3 if left == "all" else 1)
    installed.grow(2)
    assert (installed.head().size, installed.head().state) == (5, ROLLBACK)

    installed.put_back(after)
    assert installed.look_back() == RUNNING
    installed.grow(1)
    assert installed.head().size == 10


def test_another_log_of_the_same_size_or_more_is_a_fork(installed: Installed, key: LogKey, tmp_path: Path) -> None:
    other = make_ground(tmp_path / "other")
    installed.ground.db.close()
    installed.ground = other
    try:
        installed.grow(8)
        assert installed.look_back() == FORK
        installed.grow(2)
        assert installed.head().size == 8
    finally:
        other.close()


def test_nothing_of_another_log_is_archived_behind_this_one(installed: Installed, key: LogKey, tmp_path: Path) -> None:
    other = make_ground(tmp_path / "other")
    installed.ground.db.close()
    installed.ground = other
    before = sorted((file, file.read_bytes()) for file in (tmp_path / "archive").rglob("*") if file.is_file())
    try:
        installed.grow(8)
        with pytest.raises(Forked):
            installed.sign()
        assert before == sorted(
            (file, file.read_bytes()) for file in (tmp_path / "archive").rglob("*") if file.is_file()
        )
    finally:
        other.close()


def test_a_log_that_somebody_paused_is_left_alone(installed: Installed) -> None:
    with installed.ground.db.begin() as session:
        session.execute(sa.update(models.head).values(state="paused"))
    assert installed.look_back() == "paused"
