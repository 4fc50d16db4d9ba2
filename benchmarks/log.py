"""What recording, numbering, proving and verifying cost: `python -m benchmarks.log [--events N] [--postgres]`.

The sequencer is set against its reference, the same rows inserted in the same batches without numbering or hashing, in
the same run and interleaved. CPU is that of this process; on PostgreSQL the server's own is not in it.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from app.kernel.crypto import KeyFolder
from app.kernel.db import Database
from ingest import models
from ingest.events.auth import LoginFailed
from ingest.events.envelope import Event
from ingest.events.external import LoginFailed as ExternalLoginFailed
from ingest.log import checkpoint, merkle, monitor, outbox, proofs, read
from ingest.log.sequencer import Sequencer
from ingest.log.statements import PostgresStatements, SqliteStatements
from tests.support import postgres
from tests.support.ground import Ground, make_ground

REPEATS = 3
PLAIN = LoginFailed(identifier="5e" * 16, reason="wrong_password", step="password", about=("acc_1",))
SEALED = ExternalLoginFailed(
    provider="sshd", message="Failed password", user_name="ana", line="x" * 90, about=("ext_1",)
)


class Spent:
    """Wall and CPU time of a block, in seconds."""

    def __enter__(self) -> Spent:
        self.wall, self.cpu = -time.perf_counter(), -time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter()
        self.cpu += time.process_time()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the log.")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--postgres", action="store_true", help="measure PostgreSQL too")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onepay-bench-")))
        print(f"fsync of one page: {fsync_ms(folder):.2f} ms")
        urls: dict[str, Callable[[], str | None]] = {"SQLite FULL": lambda: None}
        if chosen.postgres:
            urls["PostgreSQL"] = stack.enter_context(postgres.running(durable=True)).fresh_database
        for name, fresh in urls.items():
            recording(name, make_ground(folder / f"{name}-record", fresh()))
            numbering(name, Grounds(folder / name, fresh), chosen.events)


def fsync_ms(folder: Path) -> float:
    with (folder / "probe").open("wb", buffering=0) as file, Spent() as spent:
        for _ in range(100):
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
    return spent.wall * 10


def recording(name: str, ground: Ground) -> None:
    for label, event in (("plain", PLAIN), ("one person sealed", SEALED)):
        costs = []
        for _ in range(REPEATS):
            with ground.db.begin() as session, Spent() as spent:
                for _ in range(1_000):
                    outbox.record(session, event, ground.ctx())
            costs.append(spent.cpu * 1_000)
        print(f"{name}: record, {label}: {statistics.median(costs):.0f} µs CPU an event")
    ground.close()


@dataclass(frozen=True)
class Grounds:
    """As many databases as a measurement asks for."""

    folder: Path
    fresh: Callable[[], str | None]

    def __call__(self, number: int) -> Ground:
        return make_ground(Path(f"{self.folder}-{number}"), self.fresh())


def numbering(name: str, make: Callable[[int], Ground], events: int) -> None:
    rates, references, cpus, holds = [], [], [], []
    for repeat in range(REPEATS):
        reference = make(repeat * 2)
        with filled(reference, events, PLAIN), Spent() as spent:
            raw_insert(reference.db, events)
        references.append(events / spent.wall)
        reference.close()
        ground = make(repeat * 2 + 1)
        sequencer = Sequencer(ground.db, ground.clock, holder="bench")
        with filled(ground, events, PLAIN), Spent() as spent:
            while True:
                before = time.perf_counter()
                if sequencer.step().value == "idle":
                    break
                holds.append((time.perf_counter() - before) * 1_000)
        assert sequencer.counted.events == events
        rates.append(events / spent.wall)
        cpus.append(spent.cpu / events * 1e6)
        if repeat == REPEATS - 1:
            proving(name, ground, events)
        ground.close()
    ratio = statistics.median(rates) / statistics.median(references)
    print(
        f"{name}: sequencer {statistics.median(rates):,.0f} events/s, {statistics.median(cpus):.1f} µs CPU an event; "
        f"{ratio:.2f} of raw inserts of the same rows ({statistics.median(references):,.0f}/s); "
        f"a batch holds the lock {statistics.median(holds):.1f} ms, p99 {statistics.quantiles(holds, n=100)[98]:.1f} ms"
    )


@contextmanager
def filled(ground: Ground, events: int, event: Event) -> Iterator[None]:
    for start in range(0, events, 1_000):
        with ground.db.begin() as session:
            outbox.record_many(session, [event] * min(1_000, events - start), ground.ctx())
    yield


def raw_insert(db: Database, events: int) -> None:
    """The reference: as many rows of the same size, in the same tables and batches, and the outbox emptied."""
    sql = SqliteStatements() if db.is_sqlite else PostgresStatements()
    for lo in range(0, events, sql.batch_max):
        hi = min(lo + sql.batch_max, events)
        with db.begin() as session:
            connection = session.connection()
            rows = sql.waiting(connection, hi - lo)
            entries = [
                (n, row.id, row.kind, row.class_, row.at, row.at, b"x" * 32) for n, row in enumerate(rows, lo + 1)
            ]
            bodies = [(n, row.class_, row.salt, row.body) for n, row in enumerate(rows, lo + 1)]
            nodes = [(level, n, b"x" * 32) for n in range(lo, hi) for level in (0, 1)]
            sql.append(connection, entries, bodies, nodes)
            sql.remove(connection, [row.n for row in rows])


def proving(name: str, ground: Ground, events: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        key = checkpoint.init(KeyFolder(Path(folder)), "onepay.example/bench")
        with Spent() as signing:
            checkpoint.sign(ground.db, key, ground.clock.now())
        verdicts = []
        with Spent() as verifying:
            verdicts.append(monitor.verify(ground.db, key=key))
    assert verdicts[0].exit_code == 0
    with ground.db.read() as session:
        head = read.head(session)
        wanted = [secrets.randbelow(head.size) + 1 for _ in range(200)]
        with Spent() as making:
            made = [proofs.proof(session, sequence, head.size) for sequence in wanted]
        leaves = [
            row.leaf
            for lo in range(0, head.size, read.SLICE_MAX)
            for row in read.entries(session, lo, min(lo + read.SLICE_MAX, head.size))
        ]
        kept = session.scalar(sa.select(sa.func.count()).select_from(models.node))
    with Spent() as checking:
        held = [
            merkle.verify_inclusion(leaves[sequence - 1], sequence - 1, head.size, proof, head.root)
            for sequence, proof in zip(wanted, made, strict=True)
        ]
    with Spent() as recomputing:
        edge, _ = merkle.append(merkle.Edge(0, ()), leaves)
        assert merkle.root(edge) == head.root
    assert all(held)
    print(
        f"{name}: at {events:,} events ({kept:,} nodes): sign {signing.wall * 1e3:.1f} ms, "
        f"proof {making.wall * 5:.2f} ms, verify one {checking.cpu / 200 * 1e6:.0f} µs, "
        f"root from leaves {recomputing.cpu / events * 1e6:.2f} µs an event, "
        f"full verify {verifying.cpu / events * 1e6:.0f} µs an event"
    )


if __name__ == "__main__":
    main()
