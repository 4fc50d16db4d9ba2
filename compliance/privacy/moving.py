"""How a request goes on and ends: each step with the event that says so, and what its person may end or we extend."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import words
from app.kernel.access import PRIVACY_REQUEST_HANDLE, PRIVACY_SELF_REQUEST, Actor, ActorKind
from app.kernel.context import Context
from app.kernel.errors import NotFound, WrongState
from app.kernel.jobs import guarded_alone
from compliance.privacy import clock, letters, requests, trouble
from compliance.privacy.models import package, request, request_step
from compliance.privacy.parts import ExtensionLate, Privacy
from compliance.privacy.request import ANSWERED, ENDED, Kind, Request, State
from ingest.events.auth import ActivityDisowned
from ingest.events.envelope import Event
from ingest.events.privacy import RequestExtended, RequestStopped
from ingest.log import outbox

SET_ASIDE: Final = timedelta(minutes=10)
"""So long a request waits at which something failed; the others go on meanwhile."""


def extend(session: Session, request_id: str, reasons: str, ctx: Context, *, parts: Privacy) -> None:
    """Extend the time to three months from receipt, once, with reasons, before the first due day ends (PRV-10)."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    said = words.checked(reasons, param="reason")
    found = requests.to_handle(session, request_id, ctx)
    if found.is_extended or not found.is_open or ctx.at >= found.due_at:
        raise ExtensionLate
    calendar = clock.of(parts.settings)
    due = calendar.due(found.received_on, clock.EXTENDED_MONTHS, found.paused_days)
    values = {"is_extended": True, "extended_at": ctx.at, "due": due.isoformat(), "due_at": calendar.end_of(due)}
    session.execute(sa.update(request).where(request.c.id == request_id).values(**values))
    renewed = requests.get(session, request_id)
    letters.extended(session, renewed, said, ctx, parts=parts)
    move(session, renewed, renewed.state, ctx, event=event_of(RequestExtended, renewed), note=said)


