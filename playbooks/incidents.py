"""Incidents: taken, handed over, worked from state to state, ended, reopened; and read, alone or as a list."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import (
    SOC_INCIDENT_ASSIGN,
    SOC_INCIDENT_CLOSE,
    SOC_INCIDENT_READ,
    SOC_INCIDENT_WRITE,
    SOC_OVERVIEW_READ,
    Actor,
)
from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid, NotFound, SamePerson, WrongState
from ingest.events.incident import CaseChanged, CaseClosed, CaseReopened
from ingest.log import outbox
from playbooks import action_rows, actions, cases, clocks, joining, notes, tasks, timeline
from playbooks.action_rows import Action
from playbooks.cases import Incident, State
from playbooks.clocks import Clock
from playbooks.engine import executions
from playbooks.engine.executions import Execution, StepState
from playbooks.models import execution as execution_table
from playbooks.models import incident, incident_alert, incident_entity
from playbooks.models import step as step_table
from playbooks.models import timeline as timeline_table
from playbooks.notes import Kind
from playbooks.parts import Parts
from playbooks.tasks import Task, TaskState
from playbooks.timeline import Code, Entry

PAGE_MAX: Final = 200
ENTRIES_MAX: Final = 200
ALERTS_MAX: Final = 500
KEYS_OF_MAX: Final = 1_000
OPEN_IDS_MAX: Final = 10_000
MEDIAN_ROWS_MAX: Final = 10_000
# A wrong short closing of these hides an attack: a second person confirms it.
_SEVERE: Final = 2
_BEFORE: Final[Mapping[State, State]] = {
    State.TRIAGED: State.NEW,
    State.CONTAINED: State.TRIAGED,
    State.ERADICATED: State.CONTAINED,
    State.RECOVERED: State.ERADICATED,
}


class Disposition(StrEnum):
    """Why an incident needs no work."""

    FALSE_POSITIVE = "false_positive"
    BENIGN = "benign"
    DUPLICATE = "duplicate"


class NotReady(Conflict):
    """The incident does not meet yet what this state demands."""

    code = "not_ready"

    def __init__(self, demands: Sequence[Demand]) -> None:
        super().__init__(" ".join(demand.text for demand in demands))
        self.demands = tuple(demands)


class SeverityInvalid(Invalid):
    """Severity counts from 1, critical, to 4, low, and must change."""

    code = "severity_invalid"


class OwnerInvalid(Invalid):
    """Choose a colleague who works incidents, and not the one who has this."""

    code = "owner_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One thing that is missing for a state, as code and sentence."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a person brings to a change of state; each is kept, and what was known before need not be brought again."""

    is_confirmed: bool = False
    """Severity, kind and playbook are right (triaged)."""
    nothing_to_contain: str | None = None
    cause: str | None = None
    fix: str | None = None


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
    actions: Sequence[Action]
    timeline: Sequence[Entry]
    next_state: State | None
    demands: Sequence[Demand]
    """What is missing for the next state."""


def take(session: Session, incident_id: str, ctx: Context, *, version: int | None = None) -> Incident:
    """Take an incident: the taker owns it, and that is its acknowledgement. Taking it from an owner needs the right."""
    ctx.actor.require(SOC_INCIDENT_WRITE)
    case = cases.locked(session, incident_id, version=version)
    cases.require_open(case)
    taker = ctx.actor.own_id
    if case.owner == taker:
        return case
    if case.owner is not None:
        ctx.actor.require(SOC_INCIDENT_ASSIGN)
    before = case.owner
    case = cases.change(session, case, owner=taker, acknowledged_at=case.acknowledged_at or ctx.at)
    event_id = _changed(session, case, "taken", ctx)
    timeline.add(session, case.id, Code.CASE_TAKEN, ctx, event_id=event_id, owner=taker, before=before)
    clocks.meet(session, case, clocks.ACKNOWLEDGE, ctx)
    return case


def hand_over(
    session: Session,
    incident_id: str,
    to: str,
    note: str,
    ctx: Context,
    *,
    among: Collection[str],
    version: int | None = None,
) -> Incident:
    """Give an incident to one `among` those who may work incidents, with a note; the owner may, and who may assign."""
    ctx.actor.require(SOC_INCIDENT_WRITE)
    text = notes.checked(note, param="note")
    case = cases.locked(session, incident_id, version=version)
    cases.require_open(case)
    if case.owner != ctx.actor.id:
        ctx.actor.require(SOC_INCIDENT_ASSIGN)
    if to == case.owner or to not in among:
        raise OwnerInvalid(param="to")
    before = case.owner
    comment_id = notes.keep(session, case.id, Kind.HAND_OVER, text, ctx)
    case = cases.change(session, case, owner=to)
    event_id = _changed(session, case, "handed_over", ctx)
    timeline.add(
        session,
        case.id,
        Code.CASE_HANDED_OVER,
        ctx,
        ref=comment_id,
        event_id=event_id,
        before=before or "nobody",
        after=to,
    )
    return case


