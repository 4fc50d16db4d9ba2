"""Clocks of incidents: rows with a start, an end and a state; their rules are data, the rows keep the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import documents
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.db import changed
from app.kernel.errors import ConfigurationRefused
from ingest.events.incident import ClockBreached, ClockMet, ClockStarted, ClockWarned
from ingest.log import outbox
from playbooks import cases, spans, timeline, working_time
from playbooks.cases import Incident
from playbooks.models import clock
from playbooks.timeline import Code
from playbooks.working_time import Calendar

FILE: Final = Path(__file__).with_name("clocks.yaml")
SWEEP_MAX: Final = 500
ACKNOWLEDGE: Final = "acknowledge"
CONTAINMENT: Final = "containment"
_SEVERITIES: Final = {"critical": 1, "high": 2, "medium": 3, "low": 4}
# Parts of a clock's time after which it warns, and what the warning says. Containment warns at 20 of its 24 hours.
_WARNINGS: Final[Mapping[str, tuple[tuple[int, Fraction], ...]]] = {
    ACKNOWLEDGE: ((50, Fraction(1, 2)), (75, Fraction(3, 4)), (90, Fraction(9, 10))),
    CONTAINMENT: ((83, Fraction(5, 6)),),
}


class ClockState(StrEnum):
    """Where a clock stands."""

    RUNNING = "running"
    MET = "met"
    BREACHED = "breached"
    MET_LATE = "met_late"
    ENDED = "ended"


class ClockRulesRefused(ConfigurationRefused):
    """The rules of clocks cannot be read."""

    code = "clock_rules_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRules:
    """When which clock is due: a span by severity, plain or in working hours."""

    version: int
    calendar: Calendar
    acknowledge: Mapping[int, tuple[timedelta, bool]]

    def acknowledge_due(self, severity: int, started_at: datetime) -> datetime:
        """Return until when an incident must be taken."""
        span, is_working = self.acknowledge[severity]
        return working_time.add(started_at, span, self.calendar) if is_working else started_at + span


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A clock as people read it."""

    id: str
    incident_id: str
    kind: str
    ref: str
    started_at: datetime
    due_at: datetime
    state: ClockState
    warned_percent: int
    met_at: datetime | None


def load(text: str | None = None, *, name: str = FILE.name) -> ClockRules:
    """Read the rules of clocks; a broken file stops the start with its reason."""
    data = documents.load(FILE.read_text("utf-8") if text is None else text, name=name)
    try:
        days = data["calendar"]
        calendar = Calendar(
            zone=days["zone"],
            days=frozenset(working_time.DAYS.index(day) for day in days["days"]),
            opens=days["opens"],
            closes=days["closes"],
            holidays=frozenset(date.fromisoformat(day) for day in days["holidays"]),
        )
        spans_by_severity = {
            _SEVERITIES[word]: _span(text, calendar.hours_a_day) for word, text in data["acknowledge"].items()
        }
        if set(spans_by_severity) != set(_SEVERITIES.values()):
            raise ValueError("each severity needs its time")
        return ClockRules(version=data["version"], calendar=calendar, acknowledge=spans_by_severity)
    except (KeyError, TypeError, ValueError) as error:
        raise ClockRulesRefused(f"{name}: {error}") from error


def start(
    session: Session,
    case: Incident,
    kind: str,
    ctx: Context,
    *,
    ref: str = "",
    started_at: datetime,
    due_at: datetime,
    rules_version: int,
) -> None:
    """Start a clock of an incident; one of that kind and thing runs at a time."""
    session.execute(
        sa.insert(clock).values(
            id=ctx.new_id("clk"),
            incident_id=case.id,
            kind=kind,
            ref=ref,
            rules_version=rules_version,
            started_at=started_at,
            due_at=due_at,
            state=ClockState.RUNNING.value,
            warned_percent=0,
        )
    )
    event = ClockStarted(**cases.told(session, case), clock=kind, due_at=due_at)
    event_id = outbox.record(session, event, ctx)
    timeline.add(
        session, case.id, Code.CLOCK_STARTED, ctx, at=started_at, event_id=event_id, clock=kind, due=rfc3339(due_at)
    )


def shorten(session: Session, case: Incident, kind: str, due_at: datetime, ctx: Context) -> None:
    """Let a running clock end earlier, from the same start; a later end is ignored."""
    done = sa.update(clock).where(
        clock.c.incident_id == case.id,
        clock.c.kind == kind,
        clock.c.state == ClockState.RUNNING.value,
        clock.c.due_at > due_at,
    )
    if changed(session, done.values(due_at=due_at)):
        _tell_moved(session, case, kind, due_at, "severity", ctx)


def prolong(session: Session, case: Incident, kind: str, ref: str, due_at: datetime, ctx: Context) -> None:
    """Run a clock anew from now until a later end."""
    done = (
        sa.update(clock)
        .where(clock.c.incident_id == case.id, clock.c.kind == kind, clock.c.ref == ref)
        .values(started_at=ctx.at, due_at=due_at, state=ClockState.RUNNING.value, warned_percent=0, met_at=None)
    )
    if changed(session, done):
        _tell_moved(session, case, kind, due_at, "prolonged", ctx)


