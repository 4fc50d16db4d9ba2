"""Receipts of consent, each with the event in which that person gave or withdrew exactly that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.contracts.probes import Look, Violation
from compliance.privacy.consent import GIVEN
from compliance.privacy.models import consent_receipt
from compliance.told import ended
from ingest.events.envelope import at_path
from ingest.events.privacy import ConsentGiven, ConsentWithdrawn
from ingest.log import read

_AT_ONCE: Final = 1_000


def receipts(look: Look) -> tuple[int, list[Violation]]:
    """Count the receipts, and find those whose event never was, or says something else."""
    count, wrong = 0, list[Violation]()
    for some in _slices(look.session):
        look.deadline.check()
        count += len(some)
        wrong += _invented(look.session, some)
    return count, wrong


def _slices(session: Session) -> Iterator[Sequence[Any]]:
    of, after = consent_receipt.c, 0
    while True:
        query = sa.select(consent_receipt).where(of.n > after).order_by(of.n).limit(_AT_ONCE)
        rows = session.execute(query).all()
        if not rows:
            return
        yield rows
        after = rows[-1].n


def _invented(session: Session, rows: Sequence[Any]) -> Iterator[Violation]:
    ids = [row.event_id for row in rows]
    said = read.documents(session, ids)
    over = ended(session, [id for id in ids if id not in said])
    for row in rows:
        document = said.get(row.event_id)
        kind = ConsentGiven if row.action == GIVEN else ConsentWithdrawn
        stands = (kind.kind, row.purpose, row.sha256, [row.subject])
        paths = ("event.action", "onepay.consent.purpose", "onepay.consent.text_hash", "onepay.subject.id")
        is_told = (
            row.event_id in over if document is None else tuple(at_path(document, path) for path in paths) == stands
        )
        if not is_told:
            says = "is kept, and its event never was, or says something else"
            yield Violation(component="receipts", object_id=f"{row.subject} {row.purpose} {row.n}", says=says)
