"""A folder as witness: each head once, what it saw refutes a log that was cut, and it may be away without harm."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from ingest import models
from ingest.events.health import WitnessMissed
from ingest.log import checkpoint, note, witness
from ingest.log.checkpoint import Checkpoint, Forked, LogKey, RolledBack
from ingest.log.note import TreeHead
from ingest.log.witness import FileWitness
from tests.support import sealing
from tests.support.ground import Ground, make_ground


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "witness"


@pytest.fixture
def kept(ground: Ground, key: LogKey, folder: Path, tmp_path: Path) -> FileWitness:
    return FileWitness(ground.db, key.verifier, folder, beside=tmp_path, ids=ground.ids)


def grow(ground: Ground, count: int) -> None:
    sealing.record(ground, *[sealing.failed_login() for _ in range(count)])
    sealing.sequencer(ground).drain()


def sign(ground: Ground, key: LogKey, kept: FileWitness) -> Checkpoint | None:
    return checkpoint.sign(ground.db, key, ground.clock.now(), witnesses=[kept])


def standing(ground: Ground) -> witness.Standing | None:
    with ground.db.read() as session:
        return witness.standing(session)


def test_each_head_is_kept_before_it_is_published(ground: Ground, key: LogKey, kept: FileWitness, folder: Path) -> None:
    assert (kept.newest(), standing(ground)) == (None, None)
    for size in (3, 7):
        grow(ground, size - (3 if size > 3 else 0))
        made = sign(ground, key, kept)
        assert kept.newest() == TreeHead(origin=key.verifier.name, size=size, root=made.root)
    assert [int(file.name) for file in sorted(folder.iterdir())] == [3, 7]
    found = standing(ground)
    assert (found.size, found.at, found.rating, found.missed_since) == (7, ground.clock.now(), "weak", None)


def test_a_log_that_stands_still_is_seen_again_after_a_minute(ground: Ground, key: LogKey, kept: FileWitness) -> None:
    grow(ground, 3)
    sign(ground, key, kept)
    first = ground.clock.now()
    ground.clock.move(timedelta(seconds=30))
    assert sign(ground, key, kept) is None
    assert standing(ground).at == first
    ground.clock.move(timedelta(seconds=31))
    assert sign(ground, key, kept) is None
    assert standing(ground).at == ground.clock.now()


def test_what_the_witness_saw_refutes_a_smaller_log_and_another_one(
    ground: Ground, key: LogKey, kept: FileWitness, tmp_path: Path
) -> None:
    grow(ground, 9)
    sign(ground, key, kept)
    key.last.unlink()
    other = make_ground(tmp_path / "other")
    try:
        grow(other, 5)
        with pytest.raises(RolledBack, match="5 entries, but 9"):
            sign(other, key, kept)
        grow(other, 8)
        with pytest.raises(Forked):
            sign(other, key, kept)
    finally:
        other.close()


def test_two_roots_of_one_size_are_never_both_kept(ground: Ground, key: LogKey, kept: FileWitness) -> None:
    grow(ground, 2)
    sign(ground, key, kept)
    ground.clock.move(timedelta(hours=1))
    false = TreeHead(origin=key.verifier.name, size=2, root=bytes(32))
    with pytest.raises(Forked):
        kept.keep(false, note.sign(false.text, key.verifier, key.seed), ground.clock.now())


def test_a_witness_that_is_away_is_missed_once_and_found_again(
    ground: Ground, key: LogKey, kept: FileWitness, folder: Path
) -> None:
    grow(ground, 2)
    sign(ground, key, kept)
    away = folder.with_name("away")
    folder.rename(away)
    folder.write_text("no folder")
    for _ in range(2):
        grow(ground, 2)
        assert sign(ground, key, kept) is not None
        ground.clock.move(timedelta(minutes=2))
    assert standing(ground).missed_since is not None
    folder.unlink()
    shutil.move(away, folder)
    grow(ground, 2)
    sign(ground, key, kept)
    assert standing(ground).missed_since is None
    sealing.sequencer(ground).drain()
    with ground.db.read() as session:
        told = session.scalars(
            sa.select(models.body.c.body)
            .join(models.entry, models.entry.c.sequence == models.body.c.sequence)
            .where(models.entry.c.kind == WitnessMissed.kind)
        ).all()
    assert [json.loads(body)["onepay"]["health"]["witness"] for body in told] == ["file"]


def test_old_heads_are_thinned_by_hour_and_by_day(ground: Ground, key: LogKey, kept: FileWitness, folder: Path) -> None:
    for _ in range(30):
        grow(ground, 1)
        sign(ground, key, kept)
        ground.clock.move(timedelta(minutes=20))
    assert len(list(folder.iterdir())) == 30
    ground.clock.move(timedelta(days=8))
    grow(ground, 1)
    sign(ground, key, kept)
    assert 10 <= len(list(folder.iterdir())) <= 12
    ground.clock.move(timedelta(days=100))
    grow(ground, 1)
    sign(ground, key, kept)
    assert len(list(folder.iterdir())) <= 4
    assert kept.newest().size == 32
