"""Requests of which nobody shows that they made them: their person is reminded once, and then refused (PRV-14)."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from compliance.privacy import letters, moving, requests
from compliance.privacy.models import request, request_letter
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Request, State
from ingest.events.privacy import RequestRefused

AT_ONCE: Final = 200
"""So many requests a turn; the rest follows in the next."""
REASONS: Final = (
    "Nobody showed us that the request came from you. You can make it again at any time; signed in, with a code of "
    "your authenticator, it is answered without a question."
)


def go_on(session: Session, ctx: Context, *, parts: Privacy) -> int:
    """Remind whoever was asked long ago, refuse whoever was reminded too; returns how many were written to.

    Nobody is refused who had less time after the reminder than lies between both, however late the reminder came.
    """
    written = 0
    for request_id, was_reminded in _due(session, ctx.at, parts):
        found = requests.locked(session, request_id)
        if found.state is not State.IDENTITY:
            continue
        what, do = ("refusing", _refuse) if was_reminded else ("reminding", _remind)
        written += moving.tried(session, found, what, partial(do, session, found, ctx, parts), ctx)
    return written


def _remind(session: Session, found: Request, ctx: Context, parts: Privacy) -> None:
    letters.identity_reminder(session, found, ctx, parts=parts)


def _refuse(session: Session, found: Request, ctx: Context, parts: Privacy) -> None:
    letters.refused(session, found, REASONS, ctx, parts=parts)
    moving.move(session, found, found.state, ctx, outcome=REASONS)
    event, note = moving.event_of(RequestRefused, found), "nobody showed who they are"
    moving.end(session, found, State.REFUSED, ctx, event=event, note=note, parts=parts)


def _due(session: Session, at: datetime, parts: Privacy) -> list[tuple[str, bool]]:
    """Return some requests to write about, longest ago first, and whether their person was reminded."""
    of, known = request_letter.c, parts.settings
    wait = known.identity_refuse_after - known.identity_remind_after

    def sent(*templates: str) -> sa.Subquery:
        newest = sa.func.max(of.sent_at, type_=of.sent_at.type).label("at")
        query = sa.select(of.request_id, newest).where(of.template.in_(templates)).group_by(of.request_id)
        return query.subquery(templates[-1])

    asked, reminded = sent(*letters.QUESTIONS), sent(letters.IDENTITY_REMINDER)
    is_over = sa.and_(asked.c.at <= at - known.identity_refuse_after, reminded.c.at <= at - wait)
    query = (
        sa.select(request.c.id, reminded.c.at)
        .join(asked, asked.c.request_id == request.c.id)
        .outerjoin(reminded, reminded.c.request_id == request.c.id)
        .where(request.c.state == State.IDENTITY.value, asked.c.at <= at - known.identity_remind_after)
        .where(sa.or_(reminded.c.at.is_(None), is_over), moving.is_free(at))
        .order_by(asked.c.at, request.c.id)
        .limit(AT_ONCE)
    )
    return [(row[0], row[1] is not None) for row in session.execute(query)]
