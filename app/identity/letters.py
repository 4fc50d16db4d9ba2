"""Letters to people: queued in the transaction of their cause, sealed until they are delivered."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import lockout
from app.identity.models import message
from app.identity.parts import Identity
from app.kernel import crypto
from app.kernel.context import Context
from app.kernel.crypto import Unreadable
from app.kernel.db import changed
from app.kernel.errors import OnePayError, TooManyAttempts

KEPT: Final = timedelta(days=1)
# What a right or a duty by law rests on is tried for as long as the law gives to answer.
KEPT_BY_LAW: Final = timedelta(days=30)
# What failed for about a day is tried every six hours.
SELDOM_TRIES: Final = 150
SELDOM_SECONDS: Final = 21_600
# Claims that never ended, one after the other: such a letter may be what ends the workers that take it.
UNENDED_MAX: Final = 8
# How long a letter that is due waits to be taken before somebody should look, and for how long a lost one is shown.
LATE: Final = timedelta(minutes=5)
LOST_SHOWN: Final = timedelta(days=7)
# One that expired untried is none: it was written where nothing delivers, as in a world made for a demonstration.
_LOST: Final = sa.or_(
    message.c.state.in_(("unended", "unreadable")), sa.and_(message.c.state == "expired", message.c.tries > 0)
)
_FATES: Final = {
    "queued": "waiting",
    "delivered": "delivered",
    "expired": "expired",
    "unended": "lost",
    "unreadable": "lost",
}
ASKED_AT_ONCE: Final = 500
# From so many tries on a letter counts as failing; one mailbox is its owner's trouble, several are the messenger's.
FAILING_TRIES: Final = 3
SEVERAL: Final = 3
WAITING_MAX: Final = 50
BACKOFF_SECONDS_MAX: Final = 600
# Longer than a letter takes to hand over, and short beside the half hour of a link: what a killed worker held waits so
# long, and a letter that two did send is one to the messenger.
CLAIM: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message to one address: plain text, never a secret but the one link it is about."""

    to: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A letter that one worker has to itself for a while; `tries` counts this one, and tells its claim from others."""

    id: str
    tries: int
    letter: Letter | None
    """None where it could not be deciphered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How letters stand: how many wait, how long one is due and not taken, how many fail, how many were lost of late.

    `troubled` counts the people whose letters fail now or were lost within a day.
    """

    letters: int
    overdue: timedelta
    failing: int
    lost: int
    troubled: int

    @property
    def is_well(self) -> bool:
        """Tell whether letters are taken in time, and not several people's fail or were lost."""
        return self.overdue <= LATE and self.troubled < SEVERAL


class MessengerFailed(OnePayError):
    """The letter could not be handed over; it stays queued. Repeats of one id must be harmless to a messenger."""

    code = "messenger_failed"


class AskedTooOften(TooManyAttempts):
    """Too many letters were asked for from where you are. Please wait a minute."""

    code = "asked_too_often"


def may_be_asked_for(session: Session, purpose: str, identifier: bytes, ctx: Context, *, parts: Identity) -> bool:
    """Count a letter that anybody may cause to an address, and tell whether one more goes to it now.

    The page answers the same whether or not it goes. The count begins anew when the link of its first letter expires:
    so whoever uses it up for somebody else has sent them links that work all that time. Raises `AskedTooOften` for a
    source that asks without end, which tells nothing about any address.
    """
    if ctx.source.ip is not None:
        asked = lockout.count_within(session, lockout.asked_from(ctx.source.ip), 60, ctx.at)
        if asked > parts.policy.letters_asked_minute:
            raise AskedTooOften(retry_after=60)
    bucket = lockout.letters_of(purpose, identifier)
    return lockout.count_within(session, bucket, parts.policy.link_seconds, ctx.at) <= parts.policy.letters_max


def queue(
    session: Session,
    letter: Letter,
    template: str,
    ctx: Context,
    *,
    parts: Identity,
    account_id: str | None,
    kept: timedelta = KEPT,
) -> str:
    """Queue a letter, and try to hand it over for as long as it is kept; it leaves only if the caller commits."""
    letter_id = ctx.new_id("msg")
    content = json.dumps({"to": letter.to, "subject": letter.subject, "text": letter.text})
    session.execute(
        sa.insert(message).values(
            id=letter_id,
            account_id=account_id,
            channel="mail",
            template=template,
            content_ct=crypto.seal_text(parts.messages, content, letter_id),
            state="queued",
            tries=0,
            unended=0,
            created_at=ctx.at,
            not_before=ctx.at,
            expires_at=ctx.at + kept,
        )
    )
    return letter_id


def due(session: Session, at: datetime, *, parts: Identity, limit: int = WAITING_MAX) -> Iterator[Letter]:
    """Return the letters that wait to be handed over, oldest first, changing nothing."""
    for row in session.execute(_due(at).limit(limit)):
        letter = _opened(row, parts)
        if letter is not None:
            yield letter


