"""Where an event stands in the log: its sequence, and whether its path leads to the present root."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ingest.log import merkle, proofs, read
from ingest.models import entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The place of one event, checked when it was asked for."""

    event_id: str
    sequence: int
    size: int
    root: bytes
    steps: int
    holds: bool


def of_event(session: Session, event_id: str) -> Receipt | None:
    """Return the place of an event, or None before it has one."""
    sequence = session.scalar(sa.select(entry.c.sequence).where(entry.c.event_id == event_id))
    if sequence is None:
        return None
    head, found = read.head(session), read.entry(session, event_id)
    path = proofs.proof(session, sequence, head.size)
    holds = merkle.verify_inclusion(found.leaf, sequence - 1, head.size, path, head.root)
    return Receipt(event_id=event_id, sequence=sequence, size=head.size, root=head.root, steps=len(path), holds=holds)
