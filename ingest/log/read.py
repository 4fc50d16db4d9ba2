"""What the log holds: its head, entries, bodies and tree, for all who read it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.db import dialect_of
from app.kernel.errors import NotFound
from ingest import models
from ingest.log import entries as form
from ingest.log.merkle import Place, Read

SLICE_MAX: Final = 1_000
NODES_A_LEVEL_MAX: Final = 128
_IS_NUMBERED: Final = models.entry.c.sequence <= sa.select(models.head.c.size).scalar_subquery()


class EventUnknown(NotFound):
    """The log holds no such event."""

    code = "event_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far the log has come: the size is also the newest sequence."""

    size: int
    root: bytes
    last_ingested: datetime | None
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the tree holds of one event."""

    sequence: int
    event_id: str
    kind: str
    class_: str
    at: datetime
    ingested: datetime
    commitment: bytes

    @property
    def encoded(self) -> bytes:
        """The canonical bytes that were hashed."""
        return form.entry_bytes(self.event_id, self.kind, self.class_, self.at, self.ingested, self.commitment)

    @property
    def leaf(self) -> bytes:
        """The hash of the bytes: `event.hash` in hex."""
        return form.leaf_hash(self.encoded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The document of one event and the salt of its commitment."""

    sequence: int
    class_: str
    salt: bytes
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One event of a kind, and what it says: None where its body is gone. One that waits has no sequence yet."""

    sequence: int | None
    event_id: str
    kind: str
    class_: str
    at: datetime
    document: Mapping[str, Any] | None


def head(session: Session) -> Head:
    """Return how far the log has come."""
    row = session.execute(sa.select(models.head)).one()
    return Head(size=row.size, root=row.root, last_ingested=row.last_ingested, state=row.state)


def sequence_of(session: Session, event_id: str) -> int | None:
    """Return the sequence of an event, or None while it has none."""
    return session.scalar(sa.select(models.entry.c.sequence).where(models.entry.c.event_id == event_id))


def sequences_of(session: Session, event_ids: Collection[str]) -> dict[str, int]:
    """Return the sequences of events by id, without those that have none yet; a statement for each `SLICE_MAX`."""
    of, found, wanted = models.entry.c, dict[str, int](), sorted(set(event_ids))
    for first in range(0, len(wanted), SLICE_MAX):
        query = sa.select(of.event_id, of.sequence).where(of.event_id.in_(wanted[first : first + SLICE_MAX]))
        found.update((row.event_id, row.sequence) for row in session.execute(query))
    return found


def sequences_in(session: Session, class_: str, lo: int, hi: int) -> list[int]:
    """Return the sequences in (lo, hi] of a class, ascending."""
    of = models.entry.c
    inside = sa.select(of.sequence).where(of.sequence > lo, of.sequence <= hi, of["class"] == class_)
    return list(session.scalars(inside.order_by(of.sequence)))


def entry(session: Session, event_id: str) -> Entry:
    """Return the entry of an event; raises `EventUnknown` where the log has none."""
    row = session.execute(sa.select(models.entry).where(models.entry.c.event_id == event_id)).one_or_none()
    if row is None:
        raise EventUnknown(object_id=event_id)
    return _entry(row)


def entries(session: Session, lo: int, hi: int) -> list[Entry]:
    """Return the entries with lo < sequence ≤ hi, in order; at most `SLICE_MAX` at once."""
    assert hi - lo <= SLICE_MAX, "a slice of the log is bounded"
    of = models.entry.c.sequence
    rows = session.execute(sa.select(models.entry).where(of > lo, of <= hi).order_by(of))
    return [_entry(row) for row in rows]


def bodies(session: Session, lo: int, hi: int) -> list[Body]:
    """Return the bodies with lo < sequence ≤ hi, in order; at most `SLICE_MAX` at once."""
    assert hi - lo <= SLICE_MAX, "a slice of the log is bounded"
    of = models.body.c.sequence
    rows = session.execute(sa.select(models.body).where(of > lo, of <= hi).order_by(of))
    return [_body(row) for row in rows]


def entries_of(session: Session, sequences: Sequence[int]) -> list[Entry]:
    """Return the entries of these ascending sequences, in order; at most `SLICE_MAX` at once."""
    of = models.entry.c.sequence
    return [_entry(row) for row in session.execute(sa.select(models.entry).where(_among(of, sequences)).order_by(of))]


def bodies_of(session: Session, sequences: Sequence[int]) -> list[Body]:
    """Return the bodies of these ascending sequences, in order; at most `SLICE_MAX` at once."""
    of = models.body.c.sequence
    return [_body(row) for row in session.execute(sa.select(models.body).where(_among(of, sequences)).order_by(of))]


def bodies_by_sequence(session: Session, sequences: Iterable[int]) -> dict[int, Body]:
    """Return the bodies of these sequences, without those that were removed; a statement for each `SLICE_MAX`."""
    wanted = sorted(set(sequences))
    slices = (wanted[first : first + SLICE_MAX] for first in range(0, len(wanted), SLICE_MAX))
    return {one.sequence: one for each in slices for one in bodies_of(session, each)}


def waiting(session: Session, event_ids: Collection[str]) -> dict[str, bytes]:
    """Return the bodies of events that were recorded and wait for their number."""
    of, ids = models.outbox.c, list(event_ids)
    return {
        row.id: row.body
        for first in range(0, len(ids), SLICE_MAX)
        for row in session.execute(sa.select(of.id, of.body).where(of.id.in_(ids[first : first + SLICE_MAX])))
    }


def documents(session: Session, event_ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """Return what events say, by their id, those that wait for their number, too.

    Left out is one that never was, one whose body ended with its class and month, and what somebody wrote into the
    database: a body that is not what its entry commits to, an entry behind the head.
    """
    of, wanted = models.entry.c, sorted(set(event_ids))
    entries = sa.select(of.event_id, of.sequence, of.commitment).where(_IS_NUMBERED)
    slices = (wanted[first : first + SLICE_MAX] for first in range(0, len(wanted), SLICE_MAX))
    waits = waiting(session, event_ids)  # first: an event only ever goes from here to the entries
    rows = [row for each in slices for row in session.execute(entries.where(of.event_id.in_(each)))]
    known = {row.event_id for row in rows}
    still = {id_: text for id_, text in waits.items() if id_ not in known}
    return {id_: json.loads(text) for id_, text in (still | _sealed(session, rows)).items()}


def documents_at(session: Session, sequences: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """Return what the events of these sequences say, ascending, without what `documents` leaves out."""
    return {sequence: json.loads(body) for sequence, body in sealed_at(session, sequences).items()}


def sealed_at(session: Session, sequences: Sequence[int]) -> dict[int, bytes]:
    """Return the bodies of these sequences, ascending, that are what was sealed."""
    of, wanted = models.entry.c, sorted(set(sequences))
    entries = sa.select(of.event_id, of.sequence, of.commitment).where(_IS_NUMBERED).order_by(of.sequence)
    slices = (wanted[first : first + SLICE_MAX] for first in range(0, len(wanted), SLICE_MAX))
    rows = [row for each in slices for row in session.execute(entries.where(_among(of.sequence, each)))]
    bodies = _sealed(session, rows)
    return {row.sequence: bodies[row.event_id] for row in rows if row.event_id in bodies}


def documents_of(
    session: Session, *kinds: str, since: datetime | None = None, containing: str | None = None
) -> list[Mapping[str, Any]]:
    """Return what all events of some kinds say, oldest first, all that wait for their number last.

    With `since`, of those that have one only what was since that instant; with `containing`, such as an id, only those
    in whose bytes it stands, wherever that is.

    It is asked of the log itself, which is never behind; for kinds of which there are few, as it reads each body. Left
    out is what `documents` leaves out.
    """
    found = said(session, *kinds, since=since, containing=containing)
    return [one.document for one in found if one.document is not None]


def said(session: Session, *kinds: str, since: datetime | None = None, containing: str | None = None) -> list[Said]:
    """Return all events of some kinds in their order, those that wait last, also those that say nothing any more.

    An entry outlives its body, so nothing is left out but entries behind the head. A body that is not what its entry
    commits to is none. For kinds of which there are few, as `documents_of`; with `containing`, what says nothing any
    more is left out.
    """
    of, waits, kept = models.entry.c, models.outbox.c, models.body.c
    queued = sa.select(models.outbox).where(waits.kind.in_(kinds)).order_by(waits.n)
    query = sa.select(models.entry).where(of.kind.in_(kinds), _IS_NUMBERED).order_by(of.sequence)
    if since is not None:
        query = query.where(of.at >= since)
    if containing is not None:
        queued = queued.where(_contains(session, waits.body, containing))
        has_body = sa.exists().where(kept.sequence == of.sequence, _contains(session, kept.body, containing))
        query = query.where(has_body)
    # First those that wait: an event only ever goes from there to the entries, so none is in neither.
    waiting_ = session.execute(queued).mappings().all()
    rows = session.execute(query).all()
    bodies = _sealed(session, rows)
    numbered = [
        Said(
            sequence=one.sequence,
            event_id=one.event_id,
            kind=one.kind,
            class_=one.class_,
            at=one.at,
            document=json.loads(bodies[one.event_id]) if one.event_id in bodies else None,
        )
        for one in map(_entry, rows)
    ]
    known = {one.event_id for one in numbered}
    return numbered + [
        Said(
            sequence=None,
            event_id=row["id"],
            kind=row["kind"],
            class_=row["class"],
            at=row["at"],
            document=json.loads(row["body"]),
        )
        for row in waiting_
        if row["id"] not in known
    ]


def body(session: Session, sequence: int) -> Body | None:
    """Return one body, or None where it was removed."""
    row = session.execute(sa.select(models.body).where(models.body.c.sequence == sequence)).one_or_none()
    return None if row is None else _body(row)


def tree(session: Session) -> Read:
    """Return how `merkle` reads the nodes of this log."""

    def read(wanted: Collection[Place]) -> Mapping[Place, bytes]:
        return nodes(session, set(wanted))

    return read


def nodes(session: Session, wanted: Iterable[Place]) -> dict[Place, bytes]:
    """Return those of the wanted nodes that are stored; a proof's are read in one statement."""
    idx_by_level: dict[int, list[int]] = {}
    for level, idx in wanted:
        idx_by_level.setdefault(level, []).append(idx)
    if not idx_by_level:
        return {}
    assert all(len(idx) <= NODES_A_LEVEL_MAX for idx in idx_by_level.values()), "a proof takes few nodes of a level"
    node = models.node.c
    # Level by level, because SQLite scans the table for a list of pairs.
    by_level = [(node.level == level) & node.idx.in_(idx) for level, idx in sorted(idx_by_level.items())]
    rows = session.execute(sa.select(models.node).where(sa.or_(*by_level)))
    return {(row.level, row.idx): row.hash for row in rows}


