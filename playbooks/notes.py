"""The texts of an incident: notes, reasons, causes, as people wrote them down."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from playbooks.models import comment


class Kind(StrEnum):
    """What a text is."""

    NOTE = "note"
    REASON = "reason"
    HAND_OVER = "hand_over"
    CAUSE = "cause"
    FIX = "fix"
    CLOSING = "closing"


# What a task may write into its incident.
FACTS: Final = frozenset((Kind.CAUSE, Kind.FIX, Kind.CLOSING))


def keep(session: Session, incident_id: str, kind: Kind, text: str, ctx: Context) -> str:
    """Keep a checked text and return its id, which a timeline entry names."""
    comment_id = ctx.new_id("cmt")
    session.execute(
        sa.insert(comment).values(
            id=comment_id, incident_id=incident_id, kind=kind.value, text=text, author=ctx.actor.id, at=ctx.at
        )
    )
    return comment_id
