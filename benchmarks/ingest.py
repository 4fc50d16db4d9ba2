"""From a committed event to the store, and asking it: `python -m benchmarks.ingest [--elastic] [--large N]`.

The way of an event (numbered, hashed, read back, parsed, stored) is set against its reference, the same documents given
to the same store in the same batches by hand: Arrow tables made beforehand and inserted, or `_bulk` bodies made
beforehand and posted. Both in the same run, interleaved. CPU is that of this process; a server's own is not in it.
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from app.kernel.access import ActorKind
from app.kernel.clock import SystemClock
from app.kernel.context import Source
from app.kernel.jobs import Pump, Step
from benchmarks.log import Spent, fsync_ms
from ingest import models
from ingest.events.auth import LoginFailed, LoginSucceeded
from ingest.events.envelope import Event
from ingest.log import outbox
from ingest.log.sequencer import Sequencer
from ingest.settings import DuckSettings, ElasticLogin, ElasticSettings, ShipperSettings
from ingest.shipper import Shipper
from ingest.store import arrow, elastic
from ingest.store.duck import DuckStore
from ingest.store.elastic import ElasticStore
from ingest.store.elastic_client import OfficialClient
from ingest.store.port import EventStore
from ingest.store.query import EVERYTHING, And, Eq, Order, Search, Sequenced, Window
from tests.support.ground import Ground, make_ground, somebody
from tests.support.search import start_search

REPEATS = 3
BATCH = 1_000
RATE = 500
LATENCY_SECONDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the way from the outbox to the store.")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--elastic", action="store_true", help="measure Elasticsearch too")
    parser.add_argument("--large", type=int, default=0, help="ask a DuckDB store of so many documents")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onepay-bench-") as name:
        folder = Path(name)
        print(f"fsync of one page: {fsync_ms(folder):.2f} ms")
        shipping("DuckDB", folder, chosen.events, lambda n: duck(folder / f"store-{n}"), raw_arrow)
        latency("DuckDB", make_ground(folder / "latency"), duck(folder / "latency-store"))
        if chosen.elastic:
            server = start_search()
            try:
                client = OfficialClient(ElasticSettings(urls=(server.url,)), ElasticLogin())
                make = partial(search_store, client)
                shipping("Elasticsearch", folder / "e", chosen.events, make, partial(raw_bulk, client))
                latency("Elasticsearch", make_ground(folder / "e-latency"), make(99))
                client.close()
            finally:
                server.stop()
        if chosen.large:
            asking(duck(folder / "large"), chosen.large)


def duck(folder: Path) -> DuckStore:
    store = DuckStore(DuckSettings(folder=folder))
    store.open()
    return store


def search_store(client: OfficialClient, number: int) -> ElasticStore:
    store = ElasticStore(shipper=client, reader=client, lifecycle=client, namespace=f"onepay-b{number}")
    store.open()
    return store


def shipping(
    name: str,
    folder: Path,
    events: int,
    make: Callable[[int], EventStore],
    raw: Callable[[EventStore, Sequence[Sequenced]], Spent],
) -> None:
    sequenced, shipped, references, walls, by_cpu, together = [], [], [], [], [], []
    size = 0.0
    for repeat in range(REPEATS):
        ground = make_ground(folder / f"ground-{repeat}")
        fill(ground, events)
        store, reference = make(2 * repeat), make(2 * repeat + 1)
        sequencer = Sequencer(ground.db, ground.clock, holder="bench")
        shipper = Shipper(ground.db, store, ground.clock, settings=ShipperSettings())
        with quiet(), Spent() as numbering:
            sequencer.drain()
        with quiet(), Spent() as sending:
            assert shipper.drain() == events
        documents = sent(shipper, ground)
        with quiet():
            by_hand = raw(reference, documents)
        together.append(side_by_side(folder / f"together-{repeat}", events, make(100 + repeat)))
        for checked in (store, reference):
            checked.settle()
            assert checked.coverage(0, events) == events
        store.tend(ground.clock.now())
        size = store.stats().bytes / events
        sequenced.append(numbering.cpu / events * 1e6)
        shipped.append(sending.cpu / events * 1e6)
        walls.append(numbering.wall + sending.wall)
        references.append(by_hand.wall)
        by_cpu.append(by_hand.cpu / (numbering.cpu + sending.cpu))
        store.close() if isinstance(store, DuckStore) else None
        reference.close() if isinstance(reference, DuckStore) else None
        ground.close()
    ours, theirs = statistics.median(walls), statistics.median(references)
    print(
        f"{name}: outbox to store {events / ours:,.0f} events/s, {theirs / ours:.2f} of giving it the documents "
        f"({events / theirs:,.0f}/s), {statistics.median(by_cpu):.2f} by CPU; sequencer and shipper side by side "
        f"{events / statistics.median(together):,.0f} events/s, {theirs / statistics.median(together):.2f}"
    )
    print(
        f"{name}: CPU an event: sequencer {statistics.median(sequenced):.1f} µs, "
        f"shipper {statistics.median(shipped):.1f} µs; {size:.0f} bytes an event"
    )


def side_by_side(folder: Path, events: int, store: EventStore) -> float:
    """Number in one thread and ship in another, as a running system does, and return the seconds."""
    ground = make_ground(folder)
    fill(ground, events)
    sequencer = Sequencer(ground.db, ground.clock, holder="bench")
    shipper = Shipper(ground.db, store, ground.clock, settings=ShipperSettings())
    numbering = threading.Thread(target=sequencer.drain)
    with quiet(), Spent() as spent:
        numbering.start()
        while shipper.drain() < events:
            time.sleep(0.001)
        numbering.join()
    store.close() if isinstance(store, DuckStore) else None
    ground.close()
    return spent.wall


def fill(ground: Ground, events: int) -> None:
    draw = random.Random(7)
    for start in range(0, events, 100):
        ip = f"203.0.{draw.randrange(256)}.{draw.randrange(256)}"
        ctx = ground.ctx(
            somebody(ActorKind.CUSTOMER, f"usr_{draw.randrange(5000):026d}", roles=frozenset({"customer"})),
            source=Source(
                ip=ip,
                port=40_000 + draw.randrange(9_999),
                as_number=64_500,
                country="DE",
                user_agent_name="Firefox",
                user_agent_version="140.0",
                os_name="Linux",
                device_id=f"dev_{draw.randrange(7000):026d}",
                session_id=f"ses_{draw.getrandbits(100):026x}",
            ),
        )
        with ground.db.begin() as session:
            outbox.record_many(session, [event(draw) for _ in range(min(100, events - start))], ctx)


def event(draw: random.Random) -> Event:
    who = f"usr_{draw.randrange(5000):026d}"
    if draw.random() < 0.7:
        return LoginSucceeded(
            account=who,
            identifier=f"{draw.getrandbits(128):032x}",
            step="password",
            new_device=draw.random() < 0.1,
            factors=("password", "totp"),
            idle_days=draw.randrange(30),
            account_days=draw.randrange(900),
            about=(who,),
        )
    return LoginFailed(identifier=f"{draw.getrandbits(128):032x}", reason="wrong_password", step="password")


def sent(shipper: Shipper, ground: Ground) -> list[Sequenced]:
    with ground.db.read() as session:
        size = session.scalar(sa.select(models.head.c.size)) or 0
        found: list[Sequenced] = []
        while len(found) < size:
            found += [letter.document for letter in shipper._letters(session, len(found), None)]
    return found


def raw_arrow(store: EventStore, documents: Sequence[Sequenced]) -> Spent:
    assert isinstance(store, DuckStore)
    made = [arrow.Tables(store.schema).of(documents[at : at + BATCH])[0] for at in range(0, len(documents), BATCH)]
    batches = [(unit, table) for units in made for unit, table in units.items()]
    for unit, table in batches:
        with store._files.writing(*unit) as file:
            store._files.widen(file, arrow.columns_of(table))
    with Spent() as spent:
        for unit, table in batches:
            with store._files.writing(*unit) as file:
                cursor = store._files.cursor()
                cursor.register("raw", table)
                cursor.execute(arrow.insertion(file.alias, table, "raw"))
                cursor.unregister("raw")
    for file in store._files.all():
        store._files.measure(file)
    return spent


def raw_bulk(client: OfficialClient, store: EventStore, documents: Sequence[Sequenced]) -> Spent:
    assert isinstance(store, ElasticStore)
    bodies = []
    for start in range(0, len(documents), BATCH):
        places, _ = store._tables.places(documents[start : start + BATCH])
        lines = [elastic._line("create", store._layout.ensure(item.class_, item.month), item) for item in places]
        bodies.append(b"".join(lines))
    with Spent() as spent:
        for body in bodies:
            status, answer = client.request("POST", "/_bulk", {"refresh": "false"}, body)
            assert (status, answer["errors"]) == (200, False)
    return spent


def latency(name: str, ground: Ground, store: EventStore) -> None:
    """Record at a steady rate while pumps number and ship, and look how long each event takes to be found."""
    sequencer = Sequencer(ground.db, SystemClock(), holder="bench")
    shipper = Shipper(ground.db, store, SystemClock(), settings=ShipperSettings())
    ship = Pump("ship", shipper.step, idle_seconds=0.1)
    sequence = Pump("sequence", waking(sequencer.step, ship.wake), idle_seconds=0.1)
    ground.db.committed.append(sequence.wake)
    committed: list[float] = []
    found: list[float] = []
    done = threading.Event()

    def look() -> None:
        while len(found) < RATE * LATENCY_SECONDS and not done.wait(0.02):
            store.settle()
            visible = store.coverage(0, RATE * LATENCY_SECONDS)
            found.extend([time.perf_counter()] * (visible - len(found)))

    looker = threading.Thread(target=look)
    for thread in (sequence, ship, looker):
        thread.start()
    draw, began = random.Random(3), time.perf_counter()
    for number in range(0, RATE * LATENCY_SECONDS, 5):
        time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        with ground.db.begin() as session:
            outbox.record_many(session, [event(draw) for _ in range(5)], ground.ctx())
        committed += [time.perf_counter()] * 5
    looker.join(30)
    done.set()
    for pump in (sequence, ship):
        pump.stop()
    waits = sorted(seen - at for at, seen in zip(committed, found, strict=True))
    print(
        f"{name}: commit to found at {RATE} events/s: p50 {waits[len(waits) // 2] * 1e3:.0f} ms, "
        f"p95 {waits[len(waits) * 95 // 100] * 1e3:.0f} ms, p99 {waits[len(waits) * 99 // 100] * 1e3:.0f} ms"
    )
    store.close() if isinstance(store, DuckStore) else None
    ground.close()


def waking(step: Callable[[], Step], wake: Callable[[], None]) -> Callable[[], Step]:
    def run() -> Step:
        result = step()
        wake()
        return result

    return run


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the benchmark itself holds out of the collector's way."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def asking(store: DuckStore, documents: int) -> None:
    from tests.ingest.store.documents import START, sequenced

    draw = random.Random(5)
    for start in range(0, documents, 10_000):
        batch = [
            sequenced(
                n,
                at=START + timedelta(milliseconds=100 * n),
                ingested=START + timedelta(milliseconds=100 * n),
                kind=draw.choice(("auth.login.failed", "auth.login.succeeded", "auth.session.started")),
                event__category=["authentication"],
                event__outcome=draw.choice(("success", "failure")),
                user__id=f"usr_{draw.randrange(5_000):026d}",
                source__ip=f"203.0.{draw.randrange(200)}.{draw.randrange(250)}",
                device__id=f"dev_{draw.randrange(7_000):026d}",
                trace__id=f"req_{draw.getrandbits(128):032x}",
                onepay__session__id=f"ses_{draw.getrandbits(128):032x}",
                onepay__subject__id=[f"usr_{draw.randrange(5_000):026d}"],
            )
            for n in range(start + 1, min(documents, start + 10_000) + 1)
        ]
        store.append(batch)
    store.tend(START)
    end = START + timedelta(milliseconds=100 * documents)
    week = Window(since=end - timedelta(days=7), until=end + timedelta(days=1))
    failed = And((Eq("event.category", "AUTHENTICATION", cased=False), Eq("event.outcome", "failure")))
    one = Eq("user.id", f"usr_{77:026d}")
    questions: dict[str, Callable[[], object]] = {
        "count everything": lambda: store.count(EVERYTHING, Window()),
        "count refused sign-ins without case": lambda: store.count(failed, Window()),
        "groups by address, at least 10": lambda: sum(
            1 for _ in store.groups(failed, Window(), ["source.ip"], at_least=10)
        ),
        "histogram split by kind": lambda: store.histogram(
            EVERYTHING, Window(since=START, until=end + timedelta(days=1)), timedelta(hours=6), split="event.action"
        ),
        "terms of users": lambda: store.terms(EVERYTHING, Window(), "user.id"),
        "last 100 of a user in 7 days": lambda: store.search(Search(where=one, window=week)),
        "a slice of 1,000 by sequence": lambda: store.search(
            Search(order=Order.SEQUENCE, limit=1_000, window=Window(lo=documents - 2_000, hi=documents))
        ),
    }
    for question, ask in questions.items():
        times = []
        for _ in range(REPEATS):
            with Spent() as spent:
                ask()
            times.append(spent.wall)
        print(f"DuckDB, {documents:,} documents: {question}: {statistics.median(times) * 1e3:.0f} ms")
    stats, files = store.stats(), len(store.stats().units)
    folder = store._files.settings.folder
    store.close()
    with Spent() as opening:
        again = duck(folder)
    again.close()
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"DuckDB: {stats.bytes / documents:.0f} bytes an event, {files} files opened in {opening.wall:.2f} s, "
        f"peak RSS {rss} MB"
    )


if __name__ == "__main__":
    main()
