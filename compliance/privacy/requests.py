"""Requests read as they stand: one's own, one by its id, link or approval, and the list for those who handle them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto
from app.kernel.access import PRIVACY_REQUEST_READ, PRIVACY_SELF_REQUEST
from app.kernel.context import Context
from app.kernel.errors import NotFound, SamePerson
from compliance.privacy import fates, telling, then, whose
from compliance.privacy.models import REQUEST_CLASS, redaction, request, request_item, request_step
from compliance.privacy.parts import Privacy
from compliance.privacy.request import ENDED, FOLLOWING, Item, Kind, LeftOut, Request, RequestFilter, State, Step, Story
from ingest.events.access import DataRead
from ingest.log import outbox

PAGE_MAX: Final = 100


def listed(session: Session, wanted: RequestFilter, ctx: Context, *, after: str | None = None) -> Sequence[Request]:
    """Return requests, those due first; recorded as a reading of personal data.

    To an auditor those of their period, as they stood at its end.
    """
    ctx.actor.require(PRIVACY_REQUEST_READ)
    query = sa.select(request).order_by(request.c.due_at, request.c.id)
    if wanted.kind is not None:
        query = query.where(request.c.kind == wanted.kind.value)
    if wanted.subject is not None:
        query = query.where(request.c.subject == wanted.subject)
    if after is not None:
        last = sa.select(request.c.due_at).where(request.c.id == after).scalar_subquery()
        query = query.where(sa.or_(request.c.due_at > last, (request.c.due_at == last) & (request.c.id > after)))
    if ctx.actor.period is not None:
        at = min(ctx.at, ctx.actor.period[1])
        found = [one for one in _stood_in(session, query, ctx.actor.period) if wanted.fits(one, at)][:PAGE_MAX]
    else:
        found = [of_row(row) for row in session.execute(_standing(query, wanted, ctx.at).limit(PAGE_MAX))]
    _record_read(session, "privacy_requests", [each.subject for each in found], ctx)
    return found


def of_period(session: Session, period: tuple[datetime, datetime]) -> Sequence[Request]:
    """Return the requests of an auditor's period as they stood at its end, for who counts them."""
    return _stood_in(session, sa.select(request), period)


def _standing(query: sa.Select[Any], wanted: RequestFilter, at: datetime) -> sa.Select[Any]:
    """Return the query of those that stand now as is wanted; `RequestFilter.fits` is the same of one."""
    if wanted.state is not None:
        query = query.where(request.c.state == wanted.state.value)
    if wanted.is_open is not None:
        ended = request.c.state.in_([state.value for state in ENDED])
        query = query.where(~ended if wanted.is_open else ended)
    if wanted.is_answered is not None:
        unanswered = request.c.answered_at.is_(None)
        query = query.where(~unanswered if wanted.is_answered else unanswered)
    if wanted.is_overdue:
        query = query.where(request.c.due_at <= at, request.c.answered_at.is_(None))
    return query


def _stood_in(session: Session, query: sa.Select[Any], period: tuple[datetime, datetime]) -> list[Request]:
    """Return the requests of a period as they stood at its end."""
    begin, end = period
    rows = session.execute(query.where(request.c.received_at >= begin, request.c.received_at < end))
    return then.stood(session, [of_row(row) for row in rows], end)


