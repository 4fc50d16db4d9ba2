"""Whoever received data: processors asked what they hold (Art. 15), and told what was corrected, erased, restricted.

A notice is a task for an officer, one a request and processor, made in the transaction of what causes it. It ends with
a receipt, or with the reason why it is impossible or out of proportion (Art. 19). Nobody is reached by this code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import words
from app.kernel.access import PRIVACY_REQUEST_HANDLE, PRIVACY_REQUEST_READ, PRIVACY_SELF_REQUEST
from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid, NotFound, SamePerson, WrongState
from compliance.contracts.personal import StoreInfo
from compliance.privacy import clock, graph, requests
from compliance.privacy.models import recipient_notice, request
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Kind, Request, State
from compliance.registers import processors

DAYS: Final = 30
"""In so many days a recipient is told, or it is known why that cannot be."""
RECEIPT: Final = "receipt"
IMPOSSIBLE: Final = "impossible"
TOLD: Final = frozenset((Kind.RECTIFICATION, Kind.ERASURE, Kind.RESTRICTION))
"""What Art. 19 is about; an access asks recipients instead."""
REFERENCE_MAX: Final = 200
SAYS_MAX: Final = 1_000
SHOWN_MAX: Final = 200
_UNANSWERED: Final = frozenset(state.value for state in (State.REFUSED, State.WITHDRAWN, State.STOPPED))
_NOBODYS: Final = frozenset(("none", "staff"))


class NoticeInvalid(Invalid):
    """Say whether it was told or cannot be, and on which day since the notice was made."""

    code = "notice_invalid"


class NoticeAnswered(Conflict):
    """This notice has its receipt or reason already."""

    code = "notice_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a notice ended: by `RECEIPT` with its reference, or `IMPOSSIBLE` with why.

    `says` is what a processor holds where it was asked for an access, and the reason where it is impossible.
    """

    answer: str
    on: date
    reference: str = ""
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What one recipient is to be told or asked, and what became of it."""

    id: str
    request_id: str
    kind: Kind
    processor_id: str
    name: str
    categories: Sequence[str]
    made_at: datetime
    due: date
    due_at: datetime
    answer: str | None
    answered_on: date | None
    answered_at: datetime | None
    answered_by: str | None
    reference: str | None
    says: str | None
    is_called_off: bool
    """Nobody has to be asked any more: the access ended without an answer."""

    @property
    def is_open(self) -> bool:
        return self.answer is None and not self.is_called_off

    @property
    def is_late(self) -> bool:
        """Tell whether it was answered after its last day."""
        return self.answered_on is not None and self.answered_on > self.due

    def is_overdue(self, at: datetime) -> bool:
        """Tell whether its last day has ended without an answer."""
        return self.is_open and at >= self.due_at


def of_access(session: Session, found: Request, ctx: Context, *, parts: Privacy) -> None:
    """Ask each processor what it holds, before the answer to the person is due; for anything but an access nobody."""
    if found.kind is Kind.ACCESS:
        _make(session, found, graph.stores(parts.sources), ctx, parts)


def of_correction(session: Session, found: Request, store: str, field: str, ctx: Context, *, parts: Privacy) -> None:
    """Tell whoever works with what was corrected; one that was told before of another value is told once more."""
    concerns = [one for one in graph.stores(parts.sources) if one.name == store and field in one.fields]
    _make(session, found, concerns, ctx, parts)


def of_erasure(
    session: Session, found: Request, goes: Set[tuple[str, str]], ctx: Context, *, parts: Privacy
) -> Sequence[Notice]:
    """Tell whoever works with what goes, as (store, category); returns the notices of the request."""
    concerns = [one for one in graph.stores(parts.sources) if (one.name, one.category) in goes]
    _make(session, found, concerns, ctx, parts)
    return of_request(session, found.id)


def of_restriction(session: Session, found: Request, ctx: Context, *, parts: Privacy) -> None:
    """Tell whoever works with anything about customers: all of it is restricted."""
    _make(session, found, graph.stores(parts.sources), ctx, parts)


def answer(session: Session, notice_id: str, given: Answer, ctx: Context, *, parts: Privacy) -> None:
    """Note how a notice ended; raises `NoticeInvalid`, `NoticeAnswered` and what `words.checked` does."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = get(session, notice_id)
    if requests.locked(session, found.request_id).subject == ctx.actor.id:
        raise SamePerson("Nobody handles a request about themselves.")
    found = get(session, notice_id)
    if found.is_called_off:
        raise WrongState("The request ended without an answer.")
    if not found.is_open:
        raise NoticeAnswered
    calendar = clock.of(parts.settings)
    if given.answer not in (RECEIPT, IMPOSSIBLE):
        raise NoticeInvalid(param="answer")
    # Staff write days of UTC, which end at another hour than those of the law.
    if not min(calendar.day_of(found.made_at), found.made_at.date()) <= given.on <= calendar.day_of(ctx.at):
        raise NoticeInvalid(param="on")
    reference, says = None, given.says.strip() or None
    if given.answer == RECEIPT:
        reference = words.checked(given.reference, param="reference", shortest=1, longest=REFERENCE_MAX)
    if says is not None or given.answer == IMPOSSIBLE or found.kind is Kind.ACCESS:
        says = words.checked(given.says, param="says", longest=SAYS_MAX)
    values = {
        "answer": given.answer,
        "answered_on": given.on.isoformat(),
        "reference": reference,
        "says": says,
        "answered_by": ctx.actor.id,
        "answered_at": ctx.at,
    }
    session.execute(sa.update(recipient_notice).where(recipient_notice.c.id == notice_id).values(**values))


