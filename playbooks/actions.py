"""Containment from an incident: shown first, done once, approved by a second person where it must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import approvals, canonical, crypto, words
from app.kernel.access import (
    SOC_ACTION_APPROVE,
    SOC_ACTION_PROPOSE,
)
from app.kernel.containment import Radius
from app.kernel.context import Context
from app.kernel.errors import WrongState
from ingest.events.incident import (
    ActionExecuted,
    ActionProposed,
    ActionRefused,
)
from ingest.log import outbox
from playbooks import acting, action_rows, cases, clocks, notes, registry, step_rows, tasks, timeline
from playbooks.acting import OwnAction
from playbooks.action_rows import STANDING, Action, ActionState
from playbooks.cases import Incident
from playbooks.models import action
from playbooks.notes import Kind
from playbooks.parts import Parts
from playbooks.registry import ActionType, Lasts, UnknownAction
from playbooks.step_rows import StepState
from playbooks.timeline import Code

TARGET_CHARS_MAX: Final = 300
# An action that leaves nothing standing may be done again; within this time it is the same click.
SAME_CLICK: Final = timedelta(minutes=1)


class ApprovalExpired(approvals.ApprovalExpired):
    """The proposal is too old to be approved; propose it again."""


class ApprovalChanged(approvals.ApprovalChanged):
    """What this touches has changed; look at it again."""

    def __init__(self, preview: Preview, *, proposal: Action | None = None) -> None:
        super().__init__(f"What this touches has changed: {' '.join(preview.radius.lines)}")
        self.preview = preview
        self._proposal = proposal

    def trace(self, session: Session, ctx: Context) -> None:
        """Let the proposal show what it would touch now, so that whoever has read it can approve that."""
        if self._proposal is None:
            return
        found, _ = acting.held(session, self._proposal.id)
        if found.state is ActionState.PROPOSED:
            action_rows.write(session, found, **_shown(self.preview))


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an action will touch, before the click: radius, its hash, until when, who else is needed, how it ends."""

    name: str
    title: str
    target: str
    params: Mapping[str, str]
    radius: Radius
    hash: str
    until: datetime | None
    needs_second: str | None
    undo_in_words: str
    customer_is_told: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """Which step of which execution asks, and the person who started that by hand."""

    execution_id: str | None = None
    step: str | None = None
    asked_by: str | None = None


_BY_HAND: Final = _Origin()


def preview(
    session: Session, incident_id: str, name: str, params: Mapping[str, str], ctx: Context, *, parts: Parts
) -> Preview:
    """Return what an action would touch now; raises `UnknownAction`, `BadParameter` or `ContainmentRefused`."""
    ctx.actor.require(SOC_ACTION_PROPOSE)
    cases.by_id(session, incident_id)
    kind = _of_people(name)
    return _preview(session, kind, registry.checked(kind, params), ctx, parts)


def propose(
    session: Session, incident_id: str, name: str, params: Mapping[str, str], ctx: Context, *, parts: Parts
) -> Action:
    """Ask for an action that a second person approves."""
    ctx.actor.require(SOC_ACTION_PROPOSE)
    kind = _of_people(name)
    case = cases.locked(session, incident_id)
    cases.require_open(case)
    shown = _preview(session, kind, registry.checked(kind, params), ctx, parts)
    same = _same(session, case, kind, shown.params, ctx)
    return same or _propose(session, case, shown, shown.needs_second or "A person asked for it.", ctx, parts)


