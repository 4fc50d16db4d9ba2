"""Where the event of an object stands in the log: its sequence, and whether its path leads to the present root."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.errors import Unavailable
from ingest.events.envelope import at_path
from ingest.log import merkle, proofs, read
from ingest.models import entry
from ingest.store.port import EventStore
from ingest.store.query import Eq, Search


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


def of_object(session: Session, store: EventStore, path: str, object_id: str) -> Receipt | None:
    """Return the place of the newest event about an object, or None while neither log nor store knows it."""
    try:
        page = store.search(Search(where=Eq(path, object_id), limit=1))
    except Unavailable:
        return None
    if not page.documents:
        return None
    return of_event(session, at_path(page.documents[0], "event.id"))
