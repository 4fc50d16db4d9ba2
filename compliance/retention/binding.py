"""Which period binds: the newest that the log says people agreed to, or what was shipped; no row by itself.

Who can write into the database can put an older period in force again, or delete the one that was agreed. What removes
therefore asks the log first.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from app.kernel.errors import Conflict
from compliance.retention import agreed, policies
from compliance.retention.agreed import Told
from compliance.retention.policies import Policy
from compliance.told import has_ended
from ingest.events.compliance import DocumentApproved

_UNREAD = "is in force, and an approval that may be of it cannot be read"


class PeriodNotAgreed(Conflict):
    """The period in force is not the one that people agreed to last, as the log says; nothing is removed by it."""

    code = "period_not_agreed"


def trouble(session: Session, policy: Policy, told: Told) -> str | None:
    """Return why a period that is in force does not bind, or None where it does."""
    newest = told.newest.get(policy.document)
    if newest is not None and (newest.version, newest.sha256) != (policy.version, policy.hash):
        if policy.version < newest.version:
            return f"is in force, and people agreed to version {newest.version} since"
        return "is in force, and nobody is told to have agreed to it"
    if newest is not None:
        return _UNREAD if told.may_hide(newest) else None
    if told.unread:
        return _UNREAD
    if policy.is_shipped or has_ended(session, DocumentApproved.kind, policy.in_force_at):
        return None
    return "is in force, and nobody is told to have agreed to it"


def troubles(session: Session) -> Mapping[str, str]:
    """Return why the periods in force do not bind, by class; empty where each does."""
    told = agreed.told(session)
    found = {name: trouble(session, policy, told) for name, policy in policies.in_force(session).items()}
    return {name: says for name, says in found.items() if says is not None}


def demand(session: Session, policy: Policy) -> None:
    """Raise `PeriodNotAgreed` where a period does not bind."""
    says = trouble(session, policy, agreed.told(session))
    if says is not None:
        raise PeriodNotAgreed(f"Version {policy.version} of {policy.class_} {says}. Nothing is removed by it.")


def is_told(policy: Policy, told: Told) -> bool:
    """Tell whether the log still says that a period binds.

    It does not where the body of the approval has ended with its month, nor where one ended since that may have been of
    the same class. One that was shipped does not bind, either, where such an approval may have been of its class.
    Then people decide on each run until the period is agreed to again.
    """
    newest = told.newest.get(policy.document)
    return told.is_last_word(newest) if newest is not None else policy.is_shipped and not told.silent
