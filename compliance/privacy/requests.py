"""Requests of people: asked, identified, timed, and how they stand. What is done about each kind is in its own file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto
from app.kernel.access import (
    PRIVACY_REQUEST_HANDLE,
    PRIVACY_REQUEST_READ,
    PRIVACY_SELF_REQUEST,
    Acr,
    Actor,
    ActorKind,
)
from app.kernel.context import Context
from app.kernel.db import dialect_of
from app.kernel.errors import NotFound, OnePayError, ReasonMissing, SamePerson, WrongState
from app.kernel.jobs import guarded
from compliance.catalog import purposes
from compliance.privacy import clock, letters
from compliance.privacy.models import (
    REQUEST_CLASS,
    package,
    redaction,
    request,
    request_item,
    request_letter,
    request_step,
)
from compliance.privacy.parts import DetailMissing, ExtensionLate, KindUnknown, Privacy, ReceiptInvalid
from ingest.events.access import DataRead
from ingest.events.auth import ActivityDisowned
from ingest.events.envelope import Event
from ingest.events.privacy import (
    RequestExtended,
    RequestIdentified,
    RequestPaused,
    RequestReceived,
    RequestResumed,
    RequestStopped,
)
from ingest.log import outbox

REASON_MIN: Final = 10
DETAIL_MAX: Final = 2_000
PAGE_MAX: Final = 100
SET_ASIDE: Final = timedelta(minutes=10)
"""So long a request waits at which something failed; the others go on meanwhile."""
FOLLOWING: Final = "remainder"
"""The channel of an erasure that nobody asked for again: it completes an earlier one."""


class Kind(StrEnum):
    """The rights of GDPR chapter III that a person can use here."""

    ACCESS = "access"
    PORTABILITY = "portability"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"
    RESTRICTION = "restriction"
    OBJECTION = "objection"
    HUMAN_REVIEW = "human_review"


class State(StrEnum):
    """How far a request has come (4.2)."""

    IDENTITY = "identity"
    SCOPED = "scoped"
    IN_REVIEW = "in_review"
    WAITING = "waiting"
    EXECUTING = "executing"
    READY = "ready"
    DELIVERED = "delivered"
    EXECUTED = "executed"
    VERIFIED = "verified"
    CLOSED = "closed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    STOPPED = "stopped"


ENDED: Final = frozenset((State.CLOSED, State.REFUSED, State.WITHDRAWN, State.STOPPED))
ANSWERED: Final = ENDED | {State.READY, State.DELIVERED, State.EXECUTED, State.VERIFIED}
BEGUN: Final = frozenset((State.EXECUTING, State.EXECUTED, State.VERIFIED))
PACKED: Final = frozenset((Kind.ACCESS, Kind.PORTABILITY))
LINKED: Final = PACKED | {Kind.ERASURE}
"""Kinds of which one answers for all that are open: what stops a use stops it for each request by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks for; `detail` says what is wrong or which decision is meant, `purpose` what to stop."""

    kind: str
    detail: str | None = None
    purpose: str | None = None
    channel: str = "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a request."""

    state: str
    at: datetime
    role: str
    note: str | None
    event_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What was found in one store and category, or what is done there."""

    store: str
    category: str
    searched: bool
    found: int
    held: int
    skipped: str | None
    action: str | None
    retention: str | None
    stays_until: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What a copy does not say: by which rule, why, and how often."""

    rule: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it stands."""

    id: str
    kind: Kind
    subject: str
    channel: str
    received_on: date
    received_at: datetime
    rules: int
    due: date
    internal_due: date
    due_at: datetime
    paused_days: int
    asked_at: datetime | None
    state: State
    is_verified: bool
    is_extended: bool
    is_incomplete: bool
    linked_to: str | None
    purpose: str | None
    detail: str | None
    outcome: str | None
    handled_by: str | None
    approved_by: str | None
    approval_id: str | None
    not_before: datetime | None
    answered_at: datetime | None
    closed_at: datetime | None

    def is_overdue(self, at: datetime) -> bool:
        """Tell whether the last day has ended without an answer."""
        return at >= self.due_at and self.answered_at is None

    @property
    def is_open(self) -> bool:
        return self.state not in ENDED

    @property
    def may_be_called_off(self) -> bool:
        """Tell whether its person can still end it: what has begun to be carried out is carried through."""
        return self.is_open and self.state not in BEGUN


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFilter:
    """Which requests a list shows."""

    kind: Kind | None = None
    state: State | None = None
    is_open: bool | None = None
    is_overdue: bool | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A request with its steps and what was found: the history of its clock is among the steps."""

    request: Request
    steps: Sequence[Step]
    items: Sequence[Item]
    left_out: Sequence[LeftOut] = ()
    letters: Sequence[tuple[str, datetime]] = ()
    """Titles of what was written to the person, with the instant, oldest first."""


