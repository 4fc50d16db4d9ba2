"""Papers that are or were in force: signed as they lie there, never taken back, and the newest of their kind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.attest import analyses, attestations, baselines, exceptions
from compliance.attest.models import attestation, baseline, exception, risk_analysis
from compliance.attest.parts import EXPIRED, IN_FORCE
from compliance.contracts.probes import Look, Violation
from compliance.registers import processing
from compliance.registers.models import activity_approval
from compliance.told import SHA256, Stands, instant, told
from ingest.events.compliance import (
    AttestationSigned,
    DocumentApproved,
    ExceptionEnded,
    ExceptionGranted,
    PaperWithdrawn,
)
from ingest.events.envelope import at_path
from ingest.log import read

DOCUMENT = "onepay.compliance.document"
_STANDS = (IN_FORCE, EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paper:
    """What a paper stands for: its hash, the event of its signing, and of which document it is a version."""

    id: str
    kind: str
    event_id: str | None
    sha256: str
    at: datetime | None
    document: str | None = None


def signed(look: Look) -> tuple[int, list[Violation]]:
    """Count the papers, and find those that no event of their signing names, and those that stand no more."""
    papers = list(_papers(look.session))
    stand = {one.id: (one.event_id, Stands(kind=one.kind, says={SHA256: one.sha256}, at=one.at)) for one in papers}
    known, over, newest = told(look.session, stand), _over(look.session), _newest(look.session)
    since, wrong = _signed_at(look.session, papers), list[Violation]()
    for one in papers:
        if one.id not in known:
            says = "stands, and no event says that it was signed as it lies there"
        elif (ended := over.get(one.sha256)) is not None and ((at := since[one.id]) is None or ended >= at):
            says = "stands, and was taken back or has ended"
        elif newest.get(one.document, one.sha256) != one.sha256:
            says = "stands, and another version of it was signed since"
        else:
            continue
        wrong.append(Violation(component="papers", object_id=one.id, says=says))
    return len(papers), sorted(wrong, key=lambda one: one.object_id)


def _signed_at(session: Session, papers: Sequence[_Paper]) -> Mapping[str, datetime | None]:
    """Return when each paper was signed: as its event says, and where that ended as its row does, which fits it."""
    said = read.documents(session, [one.event_id for one in papers if one.event_id is not None])
    return {one.id: instant(said[one.event_id]) if one.event_id in said else one.at for one in papers}


def _over(session: Session) -> Mapping[str, datetime]:
    """Return when what has these hashes was taken back or ended, for the last time: the same may be granted again."""
    ends = (*read.documents_of(session, PaperWithdrawn.kind), *read.documents_of(session, ExceptionEnded.kind))
    found: dict[str, datetime] = {}
    for said in ends:
        sha256, at = str(at_path(said, SHA256)), instant(said)
        found[sha256] = max(at, found.get(sha256, at))
    return found


def _newest(session: Session) -> Mapping[str | None, str]:
    """Return the hash of each document's version that somebody signed or approved last."""
    kinds = (AttestationSigned.kind, DocumentApproved.kind)
    said = (one for kind in kinds for one in read.documents_of(session, kind))
    return {str(at_path(one, DOCUMENT)): str(at_path(one, SHA256)) for one in said if at_path(one, DOCUMENT)}


def _papers(session: Session) -> Iterator[_Paper]:
    """Yield each paper that is or was in force; of exceptions those that are."""
    for id in _ids(session, attestation, *_STANDS):
        signed_ = attestations.by_id(session, id)
        yield _Paper(
            **_told(session, attestation, id, "signed_at"),
            kind=AttestationSigned.kind,
            sha256=attestations.content_hash(signed_),
            document=attestations.document_of(signed_),
        )
    for id in _ids(session, exception, IN_FORCE):
        sha256 = exceptions.content_hash(exceptions.by_id(session, id))
        yield _Paper(**_told(session, exception, id, "from_at"), kind=ExceptionGranted.kind, sha256=sha256)
    for id in _ids(session, risk_analysis, *_STANDS):
        made = analyses.by_id(session, id)
        yield _Paper(
            **_told(session, risk_analysis, id, "approved_at"),
            kind=DocumentApproved.kind,
            sha256=analyses.content_hash(made),
            document=analyses.document_of(made),
        )
    for row in session.execute(sa.select(baseline).where(baseline.c.state == IN_FORCE)):
        yield _Paper(
            **_told(session, baseline, row.id, "approved_at"),
            kind=DocumentApproved.kind,
            sha256=baselines.digest(row.body),
            document=baselines.document_of(row.name),
        )
    of = activity_approval.c
    for row in session.execute(sa.select(activity_approval).where(of.state == processing.APPROVED)):
        yield _Paper(
            **_told(session, activity_approval, row.id, "approved_at"),
            kind=DocumentApproved.kind,
            sha256=processing.digest(json.loads(row.body)),
            document=processing.DOCUMENT,
        )


def _ids(session: Session, table: sa.Table, *states: str) -> list[str]:
    return list(session.scalars(sa.select(table.c.id).where(table.c.state.in_(states)).order_by(table.c.id)))


def _told(session: Session, table: sa.Table, id: str, at: str) -> dict[str, Any]:
    """Return the id of a paper, with the event of its signing and when that was."""
    row = session.execute(sa.select(table.c.event_id, table.c[at].label("at")).where(table.c.id == id)).one()
    return {"id": id, "event_id": row.event_id, "at": row.at}
