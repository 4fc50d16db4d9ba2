"""Work on incidents: taken, handed over, moved from state to state, ended, reopened, noted, their playbooks started."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import words
from app.kernel.access import SOC_INCIDENT_ASSIGN, SOC_INCIDENT_CLOSE, SOC_INCIDENT_WRITE, Actor
from app.kernel.context import Context
from app.kernel.errors import Invalid, SamePerson, WrongState
from ingest.events.incident import CaseChanged, CaseClosed, CaseReopened
from ingest.log import outbox
from playbooks import action_rows, actions, cases, clocks, demands, joining, notes, tasks, timeline
from playbooks.cases import Incident, State
from playbooks.demands import Demand, NotReady
from playbooks.engine import executions
from playbooks.models import timeline as timeline_table
from playbooks.notes import Kind
from playbooks.parts import Parts
from playbooks.timeline import Code

# A wrong short closing of these hides an attack: a second person confirms it.
_SEVERE: Final = 2


class Disposition(StrEnum):
    """Why an incident needs no work."""

    FALSE_POSITIVE = "false_positive"
    BENIGN = "benign"
    DUPLICATE = "duplicate"


class SeverityInvalid(Invalid):
    """Severity counts from 1, critical, to 4, low, and must change."""

    code = "severity_invalid"


class OwnerInvalid(Invalid):
    """Choose a colleague who works incidents, and not the one who has this."""

    code = "owner_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a person brings to a change of state; each is kept, and what was known before need not be brought again."""

    is_confirmed: bool = False
    """Severity, kind and playbook are right (triaged)."""
    nothing_to_contain: str | None = None
    cause: str | None = None
    fix: str | None = None


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
    """Give an incident to one `among` those who may work incidents, with a note; the owner may, and who may assign.

    Of one that nobody had, this is the acknowledgement: a person looked and decided whose it is.
    """
    ctx.actor.require(SOC_INCIDENT_WRITE)
    text = words.checked(note, param="note")
    case = cases.locked(session, incident_id, version=version)
    cases.require_open(case)
    if case.owner != ctx.actor.id:
        ctx.actor.require(SOC_INCIDENT_ASSIGN)
    if to == case.owner or to not in among:
        raise OwnerInvalid(param="to")
    before = case.owner
    comment_id = notes.keep(session, case.id, Kind.HAND_OVER, text, ctx)
    case = cases.change(session, case, owner=to, acknowledged_at=case.acknowledged_at or ctx.at)
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
    clocks.meet(session, case, clocks.ACKNOWLEDGE, ctx)
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
    if facts.nothing_to_contain is not None and (standing := list(action_rows.standing(session, case.id))):
        text = f"Something was contained and stands: {demands.named(standing)}. Lift it, or leave out that nothing was."
        raise NotReady([Demand(code="standing", text=text)])
    if cases.BEFORE.get(to_state) is not case.state:
        raise WrongState(f"From {case.state.value} an incident does not go to {to_state.value}.", object_id=case.id)
    case = _keep_facts(session, case, facts, ctx)
    missing = demands.of_state(session, case, to_state, is_confirmed=facts.is_confirmed)
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
        actions.turn_down_waiting(session, case, ctx, code="incident_ended", why="The incident has ended.")
    return joining.void_closing(session, case, "it is worked on.", ctx)


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
    text = words.checked(reason, param="reason")
    case = cases.locked(session, incident_id, version=version)
    if case.state not in (State.NEW, State.TRIAGED):
        raise WrongState(f"An incident that is {case.state.value} is not closed the short way.", object_id=case.id)
    if standing := list(action_rows.standing(session, case.id)):
        raise NotReady([Demand(code="actions", text=f"Undo first: {demands.named(standing)}.")])
    comment_id = notes.keep(session, case.id, Kind.REASON, text, ctx)
    needs_second = needs_second_to_close(session, case, ctx.actor)
    is_confirmation = case.close_proposed_by is not None and case.disposition == disposition.value
    if needs_second and is_confirmation and case.close_proposed_by == ctx.actor.id:
        raise SamePerson("You proposed it; another person must confirm.")
    if needs_second and not is_confirmation:
        case = cases.change(session, case, close_proposed_by=ctx.actor.id, disposition=disposition.value)
        event_id = _changed(session, case, "close_proposed", ctx)
        timeline.add(
            session, case.id, Code.CLOSE_PROPOSED, ctx, ref=comment_id, event_id=event_id, disposition=disposition.value
        )
        return case
    executions.stop(session, case, ctx, why="incident_closed")
    tasks.leave_open_ones_out(session, case, "incident_closed", ctx)
    actions.turn_down_waiting(session, case, ctx, code="incident_ended", why="The incident was closed.")
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
    text = words.checked(reason, param="reason")
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
    clocks.meet(session, case, clocks.ACKNOWLEDGE, ctx)
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
    return joining.void_closing(session, case, "its severity was raised since.", ctx)


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
    clean = words.checked(text, param="text", shortest=1)
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
    text = words.checked(reason, param="reason")
    case = cases.locked(session, incident_id)
    comment_id = notes.keep(session, case.id, Kind.REASON, text, ctx)
    return executions.stop(session, case, ctx, why="playbook_stopped", comment_id=comment_id)


def _keep_facts(session: Session, case: Incident, facts: Facts, ctx: Context) -> Incident:
    brought = (("cause", facts.cause), ("fix", facts.fix), ("nothing_to_contain", facts.nothing_to_contain))
    for fact, text in brought:
        if text is None:
            continue
        clean = words.checked(text, param=fact)
        kind = Kind(fact) if fact in ("cause", "fix") else Kind.REASON
        comment_id = notes.keep(session, case.id, kind, clean, ctx)
        timeline.add(session, case.id, Code.FACT_WRITTEN, ctx, ref=comment_id, fact=fact)
        case = cases.change(session, case, **{fact: clean})
    return case


def needs_second_to_close(session: Session, case: Incident, actor: Actor) -> bool:
    """Tell whether this person only proposes to close it the short way: it is severe, or they made it less so."""
    return case.severity <= _SEVERE or _was_severe_until(session, case.id, actor)


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
    text = words.checked(reason, param="reason")
    if severity not in (1, 2, 3, 4):
        raise SeverityInvalid(param="severity")
    case = cases.locked(session, incident_id, version=version)
    cases.require_open(case)
    return case, notes.keep(session, case.id, Kind.REASON, text, ctx)


def _changed(session: Session, case: Incident, reason: str, ctx: Context) -> str:
    return outbox.record(session, CaseChanged(**cases.told(session, case), reason=reason), ctx)