def get(session: Session, notice_id: str) -> Notice:
    """Return a notice; raises `NotFound`."""
    row = session.execute(_notices().where(recipient_notice.c.id == notice_id)).one_or_none()
    if row is None:
        raise NotFound
    return _of(row)


def of_request(session: Session, request_id: str, *, before: datetime | None = None) -> list[Notice]:
    """Return the notices of a request, in the order in which they were made; with `before` as they stood then."""
    of = recipient_notice.c
    query = _notices().where(of.request_id == request_id).order_by(of.turn, of.name, of.id)
    return [_of(row, before) for row in session.execute(query) if before is None or row.made_at < before]


def own(session: Session, request_id: str, ctx: Context) -> list[Notice]:
    """Return who was told of one's own request, or asked for it (Art. 19, last sentence)."""
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    return of_request(session, requests.own(session, request_id, ctx).id)


def waiting(session: Session, ctx: Context) -> list[Notice]:
    """Return the notices that wait for an answer, those due first; to an auditor those that did so at its end.

    Those are the notices that were made in their period.
    """
    ctx.actor.require(PRIVACY_REQUEST_READ)
    of = recipient_notice.c
    query = _notices().order_by(of.due_at, of.id)
    if ctx.actor.period is None:
        return [_of(row) for row in session.execute(query.where(is_waiting()).limit(SHOWN_MAX))]
    begin, end = ctx.actor.period
    made = session.execute(query.where(of.made_at >= begin, of.made_at < end))
    return [one for one in (_of(row, end) for row in made) if one.is_open][:SHOWN_MAX]


def is_waiting() -> sa.ColumnElement[bool]:
    """Tell of a notice beside its request that nobody has answered and somebody still has to."""
    off = sa.and_(request.c.kind == Kind.ACCESS.value, request.c.state.in_(sorted(_UNANSWERED)))
    return sa.and_(recipient_notice.c.answer.is_(None), ~off)


def _make(session: Session, found: Request, concerns: Iterable[StoreInfo], ctx: Context, parts: Privacy) -> None:
    """Make what is not made yet: one a processor that works for a purpose of what is concerned.

    A processor that answered already has another turn where more was corrected since; what is open takes it in.
    """
    stores = [one for one in concerns if one.category not in _NOBODYS]
    of, newest = recipient_notice.c, dict[str, Any]()
    for row in session.execute(sa.select(recipient_notice).where(of.request_id == found.id).order_by(of.turn)):
        newest[row.processor_id] = row
    due = _due(found, ctx, parts)
    for one in processors.listed(session):
        categories = {store.category for store in stores if not set(one.purposes).isdisjoint(store.purposes)}
        if not categories:
            continue
        last = newest.get(one.id)
        if last is not None and last.answer is None:
            both = sorted(categories | set(last.categories))
            session.execute(sa.update(recipient_notice).where(of.id == last.id).values(categories=both))
            continue
        if last is not None and found.kind is not Kind.RECTIFICATION:
            continue
        values = {
            "id": ctx.new_id("rcn"),
            "request_id": found.id,
            "processor_id": one.id,
            "turn": 1 if last is None else last.turn + 1,
            "name": one.name,
            "categories": sorted(categories),
            "made_at": ctx.at,
            "due": due.isoformat(),
            "due_at": clock.of(parts.settings).end_of(due),
        }
        session.execute(sa.insert(recipient_notice).values(**values))


def _due(found: Request, ctx: Context, parts: Privacy) -> date:
    """Return the last day: thirty from now, or the day before an access is due itself, and never before now."""
    today = clock.of(parts.settings).day_of(ctx.at)
    due = today + timedelta(days=DAYS)
    if found.kind is Kind.ACCESS:
        due = min(due, found.due - timedelta(days=1))
    return max(due, today)


def _notices() -> sa.Select[Any]:
    return sa.select(recipient_notice, request.c.kind, request.c.state, request.c.closed_at).join(
        request, request.c.id == recipient_notice.c.request_id
    )


def _of(row: Any, before: datetime | None = None) -> Notice:  # a row of `_notices`
    """Return a notice; with `before` as it stood before an instant: neither answered later nor called off later."""
    is_ended = row.closed_at is not None and (before is None or row.closed_at < before)
    found = Notice(
        id=row.id,
        request_id=row.request_id,
        kind=Kind(row.kind),
        processor_id=row.processor_id,
        name=row.name,
        categories=row.categories,
        made_at=row.made_at,
        due=date.fromisoformat(row.due),
        due_at=row.due_at,
        answer=row.answer,
        answered_on=date.fromisoformat(row.answered_on) if row.answered_on else None,
        answered_at=row.answered_at,
        answered_by=row.answered_by,
        reference=row.reference,
        says=row.says,
        is_called_off=row.answer is None and row.kind == Kind.ACCESS.value and row.state in _UNANSWERED and is_ended,
    )
    if before is None or found.answered_at is None or found.answered_at < before:
        return found
    return replace(found, answer=None, answered_on=None, answered_at=None, answered_by=None, reference=None, says=None)
