"""Incidents as people read them: one with all that its page shows, lists, counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import SOC_INCIDENT_READ, SOC_OVERVIEW_READ, Actor
from app.kernel.errors import NotFound
from playbooks import action_rows, cases, clocks, demands, tasks, timeline
from playbooks.action_rows import Action
from playbooks.cases import Incident, State
from playbooks.clocks import ACKNOWLEDGE, Clock, ClockState
from playbooks.demands import Demand
from playbooks.engine import executions
from playbooks.engine.executions import Execution
from playbooks.models import clock, incident, incident_alert, incident_entity
from playbooks.tasks import Task
from playbooks.timeline import Entry

PAGE_MAX: Final = 200
ENTRIES_MAX: Final = 200
ALERTS_MAX: Final = 500
KEYS_OF_MAX: Final = 1_000
OPEN_IDS_MAX: Final = 10_000
MEDIAN_ROWS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedAlert:
    """An alert of an incident."""

    alert_id: str
    rule: str
    severity: int
    events: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEntity:
    """A thing an incident is about: how many alerts name it, and whether findings meet by it."""

    kind: str
    value: str
    weight: int
    is_key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that the page of an incident shows, from one read."""

    incident: Incident
    entities: Sequence[NamedEntity]
    alerts: Sequence[LinkedAlert]
    clocks: Sequence[Clock]
    executions: Sequence[Execution]
    tasks: Sequence[Task]
    tasks_total: int
    actions: Sequence[Action]
    actions_total: int
    timeline: Sequence[Entry]
    next_state: State | None
    demands: Sequence[Demand]
    """What is missing for the next state."""


def by_id(session: Session, incident_id: str, actor: Actor, *, entries: int = ENTRIES_MAX) -> Page:
    """Return an incident with all that its page shows; the newest entries of its timeline, oldest first."""
    actor.require(SOC_INCIDENT_READ)
    case = cases.by_id(session, incident_id)
    after = next((state for state, before in cases.BEFORE.items() if before is case.state), None)
    newest = timeline.page(session, case.id, limit=entries, oldest_first=False)
    return Page(
        incident=case,
        entities=_entities(session, case.id),
        alerts=_alerts(session, case.id),
        clocks=clocks.of_incident(session, case.id),
        executions=executions.of_incident(session, case.id),
        tasks=tasks.of_incident(session, case.id),
        tasks_total=tasks.how_many(session, case.id),
        actions=action_rows.of_incident(session, case.id),
        actions_total=action_rows.how_many(session, case.id),
        timeline=list(reversed(newest)),
        next_state=after,
        demands=demands.of_state(session, case, after) if after is not None else (),
    )


def timeline_page(
    session: Session,
    incident_id: str,
    actor: Actor,
    *,
    after: int | None = None,
    limit: int = ENTRIES_MAX,
    oldest_first: bool = True,
) -> Sequence[Entry]:
    """Return a page of an incident's timeline in the order it was recorded, after an entry's number."""
    actor.require(SOC_INCIDENT_READ)
    cases.by_id(session, incident_id)
    return timeline.page(session, incident_id, after=after, limit=limit, oldest_first=oldest_first)


def list_page(
    session: Session,
    actor: Actor,
    *,
    states: Collection[State] = cases.OPEN,
    severity: int | None = None,
    owner: str | None = None,
    synthetic: bool = False,
    after: str | None = None,
    limit: int = PAGE_MAX,
) -> Sequence[Incident]:
    """Return incidents, newest first, after an id; those of drills only where they are asked for."""
    actor.require(SOC_INCIDENT_READ)
    query = sa.select(incident).where(incident.c.state.in_([state.value for state in states]))
    query = query.where(incident.c.synthetic.is_not(None) if synthetic else incident.c.synthetic.is_(None))
    if severity is not None:
        query = query.where(incident.c.severity == severity)
    if owner is not None:
        query = query.where(incident.c.owner == owner)
    if after is not None:
        query = query.where(incident.c.id < after)
    rows = session.execute(query.order_by(incident.c.id.desc()).limit(min(limit, PAGE_MAX)))
    return [cases.of(row) for row in rows]


def open_ids(session: Session, actor: Actor) -> frozenset[str]:
    """Return the ids of what is open, drills too: whose alerts need no triage of their own."""
    actor.require(SOC_INCIDENT_READ)
    query = sa.select(incident.c.id).where(incident.c.state.in_([state.value for state in cases.OPEN]))
    return frozenset(session.scalars(query.order_by(incident.c.id.desc()).limit(OPEN_IDS_MAX)))


def by_ids(session: Session, actor: Actor, incident_ids: Collection[str]) -> Mapping[str, Incident]:
    """Return those incidents of some ids that there are, for lists of what belongs to them."""
    actor.require(SOC_INCIDENT_READ)
    rows = session.execute(sa.select(incident).where(incident.c.id.in_(sorted(incident_ids)[:KEYS_OF_MAX])))
    return {row.id: cases.of(row) for row in rows}


