"""The monitor's rounds: one changed byte anywhere is named within a round, told once a day, and kept to be asked."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from ingest import models
from ingest.events.health import LogTampered, LogVerified
from ingest.log import read, rounds
from ingest.log.archive import Archive
from ingest.log.checkpoint import LogKey, Signer
from ingest.log.rounds import Kind, Rounds
from ingest.log.witness import FileWitness
from ingest.settings import ArchiveSettings, DuckSettings, ShipperSettings
from ingest.shipper import Shipper
from ingest.store.duck import DuckStore
from ingest.store.memory import MemoryStore
from ingest.store.port import EventStore
from ingest.store.query import Sequenced
from tests.support import sealing
from tests.support.ground import Ground

SIZE = 37


class World:
    """A log of 37 events: archived, signed, witnessed and shipped."""

    def __init__(self, ground: Ground, key: LogKey, store: EventStore, folder: Path) -> None:
        self.ground, self.store = ground, store
        self.archive = Archive(ArchiveSettings(folder=folder / "archive"), ids=ground.ids)
        witness = FileWitness(ground.db, key.verifier, folder / "witness", beside=folder, ids=ground.ids)
        self.signer = Signer(db=ground.db, key=key, archive=self.archive, witnesses=(witness,))
        self.shipper = Shipper(ground.db, store, ground.clock, settings=ShipperSettings(), ids=ground.ids)
        self.rounds = Rounds(
            db=ground.db,
            store=store,
            target=self.shipper.target,
            archive=self.archive,
            key=key,
            clock=ground.clock,
            ids=ground.ids,
        )
        sealing.record(ground, *[sealing.failed_login() for _ in range(SIZE)])
        self.arrive()

    def arrive(self) -> None:
        sealing.sequencer(self.ground).drain()
        self.signer.sign(self.ground.clock.now())
        self.shipper.drain()

    def sample(self) -> list[str]:
        return list(self.rounds.sample(self.ground.clock.now()).findings)

    def told(self, kind: str) -> list[str]:
        sealing.sequencer(self.ground).drain()
        with self.ground.db.read() as session:
            rows = session.scalars(
                sa.select(models.body.c.body)
                .join(models.entry, models.entry.c.sequence == models.body.c.sequence)
                .where(models.entry.c.kind == kind)
            )
            return [json.loads(body)["onepay"]["health"]["log"].get("reason", "") for body in rows]

    def change(self, table: sa.Table, key: sa.ColumnElement[bool], **values: object) -> None:
        with self.ground.db.begin() as session:
            assert session.execute(sa.update(table).where(key).values(values)).rowcount == 1


@pytest.fixture
def world(ground: Ground, key: LogKey, tmp_path: Path) -> World:
    with ground.db.begin() as session:
        for table in ("entry", "node"):
            for verb in ("update", "delete"):
                session.execute(sa.text(f"DROP TRIGGER ingest_{table}_no_{verb}"))
    return World(ground, key, MemoryStore(), tmp_path)


def test_a_sound_log_is_sound_on_a_real_store(ground: Ground, key: LogKey, tmp_path: Path) -> None:
    store = DuckStore(DuckSettings(folder=tmp_path / "events"))
    store.open()
    try:
        world = World(ground, key, store, tmp_path)
        made = world.rounds.sample(ground.clock.now())
        assert (made.kind, made.compared, made.mismatches, made.size) == ("sample", SIZE, 0, SIZE)
        full = world.rounds.full(ground.clock.now())
        assert (full.kind, full.lo, full.hi, full.compared, full.mismatches) == ("full", 1, SIZE, SIZE, 0)
    finally:
        store.close()


@pytest.mark.parametrize(
    ("table", "column", "value", "told"),
    [
        (models.body, "body", b"{}", "ingest_body sequence 9 body"),
        (models.body, "salt", b"0" * 16, "ingest_body sequence 9 salt"),
        (models.entry, "kind", "auth.login.succeeded", "ingest_entry sequence 9 kind"),
        (models.entry, "commitment", b"0" * 32, "ingest_entry sequence 9 commitment"),
    ],
)
def test_one_changed_value_is_named_by_the_next_sample(
    world: World, table: sa.Table, column: str, value: object, told: str
) -> None:
    assert world.sample() == []
    world.change(table, table.c.sequence == 9, **{column: value})
    found = world.sample()
    assert found[0].startswith(told), found
    world.sample()
    assert world.told(LogTampered.kind) == found


def test_a_changed_leaf_archive_line_or_document_is_named(world: World) -> None:
    world.change(models.node, (models.node.c.level == 0) & (models.node.c.idx == 8), hash=bytes(32))
    file = world.archive.folder / "body/security/open.ndjson"
    lines = file.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b"wrong_password", b"wrong_passw0rd")
    file.write_bytes(b"".join(lines))
    with world.ground.db.read() as session:
        entry, body = read.entries(session, 11, 12)[0], read.body(session, 12)
    forged = body.body.replace(b"wrong_password", b"wrong_passw0rd")
    kept = world.store._units["security", "2026-11"]
    del kept[entry.event_id]
    item = Sequenced(sequence=12, ingested=entry.ingested, hash=entry.leaf.hex(), body=forged)
    world.store.append([item])
    found = world.sample()
    for told in ("archive sequence 5 body", "ingest_node sequence 9 hash", "store memory-onepay sequence 12"):
        assert any(one.startswith(told) for one in found), found


def test_a_log_that_was_written_anew_does_not_begin_with_what_was_seen(world: World) -> None:
    world.sample()
    with world.ground.db.begin() as session:
        session.execute(sa.update(models.monitor_run).values(root=bytes(32)))
    assert world.sample() == ["ingest_node sequence 37 root: the log does not begin with what it was at this size"]
    with world.ground.db.begin() as session:
        session.execute(sa.update(models.monitor_run).values(size=99))
    assert world.sample()[0].startswith("ingest_head sequence 37 size: it was 99 before")


def test_a_finding_is_told_once_a_day_and_a_sound_night_is_told(world: World) -> None:
    with world.ground.db.read() as session:
        sound = read.body(session, 9).body
    world.change(models.body, models.body.c.sequence == 9, body=sound.replace(b"wrong", b"right"))
    for _ in range(3):
        assert len(world.sample()) == 1
    assert len(world.told(LogTampered.kind)) == 1
    world.ground.clock.move(timedelta(days=1, minutes=1))
    assert len(world.sample()) == 1
    assert len(world.told(LogTampered.kind)) == 2
    world.change(models.body, models.body.c.sequence == 9, body=sound)
    world.arrive()
    assert world.rounds.full(world.ground.clock.now()).mismatches == 0
    assert world.told(LogVerified.kind) == [""]


def test_how_old_everything_is_can_be_asked(world: World) -> None:
    def fresh() -> rounds.Freshness:
        with world.ground.db.read() as session:
            return rounds.freshness(session, world.ground.clock.now())

    assert (fresh().sample, fresh().full, fresh().witness_rating) == (None, None, "weak")
    world.sample()
    world.ground.clock.move(timedelta(minutes=7))
    world.rounds.full(world.ground.clock.now())
    world.ground.clock.move(timedelta(minutes=3))
    found = fresh()
    assert (found.sample, found.full) == (timedelta(minutes=10), timedelta(minutes=3))
    assert found.checkpoint == found.witness == timedelta(minutes=10)


def test_the_night_round_is_gone_once_a_night_and_made_up_for(world: World) -> None:
    clock, is_on = world.ground.clock, [False]
    sample, full = world.rounds.jobs(is_on=lambda: is_on[0])
    assert (sample.run(clock.now()), full.run(clock.now())) == (None, None)
    is_on[0] = True
    assert sample.run(clock.now()) == "37 of 37 compared, sound"
    assert full.run(clock.now()) == "37 of 37 compared, sound"
    assert full.run(clock.now()) is None
    clock.move(timedelta(hours=16, minutes=59))
    assert full.run(clock.now()) is None
    clock.move(timedelta(minutes=1))
    world.arrive()
    assert full.run(clock.now()) is not None
    with world.ground.db.read() as session:
        assert rounds.newest(session, Kind.FULL).at == clock.now()
