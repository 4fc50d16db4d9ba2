"""What registers say was decided: breaches, scans, reviews of access and nights of the self-test, by their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import rfc3339
from compliance.contracts.probes import Look, Violation
from compliance.privacy import selftest
from compliance.registers import breach_log
from compliance.registers.breach_log import BREACH, DECISION
from compliance.registers.breaches import KEEP, LEFT_OUT, LETTERS_LEFT_OUT, NOTIFY
from compliance.registers.models import breach, breach_notice, breach_step, selftest_run
from compliance.reviews.campaigns import Decision
from compliance.reviews.models import line
from compliance.scans import register
from compliance.scans.models import finding
from compliance.told import SHA256, Stands, has_ended, instant, is_about, told, vouched
from ingest.events.admin import AccessRecertified
from ingest.events.compliance import FindingMended, ScanImported, SelftestCompleted
from ingest.events.envelope import at_path
from ingest.events.privacy import BreachAssessed, BreachNotified, BreachOpened
from ingest.log import read

SCAN, FINDING = "onepay.compliance.scan", "onepay.compliance.finding"


def breaches(look: Look) -> tuple[int, list[Violation]]:
    """Count the breaches, and find assessments and decisions nobody made, and notices not sent in these words."""
    rows = look.session.execute(sa.select(breach).order_by(breach.c.id)).all()
    decided = {
        str(at_path(said, BREACH)): (str(at_path(said, DECISION)), instant(said))
        for said in (read.documents_of(look.session, BreachAssessed.kind) if rows else ())
        if at_path(said, DECISION) in (NOTIFY, KEEP)
    }
    due = _due_as_told(look) if rows else {}
    wrong = {
        row.id: "has another clock than its events say"
        for row in rows
        if due.get(row.id, rfc3339(row.due_at)) != rfc3339(row.due_at)
    }
    wrong |= {
        row.id: "stands as decided, and nobody is told to have decided so"
        for row in rows
        if not _is_decided(row, decided.get(row.id))
        and not has_ended(look.session, BreachAssessed.kind, row.decided_at)
    }
    assessed = breach_log.newest(look.session) if rows else {}
    for row in rows:
        if not breach_log.is_as_told(row, assessed.get(row.id)):
            wrong.setdefault(row.id, "is not as it was assessed")
    left_out = _letters_left_out(look)
    for row in rows:
        if row.letters_exception and row.id not in left_out:
            wrong.setdefault(row.id, "leaves letters out, and nobody is told to have decided so")
    sent = {
        f"{one.breach_id} {one.recipient} {one.phase}": one for one in look.session.execute(sa.select(breach_notice))
    }
    stand = {key: (one.event_id, _sent(one)) for key, one in sent.items()}
    for key in sorted(stand.keys() - told(look.session, stand)):
        wrong.setdefault(sent[key].breach_id, "has a notice that no event says was sent")
    return len(rows), [Violation(component="breaches", object_id=id, says=says) for id, says in wrong.items()]


def _is_decided(row: Any, told: tuple[str, datetime] | None) -> bool:  # a row of `breach`
    """Tell whether a breach stands as decided as it was told, and when."""
    if row.decision is None or row.decided_at is None or told is None:
        return all(one is None for one in (row.decision, row.decided_at, told))
    decision, at = told
    return row.decision == decision and is_about(at, row.decided_at)


def _due_as_told(look: Look) -> Mapping[str, str]:
    """Return until when the authority is to be told of each breach, as its newest event says it."""
    kinds = (BreachOpened.kind, BreachAssessed.kind, BreachNotified.kind)
    said = [one for kind in kinds for one in read.documents_of(look.session, kind)]
    said.sort(key=lambda one: str(one["@timestamp"]))
    return {str(at_path(one, BREACH)): str(at_path(one, "onepay.breach.due_at")) for one in said}


def _letters_left_out(look: Look) -> frozenset[str]:
    """Return the breaches of which somebody is told to have decided that nobody is written to."""
    steps = look.session.execute(sa.select(breach_step).where(breach_step.c.what == LEFT_OUT)).all()
    says = {one.breach_id: {BREACH: one.breach_id, DECISION: LETTERS_LEFT_OUT} for one in steps}
    return told(
        look.session,
        {
            one.breach_id: (one.event_id, Stands(kind=BreachAssessed.kind, says=says[one.breach_id], at=one.at))
            for one in steps
        },
    )


def _sent(notice: Any) -> Stands:  # a row of `breach_notice`
    says = {
        BREACH: notice.breach_id,
        "onepay.breach.recipient": notice.recipient,
        "onepay.privacy.sha256": notice.sha256,
    }
    return Stands(kind=BreachNotified.kind, says=says, at=notice.sent_at)


def scans(look: Look) -> tuple[int, list[Violation]]:
    """Count the scans, and find those that are not as they were entered, or whose findings are not."""
    hashes = register.hashes(look.session)
    stand = {id: ((id, sha256), at) for id, (sha256, at) in hashes.items()}
    untold = stand.keys() - vouched(look.session, ScanImported.kind, stand, says=_entered)
    wrong = dict.fromkeys(sorted(untold), "is not as it was entered")
    for one in _mended(look.session):
        wrong.setdefault(one.scan_id, "has a finding that stands otherwise than its event says")
    return len(hashes), [Violation(component="scans", object_id=id, says=says) for id, says in wrong.items()]


def _entered(said: Mapping[str, Any]) -> tuple[object, object]:
    return at_path(said, SCAN), at_path(said, SHA256)


def _mended(session: Session) -> Sequence[Any]:
    """Return the findings that stand as mended of which no event says so, and those that are open though one does."""
    rows = session.execute(sa.select(finding).order_by(finding.c.id)).all()
    known = told(session, {one.id: (one.fixed_event, _fixed(one)) for one in rows if one.fixed_on is not None})
    over = {str(at_path(said, FINDING)) for said in read.documents_of(session, FindingMended.kind)}
    return [one for one in rows if (one.id in over if one.fixed_on is None else one.id not in known)]


def _fixed(one: Any) -> Stands:  # a row of `finding`
    says = {FINDING: one.id, "onepay.report.period": one.fixed_on}
    return Stands(kind=FindingMended.kind, says=says, at=one.fixed_at)


def nights(look: Look) -> tuple[int, list[Violation]]:
    """Count the nights of the self-test, and find those of which the log says something else."""
    rows = look.session.execute(sa.select(selftest_run).order_by(selftest_run.c.id)).mappings().all()
    stand: dict[str, tuple[str | None, Stands]] = {}
    for row in rows:
        says = {"onepay.compliance.selftest": row["id"], SHA256: selftest.digest(dict(row))}
        stand[row["id"]] = row["event_id"], Stands(kind=SelftestCompleted.kind, says=says, at=row["ended_at"])
    wrong = sorted(stand.keys() - told(look.session, stand))
    says_ = "is not as it was told"
    wrong += [row["id"] for row in rows if row["id"] not in wrong and _is_turned(dict(row))]
    return len(rows), [Violation(component="nights", object_id=id, says=says_) for id in wrong]


def _is_turned(row: Mapping[str, Any]) -> bool:
    """Tell whether a night is said to have passed with problems, or to have failed without."""
    return bool((row["result"] == selftest.PASSED) is bool(row["problems"]))


def recertified(look: Look) -> tuple[int, list[Violation]]:
    """Count the decisions of reviews of access, and find those that nobody is told to have made."""
    of = line.c
    decided = sa.and_(of.decision.is_not(None), of.decision != Decision.GONE.value)
    rows = look.session.execute(sa.select(line).where(decided).order_by(of.decided_at, of.grant_ref)).all()
    stand = {
        f"{one.review_id} {one.source} {one.grant_ref}": (
            (one.holder, one.decision, one.review_id, f"{one.source} {one.grant_ref}"),
            one.decided_at,
        )
        for one in rows
    }
    known = vouched(look.session, AccessRecertified.kind, stand, says=_recertified)
    # Events of before these fields name neither review nor grant.
    older = {key: ((*what[:2], None, None), at) for key, (what, at) in stand.items() if key not in known}
    known |= vouched(look.session, AccessRecertified.kind, older, says=_recertified)
    says = "stands as decided, and no event says so"
    wrong = sorted(stand.keys() - known)
    return len(rows), [Violation(component="reviews", object_id=one, says=says) for one in wrong]


def _recertified(said: Mapping[str, Any]) -> tuple[object, ...]:
    paths = ("user.target.id", "onepay.admin.decision", "onepay.compliance.review", "onepay.admin.grant")
    return tuple(at_path(said, path) for path in paths)
