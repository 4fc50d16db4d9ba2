"""Restriction (Art. 18) and objection (Art. 21): stopping uses of somebody's data, and going on after a decision."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import words
from app.kernel.access import PRIVACY_REQUEST_HANDLE, PRIVACY_SELF_REQUEST
from app.kernel.approvals import Approvals, digest
from app.kernel.context import Context
from app.kernel.errors import Conflict, ReasonMissing, SamePerson, WrongState
from compliance.catalog import purposes
from compliance.privacy import consent, letters, moving, recipients, requests, whose
from compliance.privacy.gate import COMPELLING
from compliance.privacy.models import objection, request, restriction
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Kind, Request, State
from compliance.told import instant
from ingest.events.admin import ApprovalExecuted
from ingest.events.envelope import Outcome, at_path
from ingest.events.privacy import (
    ObjectionDecided,
    ObjectionRecorded,
    RequestCompleted,
    SubjectReleased,
    SubjectRestricted,
)
from ingest.log import outbox, read

LIFT: Final = "privacy.restriction_lift"
NOTICE: Final = timedelta(days=3)
"""How long before its end a person is told that a restriction ends."""
UPHELD: Final = "upheld"
ERASURE: Final = "erasure"
OWN_WISH: Final = "asked_for"


class LiftUndecided(Conflict):
    """The log knows of no approval, three days ago, that this restriction ends; somebody has to look why it is said."""

    code = "lift_undecided"


def restrict(session: Session, subject: str, ground: str, request_id: str | None, ctx: Context) -> None:
    """Keep a person's data and stop its uses that do not go on under restriction; twice for a request is once.

    Each request has a restriction of its own, so that none ends with another.
    """
    of = restriction.c
    held = sa.select(of.id).where(
        of.subject == subject, of.ground == ground, of.request_id == request_id, of.lifted_at.is_(None)
    )
    if session.execute(held.limit(1)).first() is not None:
        return
    values = {
        "id": ctx.new_id("rst"),
        "subject": subject,
        "request_id": request_id,
        "ground": ground,
        "from_at": ctx.at,
    }
    session.execute(sa.insert(restriction).values(**values))
    outbox.record(session, SubjectRestricted(request=request_id, reason=ground, about=(subject,)), ctx)


def release(session: Session, subject: str, ground: str, ctx: Context, *, request_id: str | None) -> None:
    """End the restriction that a request brought for a ground, such as an erasure that was called off."""
    of = restriction.c
    done = session.execute(
        sa.update(restriction)
        .where(of.subject == subject, of.ground == ground, of.request_id == request_id, of.lifted_at.is_(None))
        .values(lifted_at=ctx.at)
    )
    if done.rowcount:  # type: ignore[attr-defined]  # an UPDATE answers with a cursor result
        outbox.record(session, SubjectReleased(request=request_id, reason=ground, about=(subject,)), ctx)


def begin_restriction(session: Session, found: Request, ctx: Context, *, parts: Privacy) -> None:
    """Carry out a request for restriction at once."""
    moving.call_off_approval(session, found, ctx, parts)  # a refusal that waits has nothing left to refuse
    restrict(session, found.subject, OWN_WISH, found.id, ctx)
    event = moving.event_of(RequestCompleted, found)
    outcome = "Your data is kept and not used, but for what the law or you yourself ask."
    moving.move(session, found, State.EXECUTED, ctx, event=event, note="restricted", outcome=outcome)
    recipients.of_restriction(session, found, ctx, parts=parts)


def ask_lift(
    session: Session, request_id: str, reason: str, ctx: Context, *, parts: Privacy, approvals: Approvals
) -> str:
    """Ask a second person to let a restriction end; its person is told three days before it does."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = requests.locked(session, request_id)
    if ctx.actor.id == found.subject:
        raise SamePerson
    if found.kind is not Kind.RESTRICTION or found.state is not State.EXECUTED:
        raise WrongState
    whose.demand(session, found, is_answered=True)
    approval_id = approvals.ask(
        session, LIFT, lift_payload(found), ctx, object_id=request_id, reason=reason, subject=found.subject
    )
    session.execute(sa.update(request).where(request.c.id == request_id).values(approval_id=approval_id))
    return approval_id


def lift_payload(found: Request) -> dict[str, str]:
    """Return what a second person approves."""
    return {"request": found.id, "subject": found.subject}


