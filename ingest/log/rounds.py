"""The rounds of the monitor: a sample every five minutes, everything every night, and what they found, kept."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import service
from app.kernel.clock import Clock
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.ids import Ids, RandomIds
from app.kernel.jobs import Job
from ingest import models
from ingest.events.envelope import Outcome, at_path
from ingest.events.health import LogTampered, LogVerified
from ingest.log import monitor, outbox, read, witness
from ingest.log.archive import Archive
from ingest.log.checkpoint import LogKey
from ingest.log.monitor import Verdict
from ingest.log.read import Said
from ingest.log.store_check import Copy
from ingest.store.port import EventStore

SAMPLE_EVERY: Final = timedelta(minutes=5)
LOOK_EVERY: Final = timedelta(minutes=15)
# The night's run is due at this hour of UTC, or as soon as there is a process after it.
FULL_AT: Final = timedelta(hours=2)
SAMPLED: Final = 1_000
# A finding is told once a day for as long as it is met.
TOLD_FOR: Final = timedelta(days=1)
TOLD_MAX: Final = 20
RUNS_KEPT: Final = timedelta(days=400)
_DAY: Final = timedelta(days=1)
_draw: Final = secrets.SystemRandom()


class Kind(StrEnum):
    """What a round compares."""

    SAMPLE = "sample"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round: when, what it compared, up to which head and checkpoint, and what it found."""

    id: str
    kind: str
    at: datetime
    lo: int
    hi: int
    compared: int
    mismatches: int
    size: int
    root: bytes
    checkpoint: int
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old each thing is that says that the log stands; None where there was none yet."""

    sample: timedelta | None
    full: timedelta | None
    checkpoint: timedelta | None
    witness: timedelta | None
    witness_rating: str | None


@dataclass(slots=True, kw_only=True)
class Rounds:
    """Goes the rounds over one log, its archive and its store."""

    db: Database
    store: EventStore
    target: str
    archive: Archive
    key: LogKey
    clock: Clock
    ids: Ids = field(default_factory=RandomIds)

    def sample(self, at: datetime) -> Round:
        """Compare what was signed since the last round, and random sequences in all their copies."""
        before = self._newest()
        verdict = monitor.sample(
            self.db,
            lambda size: sorted(_draw.sample(range(1, size + 1), min(SAMPLED, size))),
            seen=(before.size, before.root) if before is not None else None,
            signed=before.checkpoint if before is not None else 0,
            copy=self._copy(),
            key=self.key,
            clock=self.clock,
            archive=self.archive,
        )
        return self._kept(Kind.SAMPLE, verdict, at)

    def full(self, at: datetime, progress: Callable[[int, int], None] = lambda done, total: None) -> Round:
        """Compare everything."""
        return self._kept(Kind.FULL, self.verify(progress), at)

    def verify(self, progress: Callable[[int, int], None], *, first: int = 1, last: int | None = None) -> Verdict:
        """Compare a range in all its copies, and keep nothing of it."""
        return monitor.verify(
            self.db,
            first=first,
            last=last,
            copy=self._copy(),
            key=self.key,
            clock=self.clock,
            archive=self.archive,
            progress=progress,
        )

    def is_full_due(self, at: datetime) -> bool:
        """Tell whether the night's round has not been gone since it was due."""
        night = at.replace(hour=0, minute=0, second=0, microsecond=0) + FULL_AT
        due = night if at >= night else night - _DAY
        with self.db.read() as session:
            last = newest(session, Kind.FULL)
        return last is None or last.at < due

    def jobs(self, *, is_on: Callable[[], bool]) -> Sequence[Job]:
        """Return the jobs; they rest where nothing is served, as while a history is made."""

        def sample(at: datetime) -> str | None:
            return _note(self.sample(at)) if is_on() else None

        def full(at: datetime) -> str | None:
            return _note(self.full(at)) if is_on() and self.is_full_due(at) else None

        return (
            Job(name="log.monitor", every=SAMPLE_EVERY, run=sample),
            Job(name="log.verify", every=LOOK_EVERY, run=full),
        )

    def _newest(self) -> Round | None:
        with self.db.read() as session:
            return newest(session)

    def _copy(self) -> Copy:
        self.store.settle()
        with self.db.read() as session:
            done = session.scalar(sa.select(models.target.c.done).where(models.target.c.name == self.target)) or 0
        return Copy(name=self.target, store=self.store, done=done)

    def _kept(self, kind: Kind, verdict: Verdict, at: datetime) -> Round:
        ctx = Context(actor=service("monitor"), at=at, request_id=self.ids.new("run", at), ids=self.ids)
        with self.db.begin() as session:
            made = keep(session, kind, verdict, ctx)
            tell(session, made, ctx)
        return made