def keys_of(session: Session, actor: Actor, incident_ids: Collection[str]) -> Mapping[str, Sequence[NamedEntity]]:
    """Return the things by which findings meet in each incident, for lists."""
    actor.require(SOC_INCIDENT_READ)
    query = (
        sa.select(incident_entity)
        .where(incident_entity.c.incident_id.in_(list(incident_ids)[:KEYS_OF_MAX]), incident_entity.c.is_key)
        .order_by(incident_entity.c.incident_id, incident_entity.c.kind, incident_entity.c.value)
    )
    found: dict[str, list[NamedEntity]] = {}
    for row in session.execute(query):
        named = NamedEntity(kind=row.kind, value=row.value, weight=row.weight, is_key=row.is_key)
        found.setdefault(row.incident_id, []).append(named)
    return found


def id_of_number(session: Session, actor: Actor, number: int) -> str:
    """Return the id of the incident with a number; raises `NotFound`."""
    actor.require(SOC_INCIDENT_READ)
    found = session.scalar(sa.select(incident.c.id).where(incident.c.number == number))
    if found is None:
        raise NotFound("There is no such incident.")
    return str(found)


def open_by_severity(session: Session, actor: Actor) -> Mapping[int, int]:
    """Count open incidents by severity, those of drills left out; every severity has its number."""
    actor.require(SOC_OVERVIEW_READ)
    return count_open(session)


def count_open(session: Session) -> Mapping[int, int]:
    """Count open incidents by severity, for metrics."""
    rows = session.execute(
        sa.select(incident.c.severity, sa.func.count().label("how_many"))
        .where(incident.c.state.in_([state.value for state in cases.OPEN]), incident.c.synthetic.is_(None))
        .group_by(incident.c.severity)
    )
    return dict.fromkeys((1, 2, 3, 4), 0) | {row.severity: row.how_many for row in rows}


def median_acknowledge(session: Session, actor: Actor, since: datetime) -> timedelta | None:
    """Return the median time from found to acknowledged of what was found since, or None where nobody took any."""
    actor.require(SOC_OVERVIEW_READ)
    rows = session.execute(
        sa.select(incident.c.found_at, incident.c.acknowledged_at)
        .where(incident.c.found_at >= since, incident.c.acknowledged_at.is_not(None), incident.c.synthetic.is_(None))
        .order_by(incident.c.found_at.desc())
        .limit(MEDIAN_ROWS_MAX)
    ).all()
    if not rows:
        return None
    micros = [(row.acknowledged_at - row.found_at) // timedelta(microseconds=1) for row in rows]
    return timedelta(microseconds=int(median(micros)))


def acknowledged_in_time(session: Session, actor: Actor, since: datetime) -> tuple[int, int]:
    """Return how many of the incidents found since were acknowledged within their own time, and of how many."""
    actor.require(SOC_OVERVIEW_READ)
    is_kept = sa.func.count().filter(clock.c.state == ClockState.MET.value)
    of = sa.func.count()
    ended = (ClockState.MET.value, ClockState.MET_LATE.value, ClockState.BREACHED.value)
    row = session.execute(
        sa.select(is_kept, of)
        .select_from(clock)
        .join(incident, incident.c.id == clock.c.incident_id)
        .where(
            clock.c.kind == ACKNOWLEDGE,
            clock.c.state.in_(ended),
            incident.c.found_at >= since,
            incident.c.synthetic.is_(None),
        )
    ).one()
    return row[0], row[1]


def _entities(session: Session, incident_id: str) -> Sequence[NamedEntity]:
    query = (
        sa.select(incident_entity)
        .where(incident_entity.c.incident_id == incident_id)
        .order_by(incident_entity.c.is_key.desc(), incident_entity.c.weight.desc(), incident_entity.c.value)
        .limit(PAGE_MAX)
    )
    return [
        NamedEntity(kind=row.kind, value=row.value, weight=row.weight, is_key=row.is_key)
        for row in session.execute(query)
    ]


def _alerts(session: Session, incident_id: str) -> Sequence[LinkedAlert]:
    query = (
        sa.select(incident_alert)
        .where(incident_alert.c.incident_id == incident_id)
        .order_by(incident_alert.c.first_at, incident_alert.c.alert_id)
        .limit(ALERTS_MAX)
    )
    return [_alert(row) for row in session.execute(query)]


def _alert(row: Any) -> LinkedAlert:  # a row of `incident_alert`
    return LinkedAlert(
        alert_id=row.alert_id,
        rule=row.rule,
        severity=row.severity,
        events=row.events,
        first_at=row.first_at,
        last_at=row.last_at,
    )
