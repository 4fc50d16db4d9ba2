"""What the buttons of the page do: each calls one service of response, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from app.kernel import numbers
from app.kernel.access import (
    SOC_ACTION_APPROVE,
    SOC_ACTION_PROPOSE,
    SOC_ACTION_RUN,
    SOC_ACTION_UNDO,
    SOC_INCIDENT_CLOSE,
    SOC_INCIDENT_WRITE,
)
from app.kernel.context import Context
from app.kernel.errors import Invalid
from dashboards import acts, response, triage
from dashboards.acts import ANSWER, Deed
from dashboards.mount import Console
from dashboards.ports import Sources
from detectors import alerts
from detectors.alerts import Verdict
from playbooks import actions, cases, casework, tasks, undoing
from playbooks.action_rows import ActionState
from playbooks.cases import State
from playbooks.casework import Disposition, Facts

Word = TypeVar("Word", State, Disposition, Verdict)


class ChoiceMissing(Invalid):
    """Choose one of the list."""

    code = "choice_missing"


def wire(console: Console) -> None:
    """Register every act of the page with the permission that it demands."""
    on, sources = partial(acts.wire, console), console.sources
    value = "value"
    on("take", SOC_INCIDENT_WRITE, _take)
    on("note", SOC_INCIDENT_WRITE, _note, fields=[("text", value)])
    on("hand-over", SOC_INCIDENT_WRITE, partial(_hand_over, sources), fields=[("to", value), ("note", value)])
    on("severity", SOC_INCIDENT_WRITE, partial(_severity, sources), fields=[("severity", value), ("reason", value)])
    on("advance", SOC_INCIDENT_WRITE, _advance, fields=[("to", "data")], answers=True)
    on("close", SOC_INCIDENT_CLOSE, _close, fields=[("disposition", value), ("reason", value)])
    on("reopen", SOC_INCIDENT_CLOSE, _reopen, fields=[("reason", value)])
    on("start", SOC_INCIDENT_WRITE, partial(_start, sources), fields=[("playbook", value)])
    on("stop", SOC_INCIDENT_CLOSE, _stop, fields=[("reason", value)])
    on("finish", SOC_INCIDENT_WRITE, partial(_finish, sources), answers=True)
    on("confirm", SOC_INCIDENT_WRITE, partial(_confirm, sources))
    on("skip", SOC_INCIDENT_WRITE, _skip, fields=[("reason", value)])
    on("run", SOC_ACTION_RUN, partial(_run, sources), fields=[("order", "data")])
    on("propose", SOC_ACTION_PROPOSE, partial(_propose, sources), fields=[("order", "data")])
    on("approve", SOC_ACTION_APPROVE, partial(_approve, sources))
    on("refuse", SOC_ACTION_APPROVE, _refuse, fields=[("reason", value)])
    on("undo", SOC_ACTION_UNDO, partial(_undo, sources), fields=[("reason", value)])
    on("undo-all", SOC_ACTION_UNDO, partial(_undo_all, sources), fields=[("reason", value)])
    on("prolong", SOC_ACTION_APPROVE, _prolong, fields=[("hours", value), ("reason", value)])


def _take(session: Session, deed: Deed, ctx: Context) -> str:
    case = cases.by_id(session, deed.of)
    # A second click meets what the first one did, not a conflict.
    version = None if case.owner == ctx.actor.id else deed.seen
    return f"{response.number(casework.take(session, deed.of, ctx, version=version).number)} is yours"


def _note(session: Session, deed: Deed, ctx: Context) -> str:
    casework.note(session, deed.of, deed.text("text"), ctx)
    return "Noted"


def _hand_over(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    among = {one.id for one in sources.colleagues(session)}
    casework.hand_over(session, deed.of, deed.text("to"), deed.text("note"), ctx, among=among, version=deed.seen)
    return "Handed over"


def _severity(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    chosen = deed.text("severity")
    if chosen not in {"1", "2", "3", "4"}:
        raise ChoiceMissing("Choose a severity.", param="severity")
    level, reason = int(chosen), deed.text("reason")
    if level < cases.by_id(session, deed.of).severity:
        casework.raise_severity(session, deed.of, level, reason, ctx, parts=sources.response, version=deed.seen)
        return f"Raised to {response.SEVERITIES[level]}"
    casework.lower_severity(session, deed.of, level, reason, ctx, version=deed.seen)
    return f"Lowered to {response.SEVERITIES[level]}"


def _advance(session: Session, deed: Deed, ctx: Context) -> str:
    given: Mapping[str, Any] = deed.values[ANSWER]

    def fact(name: str) -> str | None:
        return str(given[name]).strip() or None if given.get(name) else None

    facts = Facts(
        is_confirmed=given.get("confirmed") == "true",
        nothing_to_contain=fact("nothing_to_contain"),
        cause=fact("cause"),
        fix=fact("fix"),
    )
    to = _one_of(State, deed.text("to"), "to")
    # What was worked to its end was real, unless somebody says otherwise of its alerts.
    verdict = _one_of(Verdict, str(given.get("verdict") or Verdict.TRUE_POSITIVE.value), "verdict")
    if to is State.RECOVERED:
        alerts.hold(session, deed.of)
    case = casework.advance(session, deed.of, to, ctx, facts=facts, version=deed.seen)
    if case.is_open:
        return f"It is {case.state.value}"
    reason = f"{response.number(case.number)} is recovered. {case.fix or ''}"
    closed = triage.close_alerts(session, case.id, verdict, reason, ctx)
    return f"It is {case.state.value}; alerts closed: {closed}"


def _close(session: Session, deed: Deed, ctx: Context) -> str:
    why = _one_of(Disposition, deed.text("disposition"), "disposition")
    alerts.hold(session, deed.of)
    case = casework.close_short(session, deed.of, why, deed.text("reason"), ctx, version=deed.seen)
    if case.is_open:
        return "Proposed; a second person confirms"
    closed = triage.close_alerts(session, case.id, triage.OF_DISPOSITION[why], deed.text("reason"), ctx)
    return f"Closed; alerts closed: {closed}"


def _reopen(session: Session, deed: Deed, ctx: Context) -> str:
    casework.reopen(session, deed.of, deed.text("reason"), ctx, version=deed.seen)
    return "Reopened"


def _start(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    slug = deed.text("playbook")
    if slug not in sources.response.library:
        raise ChoiceMissing("Choose a playbook.", param="playbook")
    casework.start_playbook(session, deed.of, slug, ctx, parts=sources.response)
    return "Started"


def _stop(session: Session, deed: Deed, ctx: Context) -> str:
    casework.stop_playbooks(session, deed.of, deed.text("reason"), ctx)
    return "Stopped"


def _finish(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    task = tasks.finish(session, deed.of, deed.values[ANSWER], ctx, parts=sources.response)
    return "Done" if not task.is_open else "Answered; a second person confirms"


def _confirm(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    tasks.confirm(session, deed.of, ctx, parts=sources.response)
    return "Confirmed"


def _skip(session: Session, deed: Deed, ctx: Context) -> str:
    tasks.skip(session, deed.of, deed.text("reason"), ctx)
    return "Left out"


def _run(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    name, params, seen_hash, key = _order(deed)
    done = actions.run(session, deed.of, name, params, ctx, parts=sources.response, expected_hash=seen_hash, key=key)
    return f"{done.kind.title}: " + ("waits for a second person" if done.state is ActionState.PROPOSED else "done")


def _propose(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    name, params, _, _ = _order(deed)
    asked = actions.propose(session, deed.of, name, params, ctx, parts=sources.response)
    return f"{asked.kind.title}: proposed"


def _approve(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    done = actions.approve(session, deed.of, ctx, parts=sources.response)
    return f"{done.kind.title}: " + ("approved and done" if done.id == deed.of else "stood already, nothing was done")


def _refuse(session: Session, deed: Deed, ctx: Context) -> str:
    actions.refuse(session, deed.of, deed.text("reason"), ctx)
    return "Refused"


def _undo(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    done = undoing.undo(session, deed.of, deed.text("reason"), ctx, parts=sources.response)
    return f"{done.kind.title}: undone"


def _undo_all(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    report = undoing.undo_all(session, deed.of, deed.text("reason"), ctx, parts=sources.response)
    kept = [f"{one.action.kind.title}: {one.why}" for one in report if one.why is not None]
    return f"{len(report) - len(kept)} undone" + (f"; kept: {' '.join(kept)}" if kept else "")


def _prolong(session: Session, deed: Deed, ctx: Context) -> str:
    hours = numbers.whole(deed.text("hours"))
    if hours is None:
        raise ChoiceMissing("Choose for how many hours.", param="hours")
    undoing.prolong(session, deed.of, hours, deed.text("reason"), ctx)
    return "Prolonged"


def _order(deed: Deed) -> tuple[str, dict[str, str], str, str]:
    """Return what the preview bound the button to; the services check every word of it again."""
    order = deed.values.get("order")
    if not isinstance(order, dict) or not isinstance(order.get("params"), dict):
        raise ChoiceMissing("Look at the preview again.", param="order")
    params = {str(name)[:100]: str(value) for name, value in order["params"].items()}
    return str(order.get("name"))[:100], params, str(order.get("hash"))[:64], str(order.get("key"))[:100]


def _one_of(kind: type[Word], word: str, param: str) -> Word:
    try:
        return kind(word)
    except ValueError as error:
        raise ChoiceMissing(param=param) from error