def are_due(session: Session, at: datetime) -> bool:
    """Tell whether a letter waits to be handed over."""
    return session.execute(_due(at).limit(1)).first() is not None


def claim(session: Session, at: datetime, *, parts: Identity) -> Taken | None:
    """Take the oldest letter to hand over now, or None: nobody else gets it before the claim lapses.

    The claim counts from here, so that a letter which ends the process is not tried for ever. One that cannot be
    deciphered comes without its text: it is set aside, and holds up no other.
    """
    row = session.execute(_due(at).limit(1).with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return None
    taken = Taken(id=row.id, tries=row.tries + 1, letter=_opened(row, parts))
    values: dict[str, object] = {"tries": taken.tries, "unended": row.unended + 1, "not_before": at + CLAIM}
    if taken.letter is None:
        values = {"state": "unreadable", "content_ct": b"", "expires_at": at}
    session.execute(sa.update(message).where(message.c.id == taken.id).values(**values))
    return taken


def delivered(session: Session, letter_id: str) -> None:
    """Note that a letter left; its content is erased."""
    session.execute(sa.update(message).where(message.c.id == letter_id).values(state="delivered", content_ct=b""))


def failed(session: Session, taken: Taken, at: datetime) -> None:
    """Note that a letter could not be handed over: later again, with a growing pause, for as long as it is kept.

    Whoever held it too long says nothing any more: another has it by now.
    """
    longest = BACKOFF_SECONDS_MAX if taken.tries < SELDOM_TRIES else SELDOM_SECONDS
    pause = timedelta(seconds=min(longest, 5 * 2 ** min(taken.tries - 1, 20)))
    still_held = sa.and_(message.c.id == taken.id, message.c.state == "queued", message.c.tries == taken.tries)
    session.execute(sa.update(message).where(still_held).values(unended=0, not_before=at + pause))


def standing(session: Session, at: datetime) -> Waiting:
    """Return how letters stand."""
    is_waiting = sa.and_(message.c.state == "queued", message.c.expires_at > at)
    is_failing = sa.and_(is_waiting, message.c.tries >= FAILING_TRIES)
    # What was given up ended as it was: its last day is that one.
    is_lost = sa.and_(_LOST, message.c.expires_at > at - LOST_SHOWN)
    # One that is tried for weeks is its owner's mailbox: it says nothing of the messenger any more.
    is_fresh = message.c.created_at > at - KEPT
    is_trouble = sa.or_(sa.and_(is_failing, is_fresh), sa.and_(_LOST, message.c.expires_at > at - KEPT))
    # What is taken, or was and failed, is not due before its time comes again.
    due_since = sa.func.min(message.c.not_before).filter(message.c.not_before <= at)
    people = sa.func.count(sa.distinct(sa.func.coalesce(message.c.account_id, message.c.id)))
    count = sa.func.count()
    waiting, since = session.execute(sa.select(count, due_since).where(is_waiting)).one()
    failing, lost, troubled = (
        session.execute(sa.select(counted).where(rows)).scalar_one()
        for counted, rows in ((count, is_failing), (count, is_lost), (people, is_trouble))
    )
    overdue = at - since if since else timedelta()
    return Waiting(letters=waiting, overdue=overdue, failing=failing, lost=lost, troubled=troubled)


def fates(session: Session, letter_ids: Collection[str], at: datetime) -> dict[str, str]:
    """Return what became of letters: `delivered`, `waiting`, `expired` or `lost`; nothing of one that is gone."""
    found: dict[str, str] = {}
    asked = list(letter_ids)
    for begin in range(0, len(asked), ASKED_AT_ONCE):
        some = message.c.id.in_(asked[begin : begin + ASKED_AT_ONCE])
        query = sa.select(message.c.id, message.c.state, message.c.expires_at).where(some)
        for row in session.execute(query):
            state = "expired" if row.state == "queued" and row.expires_at <= at else row.state
            found[row.id] = _FATES[state]
    return found


def set_aside(session: Session, at: datetime) -> int:
    """Give up letters whose handing over never ended, so often that they may be what ends it; returns how many."""
    return changed(
        session,
        sa.update(message)
        .where(message.c.state == "queued", message.c.unended >= UNENDED_MAX, message.c.not_before <= at)
        .values(state="unended", content_ct=b"", expires_at=at),
    )


def expire(session: Session, at: datetime) -> None:
    """Erase letters that nobody could be given in time."""
    session.execute(
        sa.update(message)
        .where(message.c.state == "queued", message.c.expires_at <= at)
        .values(state="expired", content_ct=b"")
    )


def _due(at: datetime) -> sa.Select[Any]:
    return (
        sa.select(message)
        .where(
            message.c.state == "queued",
            message.c.not_before <= at,
            message.c.expires_at > at,
            message.c.unended < UNENDED_MAX,
        )
        .order_by(message.c.id)
    )


def _opened(row: Any, parts: Identity) -> Letter | None:  # a row of `message`
    try:
        return Letter(**json.loads(crypto.open_text(parts.messages, row.content_ct, row.id)))
    except Unreadable:
        return None
