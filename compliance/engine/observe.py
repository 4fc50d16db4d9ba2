"""Observing: one probe at a time, leased so that several workers are safe, kept where it says something new.

A reading is sealed, that is kept as a row and told to the log, when it says something else than the last one, and once
an hour. What lies between is read again with the next window, so that the windows of the sealed ones join without a
gap, and each can be read again as it was.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.access import service
from app.kernel.clock import Clock
from app.kernel.context import Context
from app.kernel.db import Database, insert_once
from app.kernel.ids import Ids
from app.kernel.jobs import Job
from compliance import models
from compliance.contracts.probes import Kind, Probe
from compliance.engine import code, held, newest, reading
from compliance.engine.parts import Parts
from compliance.engine.reading import Seen
from compliance.engine.sealed import row_hash
from compliance.engine.settle import settle
from compliance.engine.standing import AHEAD_MAX
from compliance.engine.verdict import Canary, Tested
from compliance.states import State
from ingest.events.compliance import ProbeObserved
from ingest.events.health import JobFailed
from ingest.log import outbox
from ingest.store.port import EventStore

EVERY: Final = timedelta(seconds=60)
_SOON: Final = timedelta(minutes=2)


class LeaseLost(RuntimeError):
    """A reading took longer than its lease, and somebody else has the probe: what they see stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """A probe that is ours until the lease ends, and what was sealed of it, whatever its row says."""

    until: datetime
    sealed_hi: int
    sealed_at: datetime | None
    observation_id: str | None
    """The observation that its state rests on, and below what that says."""
    state: State
    reason: str | None
    violations: str | None
    ended_at: datetime | None
    tested: Tested
    is_new: bool


