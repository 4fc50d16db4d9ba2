"""The one writer of the log: takes committed rows without a sequence, numbers them gap-free, grows the tree.

Never "id greater than the last one seen": a transaction may commit late, below rows that are numbered already.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from app.kernel.access import service
from app.kernel.clock import Clock, micros
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.errors import Unavailable
from app.kernel.ids import Ids, RandomIds
from app.kernel.jobs import Step
from ingest import models
from ingest.events.health import ClockDrifted
from ingest.log import entries, merkle, outbox, read
from ingest.log.merkle import Edge
from ingest.log.outbox import LogFull
from ingest.log.statements import (
    BodyRow,
    EntryRow,
    HeadRow,
    PostgresStatements,
    SqliteStatements,
    Statements,
    Waiting,
)

LEASE: Final = timedelta(seconds=10)
RENEW_BELOW: Final = timedelta(seconds=7)
DRIFT: Final = timedelta(seconds=1)
WAIT_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.1
RUNNING: Final = "ok"
_MICROSECOND: Final = timedelta(microseconds=1)


class LogUnavailable(Unavailable):
    """The log does not number events now; what must not happen without it was not done."""

    code = "log_unavailable"


class LogDamaged(RuntimeError):
    """The tree in the database does not fit its own head; nothing is added to it."""


@dataclass(slots=True)
class Counted:
    """What this sequencer has done since its start."""

    batches: int = 0
    events: int = 0
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class _Batch:
    taken: int
    events: int
    head: HeadRow
    edge: Edge
    is_drifting: bool


@dataclass(slots=True)
class _Turns:
    changed: threading.Condition = field(default_factory=threading.Condition)
    count: int = 0


class Sequencer:
    """Turns committed events into numbered ones, one batch a step. Several may run: the head row lets one write."""

    def __init__(
        self, db: Database, clock: Clock, *, holder: str, ids: Ids | None = None, batch_max: int | None = None
    ) -> None:
        """`holder` names this process among those that share the database.

        Where only one can run, as in the embedded profile, a fixed name lets it take up its work at once after a crash.
        """
        self._db = db
        self._clock = clock
        self._holder = holder
        self._ids = ids or RandomIds()
        self._sql: Statements = SqliteStatements() if db.is_sqlite else PostgresStatements()
        self._batch_max = min(batch_max or self._sql.batch_max, self._sql.batch_max)
        self._edge: Edge | None = None
        self._fence: int | None = None
        self._is_drifting = False
        self._may_have_more = True
        self._turns = _Turns()
        self.counted = Counted()

    def step(self) -> Step:
        """Number one batch in one transaction; a crash anywhere leaves all of it or nothing."""
        if not self._may_have_more and not self._is_something_waiting():
            return Step.IDLE
        with self._db.begin() as session:
            batch = self._sequence(session)
        if batch is None:
            return Step.IDLE
        self._keep(batch)
        return Step.BUSY if batch.taken else Step.IDLE

    def drain(self, steps_max: int = 100_000) -> int:
        """Step until nothing waits and return how many events were numbered; for commands and tests."""
        before = self.counted.events
        for _ in range(steps_max):
            if self.step() is Step.IDLE:
                break
        return self.counted.events - before

    def wait(self, event_id: str, seconds: float = WAIT_SECONDS) -> int:
        """Return the sequence of a committed event once it has one; raises `LogUnavailable` when it takes too long."""
        deadline = time.monotonic() + seconds
        while True:
            turn = self._turns.count
            with self._db.read() as session:
                sequence = read.sequence_of(session, event_id)
            if sequence is not None:
                return sequence
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise LogUnavailable(object_id=event_id, retry_after=5)
            with self._turns.changed:
                # Another process may be the one that numbers, so this also polls.
                self._turns.changed.wait_for(lambda: self._turns.count != turn, min(remaining, POLL_SECONDS))  # noqa: B023

    def _is_something_waiting(self) -> bool:
        with self._db.read() as session:
            return session.scalar(sa.select(models.outbox.c.n).limit(1)) is not None

    def _sequence(self, session: Session) -> _Batch | None:
        connection = session.connection()
        head = self._sql.lock_head(connection)
        now = self._clock.now()
        if head.state != RUNNING:
            return None
        leased = self._leased(head, micros(now))
        if leased is None:
            return None
        is_drifting = self._told_of_drift(session, head, now)
        rows = self._sql.waiting(connection, self._batch_max)
        known = self._sql.known(connection, [row.id for row in rows]) if rows else set()
        ingested = max(micros(now), head.last_ingested or 0)
        new = [row for row in rows if row.id not in known]
        edge = self._edge_of(session, head)
        if new:
            edge = self._append(connection, edge, new, ingested)
            leased = leased._replace(size=edge.size, root=merkle.root(edge), last_ingested=ingested)
        if rows:
            removed = self._sql.remove(connection, [row.n for row in rows])
            assert removed == len(rows), "nobody else takes rows from the outbox under the lock"
        if leased != head:
            self._sql.move_head(connection, leased)
        return _Batch(taken=len(rows), events=len(new), head=leased, edge=edge, is_drifting=is_drifting)

    def _keep(self, batch: _Batch) -> None:
        # Only now, after the commit: a rolled-back batch must leave nothing behind in memory either.
        self._edge, self._fence, self._is_drifting = batch.edge, batch.head.fence, batch.is_drifting
        self._may_have_more = batch.taken == self._batch_max
        self.counted.batches += batch.taken > 0
        self.counted.events += batch.events
        self.counted.repeats += batch.taken - batch.events
        with self._turns.changed:
            self._turns.count += 1
            self._turns.changed.notify_all()

    def _leased(self, head: HeadRow, now: int) -> HeadRow | None:
        """Return the head with our lease in it, or None while another holds one.

        The lease only saves work; what makes the writer one is the lock. A lease longer than any we give comes from a
        clock that has been set back since, and holds nobody up.
        """
        lease, renew_below = LEASE // _MICROSECOND, RENEW_BELOW // _MICROSECOND
        left = (head.lease_until or 0) - now
        is_ours = head.holder == self._holder and head.fence == self._fence
        if is_ours and renew_below <= left <= lease:
            return head
        if is_ours:
            return head._replace(lease_until=now + lease)
        if head.holder not in (None, self._holder) and 0 < left <= lease:
            return None
        return head._replace(holder=self._holder, fence=head.fence + 1, lease_until=now + lease)

    def _told_of_drift(self, session: Session, head: HeadRow, now: datetime) -> bool:
        offset = micros(now) - (head.last_ingested or 0)
        if offset >= 0:
            return False
        if self._is_drifting or offset >= -(DRIFT // _MICROSECOND):
            return self._is_drifting
        ctx = Context(actor=service("sequencer"), at=now, request_id=self._ids.new("req", now), ids=self._ids)
        try:
            outbox.record(session, ClockDrifted(offset_ms=offset // 1000, source="sequencer"), ctx)
        except LogFull:
            return False  # told as soon as this very work has made room
        return True

    def _edge_of(self, session: Session, head: HeadRow) -> Edge:
        kept = self._edge
        if kept is not None and kept.size == head.size and merkle.root(kept) == head.root:
            return kept
        edge = merkle.edge_at(read.tree(session), head.size)
        if merkle.root(edge) != head.root:
            raise LogDamaged(f"the right edge at size {head.size} does not hash to the root of the head")
        return edge

    def _append(self, connection: Connection, edge: Edge, rows: Sequence[Waiting], ingested: int) -> Edge:
        entry_rows: list[EntryRow] = []
        body_rows: list[BodyRow] = []
        leaves = []
        for sequence, row in enumerate(rows, edge.size + 1):
            commitment = entries.commitment(row.salt, row.body)
            entry = entries.encoded(row.id, row.kind, row.class_, row.at, ingested, commitment)
            leaves.append(entries.leaf_hash(entry))
            entry_rows.append((sequence, row.id, row.kind, row.class_, row.at, ingested, commitment))
            body_rows.append((sequence, row.class_, row.salt, row.body))
        grown, made = merkle.append(edge, leaves)
        self._sql.append(connection, entry_rows, body_rows, made)
        return grown
