"""Carries bodies from the log to the event store, in order, and knows how far it has come."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import service
from app.kernel.clock import Clock, from_micros
from app.kernel.context import Context
from app.kernel.db import Database, changed, insert_once
from app.kernel.errors import ConfigurationRefused
from app.kernel.ids import Ids, RandomIds
from app.kernel.jobs import Step
from app.kernel.logs import logger
from ingest import models
from ingest.events.health import ControlFailed, ControlRestored, DocumentParked, StoreFailed, StoreRebuilt
from ingest.log import entries, forgotten, outbox
from ingest.settings import ShipperSettings
from ingest.store.port import BatchTooLarge, EventStore, StoreUnavailable
from ingest.store.query import Refusal, Sequenced
from ingest.store.stubs import stub

ACTIVE: Final = "active"
# The name under which the log tells that the store stopped and resumed its work.
CONTROL: Final = "store"
TEND_EVERY: Final = timedelta(hours=1)
REASON_CHARS_MAX: Final = 500
_log = logger(__name__)
_draw = secrets.SystemRandom()


class StoreDamaged(StoreUnavailable):
    """The event store refuses even a stub, so the shipper stands before it."""

    code = "store_damaged"


class Health(StrEnum):
    """How a target does."""

    OK = "ok"
    DEGRADED = "degraded"
    INCIDENT = "incident"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the store is behind the log, since when it fails, and why."""

    target: str
    backend: str
    head: int
    done: int
    parked: int
    behind_since: datetime | None
    failing_since: datetime | None
    error: str | None
    health: Health

    @property
    def lag(self) -> int:
        """Return how many events the store does not have yet."""
        return self.head - self.done


@dataclass(frozen=True, slots=True)
class _Letter:
    """One event on its way: the document, and what a stub would be made of."""

    document: Sequenced
    event_id: str
    kind: str
    class_: str
    at: int


