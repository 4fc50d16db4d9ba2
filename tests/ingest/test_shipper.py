"""Every event reaches the store once, whatever happens on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.kernel import canonical
from app.kernel.clock import from_micros, rfc3339
from app.kernel.jobs import Step
from ingest import models
from ingest.events.envelope import ADDED_WHEN_SEQUENCED, at_path
from ingest.log import entries, read
from ingest.settings import DuckSettings, ShipperSettings
from ingest.shipper import Health, Shipper
from ingest.store.columns import parse_body
from ingest.store.duck import DuckStore
from ingest.store.memory import MemoryStore
from ingest.store.port import EventStore, walk
from ingest.store.query import Eq, Order, Search, Window
from ingest.store.stubs import is_stub
from tests.support import sealing
from tests.support.ground import Ground
from tests.support.stores import CutOff, FaultyStore

EVERY = Search(order=Order.SEQUENCE, limit=1000)


@pytest.fixture
def duck(tmp_path: Path) -> Iterator[DuckStore]:
    store = DuckStore(DuckSettings(folder=tmp_path / "events"))
    store.open()
    yield store
    store.close()


@pytest.fixture
def faulty() -> FaultyStore:
    store = MemoryStore()
    store.open()
    return FaultyStore(store)


def shipper(ground: Ground, store: EventStore, **settings: object) -> Shipper:
    return Shipper(
        ground.db, store, ground.clock, settings=ShipperSettings(**settings), ids=ground.ids, jitter=lambda: 1.0
    )


def log(ground: Ground, count: int) -> list[str]:
    ids = sealing.record(ground, *[sealing.failed_login() for _ in range(count)])
    sealing.sequencer(ground).drain()
    return ids


def sequences(store: EventStore) -> list[int]:
    return [document["event"]["sequence"] for document in walk(store, EVERY)]


def parked_rows(ground: Ground) -> list[tuple[int, str]]:
    with ground.db.read() as session:
        rows = session.execute(sa.select(models.parked.c.sequence, models.parked.c.reason))
        return [(row.sequence, row.reason) for row in rows]


def test_what_is_in_the_store_hashes_to_what_is_in_the_log(either_ground: Ground, duck: DuckStore) -> None:
    log(either_ground, 25)
    assert shipper(either_ground, duck).drain() == 25

    with either_ground.db.read() as session:
        log_entries, bodies = read.entries(session, 0, 25), read.bodies(session, 0, 25)
    for document, entry, body in zip(walk(duck, EVERY), log_entries, bodies, strict=True):
        assert document["event"]["hash"] == entry.leaf.hex()
        for path in ADDED_WHEN_SEQUENCED:
            del document["event"][path.removeprefix("event.")]
        text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        assert entries.commitment(body.salt, text) == entry.commitment


def test_batches_are_bounded_by_number_and_by_bytes(ground: Ground, faulty: FaultyStore) -> None:
    log(ground, 25)
    shipper(ground, faulty, batch_documents_max=10).drain()
    assert faulty.batches == [10, 10, 5]

    faulty.batches.clear()
    log(ground, 6)
    with ground.db.read() as session:
        size = len(read.bodies(session, 30, 31)[0].body)
    shipper(ground, faulty, batch_bytes_max=2 * size + 1).drain()
    assert faulty.batches == [2, 2, 2]


def test_the_cursor_moves_only_after_the_store_has_acknowledged(ground: Ground, faulty: FaultyStore) -> None:
    log(ground, 10)
    faulty.dies_after_storing = True
    with pytest.raises(CutOff):
        shipper(ground, faulty).step()
    with ground.db.read() as session:
        assert shipper(ground, faulty).standing(session).done == 0

    faulty.dies_after_storing = False
    assert shipper(ground, faulty).drain() == 10
    assert sequences(faulty) == list(range(1, 11))


def test_a_batch_sent_twice_at_the_end_of_a_month_lies_once(ground: Ground, duck: DuckStore) -> None:
    ground.clock.move(timedelta(days=28, hours=14, minutes=59, seconds=59))  # 30 November, 23:59:59
    log(ground, 5)
    dying = FaultyStore(duck, dies_after_storing=True)
    with pytest.raises(CutOff):
        shipper(ground, dying).step()
    ground.clock.move(timedelta(seconds=2))
    log(ground, 5)

    assert shipper(ground, duck).drain() == 10
    assert sequences(duck) == list(range(1, 11))
    assert [unit.documents for unit in duck.stats().units] == [5, 5]


def test_a_store_that_is_away_is_asked_ever_less_often_and_loses_nothing(ground: Ground, faulty: FaultyStore) -> None:
    ship = shipper(ground, faulty)
    log(ground, 3)
    ship.drain()
    faulty.is_away = True
    log(ground, 4)
    began = ground.clock.now()
    for _ in range(600):
        assert ship.step() is Step.IDLE
        ground.clock.move(timedelta(seconds=1))

    assert faulty.knocks == 7 + 8  # after 0, 1, 3, 7, 15, 31 and 63 seconds, then every minute
    with ground.db.read() as session:
        found = ship.standing(session)
    assert (found.lag, found.failing_since, found.health) == (4, began, Health.INCIDENT)
    assert found.error == "StoreUnavailable: it was taken away"

    faulty.is_away = False
    ground.clock.move(timedelta(minutes=1))
    assert ship.drain() == 7
    with ground.db.read() as session:
        found = ship.standing(session)
    assert (found.lag, found.failing_since, found.error, found.health) == (0, None, None, Health.OK)
    assert sequences(faulty) == list(range(1, 8))


def told(ground: Ground) -> list[tuple[object, ...]]:
    """Return what waits in the outbox about store and control: kind, name, since when, cause, range."""
    with ground.db.read() as session:
        rows = session.scalars(sa.select(models.outbox.c.body).order_by(models.outbox.c.n)).all()
    paths = ("event.action", "onepay.health.store.name", "onepay.health.control", "onepay.health.since")
    more = ("onepay.health.cause", "error.type", "onepay.health.lo", "onepay.health.hi")
    return [tuple(v for path in (*paths, *more) if (v := at_path(json.loads(row), path)) is not None) for row in rows]


def test_that_a_store_is_away_is_told_once_and_that_it_is_back_once(ground: Ground, faulty: FaultyStore) -> None:
    ship = shipper(ground, faulty)
    log(ground, 3)
    ship.drain()
    faulty.is_away = True
    log(ground, 4)
    since = rfc3339(ground.clock.now())
    for _ in range(100):
        ship.step()
        ground.clock.move(timedelta(seconds=1))
    # A process that starts meanwhile meets the same episode.
    later = shipper(ground, faulty)
    later.step()
    begun = [
        ("health.store.failed", "memory-onepay", "StoreUnavailable", 3, 7),
        ("health.control.failed", "store", since, "StoreUnavailable"),
    ]
    assert told(ground) == begun

    faulty.is_away = False
    ground.clock.move(timedelta(minutes=2))
    assert (later.drain(), ship.drain()) == (7, 7)
    assert told(ground) == [*begun, ("health.control.restored", "store", since)]

    faulty.is_away = True
    log(ground, 1)
    ground.clock.move(timedelta(minutes=2))
    ship.step()
    assert [kind for kind, *_ in told(ground)] == ["health.store.failed", "health.control.failed"]


def test_a_store_that_was_away_at_the_start_is_opened_when_it_is_back(ground: Ground, tmp_path: Path) -> None:
    duck = DuckStore(DuckSettings(folder=tmp_path / "events"))
    late = FaultyStore(duck, is_away=True)
    ship = Shipper(ground.db, late, ground.clock, settings=ShipperSettings(), ids=ground.ids, is_open=False)
    log(ground, 3)
    assert ship.drain() == 0
    with ground.db.read() as session:
        assert ship.standing(session).error == "StoreUnavailable: it was taken away"

    late.is_away = False
    ground.clock.move(timedelta(seconds=2))
    assert ship.drain() == 3
    duck.close()


def test_lag_turns_into_degraded_and_then_into_an_incident(ground: Ground, faulty: FaultyStore) -> None:
    ship = shipper(ground, faulty)
    log(ground, 1)

    def health() -> Health:
        with ground.db.read() as session:
            return ship.standing(session).health

    assert health() is Health.OK
    ground.clock.move(timedelta(seconds=31))
    assert health() is Health.DEGRADED
    ground.clock.move(timedelta(seconds=90))
    assert health() is Health.INCIDENT
    ship.drain()
    assert health() is Health.OK


def test_a_batch_that_is_too_large_is_halved(ground: Ground, faulty: FaultyStore) -> None:
    faulty.documents_max = 3
    log(ground, 10)

    assert shipper(ground, faulty, batch_documents_max=10).drain() == 10
    assert max(faulty.batches) <= 3
    assert sequences(faulty) == list(range(1, 11))


def spoil(ground: Ground, sequence: int, body: bytes) -> None:
    """Put a body into the log that no store takes, as an older release with another catalogue might have left it."""
    with ground.db.begin() as session:
        session.execute(sa.update(models.body).where(models.body.c.sequence == sequence).values(body=body))


def test_a_refused_document_is_parked_and_its_stub_keeps_coverage_whole(ground: Ground, duck: DuckStore) -> None:
    ids = log(ground, 5)
    with ground.db.read() as session:
        body = parse_body(read.bodies(session, 2, 3)[0].body)
    body["colour"] = "red"
    spoil(ground, 3, json.dumps(body).encode())
    ship = shipper(ground, duck)

    assert ship.drain() == 5

    assert duck.coverage(0, 5) == 5
    ((sequence, reason),) = parked_rows(ground)
    assert sequence == 3
    assert "colour" in reason
    (document,) = duck.search(Search(where=Eq("onepay.parked", True))).documents
    assert is_stub(document)
    assert (document["event"]["id"], document["event"]["sequence"]) == (ids[2], 3)
    assert json.loads(at_path(document, "onepay.body.text")) == body

    sealing.sequencer(ground).drain()
    assert ship.drain() == 6
    (told,) = duck.search(Search(where=Eq("event.action", "health.document.parked"))).documents
    assert at_path(told, "onepay.health.of_event") == ids[2]


def test_a_body_that_cannot_even_be_read_is_parked_too(ground: Ground, duck: DuckStore) -> None:
    log(ground, 3)
    spoil(ground, 2, b"\xff{not json")
    shipper(ground, duck).drain()

    assert duck.coverage(0, 3) == 3
    (document,) = duck.search(Search(where=Eq("onepay.parked", True))).documents
    assert at_path(document, "onepay.body.text") == "\ufffd{not json"


def test_an_event_older_than_any_store_takes_stops_nothing(ground: Ground, duck: DuckStore) -> None:
    """As a release before the bound on instants may have left it in the log."""
    old = from_micros(-1)
    sealing.record(ground, sealing.failed_login(), sealing.failed_login())
    waiting = models.outbox.c
    with ground.db.begin() as session:
        number, text = session.execute(sa.select(waiting.n, waiting.body).order_by(waiting.n).limit(1)).one()
        body = canonical.encode({**parse_body(text), "@timestamp": rfc3339(old)})
        session.execute(sa.update(models.outbox).where(waiting.n == number).values(at=old, body=body))
    sealing.sequencer(ground).drain()

    assert shipper(ground, duck).drain() == 2
    (document,) = duck.search(Search(where=Eq("onepay.parked", True))).documents
    assert document["@timestamp"] == "1970-01-01T00:00:00.000000Z"
    assert json.loads(at_path(document, "onepay.body.text"))["@timestamp"] == rfc3339(old)


def test_a_store_that_refuses_even_a_stub_is_not_well_from_that_moment(ground: Ground, faulty: FaultyStore) -> None:
    log(ground, 1)
    faulty.refuses = True
    ship = shipper(ground, faulty)
    assert ship.step() is Step.IDLE
    with ground.db.read() as session:
        found = ship.standing(session)
    assert (found.error, found.health) == ("StoreDamaged: the stub of sequence 1: it was told to", Health.DEGRADED)


def test_an_event_of_parking_that_is_parked_tells_of_nothing_more(ground: Ground, duck: DuckStore) -> None:
    log(ground, 1)
    spoil(ground, 1, b"{}")
    ship = shipper(ground, duck)
    ship.drain()
    sealing.sequencer(ground).drain()
    spoil(ground, 2, b"{}")
    ship.drain()
    sealing.sequencer(ground).drain()

    assert ship.drain() == 2
    assert [sequence for sequence, _ in parked_rows(ground)] == [1, 2]


def test_what_a_store_lost_is_sent_again_and_told(ground: Ground, tmp_path: Path) -> None:
    log(ground, 6)
    first = MemoryStore()
    shipper(ground, first).drain()
    emptied = MemoryStore()
    emptied.append([])

    ship = shipper(ground, emptied)
    assert ship.drain() == 6
    assert sequences(emptied) == [1, 2, 3, 4, 5, 6]
    sealing.sequencer(ground).drain()
    ship.drain()
    (told,) = emptied.search(Search(where=Eq("event.action", "health.store.rebuilt"))).documents
    assert (at_path(told, "onepay.health.lo"), at_path(told, "onepay.health.hi")) == (0, 6)


def test_two_shippers_at_once_are_merely_wasteful(ground: Ground, duck: DuckStore) -> None:
    log(ground, 40)
    one, other = shipper(ground, duck, batch_documents_max=7), shipper(ground, duck, batch_documents_max=11)
    while Step.BUSY in (one.step(), other.step()):
        pass

    assert duck.coverage(0, 40) == 40
    assert duck.count(Eq("event.action", "auth.login.failed"), Window()) == 40


def test_another_store_begins_at_the_first_event(ground: Ground, duck: DuckStore, faulty: FaultyStore) -> None:
    log(ground, 4)
    shipper(ground, faulty).drain()

    assert shipper(ground, duck).drain() == 4
    with ground.db.read() as session:
        names = session.scalars(sa.select(models.target.c.name).order_by(models.target.c.name)).all()
    assert names == ["duck-onepay", "memory-onepay"]
