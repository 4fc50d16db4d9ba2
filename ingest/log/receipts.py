"""Where an event stands in the log: its sequence, and whether its path leads to the present root."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.ids import derived
from ingest.events.envelope import at_path
from ingest.log import entries, merkle, proofs, read
from ingest.models import body, entry

OF_ONE_MILLISECOND_MAX: Final = 1_000
_LOWEST, _HIGHEST = 0, (1 << 80) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The place of one event, checked when it was asked for."""

    event_id: str
    sequence: int
    size: int
    root: bytes
    steps: int
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectReceipt:
    """The event that tells of an object: its place, what it says, and whether that is what was sealed."""

    place: Receipt
    document: Mapping[str, Any]
    is_as_sealed: bool


def of_event(session: Session, event_id: str) -> Receipt | None:
    """Return the place of an event, or None before it has one."""
    sequence = session.scalar(sa.select(entry.c.sequence).where(entry.c.event_id == event_id))
    if sequence is None:
        return None
    head, found = read.head(session), read.entry(session, event_id)
    path = proofs.proof(session, sequence, head.size)
    holds = merkle.verify_inclusion(found.leaf, sequence - 1, head.size, path, head.root)
    return Receipt(event_id=event_id, sequence=sequence, size=head.size, root=head.root, steps=len(path), holds=holds)


def of_object(session: Session, id: str, *, path: str, kinds: Collection[str], at: datetime) -> ObjectReceipt | None:
    """Return the first event of these kinds that names an object at a path, or None before it has a place.

    It was recorded at the instant of the object, in its unit of work, and ids begin with their millisecond: so it is
    among the few events of that millisecond, and no index of objects is kept for it.
    """
    first, last = derived("evt", at, _LOWEST), derived("evt", at, _HIGHEST)
    rows = session.execute(
        sa.select(entry.c.event_id, entry.c.commitment, body.c.salt, body.c.body)
        .join(body, body.c.sequence == entry.c.sequence)
        .where(entry.c.event_id.between(first, last), entry.c.kind.in_(kinds))
        .order_by(entry.c.event_id)
        .limit(OF_ONE_MILLISECOND_MAX)
    )
    for row in rows:
        document = canonical.decode(row.body)
        if at_path(document, path) != id:
            continue
        place = of_event(session, row.event_id)
        assert place is not None, "it has an entry"
        is_as_sealed = entries.commitment(row.salt, row.body) == row.commitment
        return ObjectReceipt(place=place, document=document, is_as_sealed=is_as_sealed)
    return None
