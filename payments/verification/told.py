"""What the log tells of money, by kind of event: numbered bodies in their order, then those that wait for a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from ingest.events.envelope import at_path
from ingest.models import body as log_body
from ingest.models import entry as log_entry
from ingest.models import outbox as log_outbox
from payments.verification.findings import Findings

SLICE: Final = 10_000


class Told(NamedTuple):
    """One event: its id, its kind, and its body, None where retention has lawfully dropped it."""

    id: str
    kind: str
    body: bytes | None


def document(id: str, body: bytes | None, found: Findings) -> Mapping[str, Any] | None:
    """Return what a body says, or None where it is gone, or is damaged, which is a finding."""
    if body is None:
        return None
    try:
        said = canonical.decode(body)
    except canonical.NotCanonical:
        said = None
    if isinstance(said, Mapping):
        return said
    found.add("event_unreadable", log_body, id, expected="a document", found="a body that cannot be read")
    return None


def documents(events: Sequence[Told], found: Findings) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the kinds of events with what they say, of those that can be read."""
    read = ((one.kind, document(one.id, one.body, found)) for one in events)
    return [(kind, said) for kind, said in read if said is not None]


def of_kinds(session: Session, *kinds: str) -> Iterator[Sequence[Told]]:
    """Yield the events of some kinds in slices, each read before it is handed out."""
    numbered = (
        sa.select(log_entry.c.sequence, log_entry.c.event_id, log_entry.c.kind, log_body.c.body)
        .join_from(log_entry, log_body, log_body.c.sequence == log_entry.c.sequence, isouter=True)
        .where(log_entry.c.kind.in_(kinds))
        .order_by(log_entry.c.sequence)
        .limit(SLICE)
    )
    rows = session.execute(numbered).all()
    while rows:
        yield [Told(row.event_id, row.kind, row.body) for row in rows]
        rows = session.execute(numbered.where(log_entry.c.sequence > rows[-1].sequence)).all()
    waiting = (
        sa.select(log_outbox.c.n, log_outbox.c.id, log_outbox.c.kind, log_outbox.c.body)
        .where(log_outbox.c.kind.in_(kinds))
        .order_by(log_outbox.c.n)
        .limit(SLICE)
    )
    rows = session.execute(waiting).all()
    while rows:
        yield [Told(row.id, row.kind, row.body) for row in rows]
        rows = session.execute(waiting.where(log_outbox.c.n > rows[-1].n)).all()


def id_of(event: Mapping[str, Any], path: str) -> str:
    """Return the id an event names at a path; empty for what can be none, and no database would be asked for."""
    id = at_path(event, path)
    return id if isinstance(id, str) and id.isascii() and id.isprintable() else ""


def owner_of(event: Mapping[str, Any]) -> str | None:
    """Return whose event it is: the first of those it is about."""
    about = at_path(event, "onepay.subject.id")
    return next((one for one in about if isinstance(one, str)), None) if isinstance(about, list) else None