def story(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> Story:
    """Return a request with its steps and items; recorded as a reading of personal data.

    To an auditor what came of it by the end of their period.
    """
    ctx.actor.require(PRIVACY_REQUEST_READ)
    found, came = get(session, request_id, parts=parts), steps(session, request_id)
    if not ctx.actor.sees(found.received_at):
        raise NotFound(object_id=request_id)
    _record_read(session, "privacy_request", [found.subject], ctx)
    end = ctx.actor.period[1] if ctx.actor.period is not None else None
    letters = fates.of_request(session, request_id, ctx.at, parts=parts)
    if end is None or ctx.at < end:
        return Story(
            request=found,
            steps=came,
            items=items(session, request_id),
            left_out=left_out(session, request_id),
            letters=letters,
        )
    seen = [one for one in came if one.at < end]
    known = items(session, request_id, before=end, or_unsaid=len(seen) == len(came))
    return Story(
        request=then.stood(session, [found], end)[0],
        steps=seen,
        items=known,
        left_out=left_out(session, request_id) if known else (),
        letters=[replace(one, fate=None) for one in letters if one.at < end],
    )


def own_requests(session: Session, ctx: Context) -> Sequence[Request]:
    """Return one's own requests, newest first."""
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    query = sa.select(request).where(request.c.subject == ctx.actor.own_id).order_by(request.c.id.desc())
    found = [of_row(row) for row in session.execute(query.limit(PAGE_MAX))]
    mine = whose.theirs(session, found)
    return [one for one in found if one.id in mine]


def own(session: Session, request_id: str, ctx: Context) -> Request:
    """Return one's own request; another's is `NotFound`, and one that a row alone says is one's own."""
    found = get(session, request_id)
    if found.subject != ctx.actor.own_id or not whose.theirs(session, [found]):
        raise NotFound
    return found


def own_story(session: Session, request_id: str, ctx: Context) -> Story:
    """Return one's own request with its items, and its steps in our words: what colleagues noted is not among them."""
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    found = own(session, request_id, ctx)
    extended_at = session.execute(sa.select(request.c.extended_at).where(request.c.id == request_id)).scalar_one()
    told = telling.told(steps(session, request_id), extended_at)
    return Story(request=found, steps=told, items=items(session, request_id))


def get(session: Session, request_id: str, *, parts: Privacy | None = None) -> Request:
    """Return a request, with what it says where the keys are given; raises `NotFound`."""
    row = session.execute(sa.select(request).where(request.c.id == request_id)).one_or_none()
    if row is None:
        raise NotFound
    return of_row(row, parts)


def locked(session: Session, request_id: str) -> Request:
    """Return a request that nobody else changes until this transaction ends."""
    session.execute(sa.select(request.c.id).where(request.c.id == request_id).with_for_update())
    return get(session, request_id)


def to_handle(session: Session, request_id: str, ctx: Context) -> Request:
    """Return a request that nobody else changes, for whoever handles it: never the person it is about.

    Raises `RequestDiffers` unless the log says that this person asked for it.
    """
    found = locked(session, request_id)
    if ctx.actor.id == found.subject:
        raise SamePerson("Nobody handles a request about themselves.")
    whose.demand_asked(session, found)
    return found


def of_token(session: Session, token: str) -> Request:
    """Return the request that a letter's link leads to; raises `NotFound`."""
    query = sa.select(request.c.id).where(request.c.stop_hash == crypto.sha256(token.encode()))
    found = session.execute(query).scalar_one_or_none()
    if found is None:
        raise NotFound
    return get(session, found)


def of_approval(session: Session, approval_id: str) -> Request | None:
    """Return the request that an approval was asked for."""
    query = sa.select(request.c.id).where(request.c.approval_id == approval_id)
    found = session.execute(query).scalar_one_or_none()
    return None if found is None else get(session, found)


def steps(session: Session, request_id: str) -> Sequence[Step]:
    """Return the steps of a request, oldest first."""
    query = sa.select(request_step).where(request_step.c.request_id == request_id).order_by(request_step.c.n)
    return [
        Step(state=row.state, at=row.at, role=row.role, note=row.note, event_id=row.event_id)
        for row in session.execute(query)
    ]


def items(
    session: Session, request_id: str, *, before: datetime | None = None, or_unsaid: bool = True
) -> Sequence[Item]:
    """Return what was found, or is done, store by store; with `before` what was noted by then.

    With `or_unsaid` that of which nobody wrote down when, too, as of all that was noted first.
    """
    of = request_item.c
    query = sa.select(request_item).where(of.request_id == request_id).order_by(of.store, of.category)
    if before is not None:
        query = query.where((of.noted_at < before) | (of.noted_at.is_(None) & or_unsaid))
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
            law=row.law,
        )
        for row in session.execute(query)
    ]


def left_out(session: Session, request_id: str) -> Sequence[LeftOut]:
    """Return what a copy leaves out, by rule."""
    of = redaction.c
    query = sa.select(of.rule, of.reason, of["count"].label("times")).where(of.request_id == request_id)
    rows = session.execute(query.order_by(of.rule))
    return [LeftOut(rule=row.rule, reason=row.reason, count=row.times) for row in rows]


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
    told = told_of_state(session, request_id, state)
    return None if told is None else told[0]


def told_of_state(session: Session, request_id: str, state: State) -> tuple[str, datetime] | None:
    """Return the event that says that a request came to a state, the newest, and when that was."""
    of = request_step.c
    mine = (of.request_id == request_id) & (of.state == state.value) & of.event_id.is_not(None)
    row = session.execute(sa.select(of.event_id, of.at).where(mine).order_by(of.n.desc()).limit(1)).one_or_none()
    return None if row is None else (row.event_id, row.at)


def _record_read(session: Session, view: str, subjects: Sequence[str], ctx: Context) -> None:
    about = tuple(dict.fromkeys(subjects))
    if about:
        outbox.record(session, DataRead(view=view, count=len(about), about=about), ctx)


def of_row(row: Any, parts: Privacy | None = None) -> Request:  # a row of `request`
    """Return a request from its row, with what it says where the keys are given."""
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