def run(
    session: Session,
    incident_id: str,
    name: str,
    params: Mapping[str, str],
    ctx: Context,
    *,
    parts: Parts,
    expected_hash: str | None = None,
    key: str | None = None,
) -> Action:
    """Do an action now, or propose it where it needs a second person; the state of the answer says which.

    A repeated key, a double click and a second commander with the same action get the first one's answer. Raises
    `ApprovalChanged` with the new preview where the caller has seen another one.
    """
    kind = _of_people(name)
    ctx.actor.require(kind.permission)
    case = cases.locked(session, incident_id)
    if key is not None and (known := action_rows.by_key(session, f"{case.id}|{key}")) is not None:
        return known
    cases.require_open(case)
    checked = registry.checked(kind, params)
    if (same := _same(session, case, kind, checked, ctx)) is not None:
        return same
    shown = _preview(session, kind, checked, ctx, parts)
    if expected_hash is not None and expected_hash != shown.hash:
        raise ApprovalChanged(shown)
    own_key = None if key is None else f"{case.id}|{key}"
    if shown.needs_second is not None:
        return _propose(session, case, shown, shown.needs_second, ctx, parts, key=own_key)
    return _act(session, case, shown, ctx, parts, key=own_key)


def approve(session: Session, action_id: str, ctx: Context, *, parts: Parts) -> Action:
    """Approve what another person, or a playbook that another person or a finding started, proposed; and do it.

    What stands already by another order is not done again: the proposal ends, and the answer is what stands. Raises
    `OwnAction`, `ApprovalExpired`, or `ApprovalChanged` where it would touch more than a tenth more than shown; the
    proposal shows that from then on, and the next approval is held against it.
    """
    ctx.actor.require(SOC_ACTION_APPROVE)
    found, case = acting.held(session, action_id)
    if found.state in STANDING:
        return found
    if found.state is ActionState.EXPIRED and found.done_at is None:
        raise ApprovalExpired(object_id=action_id)
    if found.state is not ActionState.PROPOSED:
        raise WrongState(f"This action is {found.state.value}.", object_id=action_id)
    if found.requested_by == ctx.actor.id:
        raise OwnAction(found, "approve")
    if ctx.at >= found.requested_at + parts.settings.approval_lasts:
        raise ApprovalExpired(object_id=action_id)
    cases.require_open(case)
    same = _same(session, case, found.kind, found.params, ctx, but=found.id)
    if same is not None and same.state is not ActionState.PROPOSED:
        ended = action_rows.write(session, found, state=ActionState.REFUSED.value, refusal="stands_already")
        why = "It stands already, so nothing was done again."
        acting.tell(session, case, ended, ActionRefused, Code.ACTION_REFUSED, ctx, reason="stands_already", why=why)
        step_rows.end_waiting(session, found.execution_id, found.step, StepState.DONE, ctx)
        return same
    shown = _preview(session, found.kind, found.params, ctx, parts)
    if _grew(found.radius, shown.radius):
        raise ApprovalChanged(shown, proposal=found)
    done = _act(session, case, shown, ctx, parts, proposed=found)
    step_rows.end_waiting(session, done.execution_id, done.step, StepState.DONE, ctx)
    return done


def refuse(session: Session, action_id: str, reason: str, ctx: Context) -> Action:
    """Turn down what was proposed, with a reason; a playbook that asked goes on with its failure branch."""
    ctx.actor.require(SOC_ACTION_APPROVE)
    text = words.checked(reason, param="reason")
    found, case = acting.held(session, action_id)
    if found.state is not ActionState.PROPOSED:
        raise WrongState(f"This action is {found.state.value}.", object_id=action_id)
    comment_id = notes.keep(session, case.id, Kind.REASON, text, ctx)
    found = action_rows.write(session, found, state=ActionState.REFUSED.value, refusal="refused_by_person")
    why = "A second person said no."
    acting.tell(session, case, found, ActionRefused, Code.ACTION_REFUSED, ctx, reason="person", why=why, ref=comment_id)
    step_rows.end_waiting(
        session, found.execution_id, found.step, StepState.FAILED, ctx, why="a second person said no."
    )
    return found


def turn_down_waiting(
    session: Session, case: Incident, ctx: Context, *, code: str, why: str, execution_id: str | None = None
) -> None:
    """Refuse what still waits for a second person on a locked incident, or in one of its playbooks, that ended."""
    for found in list(action_rows.proposed(session, case.id)):
        if execution_id in (None, found.execution_id):
            refused = action_rows.write(session, found, state=ActionState.REFUSED.value, refusal=code)
            acting.tell(session, case, refused, ActionRefused, Code.ACTION_REFUSED, ctx, reason=code, why=why)