def withdraw(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> None:
    """Take one's own request back; also an erasure, until it begins."""
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    found = requests.own(session, request_id, ctx)
    call_off_approval(session, found, ctx, parts)  # before the request is held: whoever decides holds them so, too
    found = requests.locked(session, found.id)
    if not found.may_be_called_off:
        raise WrongState
    event = event_of(RequestStopped, found, reason="withdrawn")
    end(session, found, State.WITHDRAWN, ctx, event=event, note=None, parts=parts)
    _tell_that_nothing_goes(session, found, ctx, parts)


def stop(session: Session, token: str, ctx: Context, *, parts: Privacy) -> str:
    """Stop a request whose person says, by the link of a letter, that it was not theirs; returns its id.

    Of a copy that was fetched and has ended since, that they say so is told once more, though nothing is left to stop.
    Raises `WrongState` once it has begun: an erasure of which a part is done ends whole.
    """
    found = requests.of_token(session, token)
    call_off_approval(session, found, ctx, parts)  # before the request is held: whoever decides holds them so, too
    found = requests.locked(session, found.id)
    requests.of_token(session, token)  # still: a newer letter ends the link of the one before
    has_ended_fetched = found.state is State.CLOSED and fetched_times(session, found.id) > 0
    if not found.may_be_called_off and not has_ended_fetched:
        raise WrongState("This request has begun to be carried out, or has ended.")
    disowned = ActivityDisowned(account=found.subject, about=(found.subject,), reason="privacy_request")
    outbox.record(session, disowned, ctx)
    if has_ended_fetched:
        session.execute(sa.update(request).where(request.c.id == found.id).values(stop_hash=None))
        return found.id
    event = event_of(RequestStopped, found, reason="not_me")
    end(session, found, State.STOPPED, ctx, event=event, note="its person said it was not theirs", parts=parts)
    _tell_that_nothing_goes(session, found, ctx, parts)
    return found.id


def _tell_that_nothing_goes(session: Session, found: Request, ctx: Context, parts: Privacy) -> None:
    """Write to whom it was told that an erasure was approved: it may be somebody else who called it off."""
    if found.kind is Kind.ERASURE and found.state is State.WAITING:
        letters.called_off_erasure(session, found, ctx, parts=parts)


def fetched_times(session: Session, request_id: str) -> int:
    """Return how often the copy of a request was fetched."""
    query = sa.select(package.c.downloads).where(package.c.request_id == request_id)
    return session.execute(query).scalar_one_or_none() or 0


def move(
    session: Session,
    found: Request,
    state: State,
    ctx: Context,
    *,
    event: Event | None = None,
    note: str | None = None,
    by: Actor | None = None,
    **values: Any,  # columns of the request
) -> None:
    """Bring a request to a state, with the step and, where one is named, the event that say so.

    The step is that of whoever acts, or of `by` where it is somebody else who decided.
    """
    who = by or ctx.actor
    event_id = None if event is None else outbox.record(session, event, ctx)
    if state in ANSWERED and found.answered_at is None:
        values.setdefault("answered_at", ctx.at)
    if state in ENDED and found.closed_at is None:
        values.setdefault("closed_at", ctx.at)
    session.execute(
        sa.update(request).where(request.c.id == found.id).values(state=state.value, claimed_until=None, **values)
    )
    session.execute(
        sa.insert(request_step).values(
            request_id=found.id,
            state=state.value,
            at=ctx.at,
            role=_role(who),
            actor=who.id if who.kind is ActorKind.STAFF else None,
            event_id=event_id,
            note=note,
        )
    )


def end(
    session: Session,
    found: Request,
    state: State,
    ctx: Context,
    *,
    event: Event | None,
    note: str | None,
    parts: Privacy,
) -> None:
    """End a request and the approval that waits about it; a copy that was made opens no more.

    What stands beside it is closed with it where it was answered, and goes on by itself where it was not.
    """
    call_off_approval(session, found, ctx, parts)
    session.execute(sa.update(package).where(package.c.request_id == found.id).values(key_ct=None))
    trouble.over(session, found.id)
    move(session, found, state, ctx, event=event, note=note)
    ids = session.scalars(sa.select(request.c.id).where(request.c.linked_to == found.id).order_by(request.c.id)).all()
    beside = [each for each in (requests.locked(session, id) for id in ids) if each.is_open]
    if state is State.CLOSED:
        for each in beside:
            move(session, each, State.CLOSED, ctx, note=f"ended with {found.id}")
        return
    first = next((each.id for each in beside if each.is_verified), None)
    for each in beside:
        note = f"{found.id} ended without an answer; this one goes on"
        move(session, each, each.state, ctx, note=note, linked_to=None if each.id == first else first)


def call_off_approval(session: Session, found: Request, ctx: Context, parts: Privacy) -> None:
    """End the approval that waits about a request which is over: there is nothing left to decide."""
    if found.approval_id is not None:
        with contextlib.suppress(NotFound):
            parts.approvals.cancel(session, found.approval_id, ctx)


def replace_approval(session: Session, found: Request, approval_id: str, ctx: Context, parts: Privacy) -> None:
    """End the approval that waits about a request as another takes its place: one at a time is decided."""
    if found.approval_id != approval_id:
        call_off_approval(session, found, ctx, parts)


def tried(session: Session, found: Request, what: str, do: Callable[[], object], ctx: Context) -> bool:
    """Do a thing about a request; what fails is undone alone, said on the request, and it waits for a while.

    So nobody's data stops the work on everybody else's. Returns whether it was done.
    """
    error = guarded_alone(session, f"privacy: {what}", do)
    if error is None:
        trouble.over(session, found.id)
        return True
    set_aside(session, found, what, error, ctx)
    return False


def set_aside(
    session: Session, found: Request, what: str, error: BaseException, ctx: Context, *, wait: timedelta = SET_ASIDE
) -> None:
    """Say that a thing about a request failed, in a step the first time, and leave the request alone for a while."""
    if trouble.note(session, found.id, what, error, ctx):
        said = f"{what} failed ({trouble.code_of(error)}); it is tried again"
        move(session, found, found.state, ctx, note=said)
    session.execute(sa.update(request).where(request.c.id == found.id).values(claimed_until=ctx.at + wait))


def next_free(session: Session, at: datetime, *wanted: sa.ColumnElement[bool], by: sa.ColumnElement[Any]) -> str | None:
    """Return the first request, in an order, that is wanted and free, held until the transaction ends; or None.

    One that another worker holds is passed over.
    """
    query = sa.select(request.c.id).where(*wanted, is_free(at)).order_by(by, request.c.id).limit(1)
    return session.execute(query.with_for_update(skip_locked=True)).scalar_one_or_none()


def is_asked_first() -> sa.ColumnElement[bool]:
    """Tell of a request that its person proved and that stands beside no other."""
    of = request.c
    return sa.and_(of.state == State.SCOPED.value, of.is_verified, of.linked_to.is_(None))


def is_free(at: datetime) -> sa.ColumnElement[bool]:
    """Tell of a request that nobody works on and that was not set aside."""
    return sa.or_(request.c.claimed_until.is_(None), request.c.claimed_until <= at)


def event_of(kind: Callable[..., Any], found: Request, *, reason: str | None = None) -> Any:  # an event of the kind
    """Return an event about a request."""
    return kind(
        request=found.id,
        right=found.kind.value,
        due_at=found.due.isoformat(),
        state=found.state.value,
        reason=reason,
        about=(found.subject,),
    )


def _role(actor: Actor) -> str:
    match actor.kind:
        case ActorKind.STAFF:
            return sorted(actor.roles)[0] if actor.roles else "staff"
        case ActorKind.SERVICE:
            return "OnePay"
        case _:
            return "you"
