"""Requests that must have one effect: the answer is kept with the money, and given again to whoever repeats the key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import edge
from app.kernel import classify, crypto
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.db import is_deadlock
from app.kernel.errors import Refused, Traced, Unavailable
from payments import idempotency, ledger
from payments.idempotency import Call, Stored

TRIES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a unit of work answers: status, body, and the object it is about."""

    status: int
    body: bytes
    object_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An answer as it leaves, first or again."""

    status: int
    body: bytes
    object_id: str | None
    is_replay: bool
    expires: str


def kept_key(text: str) -> str:
    """Return a caller's key as it is kept: one that looks like a card number only as its keyed digest.

    One number in ten passes the check of a card, so such a key may be an innocent one and is not refused.
    """
    if not classify.find_card_numbers(text):
        return text
    return crypto.mac(edge.system().identity.lookup, b"idempotency|" + text.encode()).hex()


def only(call: Call, work: Callable[[Session], Answer], refusal: Callable[[Refused], Answer], ctx: Context) -> Given:
    """Do the work under its key in one transaction, or return what it answered before.

    A refused payment rolls back, then leaves its trace and its kept 402 in a second transaction. A deadlock or a late
    unique violation is tried once more.
    """
    for remaining in reversed(range(TRIES)):
        try:
            return _tried(call, work, refusal, ctx)
        except (sa.exc.IntegrityError, Unavailable) as error:
            if not remaining or not _is_lost_race(error):
                raise
    raise AssertionError("the loop returns or raises")


def _tried(call: Call, work: Callable[[Session], Answer], refusal: Callable[[Refused], Answer], ctx: Context) -> Given:
    db = edge.system().db
    try:
        with edge.acting(posting=True) as session:
            stored = idempotency.begin(session, call, ctx)
            if stored is not None:
                return _again(stored)
            answer = work(session)
            expires = idempotency.store(session, call, answer.status, answer.body, ctx, object_id=answer.object_id)
    except Refused as refused:
        answer = refusal(refused)
        with db.begin() as session:
            # A twin may have been refused meanwhile: then its answer stands.
            stored = idempotency.begin(session, call, ctx)
            if stored is not None:
                return _again(stored)
            if isinstance(refused, Traced):
                refused.trace(session, ctx)
            expires = idempotency.store(session, call, answer.status, answer.body, ctx, object_id=answer.object_id)
    return Given(
        status=answer.status, body=answer.body, object_id=answer.object_id, is_replay=False, expires=rfc3339(expires)
    )


def _again(stored: Stored) -> Given:
    return Given(
        status=stored.status,
        body=stored.body,
        object_id=stored.object_id,
        is_replay=True,
        expires=rfc3339(stored.expires_at),
    )


def _is_lost_race(error: sa.exc.IntegrityError | Unavailable) -> bool:
    """Whether another transaction came first, so that a second try meets a settled state."""
    return isinstance(error, sa.exc.IntegrityError | ledger.PostingRaced) or is_deadlock(error)