def ask(session: Session, asked: Asked, ctx: Context, *, parts: Privacy) -> str:
    """Take a request of whoever is signed in, who proved themselves lately, and return its id.

    The proof is the identification (PRV-14). A second request of a kind of which one that was proven is open stands
    beside that one, where one answer is an answer to both.
    """
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    ctx.actor.require_fresh(Acr.MFA, parts.settings.step_up, ctx.at)
    today = clock.of(parts.settings).day_of(ctx.at)
    request_id = _take(session, asked, ctx.actor.own_id, today, ctx, parts)
    _identified(session, request_id, "signed in, with a fresh proof", ctx)
    return request_id


def ask_from_outside(session: Session, wanted: Asked, subject: str, ctx: Context, *, parts: Privacy) -> str:
    """Take a request that somebody made without signing in; who it was is asked at once, so the clock stands.

    Only the person it is about hears of it, on the channels they had before, and only they can confirm it.
    """
    today = clock.of(parts.settings).day_of(ctx.at)
    request_id = _take(session, wanted, subject, today, ctx, parts)
    session.execute(sa.update(request).where(request.c.id == request_id).values(asked_at=ctx.at))
    found = get(session, request_id)
    letters.identity_question(session, found, ctx, pauses=True, parts=parts)
    note = "asked who they are: it came without a sign-in"
    move(session, found, State.IDENTITY, ctx, event=event_of(RequestPaused, found), note=note)
    return request_id