def advance(
    session: Session,
    incident_id: str,
    to_state: State,
    ctx: Context,
    *,
    facts: Facts | None = None,
    version: int | None = None,
) -> Incident:
    """Move an incident one state on; raises `NotReady` with the list of what that state still demands."""
    ctx.actor.require(SOC_INCIDENT_WRITE)
    facts = facts or Facts()
    case = cases.locked(session, incident_id, version=version)
    cases.require_open(case)
    if facts.nothing_to_contain is not None and (standing := _standing(session, case)):
        text = f"Something was contained and stands: {_named(standing)}. Lift it, or leave out that nothing was."
        raise NotReady([Demand(code="standing", text=text)])
    if _BEFORE.get(to_state) is not case.state:
        raise WrongState(f"From {case.state.value} an incident does not go to {to_state.value}.", object_id=case.id)
    case = _keep_facts(session, case, facts, ctx)
    missing = demands(session, case, to_state, is_confirmed=facts.is_confirmed)
    if missing:
        raise NotReady(missing)
    before = case.state
    times = {State.CONTAINED: "contained_at", State.RECOVERED: "recovered_at"}
    stamped = {times[to_state]: ctx.at} if to_state in times else {}
    case = cases.change(session, case, state=to_state.value, **stamped)
    event_id = _changed(session, case, "state", ctx)
    timeline.add(
        session, case.id, Code.CASE_ADVANCED, ctx, event_id=event_id, before=before.value, after=to_state.value
    )
    if to_state is State.RECOVERED:
        joining.release_keys(session, case.id)
    return case


def demands(session: Session, case: Incident, to_state: State, *, is_confirmed: bool = False) -> Sequence[Demand]:
    """Return what an incident still lacks for a state, as code and sentence."""
    match to_state:
        case State.TRIAGED:
            return _missing(
                (case.owner is not None, "owner", "Somebody must take it."),
                (is_confirmed, "confirmed", "Confirm severity, kind and playbook."),
            )
        case State.CONTAINED:
            done = action_rows.of_incident(session, case.id)
            is_contained = any(one.done_at is not None for one in done) or case.nothing_to_contain is not None
            return _missing(
                (not _containing(session, case.id), "steps", "Containment steps are still open."),
                (is_contained, "containment", "Contain it, or say why there is nothing to contain."),
            )
        case State.ERADICATED:
            return _missing((case.cause is not None, "cause", "Write down the cause."))
        case State.RECOVERED:
            kept = _named([one for one in _standing(session, case) if one.prolonged_by is None])
            is_open = any(one.is_open for one in tasks.of_incident(session, case.id))
            return _missing(
                (case.fix is not None, "fix", "Write down what mended it."),
                (not kept, "actions", f"Undo, or let another person prolong: {kept}."),
                (not is_open, "tasks", "Tasks are still open."),
                (not executions.has_running(session, case.id), "playbook", "The playbook still runs."),
            )
        case State.NEW | State.CLOSED:
            return ()


def close_short(
    session: Session,
    incident_id: str,
    disposition: Disposition,
    reason: str,
    ctx: Context,
    *,
    version: int | None = None,
) -> Incident:
    """Close an incident that needs no work. Severity 1 and 2: the first person proposes, another one confirms.

    Whoever lowered it from there does not close it alone either. What still contains somebody must be undone first;
    open tasks, running playbooks and what waits for approval end with it.
    """
    ctx.actor.require(SOC_INCIDENT_CLOSE)
    text = notes.checked(reason, param="reason")
    case = cases.locked(session, incident_id, version=version)
    if case.state not in (State.NEW, State.TRIAGED):
        raise WrongState(f"An incident that is {case.state.value} is not closed the short way.", object_id=case.id)
    if standing := _standing(session, case):
        raise NotReady([Demand(code="actions", text=f"Undo first: {_named(standing)}.")])
    comment_id = notes.keep(session, case.id, Kind.REASON, text, ctx)
    needs_second = case.severity <= _SEVERE or _was_severe_until(session, case.id, ctx.actor)
    is_confirmation = case.close_proposed_by is not None and case.disposition == disposition.value
    if needs_second and is_confirmation and case.close_proposed_by == ctx.actor.id:
        raise SamePerson(f"{ctx.actor.id} proposed it; another person must confirm.")
    if needs_second and not is_confirmation:
        case = cases.change(session, case, close_proposed_by=ctx.actor.id, disposition=disposition.value)
        event_id = _changed(session, case, "close_proposed", ctx)
        timeline.add(
            session, case.id, Code.CLOSE_PROPOSED, ctx, ref=comment_id, event_id=event_id, disposition=disposition.value
        )
        return case
    executions.stop(session, case, ctx, why="incident_closed")
    tasks.leave_open_ones_out(session, case, "incident_closed", ctx)
    actions.turn_down_waiting(session, case, ctx, why="The incident was closed.")
    case = cases.change(session, case, state=State.CLOSED.value, closed_at=ctx.at, disposition=disposition.value)
    joining.release_keys(session, case.id)
    clocks.end_all(session, case, ctx)
    event = CaseClosed(**cases.told(session, case), reason=disposition.value)
    event_id = outbox.record(session, event, ctx)
    timeline.add(
        session, case.id, Code.CASE_CLOSED, ctx, ref=comment_id, event_id=event_id, disposition=disposition.value
    )
    return case


