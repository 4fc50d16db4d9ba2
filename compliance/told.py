"""What events say of the rows that rest on them, as long as they say anything: a body may end with its month."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy.orm import Session

from ingest.events.envelope import at_path
from ingest.log import forgotten, read

SHA256: Final = "onepay.compliance.sha256"
"""Where events about papers, documents and readings hold the hash of what they are about."""


def ended(session: Session, event_ids: Collection[str]) -> frozenset[str]:
    """Return those of the events that the log knows and whose body lawfully ended: they say nothing any more."""
    sequences = read.sequences_of(session, event_ids)
    bodies, removals = read.bodies_by_sequence(session, sequences.values()), forgotten.removals(session)
    entries = {one.sequence: one for one in read.entries_of(session, sorted(sequences.values()))}
    return frozenset(
        id
        for id, number in sequences.items()
        if number not in bodies and forgotten.covers(removals, entries[number].class_, number) is not None
    )


def is_said(session: Session, event_id: str | None, path: str, value: str) -> bool:
    """Tell whether an event says this at a path, or has lawfully ended; what names no event is not told."""
    if event_id is None:
        return False
    document = read.documents(session, [event_id]).get(event_id)
    return event_id in ended(session, [event_id]) if document is None else at_path(document, path) == value
