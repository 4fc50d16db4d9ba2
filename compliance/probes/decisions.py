"""A probe over what people decided: what stands because of it has the event in the log that says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.attest import analyses, attestations, exceptions
from compliance.attest.models import attestation, exception, risk_analysis
from compliance.attest.parts import EXPIRED, IN_FORCE
from compliance.certificates import ended
from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation, WhenEmpty
from compliance.privacy.models import consent_receipt
from compliance.retention.holds import RELEASED
from compliance.retention.models import hold, policy
from ingest import models as log
from ingest.events.compliance import DocumentApproved
from ingest.events.envelope import Event, at_path
from ingest.events.privacy import LegalHoldReleased
from ingest.log import forgotten, read
from ingest.store.columns import month_of

SHA256: Final = "onepay.compliance.sha256"
CASE: Final = "onepay.hold.case"
_AT_ONCE: Final = 1_000
_Decided: TypeAlias = tuple[str, datetime | None]
"""What the event of a decision names, and when it came into force."""


def probe() -> Probe:
    """Return the probe of Art. 5(2): decisions that somebody wrote into the database and nobody made."""
    return Probe(
        name="papers.decided",
        kind=Kind.STATE,
        asks="Papers, periods, released holds, receipts; wrong is one that stands without the event of its decision.",
        read=_read,
        plant=_plant,
        empty_means=WhenEmpty.NOT_APPLICABLE,
    )


def _read(look: Look) -> Reading:
    signed, periods, released = _papers(look.session), _periods(look.session), _released(look.session)
    wrong = [*_unsigned(look.session, signed), *_unagreed(look.session, periods, released)]
    receipts = 0
    for some in _receipts(look.session):
        look.deadline.check()
        receipts += len(some)
        wrong += _invented(look.session, some)
    population = {"papers": len(signed), "periods": len(periods), "released": len(released), "receipts": receipts}
    return Reading(population=population, violations=wrong)


def _papers(session: Session) -> Mapping[str, tuple[str | None, str]]:
    """Return the event and the hash of each paper that is or was in force, by its id."""
    hashes: tuple[tuple[sa.Table, Callable[[str], str]], ...] = (
        (attestation, lambda id_: attestations.content_hash(attestations.by_id(session, id_))),
        (exception, lambda id_: exceptions.content_hash(exceptions.by_id(session, id_))),
        (risk_analysis, lambda id_: analyses.content_hash(analyses.by_id(session, id_))),
    )
    found: dict[str, tuple[str | None, str]] = {}
    for table, hashed in hashes:
        of = table.c
        rows = session.execute(sa.select(of.id, of.event_id).where(of.state.in_((IN_FORCE, EXPIRED)))).all()
        found |= {row.id: (row.event_id, hashed(row.id)) for row in rows}
    return found


def _unsigned(session: Session, signed: Mapping[str, tuple[str | None, str]]) -> Iterator[Violation]:
    events = [event_id for event_id, _ in signed.values() if event_id is not None]
    said, over = read.documents(session, events), ended(session, events)
    for paper, (event_id, sha256) in signed.items():
        document = said.get(event_id or "")
        is_told = event_id in over if document is None else at_path(document, SHA256) == sha256
        if not is_told:
            says = "stands, and no event says that it was signed as it lies there"
            yield Violation(component="papers", object_id=paper, says=says)


def _periods(session: Session) -> Mapping[str, _Decided]:
    of = policy.c
    rows = session.execute(sa.select(of.id, of.hash, of.in_force_at).where(of.state == IN_FORCE))
    return {row.id: (row.hash, row.in_force_at) for row in rows}


def _released(session: Session) -> Mapping[str, _Decided]:
    of = hold.c
    rows = session.execute(sa.select(of.id, of.case, of.released_at).where(of.state == RELEASED))
    return {row.id: (row.case, row.released_at) for row in rows}


def _unagreed(
    session: Session, periods: Mapping[str, _Decided], released: Mapping[str, _Decided]
) -> Iterator[Violation]:
    """Yield what no decision of two people is told of, but for those of months whose events lawfully ended."""
    for component, kind, path, decided in (
        ("periods", DocumentApproved, SHA256, periods),
        ("holds", LegalHoldReleased, CASE, released),
    ):
        told, gone = _told(session, kind.kind, path) if decided else frozenset(), _gone(session, kind)
        for id_, (said, at) in decided.items():
            if said not in told and (at is None or month_of(at) not in gone):
                yield Violation(component=component, object_id=id_, says="stands, and nobody is told to have agreed")


def _told(session: Session, kind: str, path: str) -> Collection[str]:
    """Return what events of a kind say at a path, asked of the log itself: a store that is behind forges nothing."""
    of = log.entry.c
    sequences = session.scalars(sa.select(of.sequence).where(of.kind == kind)).all()
    numbered = (json.loads(body.body) for body in read.bodies_by_sequence(session, sequences).values())
    return {str(at_path(one, path)) for one in (*numbered, *read.waiting_of(session, kind))}


def _gone(session: Session, kind: type[Event]) -> Collection[str]:
    """Return the months of the class of a kind whose events ended."""
    return {one.month for one in forgotten.removals(session) if one.class_ == kind.event_class.value}


def _receipts(session: Session) -> Iterator[Mapping[str, str]]:
    """Yield the events of receipts, some at once, by whose and for what they are."""
    of, after = consent_receipt.c, 0
    while True:
        query = sa.select(of.n, of.subject, of.purpose, of.event_id).where(of.n > after).order_by(of.n).limit(_AT_ONCE)
        rows = session.execute(query).all()
        if not rows:
            return
        yield {f"{row.subject} {row.purpose} {row.n}": row.event_id for row in rows}
        after = rows[-1].n


def _invented(session: Session, receipts: Mapping[str, str]) -> Iterator[Violation]:
    ids = list(receipts.values())
    known = {*read.sequences_of(session, ids), *read.waiting(session, ids)}
    for whose, event_id in receipts.items():
        if event_id not in known:
            yield Violation(component="receipts", object_id=whose, says="is kept, and its event never was")


def _plant(look: Look) -> str:
    """Plant an exception that nobody agreed to."""
    id_ = look.ctx.new_id("exc")
    look.session.execute(
        sa.insert(exception).values(
            id=id_,
            framework="pci-4.0.1",
            key="8.4.1",
            kind=exceptions.Kind.ACCEPTED_RISK.value,
            why="Planted by a probe",
            proposed_by=look.ctx.new_id("acc"),
            from_at=look.at,
            until_at=look.at + timedelta(days=1),
            state=IN_FORCE,
        )
    )
    return id_
