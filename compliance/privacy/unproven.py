"""Requests of which nobody shows that they made them: their person is reminded once, and then refused (PRV-14)."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from compliance.privacy import letters, requests
from compliance.privacy.models import request, request_letter
from compliance.privacy.parts import Privacy
from compliance.privacy.requests import State
from ingest.events.privacy import RequestRefused

REASONS = (
    "Nobody showed us that the request came from you. You can make it again at any time; signed in, with a code of "
    "your authenticator, it is answered without a question."
)


def go_on(session: Session, ctx: Context, *, parts: Privacy) -> int:
    """Remind whoever was asked long ago, refuse whoever was reminded too; returns how many were written to.

    Nobody is refused who had less time after the reminder than lies between both, however late the reminder came.
    """
    wait = parts.settings.identity_refuse_after - parts.settings.identity_remind_after
    written = 0
    for request_id, asked_at, reminded_at in _asked(session, ctx.at - parts.settings.identity_remind_after):
        found = requests.locked(session, request_id)
        if found.state is not State.IDENTITY:
            continue
        if reminded_at is None:
            letters.identity_reminder(session, found, ctx, parts=parts)
        elif ctx.at - asked_at >= parts.settings.identity_refuse_after and ctx.at - reminded_at >= wait:
            letters.refused(session, found, REASONS, ctx, parts=parts)
            requests.move(session, found, found.state, ctx, outcome=REASONS)
            event = requests.event_of(RequestRefused, found)
            requests.end(session, found, State.REFUSED, ctx, event=event, note="nobody showed who they are")
        else:
            continue
        written += 1
    return written


def _asked(session: Session, before: datetime) -> list[tuple[str, datetime, datetime | None]]:
    """Return who was asked before an instant: the request, when it was asked, and when it was reminded."""
    of = request_letter.c

    def sent(template: str) -> sa.Subquery:
        newest = sa.func.max(of.sent_at, type_=of.sent_at.type).label("at")
        query = sa.select(of.request_id, newest).where(of.template == template).group_by(of.request_id)
        return query.subquery(template)

    asked, reminded = sent(letters.IDENTITY_QUESTION), sent(letters.IDENTITY_REMINDER)
    query = (
        sa.select(request.c.id, asked.c.at, reminded.c.at)
        .join(asked, asked.c.request_id == request.c.id)
        .outerjoin(reminded, reminded.c.request_id == request.c.id)
        .where(request.c.state == State.IDENTITY.value, asked.c.at <= before)
        .order_by(request.c.id)
    )
    return [(row[0], row[1], row[2]) for row in session.execute(query)]
