"""What events say of the rows that rest on them, as long as they say anything: a body may end with its month.

The entry of an event that ended still says of which kind it was and when: it vouches for a row of that kind and instant
alone, and for nothing that is still to be carried out.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ingest import models
from ingest.events.envelope import at_path
from ingest.log import forgotten, read
from ingest.log.read import Entry

SHA256: Final = "onepay.compliance.sha256"
"""Where events about papers, documents and readings hold the hash of what they are about."""
_ABOUT: Final = timedelta(seconds=1)
"""So far may the instant of a row and that of its event lie apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stands:
    """What has to be said of a row that rests on an event: of which kind it is, and what it says, by path.

    `at` is when the row says that it happened. Without it the event has to speak still.
    """

    kind: str
    says: Mapping[str, object] = field(default_factory=dict)
    at: datetime | None = None


def ended(session: Session, event_ids: Collection[str]) -> Mapping[str, Entry]:
    """Return the entries of those events that the log knows and whose body lawfully ended: nothing is said by them."""
    sequences = read.sequences_of(session, event_ids)
    bodies = read.bodies_by_sequence(session, sequences.values())
    lacking = sorted(number for number in sequences.values() if number not in bodies)
    removals = forgotten.removals(session) if lacking else []
    return {
        one.event_id: one
        for first in range(0, len(lacking), read.SLICE_MAX)
        for one in read.entries_of(session, lacking[first : first + read.SLICE_MAX])
        if forgotten.covers(removals, one.class_, one.sequence) is not None
    }


def fits(entry: Entry | None, kind: str, at: datetime | None) -> bool:
    """Tell whether an event that ended was of a kind, and of about the instant a row names."""
    return entry is not None and entry.kind == kind and at is not None and abs(entry.at - at) <= _ABOUT


def told(session: Session, rows: Mapping[str, tuple[str | None, Stands]]) -> frozenset[str]:
    """Return the keys of those rows whose event says what they stand for, or has lawfully ended and fits them.

    `rows` are (event, what it has to say) by key; a row that names no event, or one that never was, is not told.
    """
    events = [event_id for event_id, _ in rows.values() if event_id is not None]
    said = read.documents(session, events)
    over = ended(session, [event_id for event_id in events if event_id not in said])
    return frozenset(
        key
        for key, (event_id, stands) in rows.items()
        if (event_id in said and _says(said[event_id], stands))
        or fits(over.get(event_id or ""), stands.kind, stands.at)
    )


def is_told(session: Session, event_id: str | None, stands: Stands) -> bool:
    """Tell whether an event says what a row stands for, or has lawfully ended and fits it."""
    return bool(told(session, {"": (event_id, stands)}))


def has_ended(session: Session, kind: str, at: datetime | None) -> bool:
    """Tell whether an event of a kind, at about an instant, says nothing any more: for rows that name no event."""
    return at is not None and bool(_ended_near(session, kind, [at]))


def vouched(
    session: Session,
    kind: str,
    rows: Mapping[str, tuple[Hashable, datetime | None]],
    *,
    says: Callable[[Mapping[str, Any]], Hashable],
) -> frozenset[str]:
    """Return the keys of those rows of which an event of a kind says exactly that, each event of one row.

    For rows that name no event: `rows` are (what they stand for, when) by key, and `says` reads an event as such. One
    of which an event of that instant says nothing any more is vouched for, too, each such event of one row.
    """
    counted, found = Counter(map(says, read.documents_of(session, kind)) if rows else ()), set[str]()
    left: dict[str, datetime] = {}
    for key, (what, at) in rows.items():
        if counted[what] > 0:
            counted[what] -= 1
            found.add(key)
        elif at is not None:
            left[key] = at
    silent = _ended_near(session, kind, left.values())
    for key, at in sorted(left.items(), key=itemgetter(1)):
        while silent and silent[0] < at - _ABOUT:
            silent.popleft()
        if silent and silent[0] <= at + _ABOUT:
            silent.popleft()
            found.add(key)
    return frozenset(found)


def _ended_near(session: Session, kind: str, instants: Collection[datetime]) -> deque[datetime]:
    """Return when those events of a kind were, oldest first, that say nothing any more and lie about some instants."""
    if not instants:
        return deque()
    of = models.entry.c
    query = sa.select(of.event_id).where(of.kind == kind, of.at.between(min(instants) - _ABOUT, max(instants) + _ABOUT))
    return deque(sorted(entry.at for entry in ended(session, list(session.scalars(query))).values()))


def _says(document: Mapping[str, Any], stands: Stands) -> bool:
    return at_path(document, "event.action") == stands.kind and all(
        at_path(document, path) == value for path, value in stands.says.items()
    )
