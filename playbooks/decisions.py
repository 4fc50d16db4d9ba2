"""What playbooks did to a customer by themselves: automatic decisions, as their person is told (Art. 15, 22)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.contracts.decisions import Decision
from playbooks.models import action, execution, incident_alert, playbook_version
from playbooks.registry import REGISTRY

SIGNS: Final[Mapping[str, str]] = {
    "burst_then_success": "many refused sign-ins, then one that worked",
    "login_burst_account": "many refused sign-ins to your account",
    "login_burst_source": "many refused sign-ins from one network",
    "password_spray": "one network tried many accounts",
    "customer_says_not_me": "it was said, by your sign-in or a link of our letters, that it was not you",
}
"""Rules in words, without their thresholds: who knows those stays below them."""
_WOULD_CHANGE: Final = "Without these signs nothing is done by itself."
_REVIEW: Final = "/privacy/review: a person of ours looks at it, and can end what still holds."


class AutomaticActions:
    """Yields the actions that a playbook ran without a person, and that touched somebody's account."""

    def decisions(self, session: Session, subject: str, since: datetime) -> Iterator[Decision]:
        """Yield what was decided about a person, newest first."""
        of = action.c
        told = [kind.name for kind in REGISTRY.values() if kind.is_automatic and kind.customer_is_told]
        query = (
            sa.select(action, playbook_version.c.slug, playbook_version.c.number)
            .join(execution, execution.c.id == of.execution_id)
            .join(playbook_version, playbook_version.c.id == execution.c.version_id)
            .where(of.target == subject, of.name.in_(told), of.done_at >= since)
            .where(of.requested_by.like("svc_%"), of.approved_by.is_(None))
            .order_by(of.done_at.desc(), of.id.desc())
        )
        rows = session.execute(query).all()
        signs = _signs(session, {row.incident_id for row in rows})
        for row in rows:
            kind, ended = REGISTRY[row.name], row.undone_at
            yield Decision(
                id=row.id,
                at=row.done_at,
                about=kind.title,
                outcome=f"{kind.customer_is_told}{f'; ended {ended:%-d %B %Y}' if ended else ''}",
                version=f"{row.slug} {row.number}",
                factors=signs.get(row.incident_id, ()),
                would_change=_WOULD_CHANGE,
                review=_REVIEW,
            )


def _signs(session: Session, incidents: set[str]) -> Mapping[str, tuple[str, ...]]:
    """Return what each incident came about by, in words."""
    of = incident_alert.c
    query = sa.select(of.incident_id, of.rule).where(of.incident_id.in_(incidents)).distinct()
    found: dict[str, list[str]] = {}
    for row in session.execute(query.order_by(of.incident_id, of.rule)):
        found.setdefault(row.incident_id, []).append(SIGNS.get(row.rule, row.rule.replace("_", " ")))
    return {incident_id: tuple(signs) for incident_id, signs in found.items()}
