"""What detection needs of others: somebody who takes findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from sqlalchemy.orm import Session

from app.kernel.context import Context
from ingest.events.detection import FindingEvent


class FindingSink(Protocol):
    """Takes a finding at each of its revisions, in the transaction that keeps it; returns the incident it joined."""

    def __call__(
        self,
        session: Session,
        finding: FindingEvent,
        ctx: Context,
        *,
        kind: str,
        keys: Sequence[tuple[str, str]],
        join_within: timedelta,
        playbook: str,
        title: str,
        reason: str,
        entities: Mapping[str, Sequence[str]],
        synthetic: str | None,
    ) -> str | None: ...
