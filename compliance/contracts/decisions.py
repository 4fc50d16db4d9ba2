"""What machines decided about a person: the port that detection implements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision: about what, how it ended, by which version, which factors counted, what would have changed it."""

    id: str
    at: datetime
    about: str
    outcome: str
    version: str
    factors: tuple[str, ...]
    would_change: str
    review: str


class DecisionSource(Protocol):
    """Yields what was decided about a person, newest first."""

    def decisions(self, session: Session, subject: str, since: datetime) -> Iterator[Decision]: ...
