"""Removing a class and month everywhere: holds kept, proofs standing, coverage exact, and the same after any kill."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.kernel.access import service
from app.kernel.errors import Forbidden
from ingest import models
from ingest.events.envelope import at_path
from ingest.events.health import SegmentDropped
from ingest.log import forgetting, forgotten, merkle, proofs, read, units
from ingest.log.archive_check import ArchiveReader
from ingest.log.forgetting import Held, HoldTooLate, StillThere, UnitNotOver
from ingest.log.units import UnitUnknown
from ingest.settings import DuckSettings
from ingest.store.duck import DuckStore
from ingest.store.elastic import ElasticStore
from ingest.store.memory import MemoryStore
from ingest.store.placing import CLASSES
from ingest.store.port import EventStore
from ingest.store.query import Eq, Order, Search, Sequenced
from tests.ingest.log.forgotten_world import CLASS, COUNT, DECEMBER, HELD, KEEP, MONTH, NEXT, RUN, World, built, keeping
from tests.ingest.store.conftest import client, elastic, namespace  # noqa: F401 - fixtures
from tests.support.ground import Ground

ROOT = Path(__file__).parents[3]


def opened(folder: Path) -> DuckStore:
    store = DuckStore(DuckSettings(folder=folder / "events"))
    store.open()
    return store


@pytest.fixture(params=["memory", "duck", "elastic"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    match request.param:
        case "memory":
            yield MemoryStore()
        case "duck":
            made = opened(tmp_path)
            yield made
            made.close()
        case _:
            found: ElasticStore = request.getfixturevalue("elastic")
            yield found


@pytest.fixture
def world(ground: Ground, store: EventStore, tmp_path: Path) -> World:
    return built(ground, store, tmp_path)


def in_store(store: EventStore) -> list[int]:
    store.settle()
    found = store.search(Search(where=Eq("onepay.class", CLASS), order=Order.SEQUENCE, limit=1_000)).documents
    return [at_path(document, "event.sequence") for document in found]


def assert_forgotten(world: World) -> None:
    """Assert that November's security events are gone everywhere but for the held ones, and that all else stands."""
    size = world.size()
    with world.ground.db.read() as session:
        entries = read.entries(session, 0, size)
        bodies = {body.sequence for body in read.bodies(session, 0, size)}
        removal = forgotten.removal(session, CLASS, MONTH)
        segments = session.execute(sa.select(models.segment)).all()
    gone = {one.sequence for one in entries if one.class_ == CLASS and one.ingested < DECEMBER.replace(day=1)}
    assert len(gone) == COUNT
    assert bodies == set(range(1, size + 1)) - gone
    assert [one for one in in_store(world.store) if one in gone] == HELD
    reader = ArchiveReader(world.archive)
    for one in entries:
        body = reader.body(one.sequence, one.class_)
        assert (body is None) == (one.sequence in gone and one.sequence not in HELD), one.sequence
    assert (removal.state, removal.count, removal.held, removal.run) == (forgotten.GONE, COUNT, len(HELD), RUN)
    states = {(row.path.split("/")[1], row.month, row.state) for row in segments if row.__getattr__("class") == CLASS}
    assert states == {
        (CLASS, MONTH, "dropped"),
        ("hold-case-7", MONTH, "sealed"),
        ("hold-case-8", MONTH, "sealed"),
    }
    assert {path.name for path in (world.archive.folder / "body").glob("hold-*/*")} == {f"{CLASS}-{MONTH}.ndjson.gz"}
    for lo in range(size):
        for hi in (lo + 1, min(size, lo + 7), size):
            assert world.store.coverage(lo, hi) + world.dropped(lo, hi) == hi - lo
    assert world.remaining().is_gone
    assert world.findings() == []


def told(world: World) -> list[dict[str, object]]:
    with world.ground.db.read() as session:
        rows = session.scalars(
            sa.select(models.body.c.body)
            .join(models.entry, models.entry.c.sequence == models.body.c.sequence)
            .where(models.entry.c.kind == SegmentDropped.kind)
        )
        return [json.loads(body)["onepay"]["health"] for body in rows]