def act_for_step(
    session: Session,
    case: Incident,
    name: str,
    params: Mapping[str, str],
    ctx: Context,
    *,
    parts: Parts,
    key: str,
    execution_id: str,
    step: str,
    asked_by: str | None,
) -> Action:
    """Do what an automatic step asks for, once by its key; above the limit it is proposed to a second person.

    Who started the playbook by hand, `asked_by`, asked for it. What stands already is not done again. Raises
    `BadParameter`, `ContainmentRefused` or `UnknownAction` and changes nothing.
    """
    if (known := action_rows.by_key(session, key)) is not None:
        return known
    kind = _of_people(name)
    checked = registry.checked(kind, params)
    same = _same(session, case, kind, checked, ctx)
    if same is not None and same.state is not ActionState.PROPOSED:
        return same
    if same is not None and same.execution_id is None:
        # Somebody asked for it already: the step waits for the same second person.
        return action_rows.write(session, same, execution_id=execution_id, step=step)
    shown = _preview(session, kind, checked, ctx, parts)
    origin = _Origin(execution_id=execution_id, step=step, asked_by=asked_by)
    why = shown.needs_second if parts.settings.auto_containment else "Containment is never automatic here."
    if why is not None:
        return _propose(session, case, shown, why, ctx, parts, key=key, origin=origin)
    return _act(session, case, shown, ctx, parts, key=key, origin=origin)


def tell_refusal(
    session: Session, case: Incident, name: str, params: Mapping[str, str], step: str, code: str, why: str, ctx: Context
) -> None:
    """Say in the log that an automatic action could not be done; the step's own entry tells people."""
    kind = registry.REGISTRY.get(name)
    target = "incident" if kind is None or kind.target is None else params.get(kind.target, "unknown")
    target = target[:TARGET_CHARS_MAX]
    event = ActionRefused(**cases.told(session, case), step=step, action=name, target=target, reason=code)
    event_id = outbox.record(session, event, ctx)
    timeline.add(session, case.id, Code.ACTION_REFUSED, ctx, event_id=event_id, action=name, target=target, why=why)


def radius_hash(radius: Radius, name: str, params: Mapping[str, str]) -> str:
    """Return the hash that binds a click or an approval to what was shown."""
    shown = {"name": name, "params": dict(params), "counts": dict(radius.counts), "lines": list(radius.lines)}
    return crypto.sha256(canonical.encode(shown)).hex()


def _of_people(name: str) -> ActionType:
    kind = registry.named(name)
    if kind.is_own:
        raise UnknownAction(f"{name} is done by playbooks alone.", param="name")
    return kind


def _preview(session: Session, kind: ActionType, params: Mapping[str, str], ctx: Context, parts: Parts) -> Preview:
    radius = acting.containment(kind, parts).preview(session, params, ctx)
    return Preview(
        name=kind.name,
        title=kind.title,
        target=kind.target_of(params)[:TARGET_CHARS_MAX],
        params=params,
        radius=radius,
        hash=radius_hash(radius, kind.name, params),
        until=_until(kind, params, ctx, parts),
        needs_second=kind.needs_second(params, parts.settings),
        undo_in_words=kind.undo_in_words,
        customer_is_told=kind.customer_is_told,
    )


def _until(kind: ActionType, params: Mapping[str, str], ctx: Context, parts: Parts) -> datetime | None:
    match kind.lasts:
        case Lasts.FOR_GOOD:
            return None
        case Lasts.LAPSES:
            return ctx.at + timedelta(hours=int(params.get("hours", "1")))
        case Lasts.STAYS:
            return ctx.at + parts.settings.containment_lasts