def first_since(session: Session, at: datetime) -> int:
    """Return the first sequence that arrived at an instant or later, size + 1 where none did."""
    low, high = 1, head(session).size + 1
    while low < high:
        middle = (low + high) // 2
        ingested = session.scalar(sa.select(models.entry.c.ingested).where(models.entry.c.sequence == middle))
        if ingested is None or ingested >= at:
            high = middle
        else:
            low = middle + 1
    return low


def _contains(session: Session, body: sa.ColumnElement[bytes], text: str) -> sa.ColumnElement[bool]:
    """Tell of bodies in which the bytes of a text stand."""
    # PostgreSQL takes two bytea by the name of its schema alone: the bare word has a grammar of its own.
    find = sa.func.instr if dialect_of(session) == "sqlite" else sa.func.pg_catalog.position
    return find(body, sa.literal(text.encode(), sa.LargeBinary)) > 0


def _sealed(session: Session, rows: Sequence[Any]) -> dict[str, bytes]:  # rows of (event_id, sequence, commitment)
    """Return the bodies of entries by event, in their order, of those that are what was sealed."""
    bodies = bodies_by_sequence(session, [row.sequence for row in rows])
    return {
        row.event_id: body.body
        for row in rows
        if (body := bodies.get(row.sequence)) is not None and form.commitment(body.salt, body.body) == row.commitment
    }


def _among(of: sa.ColumnElement[int], sequences: Sequence[int]) -> sa.ColumnElement[bool]:
    assert len(sequences) <= SLICE_MAX, "a slice of the log is bounded"
    if isinstance(sequences, range) and sequences.step == 1:
        return (of >= sequences.start) & (of < sequences.stop)
    return of.in_(sequences)


def _entry(row: sa.Row[tuple[object, ...]]) -> Entry:
    values = row._mapping
    return Entry(
        sequence=values["sequence"],
        event_id=values["event_id"],
        kind=values["kind"],
        class_=values["class"],
        at=values["at"],
        ingested=values["ingested"],
        commitment=values["commitment"],
    )


def _body(row: sa.Row[tuple[object, ...]]) -> Body:
    values = row._mapping
    return Body(sequence=values["sequence"], class_=values["class"], salt=values["salt"], body=values["body"])
