"""Papers that are or were in force, with the event that says they were signed as they lie there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.attest import analyses, attestations, baselines, exceptions
from compliance.attest.models import attestation, baseline, exception, risk_analysis
from compliance.attest.parts import EXPIRED, IN_FORCE
from compliance.contracts.probes import Look, Violation
from compliance.registers import processing
from compliance.registers.models import activity_approval
from compliance.told import SHA256, told


def signed(look: Look) -> tuple[int, list[Violation]]:
    """Count the papers, and find those that no event of their signing names."""
    papers = _papers(look.session)
    stand = {paper: (event_id, {SHA256: sha256}) for paper, (event_id, sha256) in papers.items()}
    says = "stands, and no event says that it was signed as it lies there"
    wrong = sorted(stand.keys() - told(look.session, stand))
    return len(papers), [Violation(component="papers", object_id=paper, says=says) for paper in wrong]


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
    for row in session.execute(sa.select(baseline).where(baseline.c.state == IN_FORCE)):
        found[row.id] = row.event_id, baselines.digest(row.body)
    of = activity_approval.c
    for row in session.execute(sa.select(activity_approval).where(of.state == processing.APPROVED)):
        found[row.id] = row.event_id, processing.digest(json.loads(row.body))
    return found
