"""Which alerts wait for somebody: those that no open incident holds; and how the verdict on an incident ends its own.

Detection keeps alerts, response keeps incidents, and neither knows the other: they meet here.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Final

from sqlalchemy.orm import Session

from app.kernel import words
from app.kernel.access import SOC_INCIDENT_READ, Actor
from app.kernel.context import Context
from app.kernel.errors import WrongState
from detectors import alerts
from detectors.alerts import AlertState, Verdict
from playbooks import incidents
from playbooks.casework import Disposition

VERDICTS: Final = {
    Verdict.TRUE_POSITIVE: "True positive",
    Verdict.FALSE_POSITIVE: "False positive",
    Verdict.BENIGN: "Benign",
    Verdict.DUPLICATE: "Duplicate",
}
# Why an incident needed no work is what its alerts were.
OF_DISPOSITION: Final = {
    Disposition.FALSE_POSITIVE: Verdict.FALSE_POSITIVE,
    Disposition.BENIGN: Verdict.BENIGN,
    Disposition.DUPLICATE: Verdict.DUPLICATE,
}


def worked(session: Session, viewer: Actor) -> Collection[str]:
    """Return the incidents in which alerts are worked already, as far as the viewer may know of them."""
    return incidents.open_ids(session, viewer) if viewer.may(SOC_INCIDENT_READ) else ()


def count(session: Session, viewer: Actor) -> int:
    """Count the alerts that wait for triage."""
    return alerts.count(session, viewer, outside=worked(session, viewer))


def close_alerts(session: Session, incident_id: str, verdict: Verdict, reason: str, ctx: Context) -> int:
    """Close what is open of an incident's alerts with the verdict and reason of its end; returns how many."""
    closed, why = 0, words.shortened(reason, alerts.REASON_MAX)
    while found := alerts.list_page(
        session, ctx.actor, state=AlertState.OPEN, incident=incident_id, limit=alerts.PAGE_MAX
    ):
        for one in found:
            # What a colleague closed a moment ago keeps their verdict.
            with suppress(WrongState):
                alerts.close(session, one.id, verdict, why, ctx)
                closed += 1
    return closed
