"""How a request begins: asked for signed in, from outside or by letter, or known from what was decided before."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto, words
from app.kernel.access import PRIVACY_REQUEST_HANDLE, PRIVACY_SELF_REQUEST, Acr
from app.kernel.context import Context
from app.kernel.errors import NotFound, SamePerson
from compliance.catalog import purposes
from compliance.privacy import beside, clock, identity, letters, moving, requests
from compliance.privacy.models import REQUEST_CLASS, request
from compliance.privacy.parts import ChannelUnknown, DetailMissing, KindUnknown, Privacy, ReceiptInvalid
from compliance.privacy.request import CHANNELS, FOLLOWING, JOURNAL, Asked, Kind, Request, State
from ingest.events.privacy import RequestPaused, RequestReceived

DETAIL_MAX: Final = 2_000


def ask(session: Session, asked: Asked, ctx: Context, *, parts: Privacy) -> str:
    """Take a request of whoever is signed in, who proved themselves lately, and return its id.

    The proof is the identification (PRV-14). A second request of a kind of which one that was proven is open stands
    beside that one, where one answer is an answer to both.
    """
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    ctx.actor.require_fresh(Acr.MFA, parts.settings.step_up, ctx.at)
    today = clock.of(parts.settings).day_of(ctx.at)
    found, token = _take(session, asked, ctx.actor.own_id, today, ctx, parts)
    letters.received(session, found, token, ctx, parts=parts)
    identity.identified(session, found.id, "signed in, with a fresh proof", ctx)
    return found.id


def ask_from_outside(session: Session, wanted: Asked, subject: str, ctx: Context, *, parts: Privacy) -> str:
    """Take a request that somebody made without signing in; who it was is asked at once, so the clock stands.

    Only the person it is about hears of it, on the channels they had before, in one letter, and only they can confirm
    it.
    """
    today = clock.of(parts.settings).day_of(ctx.at)
    taken, token = _take(session, wanted, subject, today, ctx, parts)
    session.execute(sa.update(request).where(request.c.id == taken.id).values(asked_at=ctx.at))
    found = requests.get(session, taken.id)
    letters.received_unproven(session, found, token, ctx, parts=parts)
    note = "asked who they are: it came without a sign-in"
    moving.move(session, found, State.IDENTITY, ctx, event=moving.event_of(RequestPaused, found), note=note)
    return found.id


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
    if today - received_on > parts.settings.receipt_age and not words.says_enough(reason or ""):
        raise ReceiptInvalid(param="received_on")
    if not parts.people.exists(session, subject):
        raise NotFound
    found, token = _take(session, asked, subject, received_on, ctx, parts)
    letters.received(session, found, token, ctx, parts=parts)
    session.execute(sa.update(request).where(request.c.id == found.id).values(handled_by=ctx.actor.id))
    return found.id


def recall(session: Session, request_id: str, kind: Kind, subject: str, ctx: Context, *, parts: Privacy) -> None:
    """Write down again a request of which only the log knows, as after an older database was put back."""
    today = clock.of(parts.settings).day_of(ctx.at)
    values = _values(request_id, kind, subject, JOURNAL, today, ctx, parts)
    session.execute(sa.insert(request).values(**values, is_verified=True))
    note = "known from the log alone, as an older database was put back"
    moving.move(session, requests.get(session, request_id), State.SCOPED, ctx, note=note)


def follow(session: Session, first: Request, ctx: Context, *, parts: Privacy) -> str:
    """Write down an erasure that completes an earlier one; what two people decided for that one holds for it."""
    request_id, today = ctx.new_id("req"), clock.of(parts.settings).day_of(ctx.at)
    values = _values(request_id, first.kind, first.subject, FOLLOWING, today, ctx, parts)
    decided = {name: getattr(first, name) for name in ("handled_by", "approved_by")}
    session.execute(sa.insert(request).values(**values, **decided, is_verified=True, linked_to=first.id))
    note = f"what {first.id} had to leave is kept by nothing any more"
    moving.move(session, requests.get(session, request_id), State.SCOPED, ctx, note=note)
    return request_id


def checked(asked: Asked) -> Asked:
    """Return what is asked with its words in clean form: no card number, no secret, nothing that cannot be read.

    Raises `KindUnknown`, `ChannelUnknown`, `DetailMissing`, and what `words.checked` does.
    """
    try:
        kind = Kind(asked.kind)
    except ValueError as error:
        raise KindUnknown(param="kind") from error
    if asked.channel not in CHANNELS:
        raise ChannelUnknown(param="channel")
    detail = (asked.detail or "").strip()
    if len(detail) > DETAIL_MAX:
        raise DetailMissing("Say it in 2,000 characters.", param="detail")
    if kind in (Kind.RECTIFICATION, Kind.HUMAN_REVIEW) and not detail:
        raise DetailMissing(param="detail")
    purpose = purposes.shipped().get(asked.purpose or "")
    if kind is Kind.OBJECTION and (purpose is None or not (purpose.may_be_objected_to or purpose.needs_consent)):
        raise DetailMissing("Say which use you object to.", param="purpose")
    if asked.purpose and purpose is None:
        raise DetailMissing("There is no such use.", param="purpose")
    said = words.checked(detail, param="detail", shortest=1, longest=DETAIL_MAX) if detail else None
    return replace(asked, detail=said, purpose=asked.purpose or None)


def seal_detail(detail: str, subject: str, request_id: str, parts: Privacy) -> bytes:
    """Return the words of a request as their column holds them."""
    return parts.keys.seal_value(detail, subject, REQUEST_CLASS, f"compliance_request.detail_ct.{request_id}")


def _take(
    session: Session, asked: Asked, subject: str, received_on: date, ctx: Context, parts: Privacy
) -> tuple[Request, str]:
    """Write a request down; returns it and the token that stops it, for the letter that tells of it."""
    asked = checked(asked)
    kind = Kind(asked.kind)
    beside.hold_subject(session, subject)
    first = beside.first_of(session, subject, kind)
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
    found = requests.get(session, request_id)
    note = None if first is None else f"beside {first}, which is open"
    event = replace(moving.event_of(RequestReceived, found), received_on=received_on.isoformat())
    moving.move(session, found, State.IDENTITY, ctx, event=event, note=note)
    return found, token


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