def confirm(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> None:
    """Confirm, signed in with a fresh proof, that a request that came from outside is one's own; the clock goes on."""
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    ctx.actor.require_fresh(Acr.MFA, parts.settings.step_up, ctx.at)
    _hold_subject(session, own(session, request_id, ctx).subject)
    found = locked(session, request_id)
    if found.state is not State.IDENTITY:
        raise WrongState
    if found.asked_at is not None:
        _resume(session, found, ctx, parts)
    _identified(session, request_id, "confirmed, signed in, with a fresh proof", ctx)


def enter(
    session: Session,
    asked: Asked,
    subject: str,
    received_on: date,
    ctx: Context,
    *,
    parts: Privacy,
    reason: str | None = None,
) -> str:
    """Enter a request that came by letter or call, with the day it was received; whose it is remains to be shown."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    if ctx.actor.id == subject:
        raise SamePerson("Nobody handles a request about themselves.")
    today = clock.of(parts.settings).day_of(ctx.at)
    if received_on > today:
        raise ReceiptInvalid("A request cannot be received on a day to come.", param="received_on")
    if today - received_on > parts.settings.receipt_age and len((reason or "").strip()) < REASON_MIN:
        raise ReceiptInvalid(param="received_on")
    if not parts.people.exists(session, subject):
        raise NotFound
    request_id = _take(session, asked, subject, received_on, ctx, parts)
    session.execute(sa.update(request).where(request.c.id == request_id).values(handled_by=ctx.actor.id))
    return request_id


def ask_identity(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> None:
    """Ask who somebody is: the clock stands from here if the question comes in time (PRV-11)."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = _held(session, request_id, parts, ctx)
    if found.state is not State.IDENTITY or found.asked_at is not None:
        raise WrongState("Who asks was shown already, or was asked before.")
    day = clock.of(parts.settings).day_of(ctx.at)
    is_in_time = day - found.received_on <= parts.settings.identity_ask_within
    note = "asked who they are" if is_in_time else "asked who they are, too late to stop the clock"
    if is_in_time:
        session.execute(sa.update(request).where(request.c.id == request_id).values(asked_at=ctx.at))
    letters.identity_question(session, found, ctx, pauses=is_in_time, parts=parts)
    event = event_of(RequestPaused, found) if is_in_time else None
    move(session, found, State.IDENTITY, ctx, event=event, note=note)


def answer_identity(session: Session, request_id: str, reason: str, ctx: Context, *, parts: Privacy) -> None:
    """Note that somebody was shown to be the person, and why that is believed; the clock goes on."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    if len(reason.strip()) < REASON_MIN:
        raise ReasonMissing(param="reason")
    _hold_subject(session, get(session, request_id).subject)
    found = _held(session, request_id, parts, ctx)
    if found.state is not State.IDENTITY:
        raise WrongState
    if found.asked_at is not None:
        _resume(session, found, ctx, parts)
    _identified(session, request_id, reason.strip(), ctx)


def extend(session: Session, request_id: str, reasons: str, ctx: Context, *, parts: Privacy) -> None:
    """Extend the time to three months from receipt, once, with reasons, before the first due day ends (PRV-10)."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    if len(reasons.strip()) < REASON_MIN:
        raise ReasonMissing(param="reason")
    found = _held(session, request_id, parts, ctx)
    if found.is_extended or not found.is_open or ctx.at >= found.due_at:
        raise ExtensionLate
    calendar = clock.of(parts.settings)
    due = calendar.due(found.received_on, clock.EXTENDED_MONTHS, found.paused_days)
    values = {"is_extended": True, "extended_at": ctx.at, "due": due.isoformat(), "due_at": calendar.end_of(due)}
    session.execute(sa.update(request).where(request.c.id == request_id).values(**values))
    renewed = get(session, request_id)
    letters.extended(session, renewed, reasons.strip(), ctx, parts=parts)
    move(session, renewed, renewed.state, ctx, event=event_of(RequestExtended, renewed), note=reasons.strip())


def withdraw(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> None:
    """Take one's own request back; also an erasure, until it begins."""
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    found = own(session, request_id, ctx)
    call_off_approval(session, found, ctx, parts)  # before the request is held: whoever decides holds them so, too
    found = locked(session, found.id)
    if not found.may_be_called_off:
        raise WrongState
    event = event_of(RequestStopped, found, reason="withdrawn")
    end(session, found, State.WITHDRAWN, ctx, event=event, note=None, parts=parts)


def stop(session: Session, token: str, ctx: Context, *, parts: Privacy) -> str:
    """Stop a request whose person says, by the link of a letter, that it was not theirs; returns its id.

    Raises `WrongState` once it has begun: an erasure of which a part is done ends whole.
    """
    found = of_token(session, token)
    call_off_approval(session, found, ctx, parts)  # before the request is held: whoever decides holds them so, too
    found = locked(session, found.id)
    of_token(session, token)  # still: a newer letter ends the link of the one before
    if not found.may_be_called_off:
        raise WrongState("This request has begun to be carried out, or has ended.")
    disowned = ActivityDisowned(account=found.subject, about=(found.subject,), reason="privacy_request")
    outbox.record(session, disowned, ctx)
    event = event_of(RequestStopped, found, reason="not_me")
    end(session, found, State.STOPPED, ctx, event=event, note="its person said it was not theirs", parts=parts)
    return found.id


def of_token(session: Session, token: str) -> Request:
    """Return the request that a letter's link leads to; raises `NotFound`."""
    query = sa.select(request.c.id).where(request.c.stop_hash == crypto.sha256(token.encode()))
    found = session.execute(query).scalar_one_or_none()
    if found is None:
        raise NotFound
    return get(session, found)


def requests(session: Session, wanted: RequestFilter, ctx: Context, *, after: str | None = None) -> Sequence[Request]:
    """Return requests, those due first, an auditor's of their period; recorded as a reading of personal data."""
    ctx.actor.require(PRIVACY_REQUEST_READ)
    query = sa.select(request).order_by(request.c.due_at, request.c.id).limit(PAGE_MAX)
    if wanted.kind is not None:
        query = query.where(request.c.kind == wanted.kind.value)
    if wanted.state is not None:
        query = query.where(request.c.state == wanted.state.value)
    if wanted.is_open is not None:
        ended = request.c.state.in_([state.value for state in ENDED])
        query = query.where(~ended if wanted.is_open else ended)
    if wanted.is_overdue:
        query = query.where(request.c.due_at <= ctx.at, request.c.answered_at.is_(None))
    if wanted.subject is not None:
        query = query.where(request.c.subject == wanted.subject)
    if ctx.actor.period is not None:
        begin, end = ctx.actor.period
        query = query.where(request.c.received_at >= begin, request.c.received_at < end)
    if after is not None:
        last = sa.select(request.c.due_at).where(request.c.id == after).scalar_subquery()
        query = query.where(sa.or_(request.c.due_at > last, (request.c.due_at == last) & (request.c.id > after)))
    found = [_of(row) for row in session.execute(query)]
    _record_read(session, "privacy_requests", [each.subject for each in found], ctx)
    return found


def story(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> Story:
    """Return a request with its steps and items; recorded as a reading of personal data."""
    ctx.actor.require(PRIVACY_REQUEST_READ)
    found = get(session, request_id, parts=parts)
    if not ctx.actor.sees(found.received_at):
        raise NotFound(object_id=request_id)
    _record_read(session, "privacy_request", [found.subject], ctx)
    return Story(
        request=found,
        steps=steps(session, request_id),
        items=items(session, request_id),
        left_out=left_out(session, request_id),
        letters=[
            (row.title, row.sent_at)
            for row in session.execute(
                sa.select(request_letter).where(request_letter.c.request_id == request_id).order_by(request_letter.c.n)
            )
        ],
    )


def own_requests(session: Session, ctx: Context) -> Sequence[Request]:
    """Return one's own requests, newest first."""
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    query = sa.select(request).where(request.c.subject == ctx.actor.own_id).order_by(request.c.id.desc())
    return [_of(row) for row in session.execute(query.limit(PAGE_MAX))]


def own(session: Session, request_id: str, ctx: Context) -> Request:
    """Return one's own request; another's is `NotFound`."""
    found = get(session, request_id)
    if found.subject != ctx.actor.own_id:
        raise NotFound
    return found


def own_story(session: Session, request_id: str, ctx: Context) -> Story:
    """Return one's own request with its steps and items."""
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    found = own(session, request_id, ctx)
    return Story(request=found, steps=steps(session, request_id), items=items(session, request_id))


def get(session: Session, request_id: str, *, parts: Privacy | None = None) -> Request:
    """Return a request, with what it says where the keys are given; raises `NotFound`."""
    row = session.execute(sa.select(request).where(request.c.id == request_id)).one_or_none()
    if row is None:
        raise NotFound
    return _of(row, parts)


def of_approval(session: Session, approval_id: str) -> Request | None:
    """Return the request that an approval was asked for."""
    query = sa.select(request.c.id).where(request.c.approval_id == approval_id)
    found = session.execute(query).scalar_one_or_none()
    return None if found is None else get(session, found)


def locked(session: Session, request_id: str, *, parts: Privacy | None = None) -> Request:
    """Return a request that nobody else changes until this transaction ends."""
    session.execute(sa.select(request.c.id).where(request.c.id == request_id).with_for_update())
    return get(session, request_id, parts=parts)


def steps(session: Session, request_id: str) -> Sequence[Step]:
    """Return the steps of a request, oldest first."""
    query = sa.select(request_step).where(request_step.c.request_id == request_id).order_by(request_step.c.n)
    return [
        Step(state=row.state, at=row.at, role=row.role, note=row.note, event_id=row.event_id)
        for row in session.execute(query)
    ]


def deciders(session: Session, found: Request) -> Sequence[str]:
    """Return the roles in which a request was prepared and decided, as they were then; none where nobody did."""
    if found.channel == FOLLOWING and found.linked_to is not None:
        found = get(session, found.linked_to)
    of = request_step.c
    query = sa.select(of.actor, of.role).where(of.request_id == found.id, of.actor.is_not(None)).order_by(of.n)
    roles = {row.actor: row.role for row in session.execute(query)}
    people = (found.handled_by, found.approved_by)
    return [roles[who].replace("_", " ") for who in people if who is not None and who in roles]


def event_of_state(session: Session, request_id: str, state: State) -> str | None:
    """Return the event that says that a request came to a state, the newest."""
    of = request_step.c
    query = sa.select(of.event_id).where(of.request_id == request_id, of.state == state.value, of.event_id.is_not(None))
    return session.execute(query.order_by(of.n.desc()).limit(1)).scalar_one_or_none()


def items(session: Session, request_id: str) -> Sequence[Item]:
    """Return what was found, or is done, store by store."""
    query = (
        sa.select(request_item)
        .where(request_item.c.request_id == request_id)
        .order_by(request_item.c.store, request_item.c.category)
    )
    return [
        Item(
            store=row.store,
            category=row.category,
            searched=row.searched,
            found=row.found,
            held=row.held,
            skipped=row.skipped,
            action=row.action,
            retention=row.retention,
            stays_until=row.stays_until,
        )
        for row in session.execute(query)
    ]


def left_out(session: Session, request_id: str) -> Sequence[LeftOut]:
    """Return what a copy leaves out, by rule."""
    of = redaction.c
    query = sa.select(of.rule, of.reason, of["count"].label("times")).where(of.request_id == request_id)
    rows = session.execute(query.order_by(of.rule))
    return [LeftOut(rule=row.rule, reason=row.reason, count=row.times) for row in rows]


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
    if state in ENDED:
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
    move(session, found, state, ctx, event=event, note=note)
    ids = session.scalars(sa.select(request.c.id).where(request.c.linked_to == found.id).order_by(request.c.id)).all()
    beside = [each for each in (locked(session, id) for id in ids) if each.is_open]
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


def tried(session: Session, found: Request, what: str, do: Callable[[], object], ctx: Context) -> bool:
    """Do a thing about a request; what fails is undone alone, said on the request, and it waits for a while.

    So nobody's data stops the work on everybody else's. Returns whether it was done.
    """

    def alone() -> None:
        with session.begin_nested():
            do()

    error = guarded(f"privacy: {what}", alone)
    if error is None:
        return True
    code = error.code if isinstance(error, OnePayError) else type(error).__name__
    move(session, found, found.state, ctx, note=f"{what} failed ({code}); it is tried again")
    session.execute(sa.update(request).where(request.c.id == found.id).values(claimed_until=ctx.at + SET_ASIDE))
    return False


def is_free(at: datetime) -> sa.ColumnElement[bool]:
    """Tell of a request that nobody works on and that was not set aside."""
    return sa.or_(request.c.claimed_until.is_(None), request.c.claimed_until <= at)


def recall(session: Session, request_id: str, kind: Kind, subject: str, ctx: Context, *, parts: Privacy) -> None:
    """Write down again a request of which only the log knows, as after an older database was put back."""
    today = clock.of(parts.settings).day_of(ctx.at)
    values = _values(request_id, kind, subject, "journal", today, ctx, parts)
    session.execute(sa.insert(request).values(**values, is_verified=True))
    note = "known from the log alone, as an older database was put back"
    move(session, get(session, request_id), State.SCOPED, ctx, note=note)


def follow(session: Session, first: Request, ctx: Context, *, parts: Privacy) -> str:
    """Write down an erasure that completes an earlier one; what two people decided for that one holds for it."""
    request_id, today = ctx.new_id("req"), clock.of(parts.settings).day_of(ctx.at)
    values = _values(request_id, first.kind, first.subject, FOLLOWING, today, ctx, parts)
    decided = {name: getattr(first, name) for name in ("handled_by", "approved_by")}
    session.execute(sa.insert(request).values(**values, **decided, is_verified=True, linked_to=first.id))
    note = f"what {first.id} had to leave is kept by nothing any more"
    move(session, get(session, request_id), State.SCOPED, ctx, note=note)
    return request_id


def kind_of(asked: Asked) -> Kind:
    """Return which right is asked for, in words that say enough; raises `KindUnknown` or `DetailMissing`."""
    try:
        kind = Kind(asked.kind)
    except ValueError as error:
        raise KindUnknown(param="kind") from error
    detail = (asked.detail or "").strip()
    if len(detail) > DETAIL_MAX:
        raise DetailMissing("Say it in 2,000 characters.", param="detail")
    if kind in (Kind.RECTIFICATION, Kind.HUMAN_REVIEW) and not detail:
        raise DetailMissing(param="detail")
    if kind is Kind.OBJECTION:
        purpose = purposes.shipped().get(asked.purpose or "")
        if purpose is None or not (purpose.may_be_objected_to or purpose.needs_consent):
            raise DetailMissing("Say which use you object to.", param="purpose")
    return kind


def seal_detail(detail: str, subject: str, request_id: str, parts: Privacy) -> bytes:
    """Return the words of a request as their column holds them."""
    return parts.keys.seal_value(detail, subject, REQUEST_CLASS, f"compliance_request.detail_ct.{request_id}")


def _take(session: Session, asked: Asked, subject: str, received_on: date, ctx: Context, parts: Privacy) -> str:
    kind = kind_of(asked)
    _hold_subject(session, subject)
    first = _first_of(session, subject, kind)
    request_id, token = ctx.new_id("req"), crypto.token()
    changed = parts.people.last_change(session, subject)
    waits = changed + parts.settings.cool_down if changed else None
    values = {
        **_values(request_id, kind, subject, asked.channel, received_on, ctx, parts),
        "is_verified": False,
        "linked_to": first,
        "purpose": asked.purpose,
        "detail_ct": seal_detail(asked.detail, subject, request_id, parts) if asked.detail else None,
        "stop_hash": crypto.sha256(token.encode()),
        "not_before": waits if waits and waits > ctx.at else None,
    }
    session.execute(sa.insert(request).values(**values))
    found = get(session, request_id)
    note = None if first is None else f"beside {first}, which is open"
    move(session, found, State.IDENTITY, ctx, event=event_of(RequestReceived, found), note=note)
    letters.received(session, found, token, ctx, parts=parts)
    return request_id


def _values(
    request_id: str, kind: Kind, subject: str, channel: str, received_on: date, ctx: Context, parts: Privacy
) -> dict[str, Any]:
    calendar = clock.of(parts.settings)
    due = calendar.due(received_on, clock.MONTHS, 0)
    return {
        "id": request_id,
        "kind": kind.value,
        "subject": subject,
        "channel": channel,
        "received_on": received_on.isoformat(),
        "received_at": ctx.at,
        "rules": clock.RULES,
        "due": due.isoformat(),
        "internal_due": (received_on + timedelta(days=clock.INTERNAL_DAYS)).isoformat(),
        "due_at": calendar.end_of(due),
        "paused_days": 0,
        "state": State.IDENTITY.value,
        "is_extended": False,
        "is_incomplete": False,
    }


def _hold_subject(session: Session, subject: str) -> None:
    """Wait for whoever asks for the same person; SQLite has one writer."""
    if dialect_of(session) != "sqlite":
        number = int.from_bytes(crypto.sha256(f"compliance requests {subject}".encode())[:8], signed=True)
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def _first_of(session: Session, subject: str, kind: Kind, *, but: str | None = None) -> str | None:
    """Return the open request of a person whose answer answers another one of its kind, too; held until the end.

    Only one that was proven to be theirs: what a stranger asked for must not stand in the way of it.
    """
    if kind not in LINKED:
        return None
    query = sa.select(request.c.id).where(
        request.c.subject == subject,
        request.c.kind == kind.value,
        request.c.is_verified,
        request.c.linked_to.is_(None),
        request.c.state.not_in([state.value for state in ANSWERED]),
        request.c.id != (but or ""),
    )
    return session.execute(query.order_by(request.c.id).limit(1).with_for_update()).scalar_one_or_none()


def _identified(session: Session, request_id: str, note: str, ctx: Context) -> None:
    found = get(session, request_id)
    event = event_of(RequestIdentified, found)
    first = _first_of(session, found.subject, found.kind, but=found.id)
    if first is not None and first != found.linked_to:
        note = f"{note}; beside {first}, which is open"
    move(session, found, State.SCOPED, ctx, event=event, note=note, is_verified=True, linked_to=first)


def _resume(session: Session, found: Request, ctx: Context, parts: Privacy) -> None:
    assert found.asked_at is not None, "somebody was asked"
    calendar = clock.of(parts.settings)
    paused = clock.paused_between(calendar.day_of(found.asked_at), calendar.day_of(ctx.at))
    months = clock.EXTENDED_MONTHS if found.is_extended else clock.MONTHS
    due = calendar.due(found.received_on, months, paused)
    values = {"paused_days": paused, "due": due.isoformat(), "due_at": calendar.end_of(due), "asked_at": None}
    session.execute(sa.update(request).where(request.c.id == found.id).values(**values))
    renewed = get(session, found.id)
    note = f"answered, after {paused} whole days in which the clock stood"
    move(session, renewed, State.IDENTITY, ctx, event=event_of(RequestResumed, renewed), note=note)


def _held(session: Session, request_id: str, parts: Privacy, ctx: Context) -> Request:
    found = locked(session, request_id, parts=parts)
    if ctx.actor.id == found.subject:
        raise SamePerson("Nobody handles a request about themselves.")
    return found


def event_of(kind: type[Any], found: Request, *, reason: str | None = None) -> Any:  # an event of the kind
    """Return an event about a request."""
    return kind(
        request=found.id,
        right=found.kind.value,
        due_at=found.due.isoformat(),
        state=found.state.value,
        reason=reason,
        about=(found.subject,),
    )


def _record_read(session: Session, view: str, subjects: Sequence[str], ctx: Context) -> None:
    about = tuple(dict.fromkeys(subjects))
    if about:
        outbox.record(session, DataRead(view=view, count=len(about), about=about), ctx)


def _role(actor: Actor) -> str:
    match actor.kind:
        case ActorKind.STAFF:
            return sorted(actor.roles)[0] if actor.roles else "staff"
        case ActorKind.SERVICE:
            return "OnePay"
        case _:
            return "you"


def _of(row: Any, parts: Privacy | None = None) -> Request:  # a row of `request`
    detail = None
    if parts is not None and row.detail_ct:
        place = f"compliance_request.detail_ct.{row.id}"
        detail = parts.keys.reader((row.subject,), REQUEST_CLASS).open_value(row.detail_ct, row.subject, place)
    return Request(
        id=row.id,
        kind=Kind(row.kind),
        subject=row.subject,
        channel=row.channel,
        received_on=date.fromisoformat(row.received_on),
        received_at=row.received_at,
        rules=row.rules,
        due=date.fromisoformat(row.due),
        internal_due=date.fromisoformat(row.internal_due),
        due_at=row.due_at,
        paused_days=row.paused_days,
        asked_at=row.asked_at,
        state=State(row.state),
        is_verified=row.is_verified,
        is_extended=row.is_extended,
        is_incomplete=row.is_incomplete,
        linked_to=row.linked_to,
        purpose=row.purpose,
        detail=detail,
        outcome=row.outcome,
        handled_by=row.handled_by,
        approved_by=row.approved_by,
        approval_id=row.approval_id,
        not_before=row.not_before,
        answered_at=row.answered_at,
        closed_at=row.closed_at,
    )
