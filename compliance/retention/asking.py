"""Why people are asked about a run: what the standing approval of its class does not cover."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median

from sqlalchemy.orm import Session

from compliance.retention import agreed, binding
from compliance.retention.parts import Retention
from compliance.retention.plan import Plan
from compliance.told import instant
from ingest.events.envelope import at_path
from ingest.events.privacy import RetentionCertified
from ingest.log import read
from ingest.store.placing import CLASSES

_POLICY, _HASH, _COUNT = "onepay.retention.policy", "onepay.retention.policy_hash", "onepay.retention.count"


def reasons(session: Session, made: Plan, at: datetime, parts: Retention) -> list[str]:
    """Return why people have to be asked; empty where the standing approval of the class covers the run."""
    policy, since = made.policy, at - timedelta(days=parts.settings.median_days)
    # Rows decide nothing: what was done before is what the log says.
    said = read.documents_of(session, RetentionCertified.kind)
    done = [one for one in said if str(at_path(one, _POLICY)).rpartition(" v")[0] == policy.class_]
    reasons = []
    if not any(at_path(one, _HASH) == policy.hash for one in done):
        reasons.append(f"it is the first run of version {policy.version}, which keeps {policy.keep.in_words()}")
    if not binding.is_told(policy, agreed.told(session)):
        reasons.append("the log says no more who agreed to its period; agree to it again, and no run asks for this")
    # What was held whole tells nothing of what is usual.
    lately = [count for one in done if instant(one) >= since and (count := int(str(at_path(one, _COUNT))))]
    usual = int(median(lately)) if lately else None
    if usual is not None and made.total > parts.settings.jump * usual:
        reasons.append(f"{made.total} are more than twice the {usual} of a usual run")
    if policy.class_ in CLASSES:
        reasons.append("a month of the log goes for good")
    elif made.total > parts.settings.standing_rows:
        reasons.append(f"{made.total} are above the standing limit of {parts.settings.standing_rows}")
    return reasons
