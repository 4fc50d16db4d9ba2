"""Actions of our own: naming the evidence, undoing what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto
from app.kernel.clock import rfc3339
from app.kernel.containment import ContainmentRefused
from app.kernel.context import Context
from ingest.log import read
from playbooks import timeline, undoing
from playbooks.cases import Incident
from playbooks.models import incident_alert
from playbooks.parts import Parts
from playbooks.timeline import Code

ALERTS_MAX: Final = 500

Own = Callable[[Session, Incident, Mapping[str, str], Context, Parts], None]


def snapshot(session: Session, case: Incident, params: Mapping[str, str], ctx: Context, parts: Parts) -> None:
    """Name the evidence as it is now: each alert's rule, version, span and count, a hash over all, the log's size."""
    query = (
        sa.select(incident_alert)
        .where(incident_alert.c.incident_id == case.id)
        .order_by(incident_alert.c.alert_id)
        .limit(ALERTS_MAX)
    )
    rows = session.execute(query).all()
    alerts = [
        {
            "alert": row.alert_id,
            "rule": row.rule,
            "version": row.rule_version,
            "first": rfc3339(row.first_at),
            "last": rfc3339(row.last_at),
            "events": row.events,
            "evidence": sorted(row.evidence),
        }
        for row in rows
    ]
    timeline.add(
        session,
        case.id,
        Code.EVIDENCE_NAMED,
        ctx,
        sequence=read.head(session).size,
        alerts=len(alerts),
        events=sum(row.events for row in rows),
        first=rfc3339(min(row.first_at for row in rows)),
        last=rfc3339(max(row.last_at for row in rows)),
        intervals=[f"{one['rule']} {one['first']} – {one['last']}" for one in alerts],
        sha256=crypto.sha256(canonical.encode(alerts)).hex(),
    )


def undo_all(session: Session, case: Incident, params: Mapping[str, str], ctx: Context, parts: Parts) -> None:
    """Undo what was done to an account; what is kept makes the step fail, so that a person goes on with it."""
    report = undoing.undo_standing(session, case, ctx, parts, target=params["account"])
    kept = [one for one in report if one.why is not None]
    if kept:
        names = ", ".join(f"{one.action.name} of {one.action.target}" for one in kept)
        raise PartlyUndone(f"Still standing: {names}.")


def open_breach(session: Session, case: Incident, params: Mapping[str, str], ctx: Context, parts: Parts) -> None:
    """Start the clock of a breach of personal data for the incident: twice is once, and the register keeps it."""
    if parts.open_breach is None:
        raise NoBreachRegister
    parts.open_breach(session, case.id, case.title, ctx)


class NoBreachRegister(ContainmentRefused):
    """There is no register of breaches here; enter it by hand."""

    code = "no_breach_register"


class PartlyUndone(ContainmentRefused):
    """Some actions could not be undone; those that could are."""

    code = "partly_undone"


OWN: Final[Mapping[str, Own]] = {
    "evidence.snapshot": snapshot,
    "actions.undo_all": undo_all,
    "breach.open": open_breach,
}