def _same(
    session: Session,
    case: Incident,
    kind: ActionType,
    params: Mapping[str, str],
    ctx: Context,
    *,
    but: str | None = None,
) -> Action | None:
    """Return the same action of this incident, `but` for one, that stands, waits, or was done by the same click."""
    query = (
        sa.select(action)
        .where(
            action.c.incident_id == case.id,
            action.c.name == kind.name,
            action.c.params_hash == _params_hash(params),
            action.c.state.in_([state.value for state in (*STANDING, ActionState.PROPOSED, ActionState.RECORDED)]),
        )
        # What stands says more than what waits.
        .order_by(sa.case((action.c.state == ActionState.PROPOSED.value, 1), else_=0), action.c.id.desc())
        .limit(1)
    )
    if but is not None:
        query = query.where(action.c.id != but)
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    found = action_rows.of(row)
    if kind.lasts is Lasts.FOR_GOOD and found.done_at is not None and ctx.at - found.done_at > SAME_CLICK:
        return None
    return found


def _propose(
    session: Session,
    case: Incident,
    shown: Preview,
    why: str,
    ctx: Context,
    parts: Parts,
    *,
    key: str | None = None,
    origin: _Origin = _BY_HAND,
) -> Action:
    found = _insert(session, case, shown, ActionState.PROPOSED, ctx, key=key, origin=origin)
    acting.tell(session, case, found, ActionProposed, Code.ACTION_PROPOSED, ctx, reason="second_person", why=why)
    return found


def _act(
    session: Session,
    case: Incident,
    shown: Preview,
    ctx: Context,
    parts: Parts,
    *,
    proposed: Action | None = None,
    key: str | None = None,
    origin: _Origin = _BY_HAND,
) -> Action:
    """Act and keep that it was done, in one transaction; in a drill keep it alone."""
    kind = registry.named(shown.name)
    if proposed is None:
        found = _insert(session, case, shown, ActionState.RECORDED, ctx, key=key, origin=origin)
    else:
        found = proposed
    approved_by = None if proposed is None else ctx.actor.id
    if case.synthetic is not None:
        found = action_rows.write(
            session, found, state=ActionState.RECORDED.value, done_at=ctx.at, approved_by=approved_by
        )
        timeline.add(session, case.id, Code.ACTION_RECORDED, ctx, ref=found.id, **acting.words(found))
    else:
        with session.begin_nested():
            ref = acting.containment(kind, parts).run(session, shown.params, found.key, ctx)
        found = action_rows.write(
            session,
            found,
            state=ActionState.DONE.value,
            ref=ref,
            done_at=ctx.at,
            expires_at=shown.until,
            approved_by=approved_by,
        )
        acting.tell(session, case, found, ActionExecuted, Code.ACTION_EXECUTED, ctx)
        if kind.lasts is Lasts.STAYS and shown.until is not None:
            clocks.start(
                session,
                case,
                clocks.CONTAINMENT,
                ctx,
                ref=found.id,
                started_at=ctx.at,
                due_at=shown.until,
                rules_version=parts.clock_rules.version,
            )
    tasks.finish_by_action(session, case, found, ctx)
    return found


def _grew(before: Radius, now: Radius) -> bool:
    return any(count * 10 > before.counts.get(what, 0) * 11 for what, count in now.counts.items())


def _insert(
    session: Session,
    case: Incident,
    shown: Preview,
    state: ActionState,
    ctx: Context,
    *,
    key: str | None,
    origin: _Origin,
) -> Action:
    action_id = ctx.new_id("act")
    values = {
        "id": action_id,
        "key": key or action_id,
        "incident_id": case.id,
        "execution_id": origin.execution_id,
        "step": origin.step,
        "name": shown.name,
        "target": shown.target,
        "params": dict(shown.params),
        "params_hash": _params_hash(shown.params),
        **_shown(shown),
        "state": state.value,
        "requested_by": origin.asked_by or ctx.actor.id,
        "requested_at": ctx.at,
    }
    return action_rows.insert(session, values)


def _shown(preview: Preview) -> dict[str, Any]:
    """Return what a proposal keeps of a preview."""
    radius = {"counts": dict(preview.radius.counts), "lines": list(preview.radius.lines)}
    return {"radius": radius, "radius_hash": preview.hash}


def _params_hash(params: Mapping[str, str]) -> str:
    return crypto.sha256(canonical.encode(dict(params))).hex()