class Observer:
    """Asks the probes of one installation."""

    def __init__(self, db: Database, store: EventStore, clock: Clock, ids: Ids, parts: Parts) -> None:
        self._db, self._store, self._clock, self._ids, self.parts = db, store, clock, ids, parts

    def job(self) -> Job:
        """Return the job that asks what is due."""
        return Job(name="compliance.observe", every=EVERY, run=self.run)

    def run(self, at: datetime) -> str | None:
        """Ask what is due, most overdue first, for at most a tick; and write down what changed by time alone."""
        with self._db.begin() as session:
            self._known(session, at)
            settle(session, self._ctx(at), parts=self.parts)
        until, asked = time.monotonic() + self.parts.settings.tick_seconds_max, 0
        for name in self._due(at):
            if time.monotonic() > until:
                break
            asked += self.observe(self.parts.probes[name]) is not None
        return f"{asked} probes asked" if asked else None

    def observe(self, probe: Probe, *, ctx: Context | None = None, is_test_due: bool = False) -> Seen | None:
        """Ask one probe now; None where another worker is at it. `ctx` names the person who asked for it."""
        ctx = ctx or self._ctx(self._clock.now())
        taken = self._take(probe, ctx.at)
        if taken is None:
            return None
        settings = self.parts.settings
        age = None if taken.tested.at is None else ctx.at - taken.tested.at
        seen = reading.ask(
            probe,
            ctx,
            sealed_hi=taken.sealed_hi,
            tested=taken.tested,
            is_test_due=is_test_due or taken.is_new or age is None or not (timedelta(0) <= age < settings.canary_every),
            db=self._db,
            store=self._store,
            parts=self.parts,
        )
        try:
            with self._db.begin() as session:
                self._keep(session, probe, taken, seen, ctx)
        except LeaseLost:
            return None
        return seen

    def _known(self, session: Session, at: datetime) -> None:
        fresh = [
            {"name": name, "code_hash": "", "state": State.NOT_EVALUABLE, "sealed_hi": 0, "due_at": at}
            for name in self.parts.probes
        ]
        for row in fresh:
            insert_once(session, models.probe, row)
        session.execute(sa.delete(models.probe).where(models.probe.c.name.not_in(list(self.parts.probes))))

    def _due(self, at: datetime) -> list[str]:
        """Return what a clock that was ahead put off for longer than its pace, and what is due, most overdue first."""
        table = models.probe
        with self._db.read() as session:
            rows = session.execute(sa.select(table.c.name, table.c.due_at).order_by(table.c.due_at)).all()
        put_off = [row.name for row in rows if row.due_at > at + self._pace(row.name) + AHEAD_MAX]
        return [*put_off, *(row.name for row in rows if row.due_at <= at)]

    def _pace(self, name: str) -> timedelta:
        """Return how long a reading that could be judged waits: half of what may pass."""
        return self.parts.catalogue.fresh_of(name) / 2 if self.parts.catalogue.served_by(name) else timedelta(hours=1)

    def _take(self, probe: Probe, at: datetime) -> _Taken | None:
        table = models.probe
        until = at + timedelta(seconds=4 * self.parts.settings.probe_seconds_max)
        with self._db.begin() as session:
            insert_once(
                session,
                table,
                {"name": probe.name, "code_hash": "", "state": State.NOT_EVALUABLE, "sealed_hi": 0, "due_at": at},
            )
            ahead = table.c.taken_until > until + AHEAD_MAX  # by a clock that was; another worker's may be a little
            is_free = sa.or_(table.c.taken_until.is_(None), table.c.taken_until <= at, ahead)
            mine = sa.update(table).where(table.c.name == probe.name, is_free).values(taken_until=until)
            if session.execute(mine).rowcount != 1:  # type: ignore[attr-defined]  # an update has a row count
                return None
            row = session.execute(sa.select(table).where(table.c.name == probe.name)).one()
            kept = newest.kept(session, probe.name, at + AHEAD_MAX)
        last = kept.stands
        return _Taken(
            until=until,
            sealed_hi=kept.hi,
            sealed_at=kept.sealed_at,
            observation_id=last["id"] if last else None,
            state=State(last["state"]) if last else State.NOT_EVALUABLE,
            reason=last["reason"] if last else None,
            violations=_said(last["violations"], last["total"], last["reason"]) if last else None,
            ended_at=last["ended_at"] if last else None,
            tested=Tested(canary=Canary(row.canary) if row.canary else None, at=row.canary_at),
            is_new=row.code_hash != code.code_hash(probe),
        )

    def _keep(self, session: Session, probe: Probe, taken: _Taken, seen: Seen, ctx: Context) -> None:
        table, is_cut = models.probe, self._is_cut(probe, seen)
        is_held = _is_held(probe, taken, seen, ctx.at)
        is_unknown = seen.verdict.state is State.NOT_EVALUABLE and not is_held
        says = _said(reading.named(seen.reading), len(seen.reading.violations), seen.verdict.reason)
        is_news = taken.violations != says or taken.state != seen.verdict.state
        is_hour = taken.sealed_at is None or not (
            timedelta(0) <= ctx.at - taken.sealed_at < self.parts.settings.sealed_every
        )
        controls = self.parts.catalogue.served_by(probe.name)
        pace = self._pace(probe.name)
        values: dict[str, Any] = {
            "code_hash": code.code_hash(probe),
            "canary": seen.tested.canary,
            "canary_at": seen.tested.at,
            # What could not be judged is asked again soon; what lies behind a window that was cut, by the next tick.
            "due_at": ctx.at if is_cut else ctx.at + (min(_SOON, pace) if is_unknown else pace),
            "taken_until": None,
        }
        if not is_cut:  # until it has caught up, a probe has not looked at what is there now
            values["observed_at"] = ctx.at
        values |= {"state": taken.state, "reason": taken.reason, "observation_id": taken.observation_id}
        if not is_held:
            values |= {"state": seen.verdict.state, "reason": seen.verdict.reason}
        is_due = is_hour if is_held else is_news or is_hour or taken.is_new
        if is_cut or (is_due and (seen.reading.counted or not is_held)):
            observation_id = self._seal(session, probe, seen, ctx, controls)
            values |= {"sealed_at": ctx.at, "sealed_hi": seen.window.hi}
            if not is_held:
                values["observation_id"] = observation_id
        kept = sa.update(table).where(table.c.name == probe.name, table.c.taken_until == taken.until).values(**values)
        if session.execute(kept).rowcount != 1:  # type: ignore[attr-defined]  # as above
            raise LeaseLost
        if seen.error is not None and is_news:
            failed = JobFailed(job=f"compliance.probe.{probe.name}", run=ctx.request_id, error_type=seen.error)
            outbox.record(session, failed, ctx)
        settle(session, ctx, parts=self.parts, only={(one.framework, one.key) for one in controls})

    def _is_cut(self, probe: Probe, seen: Seen) -> bool:
        """Tell whether more of the log may lie behind a window than one reading takes."""
        return probe.kind is Kind.WINDOW and seen.window.hi - seen.window.lo >= self.parts.settings.window_max

    def _seal(self, session: Session, probe: Probe, seen: Seen, ctx: Context, controls: Any) -> str:
        row = {
            "id": ctx.new_id("obs"),
            "probe": probe.name,
            "code_hash": code.code_hash(probe),
            "build": self.parts.build,
            "host": self.parts.host,
            "controls": [f"{one.framework} {one.key}" for one in controls],
            "asked": dict(seen.reading.asked),
            "lo": seen.window.lo,
            "hi": seen.window.hi,
            "started_at": ctx.at,
            "ended_at": max(ctx.at, self._clock.now()),
            "state": seen.verdict.state.value,
            "reason": seen.verdict.reason.value if seen.verdict.reason else None,
            "population": dict(seen.reading.population),
            "violations": reading.named(seen.reading),
            "total": len(seen.reading.violations),
            "canary": seen.tested.canary.value if seen.tested.canary else None,
            "canary_at": seen.tested.at,
        }
        digest = row_hash(row)
        event = ProbeObserved(
            observation=str(row["id"]),
            probe=probe.name,
            code_hash=str(row["code_hash"]),
            state=seen.verdict.state.value,
            reason=str(row["reason"]) if row["reason"] else None,
            population=seen.reading.counted,
            violations=len(seen.reading.violations),
            canary=str(row["canary"]) if row["canary"] else None,
            sha256=digest,
        )
        event_id = outbox.record(session, event, ctx)
        session.execute(sa.insert(models.observation).values(**row, sha256=digest, event_id=event_id))
        return str(row["id"])

    def _ctx(self, at: datetime) -> Context:
        return Context(actor=service("compliance"), at=at, request_id=self._ids.new("run", at), ids=self._ids)


def _is_held(probe: Probe, taken: _Taken, seen: Seen, at: datetime) -> bool:
    """Tell whether a window leaves the verdict of an earlier one standing."""
    if probe.kind is not Kind.WINDOW or taken.ended_at is None:
        return False
    now = seen.verdict
    return held.is_held(taken.state, taken.ended_at, now.state, now.reason, at, is_same_code=not taken.is_new)


def _said(violations: Any, total: int, reason: str | None) -> str:
    """Return what makes one reading news against another: not how many there were, but which were wrong."""
    return canonical.encode([violations, total, reason]).decode()
