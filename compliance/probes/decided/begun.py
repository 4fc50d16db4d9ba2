"""What the log says began has to be there, until a run of retention that was approved ended it: rows can be deleted.

Entries of the log outlive their bodies, so what rests on an event by its id is missed for as long as the log is kept;
what is found by its words, for as long as those are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.contracts.probes import Look, Violation
from compliance.privacy.models import (
    CONSENT_CLASS,
    REQUEST_CLASS,
    consent_receipt,
    erasure_certificate,
    objection,
    request,
    request_step,
    restriction,
)
from compliance.probes.decided import readings
from compliance.probes.decided.registers import SCAN
from compliance.registers.models import BREACH, EVIDENCE, breach, breach_step, selftest_run
from compliance.retention import decided
from compliance.retention.models import certificate, run
from compliance.scans.models import scan
from compliance.told import instant
from ingest import models as log
from ingest.events.compliance import ProbeObserved, ScanImported, SelftestCompleted
from ingest.events.envelope import at_path
from ingest.events.privacy import (
    BreachOpened,
    ConsentGiven,
    ConsentWithdrawn,
    ObjectionRecorded,
    RequestCompleted,
    RequestReceived,
    RequestStopped,
    RetentionApproved,
    RetentionCertified,
    SubjectRestricted,
)
from ingest.log import read

_NAMED_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resting:
    """Rows that name the event of their beginning, which class of retention ends them."""

    component: str
    kinds: Sequence[str]
    event_ids: sa.Select[Any]
    class_: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """Rows whose id an event of their beginning names; of some events only those that hold a hash.

    No run of retention ends rows without a class.
    """

    component: str
    kind: str
    path: str
    ids: sa.Select[Any]
    class_: str | None = None
    hashed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Missed:
    """Something that began at an instant and has no row."""

    component: str
    object_id: str
    at: datetime
    class_: str | None

    def may_have_ended(self, until: Mapping[str, datetime]) -> bool:
        """Tell whether a run of retention that was approved let its row go."""
        return self.class_ is not None and self.class_ in until and self.at < until[self.class_]


_RESTING: Final = (
    _Resting(
        component="requests",
        kinds=(RequestReceived.kind,),
        event_ids=sa.select(request_step.c.event_id).join(request, request.c.id == request_step.c.request_id),
        class_=REQUEST_CLASS,
    ),
    _Resting(
        component="breaches",
        kinds=(BreachOpened.kind,),
        event_ids=sa.select(breach_step.c.event_id).join(breach, breach.c.id == breach_step.c.breach_id),
        class_=BREACH,
    ),
    _Resting(
        component="receipts",
        kinds=(ConsentGiven.kind, ConsentWithdrawn.kind),
        event_ids=sa.select(consent_receipt.c.event_id),
        class_=CONSENT_CLASS,
    ),
    _Resting(
        component="nights",
        kinds=(SelftestCompleted.kind,),
        event_ids=sa.select(selftest_run.c.event_id),
        class_=EVIDENCE,
    ),
)
_NAMED: Final = (
    _Named(component="scans", kind=ScanImported.kind, path=SCAN, ids=sa.select(scan.c.id), class_=EVIDENCE),
    _Named(component="runs", kind=RetentionApproved.kind, path=decided.RUN, ids=sa.select(run.c.id)),
    _Named(component="runs", kind=RetentionCertified.kind, path=decided.RUN, ids=sa.select(certificate.c.run_id)),
    _Named(
        component="requests",
        kind=RequestCompleted.kind,
        path="onepay.request.id",
        ids=sa.select(erasure_certificate.c.request_id),
        hashed="onepay.privacy.sha256",
    ),
)
RESTING_KINDS: Final = (*(kind for one in _RESTING for kind in one.kinds), ProbeObserved.kind)
"""The events of beginnings that rows name by their id."""


def gone(look: Look) -> tuple[int, list[Violation]]:
    """Count what the log says began, and find what of it is gone although nobody let it be removed."""
    count, missed = 0, list[_Missed]()
    for one in _RESTING:
        look.deadline.check()
        of = log.entry.c.kind.in_(one.kinds)
        count += look.session.scalar(sa.select(sa.func.count()).select_from(log.entry).where(of)) or 0
        missed += _without_rows(look.session, one)
    all_of, made = readings.gone(look)
    count += all_of
    missed += [_Missed(component="readings", object_id=id, at=at, class_=EVIDENCE) for id, at in made.items()]
    for all_of, without in _by_words(look.session):
        look.deadline.check()
        count += all_of
        missed += without
    # Who asks is told of retention only where something is missed: mostly nothing is.
    until = decided.ended_until(look.session) if missed else {}
    wrong = [one for one in missed if not one.may_have_ended(until)]
    return count, [Violation(component=one.component, object_id=one.object_id, says=readings.GONE) for one in wrong]


def _without_rows(session: Session, one: _Resting) -> Iterator[_Missed]:
    of, rests = log.entry.c, one.event_ids.subquery()
    query = (
        sa.select(of.event_id, of.at)
        .outerjoin(rests, rests.c.event_id == of.event_id)
        .where(of.kind.in_(one.kinds), rests.c.event_id.is_(None))
        .order_by(of.at.desc())  # as the index by kind is, or SQLite goes through the whole log
        .limit(_NAMED_MAX)
    )
    for row in session.execute(query).all():
        yield _Missed(component=one.component, object_id=row.event_id, at=row.at, class_=one.class_)


def _by_words(session: Session) -> Iterator[tuple[int, list[_Missed]]]:
    """Yield how many beginnings there are of what is found by its words, and those that have no row."""
    yield from (_without_id(session, of) for of in _NAMED)
    yield _restrictions(session)
    yield _objections(session)


def _without_id(session: Session, of: _Named) -> tuple[int, list[_Missed]]:
    there = set(session.scalars(of.ids))
    said = {
        str(at_path(one, of.path)): instant(one)
        for one in read.documents_of(session, of.kind)
        if of.hashed is None or at_path(one, of.hashed)
    }
    return len(said), [
        _Missed(component=of.component, object_id=id, at=at, class_=of.class_)
        for id, at in said.items()
        if id not in there
    ]


def _restrictions(session: Session) -> tuple[int, list[_Missed]]:
    """Each restriction of a person has a row of its own, lifted or not."""
    there = Counter(
        (row.subject, row.ground, row.request_id)
        for row in session.execute(sa.select(restriction.c.subject, restriction.c.ground, restriction.c.request_id))
    )
    # What was lifted may have been removed; the newest of a kind are those that stand.
    said = read.documents_of(session, SubjectRestricted.kind)
    missed = []
    for one in reversed(said):
        what = (_subject(one), at_path(one, "event.reason"), at_path(one, "onepay.request.id"))
        if there[what] > 0:
            there[what] -= 1
        else:
            missed.append(_Missed(component="restrictions", object_id=_id(one), at=instant(one), class_=REQUEST_CLASS))
    return len(said), missed


def _objections(session: Session) -> tuple[int, list[_Missed]]:
    """An objection has a row until its person takes it back, which ends its request."""
    of = objection.c
    rows = session.execute(sa.select(of.request_id, of.subject, of.purpose)).all()
    there = {(whom, row.purpose) for row in rows for whom in (row.request_id, row.subject)}
    said = read.documents_of(session, ObjectionRecorded.kind)
    stopped = read.documents_of(session, RequestStopped.kind) if said else ()
    taken_back = {whom for one in stopped for whom in (_request(one), _subject(one))}
    return len(said), [
        _Missed(component="objections", object_id=_id(one), at=instant(one), class_=REQUEST_CLASS)
        for one in said
        if (_objects(one), at_path(one, "onepay.consent.purpose")) not in there and _objects(one) not in taken_back
    ]


def _objects(said: Any) -> object:  # the document of an event
    """Return by which request somebody objected; who did, of an event of before that field."""
    return _request(said) or _subject(said)


def _request(said: Any) -> object:  # the document of an event
    return at_path(said, "onepay.request.id")


def _subject(said: Any) -> object:  # the document of an event
    (subject,) = at_path(said, "onepay.subject.id") or (None,)
    return subject


def _id(said: Any) -> str:  # the document of an event
    return str(at_path(said, "event.id"))
