"""What events say of the rows that rest on them, as long as they say anything: a body may end with its month."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy.orm import Session

from ingest.events.envelope import at_path
from ingest.log import forgotten, read

SHA256: Final = "onepay.compliance.sha256"
"""Where events about papers, documents and readings hold the hash of what they are about."""


Stands: TypeAlias = Mapping[str, object]
"""What an event has to say of a row that rests on it, by the path at which it says so."""


def ended(session: Session, event_ids: Collection[str]) -> frozenset[str]:
    """Return those of the events that the log knows and whose body lawfully ended: they say nothing any more."""
    sequences = read.sequences_of(session, event_ids)
    bodies = read.bodies_by_sequence(session, sequences.values())
    lacking = sorted(number for number in sequences.values() if number not in bodies)
    removals, over = forgotten.removals(session) if lacking else [], set[int]()
    for first in range(0, len(lacking), read.SLICE_MAX):
        for one in read.entries_of(session, lacking[first : first + read.SLICE_MAX]):
            if forgotten.covers(removals, one.class_, one.sequence) is not None:
                over.add(one.sequence)
    return frozenset(id for id, number in sequences.items() if number in over)


def told(session: Session, rows: Mapping[str, tuple[str | None, Stands]]) -> frozenset[str]:
    """Return the keys of those rows whose event says what they stand for, or has lawfully ended.

    `rows` are (event, what it has to say) by key; a row that names no event, or one that never was, is not told.
    """
    events = [event_id for event_id, _ in rows.values() if event_id is not None]
    said = read.documents(session, events)
    over = ended(session, [event_id for event_id in events if event_id not in said])
    return frozenset(
        key
        for key, (event_id, stands) in rows.items()
        if event_id in over or (event_id in said and _says(said[event_id], stands))
    )


def is_told(session: Session, event_id: str | None, stands: Stands) -> bool:
    """Tell whether an event says what a row stands for, or has lawfully ended."""
    return bool(told(session, {"": (event_id, stands)}))


def _says(document: Mapping[str, Any], stands: Stands) -> bool:
    return all(at_path(document, path) == value for path, value in stands.items())