def test_a_unit_goes_from_store_log_and_archive_and_what_is_held_stays(world: World) -> None:
    assert not world.remaining().is_gone
    done = world.drop()

    assert (done.count, done.held, done.bodies) == (COUNT, len(HELD), COUNT)
    assert done.by_case == {"case-7": 3, "case-8": 2}
    world.arrive()
    assert_forgotten(world)
    (segment,) = told(world)
    assert (segment["run"], segment["segment"]["class"]) == (RUN, CLASS)


def test_doing_it_again_changes_nothing_and_nothing_is_sent_again(world: World) -> None:
    world.drop()
    again = world.drop()
    assert (again.bodies, again.segments) == (0, 0)
    world.shipper.resend()
    world.arrive()
    assert_forgotten(world)
    assert len(told(world)) == 1


def test_proofs_made_before_still_verify(world: World) -> None:
    size = world.size()
    with world.ground.db.read() as session:
        root = read.head(session).root
        before = [proofs.proof(session, sequence, size) for sequence in range(1, size + 1)]
    world.drop()
    world.arrive()
    with world.ground.db.read() as session:
        leaves = [entry.leaf for entry in read.entries(session, 0, size)]
        after = [proofs.proof(session, sequence, size) for sequence in range(1, size + 1)]
        head = read.head(session)
        grown = proofs.consistency(session, size, head.size)
    assert after == before
    for index, (leaf, path) in enumerate(zip(leaves, before, strict=True)):
        assert merkle.verify_inclusion(leaf, index, size, path, root)
    assert merkle.verify_consistency(size, root, head.size, head.root, grown)


def test_units_are_counted_and_described_before_they_go(world: World) -> None:
    with world.ground.db.read() as session:
        found = {(one.month, one.class_): one for one in units.every(session, CLASSES)}
        described = units.describe(session, CLASS, MONTH)
    assert {key: one.count for key, one in found.items()} == {
        (MONTH, "operations"): 20,
        (MONTH, CLASS): COUNT,
        (NEXT, "operations"): 10,
        (NEXT, CLASS): 20,
        (NEXT, "governance"): 2,
    }
    unit = found[MONTH, CLASS]
    assert described.unit == unit
    assert (unit.first, unit.last, unit.newest - unit.oldest) == (2, 60, timedelta(days=1))
    assert described.bytes > COUNT * 300
    assert len(described.samples) == 5
    assert set(described.samples) <= set(in_store(world.store))
    world.drop()
    with world.ground.db.read() as session:
        assert (MONTH, CLASS) not in {(one.month, one.class_) for one in units.every(session, CLASSES)}
        with pytest.raises(UnitUnknown):
            units.describe(session, CLASS, MONTH)


def test_a_month_that_is_not_over_or_not_archived_or_not_shipped_stays(world: World) -> None:
    for month in (NEXT, "2026-01"):
        with pytest.raises((UnitNotOver, UnitUnknown)):
            forgetting.drop(CLASS, month, keeping({}), RUN, world.ctx(), parts=world.parts)
    for table, key, column in (
        (models.cursor, models.cursor.c.consumer == "archive", "sequence"),
        (models.target, models.target.c.name == world.shipper.target, "done"),
    ):
        with world.ground.db.begin() as session:
            session.execute(sa.update(table).where(key).values({column: 59}))
        with pytest.raises(UnitNotOver):
            world.drop()
        with world.ground.db.begin() as session:
            session.execute(sa.update(table).where(key).values({column: 90}))
    with pytest.raises(Forbidden):
        forgetting.drop(CLASS, MONTH, keeping({}), RUN, world.ground.ctx(service("other")), parts=world.parts)
    assert world.store.coverage(0, 90) == 90
    assert world.findings() == []


def test_what_has_gone_is_held_by_nobody_who_comes_later(world: World) -> None:
    first = world.drop()
    assert world.drop({"case-9": [6]}).by_case == first.by_case
    world.arrive()
    assert_forgotten(world)


def test_a_hold_that_comes_too_late_is_refused(world: World) -> None:
    """Whoever is asked answers once another call has removed it all."""

    def late(lo: int, hi: int) -> Held:
        world.drop()
        return Held(by_case={"case-9": [6]})

    with pytest.raises(HoldTooLate):
        forgetting.drop(CLASS, MONTH, late, RUN, world.ctx(), parts=world.parts)
    world.arrive()
    assert_forgotten(world)


