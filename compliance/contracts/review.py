"""Access reviews: what an owner of grants says about each, and how one ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from app.kernel.context import Context
from compliance.contracts.probes import Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One thing that somebody may: who holds what, who gave it and when, when they last used it.

    `is_last` tells that nobody else holds it: without it the work would stand still.
    """

    ref: str
    holder: str
    what: str
    giver: str | None
    given_at: datetime
    last_use: datetime | None
    is_last: bool


class AccessReviewSource(Protocol):
    """Kept by each owner of grants."""

    name: str

    def grants(self, session: Session, at: datetime) -> Sequence[Grant]:
        """Return every grant that lives at an instant."""
        ...

    def lapse(self, session: Session, ref: str, reason: str, ctx: Context) -> None:
        """End a grant at once; raises `Conflict` where it has to stay."""
        ...

    def plant(self, look: Look, given_at: datetime) -> str:
        """Put a grant of some day into a fence, and return its reference."""
        ...