def reopen(session: Session, incident_id: str, reason: str, ctx: Context, *, version: int | None = None) -> Incident:
    """Open an ended incident again, as triaged; only people do, with a reason."""
    ctx.actor.require(SOC_INCIDENT_CLOSE)
    text = notes.checked(reason, param="reason")
    case = cases.locked(session, incident_id, version=version)
    if case.is_open:
        raise WrongState("This incident has not ended.", object_id=case.id)
    before = case.state
    comment_id = notes.keep(session, case.id, Kind.REASON, text, ctx)
    case = cases.change(
        session,
        case,
        state=State.TRIAGED.value,
        owner=case.owner or ctx.actor.own_id,
        acknowledged_at=case.acknowledged_at or ctx.at,
        closed_at=None,
        recovered_at=None,
        disposition=None,
        close_proposed_by=None,
    )
    joining.retake_keys(session, case.id)
    event_id = outbox.record(session, CaseReopened(**cases.told(session, case), reason="person"), ctx)
    timeline.add(session, case.id, Code.CASE_REOPENED, ctx, ref=comment_id, event_id=event_id, before=before.value)
    return case


def raise_severity(
    session: Session,
    incident_id: str,
    severity: int,
    reason: str,
    ctx: Context,
    *,
    parts: Parts,
    version: int | None = None,
) -> Incident:
    """Set a higher severity, with a reason; running clocks end earlier, counted from the same start."""
    ctx.actor.require(SOC_INCIDENT_WRITE)
    case, comment_id = _reseverable(session, incident_id, severity, reason, ctx, version)
    if severity >= case.severity:
        raise SeverityInvalid("A raised severity is a smaller number.", param="severity")
    before = case.severity
    case = cases.change(session, case, severity=severity)
    event_id = _changed(session, case, "severity", ctx)
    timeline.add(
        session, case.id, Code.SEVERITY_RAISED, ctx, ref=comment_id, event_id=event_id, before=before, after=severity
    )
    clocks.shorten(session, case, clocks.ACKNOWLEDGE, parts.clock_rules.acknowledge_due(severity, case.found_at), ctx)
    return case


def lower_severity(
    session: Session, incident_id: str, severity: int, reason: str, ctx: Context, *, version: int | None = None
) -> Incident:
    """Set a lower severity, with a reason; only a person may, and clocks that run keep their end."""
    ctx.actor.require(SOC_INCIDENT_CLOSE)
    case, comment_id = _reseverable(session, incident_id, severity, reason, ctx, version)
    if severity <= case.severity:
        raise SeverityInvalid("A lowered severity is a greater number.", param="severity")
    before = case.severity
    case = cases.change(session, case, severity=severity)
    event_id = _changed(session, case, "severity", ctx)
    timeline.add(
        session, case.id, Code.SEVERITY_LOWERED, ctx, ref=comment_id, event_id=event_id, before=before, after=severity
    )
    return case


def note(session: Session, incident_id: str, text: str, ctx: Context) -> str:
    """Add a note and return its id; card numbers and secrets are refused."""
    ctx.actor.require(SOC_INCIDENT_WRITE)
    clean = notes.checked(text, param="text", shortest=1)
    case = cases.locked(session, incident_id)
    comment_id = notes.keep(session, case.id, Kind.NOTE, clean, ctx)
    timeline.add(session, case.id, Code.NOTE_ADDED, ctx, ref=comment_id)
    return comment_id


def start_playbook(session: Session, incident_id: str, slug: str, ctx: Context, *, parts: Parts) -> str | None:
    """Start a playbook by hand, beside what runs; for one that a more severe alert proposed."""
    ctx.actor.require(SOC_INCIDENT_WRITE)
    case = cases.locked(session, incident_id)
    cases.require_open(case)
    started = executions.start(session, case, slug, ctx, parts=parts)
    if started is not None:
        cases.change(session, case, playbook=slug, proposed_playbook=None)
    return started


