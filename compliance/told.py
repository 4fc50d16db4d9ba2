"""What events say of the rows that rest on them, as long as they say anything: a body may end with its month.

The entry of an event that ended still says of which kind it was and when: it vouches for a row of that kind and instant
alone, and for nothing that is still to be carried out.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import parse_rfc3339
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

    `at` is when the row says that it happened, which is about when its event was. Without it the event has to speak
    still, and may be of any time. `newer` is compared where the event has it: those of before a field have none.
    """

    kind: str
    says: Mapping[str, object] = field(default_factory=dict)
    newer: Mapping[str, object] = field(default_factory=dict)
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
    return entry is not None and entry.kind == kind and at is not None and is_about(entry.at, at)


def is_about(one: datetime, other: datetime) -> bool:
    """Tell whether the instant of an event is that of a row which rests on it."""
    return abs(one - other) <= _ABOUT


def instant(said: Mapping[str, Any]) -> datetime:
    """Return when an event was, as it says."""
    return parse_rfc3339(str(said["@timestamp"]))


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
    containing: str | None = None,
) -> frozenset[str]:
    """Return the keys of those rows of which an event of a kind says exactly that, each event of one row.

    For rows that name no event: `rows` are (what they stand for, when) by key, and `says` reads an event as such. An
    event whose body has ended vouches for one row of its instant as well. `containing` is what each such event has in
    its bytes, so that no other one is read.
    """
    spoken = defaultdict[Hashable, list[datetime]](list)
    for said in read.documents_of(session, kind, containing=containing) if rows else ():
        spoken[says(said)].append(instant(said))
    stand = defaultdict[Hashable, dict[str, datetime]](dict)
    for key, (what, at) in rows.items():
        if at is not None:
            stand[what][key] = at
    found = {key for what, whose in stand.items() for key in _paired(spoken[what], whose)}
    left = {key: at for whose in stand.values() for key, at in whose.items() if key not in found}
    return frozenset(found | _paired(_ended_near(session, kind, left.values()), left))


def _paired(events: Collection[datetime], rows: Mapping[str, datetime]) -> frozenset[str]:
    """Return the keys of the rows of whose instant there is an event, each event of one row."""
    waiting, found = deque(sorted(events)), set[str]()
    for key, at in sorted(rows.items(), key=itemgetter(1)):
        while waiting and waiting[0] < at - _ABOUT:
            waiting.popleft()
        if waiting and waiting[0] <= at + _ABOUT:
            waiting.popleft()
            found.add(key)
    return frozenset(found)


def _ended_near(session: Session, kind: str, instants: Collection[datetime]) -> Sequence[datetime]:
    """Return when those events of a kind were that say nothing any more and lie about some instants."""
    if not instants:
        return ()
    of = models.entry.c
    query = sa.select(of.event_id).where(of.kind == kind, of.at.between(min(instants) - _ABOUT, max(instants) + _ABOUT))
    return [entry.at for entry in ended(session, list(session.scalars(query))).values()]


def _says(document: Mapping[str, Any], stands: Stands) -> bool:
    is_then = stands.at is None or is_about(instant(document), stands.at)
    is_of_kind = is_then and at_path(document, "event.action") == stands.kind
    if not is_of_kind or any(at_path(document, path) not in (None, value) for path, value in stands.newer.items()):
        return False
    return all(at_path(document, path) == value for path, value in stands.says.items())
