"""What people write down: notes, reasons, causes. Card numbers and secrets are refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import classify
from app.kernel.context import Context
from app.kernel.deceiving import deceives
from app.kernel.errors import Invalid, ReasonMissing
from playbooks.models import comment

TEXT_MAX: Final = 4_000
REASON_MIN: Final = 10


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


class SecretInText(Invalid):
    """The text holds what looks like a card number or a secret; take it out."""

    code = "secret_in_text"


class NoText(Invalid):
    """The text holds characters that cannot be kept."""

    code = "no_text"


def checked(text: str, *, param: str, shortest: int = REASON_MIN) -> str:
    """Return a text in clean form; raises `ReasonMissing`, `NoText` or `SecretInText`."""
    text = text.replace("\r\n", "\n")
    if deceives(text, has_lines=True):
        raise NoText(param=param)
    clean = "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
    if not shortest <= len(clean) <= TEXT_MAX:
        raise ReasonMissing(param=param)
    _, found = classify.redact(clean)
    if found:
        raise SecretInText(param=param)
    return clean


def keep(session: Session, incident_id: str, kind: Kind, text: str, ctx: Context) -> str:
    """Keep a checked text and return its id, which a timeline entry names."""
    comment_id = ctx.new_id("cmt")
    session.execute(
        sa.insert(comment).values(
            id=comment_id, incident_id=incident_id, kind=kind.value, text=text, author=ctx.actor.id, at=ctx.at
        )
    )
    return comment_id
