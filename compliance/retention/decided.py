"""What the log says was decided about periods and runs: a row that says so by itself decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from sqlalchemy.orm import Session

from compliance.retention import runs
from compliance.retention.policies import Policy
from compliance.retention.runs import Run
from compliance.told import SHA256, Stands, has_ended, is_told
from ingest.events.compliance import DocumentApproved
from ingest.events.envelope import at_path
from ingest.events.privacy import RetentionApproved
from ingest.log import read

Agreed: TypeAlias = Collection[tuple[str, int, str]]
"""Documents with the versions and hashes that people agreed to."""


def agreed(session: Session) -> Agreed:
    """Return the documents that the log says were approved."""
    return {
        (
            str(at_path(said, "onepay.compliance.document")),
            int(at_path(said, "onepay.compliance.version")),
            str(at_path(said, SHA256)),
        )
        for said in read.documents_of(session, DocumentApproved.kind)
    }


def is_agreed(session: Session, policy: Policy, told: Agreed) -> bool:
    """Tell whether a period is what was shipped, or people agreed to exactly that, in an event that may have ended."""
    if policy.is_shipped or (policy.document, policy.version, policy.hash) in told:
        return True
    return has_ended(session, DocumentApproved.kind, policy.in_force_at)


def is_approved(session: Session, run: Run) -> bool:
    """Tell whether exactly this plan was let be carried out, by people where it asks them, as the log says."""
    says: dict[str, object] = {"onepay.retention.run": run.id, "onepay.retention.plan_root": run.root}
    if run.facts["asks"]:
        says |= {"onepay.approval.id": run.approval_id or ""}
    # What is still to be carried out was approved lately: its event speaks.
    at = None if run.is_open else run.approved_at
    return is_told(session, run.approved_event, Stands(kind=RetentionApproved.kind, says=says, at=at))


def ended_until(session: Session) -> Mapping[str, datetime]:
    """Return of each class before which day its rows may be gone: the latest of the runs that were approved."""
    until: dict[str, datetime] = {}
    for run in runs.approved(session):
        # No run is let remove what has not ended yet, whatever its row says.
        before = min(run.before, run.approved_at or run.before)
        if before > until.get(run.class_, datetime.min.replace(tzinfo=UTC)) and is_approved(session, run):
            until[run.class_] = before
    return until
