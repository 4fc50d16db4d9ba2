"""What fails again and again at a request: since when, at which step, with which code; gone once that step is done.

It goes, too, when the request ends; what fails after that is what completes an erasure that left something behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REQUEST_READ, Actor
from app.kernel.context import Context
from app.kernel.errors import OnePayError
from compliance.privacy.models import request, request_trouble
from compliance.privacy.request import ENDED, Kind

STUCK_TRIES: Final = 2
"""What failed once is tried again by itself; what failed so often is a person's to look at."""
SHOWN_MAX: Final = 100
CODE_MAX: Final = 80
ERASING: Final = "erasing"
COMPLETING: Final = "completing"
_ADVICE: Final = {
    "erasure_unfinished": "Something of them is still readable after it was erased again and again. The newest step "
    "names the store; have its owner look why, then it goes on by itself.",
    "erasure_undecided": "Nothing is erased. Somebody may have written into the database; have Verifier and the "
    "control of Art. 5(2) looked at before anything is decided about this request.",
    "hold_not_as_placed": "Nothing is erased. Retention names the hold that does not lie as it was placed; have "
    "Verifier and the control of Art. 5(2) looked at, then place it again for the same things, or put its rows back.",
    "request_differs": "Nothing is collected or handed out: the log says something else of this request than its rows "
    "do. It may have been called off or answered, or be somebody else's. Somebody may have written into the database; "
    "have Verifier and the control of Art. 5(2) looked at.",
    "erasure_too_early": "Nothing is erased: by the log its person may still call it off. Somebody may have written "
    "into the database; it goes on by itself once their time is over.",
    "plan_differs": "Nothing more is erased: what is to go is not what this erasure began with. Somebody may have "
    "written into the database; have Verifier and the control of Art. 5(2) looked at, and its rows put back.",
    "lift_undecided": "The restriction stays: the log knows of nobody who let it end, at least three days ago. Let two "
    "people decide about it anew.",
    "certificate_differs": "No certificate is written: what is gone is not what the log says was to go. Have Verifier "
    "and the control of Art. 5(2) looked at before its person is answered.",
    "decision_ended": "What this erasure had to leave stays until somebody decides again: the log says no more whom it "
    "was about. Enter a request for its person by hand; two people decide it as any other.",
}
_ANY: Final = (
    "It is tried again by itself. If Health names a part that is away, it goes on once that answers; otherwise give "
    "the code and the id of the request to whoever runs OnePay."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A step of a request that failed, the first and the last time, and how often."""

    request_id: str
    kind: Kind
    what: str
    code: str
    first_at: datetime
    last_at: datetime
    tries: int

    @property
    def is_stuck(self) -> bool:
        """Tell whether it failed so often that somebody has to look."""
        return self.tries >= STUCK_TRIES

    @property
    def advice(self) -> str:
        """Return what is to be done."""
        return _ADVICE.get(self.code, _ANY)


def code_of(error: BaseException) -> str:
    """Return how a failure is called: by its stable code, or by its type. Its words may name a person."""
    return error.code if isinstance(error, OnePayError) else type(error).__name__[:CODE_MAX]


def note(session: Session, request_id: str, what: str, error: BaseException, ctx: Context) -> bool:
    """Note that a step failed; another step than the one before begins anew. Returns whether this is new."""
    of = request_trouble.c
    before = session.execute(sa.select(of.what, of.tries).where(of.request_id == request_id)).one_or_none()
    values = {"what": what, "code": code_of(error), "last_at": ctx.at, "tries": 1}
    if before is None:
        session.execute(sa.insert(request_trouble).values(request_id=request_id, first_at=ctx.at, **values))
        return True
    is_new = bool(before.what != what)
    again = {"first_at": ctx.at} if is_new else {"tries": before.tries + 1}
    session.execute(sa.update(request_trouble).where(of.request_id == request_id).values({**values, **again}))
    return is_new


def over(session: Session, request_id: str) -> None:
    """Forget what failed, as the step is done."""
    session.execute(sa.delete(request_trouble).where(request_trouble.c.request_id == request_id))


def of_request(session: Session, request_id: str, *, before: datetime | None = None) -> Trouble | None:
    """Return what fails at a request, or None; with `before` only what had failed the last time by then."""
    row = session.execute(_of_requests().where(request_trouble.c.request_id == request_id)).one_or_none()
    found = None if row is None else _of(row)
    return found if found is None or before is None or found.last_at < before else None


def stuck(session: Session, actor: Actor) -> Sequence[Trouble]:
    """Return the requests that do not go on, those stuck longest first; to an auditor those of their period.

    No row about a person is read: whose request it is says its own page.
    """
    actor.require(PRIVACY_REQUEST_READ)
    query = _of_requests().where(request_trouble.c.tries >= STUCK_TRIES)
    if actor.period is not None:
        begin, end = actor.period
        query = query.where(request.c.received_at >= begin, request.c.received_at < end)
        query = query.where(request_trouble.c.last_at < end)
    rows = session.execute(query.order_by(request_trouble.c.first_at, request_trouble.c.request_id).limit(SHOWN_MAX))
    return [_of(row) for row in rows]


def goes_on() -> sa.ColumnElement[bool]:
    """Tell of trouble beside its request that there is still something to be done: it is open, or to be completed."""
    is_open = request.c.state.not_in([state.value for state in ENDED])
    return sa.or_(is_open, request_trouble.c.what == COMPLETING)


def _of_requests() -> sa.Select[tuple[object, ...]]:
    joined = sa.select(request_trouble, request.c.kind).join(request, request.c.id == request_trouble.c.request_id)
    return joined.where(goes_on())


def _of(row: sa.Row[tuple[object, ...]]) -> Trouble:
    values = dict(row._mapping)
    return Trouble(**{**values, "kind": Kind(values["kind"])})
