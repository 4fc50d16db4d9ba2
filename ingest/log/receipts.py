"""Where an event stands in the log: its sequence, and whether its path leads to the present root."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.ids import derived
from ingest.events.envelope import at_path
from ingest.log import entries, merkle, proofs, read
from ingest.models import body, entry, outbox

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


class Lack(StrEnum):
    """Why no event tells of an object: it has no number yet, is not in the log, is not what was sealed, or is gone.

    Whether a body that is gone went when its time was over or was taken away, its entry does not say.
    """

    WAITS = "waits"
    MISSING = "missing"
    ALTERED = "altered"
    GONE = "gone"


def of_event(session: Session, event_id: str) -> Receipt | None:
    """Return the place of an event, or None before it has one."""
    sequence = session.scalar(sa.select(entry.c.sequence).where(entry.c.event_id == event_id))
    if sequence is None:
        return None
    head, found = read.head(session), read.entry(session, event_id)
    path = proofs.proof(session, sequence, head.size)
    holds = merkle.verify_inclusion(found.leaf, sequence - 1, head.size, path, head.root)
    return Receipt(event_id=event_id, sequence=sequence, size=head.size, root=head.root, steps=len(path), holds=holds)


def of_object(session: Session, id: str, *, path: str, kinds: Collection[str], at: datetime) -> ObjectReceipt | Lack:
    """Return the first event of these kinds that names an object at a path, or what there is in its stead.

    It was recorded at the instant of the object, in its unit of work, and ids begin with their millisecond: so it is
    among the few events of that millisecond, and no index of objects is kept for it. One that neither waits nor names
    the object is missing; where the log has entries of that millisecond whose bodies are altered or gone, it may be
    one of them, and that is what is said.
    """
    first, last = derived("evt", at, _LOWEST), derived("evt", at, _HIGHEST)
    # What waits is asked for first: an event that gets its number meanwhile is then seen twice, not never.
    waits = _waits(session, id, path, outbox.c.id.between(first, last), outbox.c.kind.in_(kinds))
    rows = session.execute(
        sa.select(entry.c.event_id, entry.c.commitment, body.c.salt, body.c.body)
        .outerjoin(body, body.c.sequence == entry.c.sequence)
        .where(entry.c.event_id.between(first, last), entry.c.kind.in_(kinds))
        .order_by(entry.c.event_id)
        .limit(OF_ONE_MILLISECOND_MAX)
    )
    altered, lacks = None, set()
    for row in rows:
        if row.body is None:
            lacks.add(Lack.GONE)
            continue
        is_as_sealed = entries.commitment(row.salt, row.body) == row.commitment
        document = _document(row.body)
        if at_path(document, path) != id:
            if not is_as_sealed:
                lacks.add(Lack.ALTERED)
        elif is_as_sealed:
            return _object_receipt(session, row.event_id, document, is_as_sealed=True)
        else:
            altered = altered or (row.event_id, document)
    if altered is not None:
        return _object_receipt(session, *altered, is_as_sealed=False)
    if waits:
        return Lack.WAITS
    return next((lack for lack in (Lack.ALTERED, Lack.GONE) if lack in lacks), Lack.MISSING)


def _waits(session: Session, id: str, path: str, *where: sa.ColumnElement[bool]) -> bool:
    bodies = session.scalars(sa.select(outbox.c.body).where(*where).limit(OF_ONE_MILLISECOND_MAX))
    return any(at_path(_document(text), path) == id for text in bodies)


def _document(text: bytes) -> Mapping[str, Any]:
    """Return what a body says: nothing, where it is no document any more."""
    try:
        document = canonical.decode(text)
    except canonical.NotCanonical:
        return {}
    return document if isinstance(document, Mapping) else {}


def _object_receipt(
    session: Session, event_id: str, document: Mapping[str, Any], *, is_as_sealed: bool
) -> ObjectReceipt:
    place = of_event(session, event_id)
    assert place is not None, "it has an entry"
    return ObjectReceipt(place=place, document=document, is_as_sealed=is_as_sealed)
