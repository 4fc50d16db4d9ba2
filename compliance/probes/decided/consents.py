"""Consents: receipts, words that were agreed to be the same, and objections, each with the event that says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.contracts.probes import Look, Violation
from compliance.privacy.consent import GIVEN
from compliance.privacy.models import consent_receipt, consent_same, objection
from compliance.told import Stands, told, vouched
from ingest.events.admin import ApprovalExecuted
from ingest.events.envelope import at_path
from ingest.events.privacy import ConsentGiven, ConsentWithdrawn, ObjectionDecided

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
    says = {
        "onepay.consent.purpose": row.purpose,
        "onepay.consent.text_hash": row.sha256,
        "onepay.subject.id": [row.subject],
    }
    return Stands(kind=kind.kind, says=says, at=row.at)


def wordings(look: Look) -> tuple[int, list[Violation]]:
    """Count the texts that were agreed to say the same, and find those that nobody agreed to."""
    rows = look.session.execute(sa.select(consent_same)).all()
    stand = {f"{row.purpose} {row.before[:8]} {row.now[:8]}": (row.approval_id, row.at) for row in rows}
    told = vouched(look.session, ApprovalExecuted.kind, stand, says=lambda said: at_path(said, "onepay.approval.id"))
    says = "are held to say the same, and nobody is told to have agreed"
    wrong = sorted(stand.keys() - told)
    return len(rows), [Violation(component="wordings", object_id=one, says=says) for one in wrong]


def objections(look: Look) -> tuple[int, list[Violation]]:
    """Count the objections that were decided, and find those of which no event says so."""
    rows = look.session.execute(sa.select(objection).where(objection.c.decision.is_not(None))).all()
    stand = {row.id: ((row.request_id, row.subject, row.purpose, row.decision), row.decided_at) for row in rows}
    told = vouched(look.session, ObjectionDecided.kind, stand, says=_decision)
    # Events of before that field name no request.
    older = {key: ((None, *what[1:]), at) for key, (what, at) in stand.items() if key not in told}
    told |= vouched(look.session, ObjectionDecided.kind, older, says=_decision)
    says = "stands as decided, and no event says so"
    wrong = sorted(stand.keys() - told)
    return len(rows), [Violation(component="objections", object_id=one, says=says) for one in wrong]


def _decision(said: Mapping[str, Any]) -> tuple[object, ...]:
    (subject,) = at_path(said, "onepay.subject.id") or (None,)
    paths = ("onepay.consent.purpose", "onepay.privacy.decision")
    return at_path(said, "onepay.request.id"), subject, *(at_path(said, path) for path in paths)
