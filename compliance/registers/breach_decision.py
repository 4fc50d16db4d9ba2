"""Whether a breach is notified: one proposes with reasons, another decides on exactly what was written of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import words
from app.kernel.access import PRIVACY_BREACH_DECIDE, PRIVACY_BREACH_WRITE
from app.kernel.approvals import ApprovalKind, Approvals, Payload
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.errors import Invalid, WrongState
from compliance.registers import breach_handling as handling
from compliance.registers import breach_log, breaches
from compliance.registers.models import breach

APPROVAL: Final = "privacy.breach"


def propose(
    session: Session, breach_id: str, decision: str, reasons: str, ctx: Context, *, approvals: Approvals
) -> str:
    """Ask a second person whether the authority is told; returns the approval's id. Raises `BreachDiffers`."""
    ctx.actor.require(PRIVACY_BREACH_WRITE)
    found = breach_log.as_told(session, breach_id)
    if decision not in (breaches.NOTIFY, breaches.KEEP):
        raise Invalid("It is notified, or it is not.", param="decision")
    if not found.is_assessed:
        raise handling.BreachIncomplete
    if found.state not in (breaches.SUSPECTED, breaches.ASSESSING):
        raise WrongState
    said = words.checked(reasons, param="reason", longest=breaches.TEXT_MAX)
    values = {"decision": None, "reasons": said, "proposed_by": ctx.actor.id}
    session.execute(sa.update(breach).where(breach.c.id == breach_id).values(**values))
    payload = _payload(breaches.get(session, breach_id), decision)
    approval = approvals.ask(session, APPROVAL, payload, ctx, object_id=breach_id, reason=said)
    session.execute(sa.update(breach).where(breach.c.id == breach_id).values(approval_id=approval))
    handling.note(session, breach_id, "proposed", ctx, after=decision, reason=said)
    return approval


def kind(approvals: Approvals) -> ApprovalKind:
    """Return what a second person decides about a breach."""

    def run(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        found, decision = breaches.locked(session, str(payload["breach"])), str(payload["decision"])
        approvals.take(session, id, APPROVAL, _payload(found, decision), ctx)
        breach_log.as_told(session, found.id)
        if found.state not in (breaches.SUSPECTED, breaches.ASSESSING):
            raise WrongState
        votes = approvals.state_of(session, id).votes
        state = breaches.TO_NOTIFY if decision == breaches.NOTIFY else breaches.NO_NOTICE
        values = {"decision": decision, "state": state, "decided_at": ctx.at, "decided_by": votes[-1][0]}
        if state == breaches.NO_NOTICE:
            values["closed_at"] = ctx.at
        session.execute(sa.update(breach).where(breach.c.id == found.id).values(**values))
        handling.note(
            session, found.id, "decided", ctx, after=decision, event_id=handling.told(session, found, ctx, decision)
        )
        return "the authority is told" if decision == breaches.NOTIFY else "no notice, with its reasons"

    def closed(session: Session, id: str, state: Any, ctx: Context) -> None:
        session.execute(
            sa.update(breach).where(breach.c.approval_id == id, breach.c.decision.is_(None)).values(approval_id=None)
        )

    return ApprovalKind(
        name=APPROVAL,
        title="Decide whether a breach is notified",
        asks=PRIVACY_BREACH_WRITE,
        decides=PRIVACY_BREACH_DECIDE,
        render=_rendered,
        run=run,
        closed=closed,
    )


def _payload(found: breaches.Breach, decision: str) -> Mapping[str, Any]:
    return {
        "breach": found.id,
        "decision": decision,
        "title": found.title,
        "aware_at": rfc3339(found.aware_at),
        "due_at": rfc3339(found.due_at),
        "nature": str(found.nature),
        "categories": list(found.categories),
        "people": found.people if found.people is not None else -1,
        "high_risk": bool(found.high_risk),
        "reasons": str(found.reasons),
    }


def _rendered(payload: Payload) -> list[str]:
    people = (
        f"about {breaches.people_words(payload['people'])}" if payload["people"] >= 0 else "an unknown number of people"
    )
    risk = "high risk" if payload["high_risk"] else "no high risk"
    ends = "The authority is told" if payload["decision"] == breaches.NOTIFY else "The authority is not told"
    return [
        f"{payload['title']} ({payload['breach']}), known since {payload['aware_at']}, to be notified by "
        f"{payload['due_at']}.",
        f"{payload['nature']} It touches {', '.join(payload['categories'])} of {people}; {risk}.",
        f"{ends}: {payload['reasons']}",
    ]
