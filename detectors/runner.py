"""The runner: every rule reads every sequence once, none skipped, and what it found moves with its cursor."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import SOC_RULE_READ, Actor, service
from app.kernel.clock import Clock
from app.kernel.context import Context
from app.kernel.db import Database, change_one, changed
from app.kernel.errors import Unavailable
from app.kernel.ids import Ids
from app.kernel.jobs import guarded
from app.kernel.metrics import Metrics
from detectors import alerts, catalog
from detectors.catalog import LIVE
from detectors.detector import Finding, SigmaDetector, Slice
from detectors.models import alert, coverage, cursor, version
from detectors.ports import FindingSink
from detectors.settings import DetectorSettings
from detectors.sigma.ast import Rule
from ingest.events.detection import CoverageBroken, RuleFailing, RuleRecovered
from ingest.log import forgotten, outbox, read
from ingest.store.port import EventStore, walk
from ingest.store.query import Document, Order, Search, Window

ROWS_ON_SQLITE_MAX: Final = 500
RUNNING, WAITING, FAILING = "running", "waiting_coverage", "failing"


class CursorMoved(RuntimeError):
    """Another worker handled this slice first; what this one found is dropped and read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStanding:
    """How a rule does: what it has read, how late it is, what keeps it."""

    rule: Rule
    version_id: str
    number: int
    sequence: int
    head: int
    state: str
    since: datetime
    tries: int
    error: str | None
    ran_at: datetime | None
    covered: Sequence[tuple[int, int]]
    open_alerts: int
    alerts_30d: int

    @property
    def lag(self) -> int:
        return self.head - self.sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """How many events the slowest rule has not read, how long the oldest waits, and whether that is too long."""

    events: int
    late: timedelta
    is_late: bool