def stop_playbooks(session: Session, incident_id: str, reason: str, ctx: Context) -> int:
    """Stop what runs, with a reason; tasks still open are left out. Returns how many ran."""
    ctx.actor.require(SOC_INCIDENT_CLOSE)
    text = notes.checked(reason, param="reason")
    case = cases.locked(session, incident_id)
    comment_id = notes.keep(session, case.id, Kind.REASON, text, ctx)
    return executions.stop(session, case, ctx, why="playbook_stopped", comment_id=comment_id)


def by_id(session: Session, incident_id: str, actor: Actor, *, entries: int = ENTRIES_MAX) -> Page:
    """Return an incident with all that its page shows; the newest entries of its timeline, oldest first."""
    actor.require(SOC_INCIDENT_READ)
    case = cases.by_id(session, incident_id)
    after = next((state for state, before in _BEFORE.items() if before is case.state), None)
    newest = timeline.page(session, case.id, limit=entries, oldest_first=False)
    return Page(
        incident=case,
        entities=_entities(session, case.id),
        alerts=_alerts(session, case.id),
        clocks=clocks.of_incident(session, case.id),
        executions=executions.of_incident(session, case.id),
        tasks=tasks.of_incident(session, case.id),
        actions=action_rows.of_incident(session, case.id),
        timeline=list(reversed(newest)),
        next_state=after,
        demands=demands(session, case, after) if after is not None else (),
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


def _keep_facts(session: Session, case: Incident, facts: Facts, ctx: Context) -> Incident:
    brought = (("cause", facts.cause), ("fix", facts.fix), ("nothing_to_contain", facts.nothing_to_contain))
    for fact, text in brought:
        if text is None:
            continue
        clean = notes.checked(text, param=fact)
        kind = Kind(fact) if fact in ("cause", "fix") else Kind.REASON
        comment_id = notes.keep(session, case.id, kind, clean, ctx)
        timeline.add(session, case.id, Code.FACT_WRITTEN, ctx, ref=comment_id, fact=fact)
        case = cases.change(session, case, **{fact: clean})
    return case


def _standing(session: Session, case: Incident) -> Sequence[Action]:
    return [one for one in action_rows.of_incident(session, case.id) if one.is_standing]


def _named(standing: Sequence[Action]) -> str:
    """Return actions as people call them, with whom each touches."""
    return ", ".join(f"{one.kind.title} ({one.target})" for one in standing)


def _missing(*checks: tuple[bool, str, str]) -> Sequence[Demand]:
    return [Demand(code=code, text=text) for is_met, code, text in checks if not is_met]


def _containing(session: Session, incident_id: str) -> bool:
    """Tell whether a step or task that contains was reached and has not ended."""
    if any(
        one.does is not None and one.state in (TaskState.OPEN, TaskState.CHECKING)
        for one in tasks.of_incident(session, incident_id)
    ):
        return True
    under_way = (
        sa.select(sa.func.count())
        .select_from(step_table)
        .join(execution_table, execution_table.c.id == step_table.c.execution_id)
        .where(
            execution_table.c.incident_id == incident_id,
            execution_table.c.state == executions.ExecutionState.RUNNING.value,
            step_table.c.state.in_((StepState.READY.value, StepState.RUNNING.value)),
        )
    )
    proposed = any(
        one.state is action_rows.ActionState.PROPOSED for one in action_rows.of_incident(session, incident_id)
    )
    return proposed or bool(session.scalar(under_way))


def _was_severe_until(session: Session, incident_id: str, actor: Actor) -> bool:
    """Tell whether this person took a severe incident to where one person closes it: that would be both of two."""
    query = sa.select(timeline_table.c.params).where(
        timeline_table.c.incident_id == incident_id,
        timeline_table.c.code == Code.SEVERITY_LOWERED.value,
        timeline_table.c.actor == actor.id,
    )
    return any(params["before"] <= _SEVERE for params in session.scalars(query))


def _reseverable(
    session: Session, incident_id: str, severity: int, reason: str, ctx: Context, version: int | None
) -> tuple[Incident, str]:
    text = notes.checked(reason, param="reason")
    if severity not in (1, 2, 3, 4):
        raise SeverityInvalid(param="severity")
    case = cases.locked(session, incident_id, version=version)
    cases.require_open(case)
    return case, notes.keep(session, case.id, Kind.REASON, text, ctx)


def _changed(session: Session, case: Incident, reason: str, ctx: Context) -> str:
    return outbox.record(session, CaseChanged(**cases.told(session, case), reason=reason), ctx)


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