class Shipper:
    """Ships one batch a step. The cursor moves once the store has acknowledged; after a failure a batch goes again."""

    def __init__(
        self,
        db: Database,
        store: EventStore,
        clock: Clock,
        *,
        settings: ShipperSettings,
        ids: Ids | None = None,
        jitter: Callable[[], float] = _draw.random,
        is_open: bool = True,
    ) -> None:
        """`jitter` returns a number from 0 to 1 that spreads retries, so that several shippers do not knock as one.

        `is_open` is false for a store that did not answer at the start; the shipper then opens it once it does.
        """
        self._db = db
        self._store = store
        self._clock = clock
        self._settings = settings
        self._ids = ids or RandomIds()
        self._jitter = jitter
        self._documents_max = settings.batch_documents_max
        self._failures = 0
        self._error: str | None = None
        self._not_before: datetime | None = None
        self._tend_at: datetime | None = None
        self._is_open = is_open
        self._is_registered = False
        self._is_checked = False

    @property
    def target(self) -> str:
        """Return the name of the target: another store, or another namespace, begins at the first event."""
        return f"{self._store.backend}-{self._store.namespace}"

    def step(self) -> Step:
        """Ship one batch; a store that does not answer is left alone for a while, and nothing is lost."""
        now = self._clock.now()
        if self._not_before is not None and now < self._not_before:
            return Step.IDLE
        try:
            step = self._ship()
            if step is Step.IDLE:
                self._tend(now)
        except BatchTooLarge:
            return self._halve()
        except (StoreUnavailable, ConfigurationRefused) as error:
            self._failed(error, now)
            return Step.IDLE
        self._failures, self._not_before, self._error = 0, None, None
        return step

    def drain(self, steps_max: int = 100_000) -> int:
        """Step until the store has everything or fails, and return the cursor; for commands and tests."""
        for _ in range(steps_max):
            if self.step() is Step.IDLE:
                break
        with self._db.read() as session:
            return self._done(session)

    def resend(self) -> list[range]:
        """Send again what the store has lost since it acknowledged it, and return those sequences."""
        with self._db.read() as session:
            done = self._done(session)
        self._store.settle()
        sent = [found for gap in self._store.missing(0, done) for found in self._resend_gap(gap)]
        if sent:
            _log.error("the event store had lost documents", extra={"onepay__store": self.target})
            with self._db.begin() as session:
                lost = StoreRebuilt(
                    store=self.target, backend=self._store.backend, lo=sent[0].start - 1, hi=sent[-1].stop - 1
                )
                outbox.record(session, lost, self._context())
        return sent

    def standing(self, session: Session) -> Standing:
        """Return how far the store is behind, for the health page and the heartbeat."""
        return standing(session, self.target, self._store.backend, self._clock.now(), self._settings)

    def _ship(self) -> Step:
        if not self._is_registered:
            self._register()
            self._is_registered = True
        if not self._is_open:
            self._store.open()
            self._is_open = True
        if not self._is_checked:
            self.resend()
            self._is_checked = True
        with self._db.read() as session:
            lo, is_failing = self._done(session), self._failing_since(session) is not None
            batch = list(self._letters(session, lo, None))
        if batch:
            refused = self._send(batch)
            self._acknowledge(lo, batch, refused)
        if is_failing:
            self._recovered()
        if not batch:
            return Step.IDLE
        self._documents_max = min(self._settings.batch_documents_max, 2 * self._documents_max)
        return Step.BUSY

    def _send(self, batch: Sequence[_Letter]) -> list[tuple[_Letter, Refusal]]:
        done = self._store.append([letter.document for letter in batch])
        assert done.stored + done.repeated + len(done.refused) == len(batch), "a store accounts for every document"
        if not done.refused:
            return []
        by_sequence = {letter.document.sequence: letter for letter in batch}
        refused = [(by_sequence[refusal.sequence], refusal) for refusal in done.refused]
        again = self._store.append([_stub(letter) for letter, _ in refused])
        if again.refused:
            raise StoreDamaged(f"the stub of sequence {again.refused[0].sequence}: {again.refused[0].reason}")
        return refused

    def _acknowledge(self, lo: int, batch: Sequence[_Letter], refused: Sequence[tuple[_Letter, Refusal]]) -> None:
        hi = batch[-1].document.sequence
        target = models.target
        with self._db.begin() as session:
            moved = changed(
                session,
                sa.update(target)
                .where(target.c.name == self.target, target.c.done == lo)
                .values(done=hi, at=self._clock.now()),
            )
            # Another shipper was faster; its batch was the same, and repeats are harmless.
            if not moved:
                return
            self._park(session, refused)

    def _park(self, session: Session, refused: Sequence[tuple[_Letter, Refusal]]) -> None:
        for letter, refusal in refused:
            row = {
                "target": self.target,
                "sequence": refusal.sequence,
                "reason": refusal.reason[:REASON_CHARS_MAX],
                "at": self._clock.now(),
                "released_at": None,
            }
            is_new = insert_once(session, models.parked, row)
            # An event that tells of parking and is parked itself would tell of itself without end.
            if is_new and letter.kind != DocumentParked.kind:
                parked = DocumentParked(of_event=letter.event_id, store=self.target, error_type="document_refused")
                outbox.record(session, parked, self._context())

    def _resend_gap(self, gap: range) -> Iterator[range]:
        lo = gap.start - 1
        while lo < gap.stop - 1:
            with self._db.read() as session:
                batch = list(self._letters(session, lo, gap.stop - 1))
            if not batch:
                return
            self._send(batch)
            yield range(batch[0].document.sequence, batch[-1].document.sequence + 1)
            lo = batch[-1].document.sequence

    def _letters(self, session: Session, lo: int, hi: int | None) -> Iterator[_Letter]:
        """Yield the next events above lo that still have a body, within the bounds of a batch."""
        entry, body = models.entry.c, models.body.c
        # Instants stay integers: the leaf is hashed of them, and they are many.
        query = (
            sa.select(
                entry.sequence,
                entry.event_id,
                entry.kind,
                entry["class"],
                sa.type_coerce(entry.at, sa.BigInteger),
                sa.type_coerce(entry.ingested, sa.BigInteger),
                entry.commitment,
                body.body,
            )
            .join(models.body, body.sequence == entry.sequence)
            .where(entry.sequence > lo)
            .order_by(entry.sequence)
            .limit(self._documents_max)
        )
        if hi is not None:
            query = query.where(entry.sequence <= hi)
        # What retention removes would come back with every store that is filled again.
        if going := forgotten.removals(session, lo, hi):
            query = query.where(forgotten.shippable(going))
        taken_bytes = 0
        instants: dict[int, datetime] = {}
        for sequence, event_id, kind, class_, at, ingested, commitment, document in session.execute(query):
            taken_bytes += len(document)
            if taken_bytes > self._settings.batch_bytes_max and taken_bytes > len(document):
                return
            leaf = entries.leaf_hash(entries.encoded(event_id, kind, class_, at, ingested, commitment))
            if ingested not in instants:
                instants[ingested] = from_micros(ingested)
            sent = Sequenced(sequence=sequence, ingested=instants[ingested], hash=leaf.hex(), body=document)
            yield _Letter(sent, event_id, kind, class_, at)

    def _register(self) -> None:
        with self._db.begin() as session:
            insert_once(
                session,
                models.target,
                {
                    "name": self.target,
                    "backend": self._store.backend,
                    "namespace": self._store.namespace,
                    "state": ACTIVE,
                    "done": 0,
                    "at": self._clock.now(),
                    "failing_since": None,
                    "error": None,
                },
            )

    def _done(self, session: Session) -> int:
        return session.scalar(sa.select(models.target.c.done).where(models.target.c.name == self.target)) or 0

    def _failing_since(self, session: Session) -> datetime | None:
        return session.scalar(sa.select(models.target.c.failing_since).where(models.target.c.name == self.target))

    def _tend(self, now: datetime) -> None:
        if self._tend_at is None:
            self._tend_at = now + TEND_EVERY
        elif now >= self._tend_at:
            self._tend_at = now + TEND_EVERY
            self._store.tend(now)
            self.resend()

    def _halve(self) -> Step:
        assert self._documents_max > 1, "one document is below any server's limit"
        self._documents_max = max(1, self._documents_max // 2)
        return Step.BUSY

    def _failed(self, error: Exception, now: datetime) -> None:
        self._failures += 1
        first, most = self._settings.retry_seconds_first, self._settings.retry_seconds_max
        delay = min(most, first * 2 ** min(self._failures - 1, 16)) * (0.5 + 0.5 * self._jitter())
        self._not_before = now + timedelta(seconds=delay)
        # A store may lose documents while it is away, as when its folder or server is replaced.
        self._is_checked = False
        reason = f"{type(error).__name__}: {error}"[:REASON_CHARS_MAX]
        if reason == self._error:
            return
        _log.warning("the event store does not take documents", extra={"onepay__store": self.target})
        target = models.target
        ours = target.c.name == self.target
        with self._db.begin() as session:
            begun = changed(
                session, sa.update(target).where(ours, target.c.failing_since.is_(None)).values(failing_since=now)
            )
            session.execute(sa.update(target).where(ours).values(error=reason))
            if begun:
                self._tell_failure(session, type(error).__name__, now)
        self._error = reason

    def _tell_failure(self, session: Session, cause: str, now: datetime) -> None:
        """Record, once an episode, that the store is away: what waits for it, and that a part does not do its work."""
        failed = StoreFailed(
            store=self.target,
            backend=self._store.backend,
            lo=self._done(session),
            hi=session.scalar(sa.select(models.head.c.size)),
            error_type=cause,
        )
        stopped = ControlFailed(control=CONTROL, since=now, cause=cause)
        outbox.record_many(session, [failed, stopped], self._context())

    def _recovered(self) -> None:
        """End the episode in the row, whichever process began it, and record that it ended."""
        target = models.target
        with self._db.begin() as session:
            since = self._failing_since(session)
            ended = changed(
                session,
                sa.update(target)
                .where(target.c.name == self.target, target.c.failing_since.is_not(None))
                .values(failing_since=None, error=None),
            )
            if ended:
                outbox.record(session, ControlRestored(control=CONTROL, since=since), self._context())

    def _context(self) -> Context:
        now = self._clock.now()
        return Context(actor=service("shipper"), at=now, request_id=self._ids.new("run", now), ids=self._ids)


def standing(session: Session, target: str, backend: str, at: datetime, settings: ShipperSettings) -> Standing:
    """Return how far a target is behind the log, as far as the database knows."""
    head = session.scalar(sa.select(models.head.c.size)) or 0
    row = session.execute(sa.select(models.target).where(models.target.c.name == target)).one_or_none()
    done = row.done if row is not None else 0
    parked = session.scalar(
        sa.select(sa.func.count())
        .select_from(models.parked)
        .where(models.parked.c.target == target, models.parked.c.released_at.is_(None))
    )
    behind_since = session.scalar(sa.select(models.entry.c.ingested).where(models.entry.c.sequence == done + 1))
    failing_since = row.failing_since if row is not None else None
    oldest = min((since for since in (behind_since, failing_since) if since is not None), default=None)
    seconds = 0.0 if oldest is None else (at - oldest).total_seconds()
    return Standing(
        target=target,
        backend=backend,
        head=head,
        done=done,
        parked=parked or 0,
        behind_since=behind_since,
        failing_since=failing_since,
        error=row.error if row is not None else None,
        health=_health(seconds, settings, is_failing=failing_since is not None),
    )


def _health(seconds: float, settings: ShipperSettings, *, is_failing: bool) -> Health:
    if seconds > settings.lag_seconds_incident:
        return Health.INCIDENT
    # A store that refuses is not well from the first moment on: what it refuses may never come through.
    return Health.DEGRADED if is_failing or seconds > settings.lag_seconds_degraded else Health.OK


def _stub(letter: _Letter) -> Sequenced:
    document = letter.document
    body = stub(
        event_id=letter.event_id,
        kind=letter.kind,
        class_=letter.class_,
        at=letter.at,
        body=document.body,
    )
    return Sequenced(sequence=document.sequence, ingested=document.ingested, hash=document.hash, body=body)
