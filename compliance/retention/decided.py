"""What the log says was decided about periods and runs: a row that says so by itself decides nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

from sqlalchemy.orm import Session

from compliance.retention.policies import Policy
from compliance.retention.runs import Run
from compliance.told import SHA256, is_told
from ingest.events.compliance import DocumentApproved
from ingest.events.envelope import at_path
from ingest.events.privacy import RetentionApproved
from ingest.log import forgotten, read
from ingest.store.columns import month_of

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
    """Tell whether a period is what was shipped, or people agreed to exactly that; or did so in a month that ended."""
    if policy.is_shipped or (policy.document, policy.version, policy.hash) in told:
        return True
    gone = forgotten.months(session, DocumentApproved.event_class.value)
    return policy.in_force_at is not None and month_of(policy.in_force_at) in gone


def is_approved(session: Session, run: Run) -> bool:
    """Tell whether exactly this plan was let be carried out, by people where it asks them, as the log says."""
    stands = {
        "event.action": RetentionApproved.kind,
        "onepay.retention.run": run.id,
        "onepay.retention.plan_root": run.root,
    }
    if run.facts["asks"]:
        stands |= {"onepay.approval.id": run.approval_id or ""}
    return is_told(session, run.approved_event, stands)
