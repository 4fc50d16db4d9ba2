"""History: intervals of states, the share of time in place, outages, the matrix of an instant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import COMPLIANCE_CONTROL_READ, Actor
from app.kernel.errors import Invalid
from compliance import models
from compliance.catalog.controls import Catalogue
from compliance.engine.settle import OUTAGES
from compliance.states import State

PERIOD_MAX: Final = timedelta(days=5 * 366)
_LAST: Final = timedelta(microseconds=1)
"""So long before its end lies the last instant of a period."""


class PeriodInvalid(Invalid):
    """A period ends after it begins, lies in the past, and is at most five years long."""

    code = "period_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """How long a control was in one state; `to_at` is None while it is."""

    id: str
    framework: str
    key: str
    state: State
    reason: str | None
    from_at: datetime
    to_at: datetime | None
    opened_by: str | None

    def clipped(self, since: datetime, until: datetime) -> Interval | None:
        """Return the part within a period, or None where there is none."""
        begin, end = max(self.from_at, since), min(self.to_at or until, until)
        return replace(self, from_at=begin, to_at=end) if begin < end else None


def intervals(
    session: Session, actor: Actor, since: datetime, until: datetime, *, key: tuple[str, str] | None = None
) -> dict[tuple[str, str], list[Interval]]:
    """Return the intervals that touch a period, by control, oldest first; raises `PeriodInvalid`.

    An auditor is told of the part that lies in their own period: what began before it begins with it, and what ended
    after it goes on.
    """
    actor.require(COMPLIANCE_CONTROL_READ)
    if since > until or until - since > PERIOD_MAX:
        raise PeriodInvalid
    if actor.period is not None:
        since, until = max(since, actor.period[0]), min(until, actor.period[1])
        if since >= until:
            return {}
    table = models.interval
    within = sa.and_(table.c.from_at < until, sa.or_(table.c.to_at.is_(None), table.c.to_at > since))
    statement = sa.select(table).where(within).order_by(table.c.framework, table.c.key, table.c.from_at, table.c.id)
    if key is not None:
        statement = statement.where(table.c.framework == key[0], table.c.key == key[1])
    found: dict[tuple[str, str], list[Interval]] = defaultdict(list)
    for row in session.execute(statement):
        found[row.framework, row.key].append(_told(_interval(row), actor))
    return dict(found)


def before_now(actor: Actor, at: datetime) -> datetime | None:
    """Return as of when somebody sees where controls stand who may not see it at an instant, else None.

    That is an auditor whose period is over, who sees its last instant, or has not begun, to whom nothing is told.
    """
    if actor.period is None or actor.sees(at):
        return None
    return min(at, actor.period[1] - _LAST)


def first_known(session: Session, actor: Actor) -> dict[tuple[str, str], datetime]:
    """Return when each control was first judged, to an auditor at the earliest with their period.

    What was never judged is not in it.
    """
    found = {(row.framework, row.key): row.at for row in session.execute(first_judged())}
    if actor.period is None:
        return found
    begin, end = actor.period
    return {key: max(at, begin) for key, at in found.items() if at < end}


def first_judged() -> sa.Select[tuple[str, str, datetime]]:
    """Return the query for framework, key and `at`, the begin of the first interval in which a control was judged."""
    of = models.interval.c
    first = sa.select(of.framework, of.key, sa.func.min(of.from_at).label("at"))
    return first.where(of.state != State.NOT_EVALUABLE.value).group_by(of.framework, of.key)


def judged_from(found: Mapping[tuple[str, str], Sequence[Interval]], since: datetime, until: datetime) -> datetime:
    """Return from when a period was judged: its begin, or the first reading of any control where that is later."""
    return max(since, min((of[0].from_at for of in found.values() if of), default=until))


def share_in_place(found: Iterable[Interval], since: datetime, until: datetime) -> tuple[int, int]:
    """Return (seconds in place, seconds judged) of one control over a period.

    What does not apply is in neither; the time before the first reading was not judged to be in place.
    """
    in_place = apart = 0
    for one in found:
        clipped = one.clipped(since, until)
        if clipped is None:
            continue
        assert clipped.to_at is not None, "a clipped interval ends"
        seconds = int((clipped.to_at - clipped.from_at).total_seconds())
        if one.state.is_in_place:
            in_place += seconds
        elif one.state is State.NOT_APPLICABLE:
            apart += seconds
    return in_place, int((until - since).total_seconds()) - apart


def first_in_place(session: Session) -> dict[tuple[str, str], datetime]:
    """Return when each control was first in place; what never was is not in it."""
    of = models.interval.c
    states = [state.value for state in State if state.is_in_place]
    first = sa.select(of.framework, of.key, sa.func.min(of.from_at).label("at"))
    rows = session.execute(first.where(of.state.in_(states)).group_by(of.framework, of.key))
    return {(row.framework, row.key): row.at for row in rows}


def outages(found: Sequence[Interval], in_place_since: datetime | None) -> list[Interval]:
    """Return the intervals out of place that came after the control had been in place: what 10.7 calls failures.

    That may have been long before the first of the intervals; `in_place_since` is when it first was, if ever.
    """
    if in_place_since is None:
        return []
    return [one for one in found if one.state in OUTAGES and one.from_at >= in_place_since]


def as_of(session: Session, actor: Actor, at: datetime, catalogue: Catalogue) -> Mapping[tuple[str, str], State]:
    """Return the state of every control at an instant of the past, as it was written down."""
    found = at_instant(session, actor, at)
    return {key: found[key].state if key in found else State.NOT_EVALUABLE for key in catalogue.controls}


def at_instant(session: Session, actor: Actor, at: datetime) -> Mapping[tuple[str, str], Interval]:
    """Return the interval that each control was in at an instant of the past; none before its first reading.

    To an auditor it is an instant of their period, whose last one stands for all that come after.
    """
    actor.require(COMPLIANCE_CONTROL_READ)
    at = before_now(actor, at) or at
    if not actor.sees(at):
        return {}
    table = models.interval
    within = sa.and_(table.c.from_at <= at, sa.or_(table.c.to_at.is_(None), table.c.to_at > at))
    rows = session.execute(sa.select(table).where(within))
    return {(row.framework, row.key): _told(_interval(row), actor) for row in rows}


def _told(one: Interval, actor: Actor) -> Interval:
    """Return an interval as an actor is told of it."""
    if actor.period is None:
        return one
    begin, end = actor.period
    return replace(
        one, from_at=max(one.from_at, begin), to_at=one.to_at if one.to_at is not None and one.to_at < end else None
    )


def _interval(row: sa.Row[tuple[object, ...]]) -> Interval:
    of = row._mapping
    return Interval(
        id=of["id"],
        framework=of["framework"],
        key=of["key"],
        state=State(of["state"]),
        reason=of["reason"],
        from_at=of["from_at"],
        to_at=of["to_at"],
        opened_by=of["opened_by"],
    )
