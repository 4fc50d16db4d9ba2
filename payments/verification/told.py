"""What the log tells of money, by kind of event: numbered bodies in their order, then those that wait for a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ingest.events.envelope import at_path
from ingest.models import body as log_body
from ingest.models import entry as log_entry
from ingest.models import outbox as log_outbox

SLICE: Final = 10_000


class Told(NamedTuple):
    """One event: its kind, and its body, None where retention has lawfully dropped it."""

    kind: str
    body: bytes | None


def of_kinds(session: Session, *kinds: str) -> Iterator[Sequence[Told]]:
    """Yield the events of some kinds in slices, each read before it is handed out."""
    numbered = (
        sa.select(log_entry.c.sequence, log_entry.c.kind, log_body.c.body)
        .join_from(log_entry, log_body, log_body.c.sequence == log_entry.c.sequence, isouter=True)
        .where(log_entry.c.kind.in_(kinds))
        .order_by(log_entry.c.sequence)
        .limit(SLICE)
    )
    rows = session.execute(numbered).all()
    while rows:
        yield [Told(row.kind, row.body) for row in rows]
        rows = session.execute(numbered.where(log_entry.c.sequence > rows[-1].sequence)).all()
    waiting = (
        sa.select(log_outbox.c.n, log_outbox.c.kind, log_outbox.c.body)
        .where(log_outbox.c.kind.in_(kinds))
        .order_by(log_outbox.c.n)
        .limit(SLICE)
    )
    rows = session.execute(waiting).all()
    while rows:
        yield [Told(row.kind, row.body) for row in rows]
        rows = session.execute(waiting.where(log_outbox.c.n > rows[-1].n)).all()


def owner_of(event: Mapping[str, Any]) -> str | None:
    """Return whose event it is: the first of those it is about."""
    return next(iter(at_path(event, "onepay.subject.id") or ()), None)
