"""What the log says was decided about runs: a row that says so by itself decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.clock import rfc3339
from compliance.retention import runs
from compliance.retention.runs import Run
from compliance.told import Stands, told
from ingest.events.envelope import at_path
from ingest.events.privacy import RetentionAborted, RetentionApproved, RetentionCertified
from ingest.log import read

RUN: Final = "onepay.retention.run"


def is_approved(session: Session, run: Run, *, by_people: bool = False) -> bool:
    """Tell whether exactly this plan was let be carried out, by people where it asks them, as the log says.

    `by_people` demands that people did, whatever the plan asks.
    """
    return run.id in approved(session, [run], by_people=by_people)


def approved(session: Session, some: Collection[Run], *, by_people: bool = False) -> frozenset[str]:
    """Return the ids of those runs of which the log says that they were let be carried out, as `is_approved` does."""
    return told(session, {run.id: (run.approved_event, _stands(run, by_people=by_people)) for run in some})


def _stands(run: Run, *, by_people: bool) -> Stands:
    says: dict[str, object] = {
        RUN: run.id,
        "onepay.retention.policy": run.policy,
        "onepay.retention.plan_root": run.root,
    }
    newer = {"onepay.retention.policy_hash": run.policy_hash, "onepay.retention.before": rfc3339(run.before)}
    if run.facts["asks"] or by_people:
        says |= {"onepay.approval.id": run.approval_id or ""}
    # What is still to be carried out was approved lately: its event speaks.
    at = None if run.is_open else run.approved_at
    return Stands(kind=RetentionApproved.kind, says=says, newer=newer, at=at)


def is_over(session: Session, run: Run) -> bool:
    """Tell whether the log says of a run that it ended, with a certificate or without."""
    ends = read.documents_of(session, RetentionAborted.kind, RetentionCertified.kind, containing=run.id)
    return any(at_path(one, RUN) == run.id for one in ends)


def ended_until(session: Session) -> Mapping[str, datetime]:
    """Return of each class before which day its rows may be gone: the latest of the runs that were approved."""
    latest: dict[str, list[Run]] = {}
    for run in sorted(runs.approved(session), key=_before):
        latest.setdefault(run.class_, []).append(run)
    until: dict[str, datetime] = {}
    # Mostly the latest of each class was approved, and no other is looked at: one question for all classes.
    while latest:
        asked = [some.pop() for some in latest.values()]
        known = approved(session, asked)
        until |= {run.class_: _before(run) for run in asked if run.id in known}
        latest = {class_: some for class_, some in latest.items() if some and class_ not in until}
    return until


def _before(run: Run) -> datetime:
    """Return before when a run removed: none is let remove what has not ended yet, whatever its row says."""
    return min(run.before, run.approved_at or run.before)