def meet(session: Session, case: Incident, kind: str, ctx: Context, *, ref: str = "") -> None:
    """Say that what a clock asked for is done: in time, or late where it was breached."""
    row = session.execute(
        sa.select(clock).where(clock.c.incident_id == case.id, clock.c.kind == kind, clock.c.ref == ref)
    ).one_or_none()
    if row is None or row.state not in (ClockState.RUNNING.value, ClockState.BREACHED.value):
        return
    is_late = ctx.at > row.due_at
    state = ClockState.MET_LATE if is_late else ClockState.MET
    session.execute(sa.update(clock).where(clock.c.id == row.id).values(state=state.value, met_at=ctx.at))
    how = "late" if is_late else "in time"
    event = ClockMet(**cases.told(session, case), clock=kind, due_at=row.due_at, reason=how.replace(" ", "_"))
    event_id = outbox.record(session, event, ctx)
    timeline.add(session, case.id, Code.CLOCK_MET, ctx, event_id=event_id, clock=kind, how=how)


def end_all(session: Session, case: Incident, ctx: Context) -> None:
    """End what runs or is late when an incident ends the short way: nobody is called for what needed no answer.

    That it was late before stays in the log and in the timeline.
    """
    unmet = (ClockState.RUNNING.value, ClockState.BREACHED.value)
    session.execute(
        sa.update(clock)
        .where(clock.c.incident_id == case.id, clock.c.state.in_(unmet))
        .values(state=ClockState.ENDED.value, met_at=ctx.at)
    )


def of_incident(session: Session, incident_id: str) -> Sequence[Clock]:
    """Return the clocks of an incident, the next one first."""
    query = sa.select(clock).where(clock.c.incident_id == incident_id).order_by(clock.c.due_at).limit(SWEEP_MAX)
    return [_clock(row) for row in session.execute(query)]


def running(session: Session) -> Sequence[Clock]:
    """Return the clocks that run, the next one first."""
    query = sa.select(clock).where(clock.c.state == ClockState.RUNNING.value).order_by(clock.c.due_at).limit(SWEEP_MAX)
    return [_clock(row) for row in session.execute(query)]


def is_due(found: Clock, at: datetime) -> bool:
    """Tell whether a running clock has something to say that it has not said yet."""
    return at >= found.due_at or _percent(found, at) > found.warned_percent


def turn(session: Session, case: Incident, clock_id: str, ctx: Context) -> Clock | None:
    """Say what a clock has to say now, each thing once; returns the clock if it was breached by this."""
    row = session.execute(sa.select(clock).where(clock.c.id == clock_id)).one()
    found = _clock(row)
    if found.state is not ClockState.RUNNING or not is_due(found, ctx.at):
        return None
    if ctx.at < found.due_at:
        percent = _percent(found, ctx.at)
        session.execute(sa.update(clock).where(clock.c.id == found.id).values(warned_percent=percent))
        told = cases.told(session, case)
        warned = ClockWarned(**told, clock=found.kind, due_at=found.due_at, reason=str(percent))
        event_id = outbox.record(session, warned, ctx)
        due = rfc3339(found.due_at)
        timeline.add(
            session, case.id, Code.CLOCK_WARNED, ctx, event_id=event_id, clock=found.kind, percent=percent, due=due
        )
        return None
    session.execute(
        sa.update(clock).where(clock.c.id == found.id).values(state=ClockState.BREACHED.value, warned_percent=100)
    )
    breached = ClockBreached(**cases.told(session, case), clock=found.kind, due_at=found.due_at)
    event_id = outbox.record(session, breached, ctx)
    due = rfc3339(found.due_at)
    timeline.add(
        session, case.id, Code.CLOCK_BREACHED, ctx, at=found.due_at, event_id=event_id, clock=found.kind, due=due
    )
    return found


def _percent(found: Clock, at: datetime) -> int:
    """Return the highest warning whose time has come, 0 before the first."""
    whole = found.due_at - found.started_at
    passed = [
        percent
        for percent, part in _WARNINGS.get(found.kind, ())
        if (at - found.started_at) * part.denominator >= whole * part.numerator
    ]
    return max(passed, default=0)


def _tell_moved(session: Session, case: Incident, kind: str, due_at: datetime, why: str, ctx: Context) -> None:
    event = ClockStarted(**cases.told(session, case), clock=kind, due_at=due_at, reason=why)
    event_id = outbox.record(session, event, ctx)
    timeline.add(session, case.id, Code.CLOCK_MOVED, ctx, event_id=event_id, clock=kind, due=rfc3339(due_at))


def _span(text: str, hours_a_day: int) -> tuple[timedelta, bool]:
    number, _, unit = text.partition(" ")
    match unit:
        case "working hours":
            return timedelta(hours=int(number)), True
        case "working days":
            return timedelta(hours=int(number) * hours_a_day), True
        case _:
            return spans.parse(text), False


def _clock(row: Any) -> Clock:  # a row of `clock`
    return Clock(
        id=row.id,
        incident_id=row.incident_id,
        kind=row.kind,
        ref=row.ref,
        started_at=row.started_at,
        due_at=row.due_at,
        state=ClockState(row.state),
        warned_percent=row.warned_percent,
        met_at=row.met_at,
    )