def test_a_hold_of_a_body_that_nobody_has_whole_stops_it_before_anything_goes(world: World) -> None:
    with world.ground.db.begin() as session:
        session.execute(sa.update(models.body).where(models.body.c.sequence == 2).values(body=b"{}"))
    for file in (world.archive.folder / "body" / CLASS).glob("*/*"):
        file.write_bytes(b"")
    with pytest.raises(HoldTooLate, match="Sequence 2"):
        world.drop()
    assert world.store.holds(CLASS, MONTH)
    assert world.remaining().bodies == COUNT


class Stubborn(MemoryStore):
    """Says that it dropped, and did not."""

    def drop(self, *args: object, **options: object) -> object:
        return None


def test_a_store_is_not_believed_that_it_dropped(ground: Ground, tmp_path: Path) -> None:
    world = built(ground, Stubborn(), tmp_path)
    with pytest.raises(StillThere):
        world.drop()
    with ground.db.read() as session:
        assert forgotten.removal(session, CLASS, MONTH).state == forgotten.BEGUN
    assert world.dropped(0, 90) == 0
    assert world.store.coverage(0, 90) == 90


def test_what_comes_back_after_it_was_dropped_is_named(world: World) -> None:
    with world.ground.db.read() as session:
        body = read.body(session, 6)
        entry = read.entries(session, 5, 6)[0]
    world.drop()
    with world.ground.db.begin() as session:
        row = {"sequence": 6, "class": CLASS, "salt": body.salt, "body": body.body}
        session.execute(sa.insert(models.body).values(row))
    assert world.findings() == ["ingest_body sequence 6 sequence: it is there, though it was dropped"]
    assert not world.remaining().is_gone
    with world.ground.db.begin() as session:
        session.execute(sa.delete(models.body).where(models.body.c.sequence == 6))
    world.store.append([Sequenced(sequence=6, ingested=entry.ingested, hash=entry.leaf.hex(), body=body.body)])
    world.store.settle()
    assert any("store" in one and "sequence 6" in one for one in world.findings())
    assert world.drop().held == len(HELD)
    world.arrive()
    assert_forgotten(world)


POINTS = range(0, 27, 2)


@pytest.mark.parametrize(
    ("database", "point"),
    [*(("sqlite", point) for point in POINTS), *(("postgresql", point) for point in (1, 8, 15, 24))],
)
def test_killed_at_any_point_it_goes_on_and_claims_nothing_before(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, point: int
) -> None:
    ground: Ground = request.getfixturevalue("ground" if database == "sqlite" else "postgres_ground")
    home = tmp_path / "home"
    store = opened(home)
    world = built(ground, store, home)
    store.close()
    command = [sys.executable, "-m", "tests.ingest.log.dropping", ground.db.url, str(home), str(point)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == -9, done.stderr

    world.store = opened(home)
    try:
        world.shipper = type(world.shipper)(
            ground.db, world.store, ground.clock, settings=world.shipper._settings, ids=ground.ids
        )
        with ground.db.read() as session:
            removal = forgotten.removal(session, CLASS, MONTH)
        if removal is None or removal.state != forgotten.GONE:
            assert len(told(world)) == 0
        size = world.size()
        # Either the rule of coverage holds, or the store lacks what nobody says was dropped yet: then detectors wait.
        assert world.store.coverage(0, size) + world.dropped(0, size) <= size
        world.arrive()
        world.drop(KEEP if removal is None else {})
        world.arrive()
        assert_forgotten(world)
        assert len(told(world)) == 1
    finally:
        world.store.close()


def test_what_is_left_is_said_in_words() -> None:
    left = forgetting.Remaining(bodies=1, documents=2, has_unit=True, files=("a", "b"), is_covered=False)
    assert str(left) == (
        "1 text in the log; 2 documents in the event store; its file or index in the event store; "
        "in the archive a, b; the event store does not account for every sequence"
    )
    assert str(forgetting.Remaining(bodies=0, documents=0, has_unit=False, files=(), is_covered=True)) == "nothing"
