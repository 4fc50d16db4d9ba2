"""What machines decided about a person, asked of every owner that decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_SELF_REQUEST
from app.kernel.context import Context
from compliance.contracts.decisions import Decision
from compliance.privacy.parts import Privacy

SINCE: Final = timedelta(days=3_650)


def about(session: Session, subject: str, at: datetime, *, parts: Privacy) -> Sequence[Decision]:
    """Return the decisions about a person, newest first."""
    found = [one for source in parts.decisions for one in source.decisions(session, subject, at - SINCE)]
    return sorted(found, key=lambda one: (one.at, one.id), reverse=True)


def of(session: Session, ctx: Context, *, parts: Privacy) -> Sequence[Decision]:
    """Return the decisions about oneself."""
    ctx.actor.require(PRIVACY_SELF_REQUEST)
    return about(session, ctx.actor.own_id, ctx.at, parts=parts)
