"""Who asks: shown by a fresh proof or to a colleague, or asked about while the clock stands (PRV-11, PRV-14)."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import words
from app.kernel.access import PRIVACY_REQUEST_HANDLE, PRIVACY_SELF_REQUEST, Acr
from app.kernel.context import Context
from app.kernel.errors import WrongState
from compliance.privacy import beside, clock, letters, moving, requests, whose
from compliance.privacy.models import request
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Request, State
from ingest.events.privacy import RequestIdentified, RequestPaused, RequestResumed


def confirm(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> None:
    """Confirm, signed in with a fresh proof, that a request that came from outside is one's own; the clock goes on."""
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    ctx.actor.require_fresh(Acr.MFA, parts.settings.step_up, ctx.at)
    beside.hold_subject(session, requests.own(session, request_id, ctx).subject)
    found = requests.locked(session, request_id)
    if found.state is not State.IDENTITY:
        raise WrongState
    whose.demand_asked(session, found)
    if found.asked_at is not None:
        _resume(session, found, ctx, parts)
    identified(session, request_id, "confirmed, signed in, with a fresh proof", ctx)


def ask(session: Session, request_id: str, ctx: Context, *, parts: Privacy) -> None:
    """Ask who somebody is: the clock stands from here if the question comes in time (PRV-11)."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    found = requests.to_handle(session, request_id, ctx)
    if found.state is not State.IDENTITY or found.asked_at is not None:
        raise WrongState("Who asks was shown already, or was asked before.")
    day = clock.of(parts.settings).day_of(ctx.at)
    is_in_time = day - found.received_on <= parts.settings.identity_ask_within
    note = "asked who they are" if is_in_time else "asked who they are, too late to stop the clock"
    if is_in_time:
        session.execute(sa.update(request).where(request.c.id == request_id).values(asked_at=ctx.at))
    letters.identity_question(session, found, ctx, pauses=is_in_time, parts=parts)
    event = moving.event_of(RequestPaused, found) if is_in_time else None
    moving.move(session, found, State.IDENTITY, ctx, event=event, note=note)


def answer(session: Session, request_id: str, reason: str, ctx: Context, *, parts: Privacy) -> None:
    """Note that somebody was shown to be the person, and why that is believed; the clock goes on."""
    ctx.actor.require(PRIVACY_REQUEST_HANDLE)
    said = words.checked(reason, param="reason")
    beside.hold_subject(session, requests.get(session, request_id).subject)
    found = requests.to_handle(session, request_id, ctx)
    if found.state is not State.IDENTITY:
        raise WrongState
    if found.asked_at is not None:
        _resume(session, found, ctx, parts)
    identified(session, request_id, said, ctx)


def identified(session: Session, request_id: str, note: str, ctx: Context) -> None:
    """Write down that whoever asks was shown to be the person; it stands beside an open one that was proven first."""
    found = requests.get(session, request_id)
    event = moving.event_of(RequestIdentified, found)
    first = beside.first_of(session, found.subject, found.kind, but=found.id)
    if first is not None and first != found.linked_to:
        note = f"{note}; beside {first}, which is open"
    moving.move(session, found, State.SCOPED, ctx, event=event, note=note, is_verified=True, linked_to=first)


def due_if_confirmed(found: Request, ctx: Context, *, parts: Privacy) -> date:
    """Return by which day a request is answered if it is confirmed now: its day, while its clock does not stand."""
    return _resumed(found, ctx, parts)[1] if found.asked_at is not None else found.due


def _resumed(found: Request, ctx: Context, parts: Privacy) -> tuple[int, date]:
    """Return for how many whole days the clock of a request stood by now, and the day it is due with them."""
    assert found.asked_at is not None, "somebody was asked"
    calendar = clock.of(parts.settings)
    paused = clock.paused_between(calendar.day_of(found.asked_at), calendar.day_of(ctx.at))
    months = clock.EXTENDED_MONTHS if found.is_extended else clock.MONTHS
    return paused, calendar.due(found.received_on, months, paused)


def _resume(session: Session, found: Request, ctx: Context, parts: Privacy) -> None:
    calendar = clock.of(parts.settings)
    paused, due = _resumed(found, ctx, parts)
    values = {"paused_days": paused, "due": due.isoformat(), "due_at": calendar.end_of(due), "asked_at": None}
    session.execute(sa.update(request).where(request.c.id == found.id).values(**values))
    renewed = requests.get(session, found.id)
    note = f"answered, after {paused} whole days in which the clock stood"
    moving.move(session, renewed, State.IDENTITY, ctx, event=moving.event_of(RequestResumed, renewed), note=note)
