"""The end of an action: taken back, prolonged, or over by itself; what is kept says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy.orm import Session

from app.kernel import words
from app.kernel.access import SOC_ACTION_APPROVE, SOC_ACTION_UNDO
from app.kernel.clock import rfc3339
from app.kernel.containment import BadParameter, ContainmentRefused
from app.kernel.context import Context
from app.kernel.errors import Conflict, WrongState
from ingest.events.incident import ActionExpired, ActionRefused, ActionUndone
from playbooks import acting, action_rows, cases, clocks, notes, step_rows, timeline
from playbooks.acting import OwnAction
from playbooks.action_rows import STANDING, Action, ActionState
from playbooks.cases import Incident
from playbooks.notes import Kind
from playbooks.parts import Parts
from playbooks.registry import Lasts, Undo
from playbooks.step_rows import StepState
from playbooks.timeline import Code

PROLONG_HOURS_MAX: Final = 24 * 7


class NotUndoable(Conflict):
    """This action is not undone."""

    code = "not_undoable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """What became of one action when all were undone; `why` says what kept it."""

    action: Action
    why: str | None


def undo(session: Session, action_id: str, reason: str, ctx: Context, *, parts: Parts) -> Action:
    """Take an action back, at any time of its life; a second time changes nothing.

    Raises `NotUndoable`, and `OwnAction` where another person than the one who did it must.
    """
    ctx.actor.require(SOC_ACTION_UNDO)
    text = words.checked(reason, param="reason")
    found, case = acting.held(session, action_id)
    if found.state is ActionState.UNDONE:
        return found
    if found.state not in STANDING:
        raise WrongState(f"This action is {found.state.value}.", object_id=action_id)
    if found.kind.undo is Undo.NEVER:
        raise NotUndoable(found.kind.undo_in_words, object_id=action_id)
    if found.kind.undo is Undo.ANOTHER and not acting.is_another(found, ctx.actor):
        raise OwnAction(found, "undo")
    return _undo(session, case, found, ctx, parts, comment_id=notes.keep(session, case.id, Kind.REASON, text, ctx))


def undo_all(session: Session, incident_id: str, reason: str, ctx: Context, *, parts: Parts) -> Sequence[Undoing]:
    """Take back all that stands, the latest first, and report each: what cannot be undone by this actor is kept."""
    ctx.actor.require(SOC_ACTION_UNDO)
    text = words.checked(reason, param="reason")
    case = cases.locked(session, incident_id)
    comment_id = notes.keep(session, case.id, Kind.REASON, text, ctx)
    return undo_standing(session, case, ctx, parts, comment_id=comment_id)


def undo_standing(
    session: Session,
    case: Incident,
    ctx: Context,
    parts: Parts,
    *,
    comment_id: str | None = None,
    target: str | None = None,
) -> Sequence[Undoing]:
    """Take back all that stands on a locked incident, or on one target, the latest first; what is kept says why."""
    report = []
    for found in action_rows.standing(session, case.id):
        if target not in (None, found.target):
            continue
        why: str | None = None
        after = found
        if found.kind.undo is Undo.ANOTHER and not acting.is_another(found, ctx.actor):
            why = "Another person must undo it."
        else:
            try:
                with session.begin_nested():
                    after = _undo(session, case, found, ctx, parts, comment_id=comment_id)
            except (ContainmentRefused, BadParameter) as error:
                why = str(error)
        if why is not None:
            acting.tell(session, case, found, ActionRefused, Code.ACTION_KEPT, ctx, reason="kept", why=why)
        report.append(Undoing(action=after, why=why))
    return report


def prolong(session: Session, action_id: str, hours: int, reason: str, ctx: Context) -> Action:
    """Let containment stay for more hours from now; only another person than the one who did it may."""
    ctx.actor.require(SOC_ACTION_APPROVE)
    text = words.checked(reason, param="reason")
    if not 1 <= hours <= PROLONG_HOURS_MAX:
        raise BadParameter(f"Prolong by 1 to {PROLONG_HOURS_MAX} hours.", param="hours")
    found, case = acting.held(session, action_id)
    if found.state not in STANDING or found.kind.lasts is not Lasts.STAYS:
        raise WrongState("Only containment that stands can be prolonged.", object_id=action_id)
    if not acting.is_another(found, ctx.actor):
        raise OwnAction(found, "prolong")
    until = ctx.at + timedelta(hours=hours)
    comment_id = notes.keep(session, case.id, Kind.REASON, text, ctx)
    found = action_rows.write(
        session, found, state=ActionState.PROLONGED.value, prolonged_by=ctx.actor.id, expires_at=until
    )
    timeline.add(
        session,
        case.id,
        Code.ACTION_PROLONGED,
        ctx,
        ref=comment_id,
        **acting.words(found),
        until=rfc3339(until),
    )
    clocks.prolong(session, case, clocks.CONTAINMENT, found.id, until, ctx)
    return found


def expire(session: Session, action_id: str, ctx: Context, *, parts: Parts) -> Action | None:
    """Undo what came to its end, or let a proposal lapse that nobody approved; returns None where nothing was due."""
    found, case = acting.held(session, action_id)
    if found.state is ActionState.PROPOSED and ctx.at >= found.requested_at + parts.settings.approval_lasts:
        found = action_rows.write(session, found, state=ActionState.EXPIRED.value, refusal="approval_expired")
        why = "Nobody approved it in time."
        acting.tell(session, case, found, ActionExpired, Code.ACTION_EXPIRED, ctx, reason="approval", why=why)
        lapsed = "nobody approved it in time."
        step_rows.end_waiting(session, found.execution_id, found.step, StepState.FAILED, ctx, why=lapsed)
        return found
    is_over = found.expires_at is not None and ctx.at >= found.expires_at
    if found.state not in STANDING or found.kind.lasts is not Lasts.LAPSES or not is_over:
        return None
    assert found.ref is not None, "what was done has a reference"
    acting.containment(found.kind, parts).undo(session, found.ref, f"{found.key}|expire", ctx)
    found = action_rows.write(session, found, state=ActionState.EXPIRED.value, undone_at=ctx.at)
    acting.tell(session, case, found, ActionExpired, Code.ACTION_EXPIRED, ctx, reason="time", why="Its time is over.")
    return found


def _undo(
    session: Session, case: Incident, found: Action, ctx: Context, parts: Parts, *, comment_id: str | None
) -> Action:
    assert found.ref is not None, "what was done has a reference"
    acting.containment(found.kind, parts).undo(session, found.ref, f"{found.key}|undo", ctx)
    found = action_rows.write(session, found, state=ActionState.UNDONE.value, undone_at=ctx.at, undone_by=ctx.actor.id)
    acting.tell(session, case, found, ActionUndone, Code.ACTION_UNDONE, ctx, reverts=found.id, ref=comment_id)
    clocks.meet(session, case, clocks.CONTAINMENT, ctx, ref=found.id)
    return found