def keep(session: Session, kind: Kind, verdict: Verdict, ctx: Context) -> Round:
    """Keep what a round found, and forget rounds of more than a year ago."""
    made = Round(
        id=ctx.new_id("mon"),
        kind=kind.value,
        at=ctx.at,
        lo=verdict.first,
        hi=verdict.last,
        compared=verdict.compared,
        mismatches=len(verdict.findings),
        size=verdict.size,
        root=verdict.root,
        # Not the whole row, which may be what is damaged.
        checkpoint=session.scalar(sa.select(sa.func.max(models.checkpoint.c.size))) or 0,
        findings=tuple(str(finding) for finding in verdict.findings),
    )
    session.execute(sa.delete(models.monitor_run).where(models.monitor_run.c.at < ctx.at - RUNS_KEPT))
    row = {name: getattr(made, name) for name in Round.__slots__}
    session.execute(sa.insert(models.monitor_run).values({**row, "findings": list(made.findings)}))
    return made


def tell(session: Session, made: Round, ctx: Context) -> None:
    """Record each finding that was not told today, and that a whole comparison found nothing."""
    if not made.mismatches:
        if made.kind == Kind.FULL:
            # It names no part: everything was compared.
            sound = LogVerified(size=made.size, root=made.root.hex(), state="sound", outcome=Outcome.SUCCESS)
            outbox.record(session, sound, ctx)
        return
    run = models.monitor_run.c
    earlier = session.scalars(
        sa.select(run.findings).where(run.at > ctx.at - TOLD_FOR, run.mismatches > 0, run.id != made.id)
    )
    told = {finding for findings in earlier for finding in findings}
    fresh = [finding for finding in made.findings if finding not in told][:TOLD_MAX]
    broken = [LogTampered(size=made.size, root=made.root.hex(), state="broken", cause=finding) for finding in fresh]
    outbox.record_many(session, broken, ctx)


def recent(session: Session, limit: int) -> list[Round]:
    """Return the newest rounds, newest first."""
    run = models.monitor_run.c
    rows = session.execute(sa.select(models.monitor_run).order_by(run.at.desc(), run.id.desc()).limit(limit))
    return [Round(**{**row._mapping, "findings": tuple(row.findings)}) for row in rows]


def newest(session: Session, kind: Kind | None = None) -> Round | None:
    """Return the newest round, of a kind or of any."""
    run = models.monitor_run.c
    query = sa.select(models.monitor_run).order_by(run.at.desc(), run.id.desc()).limit(1)
    if kind is not None:
        query = query.where(run.kind == kind.value)
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)
    return Round(**{**values, "findings": tuple(values["findings"])})


def oldest(session: Session) -> datetime | None:
    """Return when the first round was gone that is known of."""
    first: datetime | None = session.scalar(sa.select(sa.func.min(models.monitor_run.c.at)))
    return first


def broken_since_sound(session: Session) -> list[Round]:
    """Return the rounds that found something which no comparison of everything has found mended, newest first.

    A sample that finds nothing says nothing of what it did not draw.
    """
    run = models.monitor_run.c
    mended = sa.select(sa.func.max(run.at)).where(run.kind == Kind.FULL.value, run.mismatches == 0).scalar_subquery()
    is_later = sa.or_(mended.is_(None), run.at > mended)
    query = sa.select(models.monitor_run).where(run.mismatches > 0, is_later).order_by(run.at.desc(), run.id.desc())
    return [Round(**{**row._mapping, "findings": tuple(row.findings)}) for row in session.execute(query)]


def told_broken(session: Session, at: datetime) -> Said | None:
    """Return the newest event that calls the log broken, after which none says that everything is sound; else None.

    Rows of rounds can be written over. For as long as rounds are kept.
    """
    said = read.said(session, LogTampered.kind, LogVerified.kind, since=at - RUNS_KEPT)
    for one in reversed(said):
        if one.kind == LogTampered.kind:
            return one
        if one.document is not None and not at_path(one.document, "onepay.health.log.reason"):
            return None
    return None


def freshness(session: Session, at: datetime) -> Freshness:
    """Return how old the newest sample, full comparison, checkpoint and sight of a witness are."""
    sample, full = newest(session, Kind.SAMPLE), newest(session, Kind.FULL)
    newest_size = sa.select(sa.func.max(models.checkpoint.c.size)).scalar_subquery()
    signed_at = session.scalar(sa.select(models.checkpoint.c.at).where(models.checkpoint.c.size == newest_size))
    seen = witness.standing(session)
    return Freshness(
        sample=at - sample.at if sample is not None else None,
        full=at - full.at if full is not None else None,
        checkpoint=at - signed_at if signed_at is not None else None,
        witness=at - seen.at if seen is not None and seen.at is not None else None,
        witness_rating=seen.rating if seen is not None else None,
    )


def _note(made: Round) -> str:
    word = f"{made.mismatches} findings" if made.mismatches else "sound"
    return f"{made.compared} of {made.size} compared, {word}"
