"""What the log says was decided about runs: a row that says so by itself decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.clock import rfc3339
from compliance.retention import runs
from compliance.retention.runs import Run
from compliance.told import Stands, is_told
from ingest.events.envelope import at_path
from ingest.events.privacy import RetentionAborted, RetentionApproved, RetentionCertified
from ingest.log import read

RUN: Final = "onepay.retention.run"


def is_approved(session: Session, run: Run, *, by_people: bool = False) -> bool:
    """Tell whether exactly this plan was let be carried out, by people where it asks them, as the log says.

    `by_people` demands that people did, whatever the plan asks.
    """
    says: dict[str, object] = {
        RUN: run.id,
        "onepay.retention.policy": run.policy,
        "onepay.retention.policy_hash": run.policy_hash,
        "onepay.retention.before": rfc3339(run.before),
        "onepay.retention.plan_root": run.root,
    }
    if run.facts["asks"] or by_people:
        says |= {"onepay.approval.id": run.approval_id or ""}
    # What is still to be carried out was approved lately: its event speaks.
    at = None if run.is_open else run.approved_at
    return is_told(session, run.approved_event, Stands(kind=RetentionApproved.kind, says=says, at=at))


def is_over(session: Session, run: Run) -> bool:
    """Tell whether the log says of a run that it ended, with a certificate or without."""
    ends = (RetentionAborted.kind, RetentionCertified.kind)
    return any(at_path(one, RUN) == run.id for kind in ends for one in read.documents_of(session, kind))


def ended_until(session: Session) -> Mapping[str, datetime]:
    """Return of each class before which day its rows may be gone: the latest of the runs that were approved."""
    until: dict[str, datetime] = {}
    for run in runs.approved(session):
        # No run is let remove what has not ended yet, whatever its row says.
        before = min(run.before, run.approved_at or run.before)
        if before > until.get(run.class_, datetime.min.replace(tzinfo=UTC)) and is_approved(session, run):
            until[run.class_] = before
    return until