def announce_lift(
    session: Session, request_id: str, ctx: Context, *, parts: Privacy, approvals: Approvals, approval_id: str
) -> str:
    """Tell the person that the restriction ends, by an approval; it ends three days later."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = requests.locked(session, request_id)
    approvals.take(session, approval_id, LIFT, lift_payload(found), ctx)
    if found.kind is not Kind.RESTRICTION or found.state is not State.EXECUTED:
        raise WrongState("This restriction has ended.")
    whose.demand(session, found, is_answered=True)
    session.execute(
        sa.update(restriction)
        .where(restriction.c.request_id == request_id, restriction.c.lifted_at.is_(None))
        .values(notified_at=ctx.at)
    )
    letters.lifted(session, found, ctx.at + NOTICE, ctx, parts=parts)
    moving.move(session, found, State.EXECUTED, ctx, note="its person was told that the restriction ends")
    return "the person was told"


def withdraw_restriction(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> None:
    """End a restriction that one asked for oneself, and what waits to be decided about it."""
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    found = requests.own(session, request_id, ctx)
    moving.call_off_approval(session, found, ctx, parts)  # before the request is held: whoever decides does so, too
    found = requests.locked(session, found.id)
    if found.kind is not Kind.RESTRICTION or found.state is not State.EXECUTED:
        raise WrongState
    release(session, found.subject, OWN_WISH, ctx, request_id=found.id)
    moving.end(session, found, State.CLOSED, ctx, event=None, note="ended by its person", parts=parts)


def lift_due(session: Session, ctx: Context, *, parts: Privacy) -> int:
    """End the restrictions whose end was told three days ago; one that cannot be ended is set aside, and says why."""
    of = restriction.c
    query = (
        sa.select(of.request_id)
        .join(request, request.c.id == of.request_id)
        .where(of.lifted_at.is_(None), of.notified_at <= ctx.at - NOTICE, moving.is_free(ctx.at))
        .order_by(of.notified_at, of.id)
    )
    lifted = 0
    for request_id in session.execute(query).scalars().all():
        found = requests.locked(session, str(request_id))
        lifted += moving.tried(session, found, "ending it", partial(_lift, session, found, ctx, parts), ctx)
    return lifted


def _lift(session: Session, found: Request, ctx: Context, parts: Privacy) -> None:
    if not _was_decided(session, found, ctx.at - NOTICE):
        raise LiftUndecided(object_id=found.id)
    release(session, found.subject, OWN_WISH, ctx, request_id=found.id)
    if found.is_open:
        moving.end(session, found, State.CLOSED, ctx, event=None, note="the restriction ended", parts=parts)


def _was_decided(session: Session, found: Request, by: datetime) -> bool:
    """Tell whether the log says that two people had let a restriction end by an instant; its person is told then."""
    approved = digest(LIFT, lift_payload(found))
    return any(
        at_path(said, "onepay.approval.action") == LIFT
        and at_path(said, "onepay.approval.payload_hash") == approved
        and at_path(said, "event.outcome") == Outcome.SUCCESS.value
        and instant(said) <= by
        for said in read.documents_of(session, ApprovalExecuted.kind, containing=approved)
    )


def begin_objection(session: Session, found: Request, ctx: Context, *, parts: Privacy) -> None:
    """Stop a use at once: for good where it rests on consent, else until somebody decided about it."""
    purpose = purposes.shipped()[str(found.purpose)]
    if purpose.needs_consent:
        consent.withdraw_for(session, found.subject, purpose, ctx, channel=found.channel)
        event = moving.event_of(RequestCompleted, found)
        moving.end(session, found, State.CLOSED, ctx, event=event, note="ended at once", parts=parts)
        return
    values = {
        "id": ctx.new_id("obj"),
        "subject": found.subject,
        "request_id": found.id,
        "purpose": purpose.id,
        "at": ctx.at,
    }
    session.execute(sa.insert(objection).values(**values))
    recorded = ObjectionRecorded(purpose=purpose.id, channel=found.channel, request=found.id, about=(found.subject,))
    outbox.record(session, recorded, ctx)
    moving.move(session, found, State.IN_REVIEW, ctx, note="the use stops until this is decided")


def decide_objection(
    session: Session, request_id: str, decision: str, grounds: str, ctx: Context, *, parts: Privacy
) -> None:
    """Decide about an objection: uphold it, or go on for compelling grounds that are written down."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = requests.locked(session, request_id)
    if ctx.actor.id == found.subject:
        raise SamePerson
    if decision not in (UPHELD, COMPELLING):
        raise ReasonMissing("Say whether it is upheld, or which compelling grounds there are.", param="decision")
    outcome = words.checked(grounds, param="reason")
    row = sa.update(objection).where(objection.c.request_id == request_id, objection.c.decision.is_(None))
    done = session.execute(row.values(decision=decision, grounds=outcome, decided_at=ctx.at))
    if done.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE answers with a cursor result
        raise WrongState
    whose.demand(session, found)
    event = ObjectionDecided(purpose=str(found.purpose), decision=decision, request=found.id, about=(found.subject,))
    outbox.record(session, event, ctx)
    if decision == UPHELD:
        outcome = f"The use has ended. {outcome}"
    session.execute(sa.update(request).where(request.c.id == request_id).values(outcome=outcome))
    if decision == UPHELD:
        letters.done(session, found, outcome, ctx, parts=parts)
    else:
        letters.refused(session, found, outcome, ctx, parts=parts)
    completed = moving.event_of(RequestCompleted, found)
    moving.end(session, found, State.CLOSED, ctx, event=completed, note=decision.replace("_", " "), parts=parts)


def refuse_objection(session: Session, found: Request, grounds: str, ctx: Context) -> None:
    """Let a use go on whose objection two people refused: nobody decides about it any more."""
    row = sa.update(objection).where(objection.c.request_id == found.id, objection.c.decision.is_(None))
    done = session.execute(row.values(decision=COMPELLING, grounds=grounds, decided_at=ctx.at))
    if done.rowcount:  # type: ignore[attr-defined]  # an UPDATE answers with a cursor result
        event = ObjectionDecided(
            purpose=str(found.purpose), decision=COMPELLING, request=found.id, about=(found.subject,)
        )
        outbox.record(session, event, ctx)


def take_objection_back(session: Session, found: Request) -> None:
    """Forget an objection that its person took back, or that was not theirs; what was decided stays."""
    of = objection.c
    session.execute(sa.delete(objection).where(of.request_id == found.id, of.decision.is_(None)))