class Runner:
    """Runs all live rules over what is new. Several may run: a compare-and-set on each cursor lets one effect stand."""

    def __init__(
        self,
        db: Database,
        store: EventStore,
        clock: Clock,
        ids: Ids,
        rules: Sequence[Rule],
        *,
        sink: FindingSink,
        metrics: Metrics | None = None,
        settings: DetectorSettings | None = None,
    ) -> None:
        self._db, self._store, self._clock, self._ids = db, store, clock, ids
        self._sink, self._metrics = sink, metrics
        self._settings = settings or DetectorSettings()
        self.rules = {rule.slug: rule for rule in rules}
        self._detectors = {rule.slug: SigmaDetector(rule, self._settings) for rule in rules}
        self._live: dict[str, str] = {}

    def publish(self) -> None:
        """Make the shipped rules live; called once at start."""
        with self._db.begin() as session:
            self._live = catalog.publish(session, list(self.rules.values()), self._ctx())

    def run(self, at: datetime | None = None) -> str | None:
        """Handle what is new, for at most 20 seconds, and return a note for people."""
        if not self._live:
            self.publish()
        deadline, handled = time.monotonic() + self._settings.run_seconds_max, 0
        while time.monotonic() < deadline:
            try:
                done = self._turn()
            except CursorMoved:
                break  # another worker is at it: what it leaves is read at the next run
            if done == 0:
                break
            handled += done
        return f"{handled} events" if handled else None

    def behind(self, session: Session, at: datetime) -> Behind:
        """Return how far the slowest live rule is behind the log, for the health page."""
        head = read.head(session).size
        live = cursor.c.version_id.in_(list(self._live.values()))
        done = session.scalar(sa.select(sa.func.min(cursor.c.sequence)).where(cursor.c.mode == LIVE, live))
        late = _late(session, done, head, at) if done is not None else timedelta(0)
        return Behind(
            events=head - done if done is not None else 0,
            late=late,
            is_late=late > timedelta(seconds=self._settings.lag_seconds_max),
        )

    def drain(self) -> None:
        """Run until every rule stands at the head; for commands, the seeded world and tests."""
        if not self._live:
            self.publish()
        while self._turn():
            pass

    def _turn(self) -> int:
        """Handle one slice for the lowest rules that can go on; returns how many events it had, 0 where none can."""
        now = self._clock.now()
        with self._db.read() as session:
            head = read.head(session).size
            rows = session.execute(
                sa.select(cursor).where(cursor.c.mode == LIVE, cursor.c.version_id.in_(list(self._live.values())))
            ).all()
            self._measure(session, rows, head, now)
        due = [row for row in rows if row.sequence < head and (row.next_try_at is None or row.next_try_at <= now)]
        by_place: dict[int, list[Any]] = defaultdict(list)
        for row in due:
            by_place[row.sequence].append(row)
        for lo in sorted(by_place):
            hi = min(head, lo + self._settings.run_events_max)
            if self._is_covered(by_place[lo], lo, hi, now) and (done := self._handle(by_place[lo], lo, hi)):
                return done
        return 0

    def _handle(self, rows: Sequence[Any], lo: int, hi: int) -> int:
        slugs = {version_id: slug for slug, version_id in self._live.items()}
        while True:
            events = self._events(lo, hi)
            piece = Slice(lo=lo, hi=hi, events=events)
            found, failed = self._evaluate([slugs[row.version_id] for row in rows], piece)
            new = sum(seen.sequence > lo for finding in _all(found) for seen in finding.episode.evidence)
            if not self._db.is_sqlite or new <= ROWS_ON_SQLITE_MAX or hi - lo <= 1:
                break
            # SQLite has one writer: a storm of alerts must not hold it while customers pay.
            hi = lo + (hi - lo) // 2
        sound = [row for row in rows if slugs[row.version_id] not in failed]
        failed = {**failed, **self._kept_apart(sound, slugs, found, piece)}
        for row in rows:
            slug = slugs[row.version_id]
            if slug in failed:
                self._note_failure(row, slug, failed[slug])
        return hi - lo if len(failed) < len(rows) else 0

    def _evaluate(
        self, slugs: Sequence[str], piece: Slice
    ) -> tuple[Mapping[str, Sequence[Finding]], Mapping[str, BaseException]]:
        found: dict[str, Sequence[Finding]] = {}
        failed: dict[str, BaseException] = {}
        for slug in slugs:

            def work(slug: str = slug) -> None:
                found[slug] = self._detectors[slug].evaluate(self._store, piece)

            error = guarded(f"detectors.{slug}", work)
            if isinstance(error, Unavailable):
                raise error  # the store is away for all of them: cursors stay, nobody is failing
            if error is not None:
                failed[slug] = error
        return found, failed

    def _kept_apart(
        self, rows: Sequence[Any], slugs: Mapping[str, str], found: Mapping[str, Sequence[Finding]], piece: Slice
    ) -> Mapping[str, BaseException]:
        """Keep what these rules found, and return what could not be kept: a finding nobody can take stops its rule."""
        if not rows:
            return {}
        names = "+".join(slugs[row.version_id] for row in rows)
        moved: list[CursorMoved] = []

        def keep() -> None:
            try:
                self._keep(rows, slugs, found, piece)
            except CursorMoved as lost:
                moved.append(lost)  # undone with its transaction, and no failure to tell of

        error = guarded(f"detectors.{names}", keep)
        if moved:
            raise moved[0]
        if error is None:
            return {}
        if isinstance(error, Unavailable):
            raise error  # the database is away: all of it is read again
        if len(rows) == 1:
            return {names: error}
        return {slug: why for row in rows for slug, why in self._kept_apart([row], slugs, found, piece).items()}

    def _keep(
        self, rows: Sequence[Any], slugs: Mapping[str, str], found: Mapping[str, Sequence[Finding]], piece: Slice
    ) -> None:
        """Commit alerts, evidence, events, effects of the sink, coverage and cursors: all of it or nothing."""
        ctx = self._ctx()
        with self._db.begin() as session:
            for row in sorted(rows, key=lambda row: row.version_id):
                slug = slugs[row.version_id]
                change_one(
                    session,
                    sa.update(cursor)
                    .where(cursor.c.version_id == row.version_id, cursor.c.mode == LIVE, cursor.c.sequence == piece.lo)
                    .values(
                        sequence=piece.hi,
                        state=RUNNING,
                        since=row.since if row.state == RUNNING else ctx.at,
                        tries=0,
                        next_try_at=None,
                        error=None,
                        ran_at=ctx.at,
                    ),
                    otherwise=CursorMoved(slug),
                )
                if row.tries:
                    event = RuleRecovered(rule=slug, rule_version=self.rules[slug].content_hash)
                    outbox.record(session, event, ctx)
                for finding in found[slug]:
                    alerts.keep(session, self.rules[slug], row.version_id, finding, piece.hi, ctx, sink=self._sink)
                _cover(session, row.version_id, piece.lo, piece.hi, len(piece.events))

    def _events(self, lo: int, hi: int) -> Sequence[Document]:
        search = Search(window=Window(lo=lo, hi=hi), order=Order.SEQUENCE, limit=1000)
        return list(walk(self._store, search))

    def _is_covered(self, rows: Sequence[Any], lo: int, hi: int, now: datetime) -> bool:
        """Tell whether the store holds every sequence of (lo, hi]; else note since when the rules wait."""
        self._store.settle()
        present = self._store.coverage(lo, hi)
        if present == hi - lo:
            return True
        with self._db.read() as session:
            if present + forgotten.dropped(session, lo, hi) == hi - lo:
                return True
        patience = self._settings.coverage_patience
        with self._db.begin() as session:
            ids = [row.version_id for row in rows]
            where = cursor.c.version_id.in_(ids) & (cursor.c.mode == LIVE)
            fresh = [row for row in rows if row.state != WAITING]
            if fresh:
                session.execute(sa.update(cursor).where(where).values(state=WAITING, since=now, error=None))
            late = [row for row in rows if row.state == WAITING and row.error is None and now - row.since >= patience]
            if late:
                session.execute(sa.update(cursor).where(where).values(error="coverage_gap"))
                slugs = tuple(sorted(slug for slug, version_id in self._live.items() if version_id in ids))
                event = CoverageBroken(rules=slugs, lo=lo, hi=hi, present=present)
                outbox.record(session, event, self._ctx())
        return False

    def _note_failure(self, row: Any, slug: str, error: BaseException) -> None:
        settings, now = self._settings, self._clock.now()
        pause = min(settings.retry_max, settings.retry_first * 2 ** min(row.tries, 10))
        with self._db.begin() as session:
            session.execute(
                sa.update(cursor)
                .where(cursor.c.version_id == row.version_id, cursor.c.mode == LIVE)
                .values(
                    state=FAILING,
                    since=row.since if row.state == FAILING else now,
                    tries=row.tries + 1,
                    next_try_at=now + pause,
                    error=type(error).__name__,
                )
            )
            # Waiting for the store in between ends no episode: only a run that is kept does.
            if not row.tries:
                rule = self.rules[slug]
                event = RuleFailing(rule=slug, rule_version=rule.content_hash, error=type(error).__name__)
                outbox.record(session, event, self._ctx())

    def _measure(self, session: Session, rows: Sequence[Any], head: int, now: datetime) -> None:
        if self._metrics is None:
            return
        slugs = {version_id: slug for slug, version_id in self._live.items()}
        late = {done: _late(session, done, head, now) for done in {row.sequence for row in rows}}
        for row in rows:
            lag = self._metrics.detector_lag_seconds.labels(detector=slugs[row.version_id])
            lag.set(late[row.sequence].total_seconds())

    def _ctx(self) -> Context:
        at = self._clock.now()
        return Context(actor=service("detectors"), at=at, request_id=self._ids.new("run", at), ids=self._ids)


