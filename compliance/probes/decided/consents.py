"""Receipts of consent, each with the event in which that person gave or withdrew exactly that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.contracts.probes import Look, Violation
from compliance.privacy.consent import GIVEN
from compliance.privacy.models import consent_receipt
from compliance.told import Stands, told
from ingest.events.privacy import ConsentGiven, ConsentWithdrawn

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
    whose = {f"{row.subject} {row.purpose} {row.n}": (row.event_id, _stands(row)) for row in rows}
    says = "is kept, and its event never was, or says something else"
    for one in sorted(whose.keys() - told(session, whose)):
        yield Violation(component="receipts", object_id=one, says=says)


def _stands(row: Any) -> Stands:  # a row of `consent_receipt`
    kind = ConsentGiven if row.action == GIVEN else ConsentWithdrawn
    return {
        "event.action": kind.kind,
        "onepay.consent.purpose": row.purpose,
        "onepay.consent.text_hash": row.sha256,
        "onepay.subject.id": [row.subject],
    }
