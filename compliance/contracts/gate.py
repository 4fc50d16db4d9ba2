"""The gate: whether a person's data may be used for a purpose now. Asked before the use, each time."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.orm import Session


class ProcessingGate(Protocol):
    """Answers from rows of the caller's own transaction: what is withdrawn in it is withdrawn for it.

    A purpose that rests on consent is refused until it was given; others until somebody objected or is restricted.
    """

    def allowed(self, session: Session, subject: str, purpose: str) -> bool:
        """Tell whether a person's data may be used for a purpose."""
        ...

    def refused(self, session: Session, purpose: str) -> frozenset[str]:
        """Return whose data may not be used for a purpose that does not rest on consent: read as a batch begins."""
        ...