def _late(session: Session, done: int, head: int, at: datetime) -> timedelta:
    """Return how long the oldest entry after a cursor has waited, nothing where there is none."""
    waiting = read.entries(session, done, done + 1) if done < head else []
    return max(timedelta(0), at - waiting[0].ingested) if waiting else timedelta(0)


def standings(session: Session, rules: Mapping[str, Rule], actor: Actor, at: datetime) -> Sequence[RuleStanding]:
    """Return how each live rule does, the ones in trouble first."""
    actor.require(SOC_RULE_READ)
    head = read.head(session).size
    rows = session.execute(
        sa.select(cursor, version.c.slug, version.c.number)
        .join(version, version.c.id == cursor.c.version_id)
        .where(cursor.c.mode == LIVE)
    ).all()
    found = [_standing(session, rules[row.slug], row, head, at) for row in rows if row.slug in rules]
    return sorted(found, key=lambda one: (one.state == RUNNING, -one.lag, one.rule.slug))


def _standing(session: Session, rule: Rule, row: Any, head: int, at: datetime) -> RuleStanding:
    own = alert.c.slug == rule.slug
    live = alert.c.state != alerts.AlertState.MERGED.value
    counted = session.execute(
        sa.select(
            sa.func.count().filter(alert.c.state == alerts.AlertState.OPEN.value),
            sa.func.count().filter(live & (alert.c.found_at >= at - timedelta(days=30))),
        ).where(own)
    ).one()
    covered = session.execute(
        sa.select(coverage.c.lo, coverage.c.hi)
        .join(version, version.c.id == coverage.c.version_id)
        .where(version.c.slug == rule.slug)
        .order_by(coverage.c.lo)
        .limit(100)
    )
    return RuleStanding(
        rule=rule,
        version_id=row.version_id,
        number=row.number,
        sequence=row.sequence,
        head=head,
        state=row.state,
        since=row.since,
        tries=row.tries,
        error=row.error,
        ran_at=row.ran_at,
        covered=[(r.lo, r.hi) for r in covered],
        open_alerts=counted[0],
        alerts_30d=counted[1],
    )


def _cover(session: Session, version_id: str, lo: int, hi: int, present: int) -> None:
    """Extend the coverage of a version by (lo, hi]; contiguous runs are one row."""
    grown = changed(
        session,
        sa.update(coverage)
        .where(coverage.c.version_id == version_id, coverage.c.hi == lo)
        .values(hi=hi, present=coverage.c.present + present, dropped=coverage.c.dropped + hi - lo - present),
    )
    if grown == 0:
        session.execute(
            sa.insert(coverage).values(version_id=version_id, lo=lo, hi=hi, present=present, dropped=hi - lo - present)
        )


def _all(found: Mapping[str, Sequence[Finding]]) -> Sequence[Finding]:
    return [finding for findings in found.values() for finding in findings]
