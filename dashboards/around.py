"""What the frame shows around every page: counts beside the menu, the next deadlines, a banner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.access import (
    COMPLIANCE_CONTROL_READ,
    PRIVACY_REQUEST_HANDLE,
    PRIVACY_REQUEST_READ,
    SOC_ALERT_READ,
    SOC_INCIDENT_READ,
    SOC_OVERVIEW_READ,
    Actor,
)
from compliance import pressing
from dashboards import response, triage
from dashboards.kit import counted_words
from dashboards.ports import Sources
from playbooks import deadlines
from playbooks import incidents as cases

DEADLINES_SHOWN: Final = 3
ASKS: Final = {"clock": "", "task": "task", "containment": "containment ends", "approval": "second person"}
Due = tuple[datetime, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """Counts by the slug of their page, deadlines as (instant, words, address) with the nearest first."""

    counts: Mapping[str, int]
    deadlines: Sequence[Due]
    banner: str | None = None


def around(sources: Sources, viewer: Actor, now: datetime) -> Around:
    """Return the frame's own figures, as far as the viewer may see them."""
    with sources.read() as session:
        counts = {"approvals": sources.approvals_waiting(session)}
        dues = [*_security(session, sources, viewer, counts), *_compliance(session, viewer, now, counts)]
    store = sources.lag().get("store", {})
    behind = store.get("behind", 0)
    some = f"{counted_words(behind, 'event')} {'is' if behind == 1 else 'are'} not yet searchable."
    banner = None if store.get("ok", True) else some
    return Around(counts=counts, deadlines=sorted(dues)[:DEADLINES_SHOWN], banner=banner)


def _security(session: Session, sources: Sources, viewer: Actor, counts: dict[str, int]) -> list[Due]:
    if viewer.may(SOC_ALERT_READ):
        counts["alerts"] = triage.count(session, viewer)
    if not (viewer.may(SOC_INCIDENT_READ) and viewer.may(SOC_OVERVIEW_READ)):
        return []
    counts["incidents"] = sum(cases.open_by_severity(session, viewer).values())
    return [
        (
            one.due_at,
            f"{ASKS[one.kind] or one.text} {response.number(one.incident_number)}",
            f"/console/soc/incidents/{one.incident_id}",
        )
        for one in deadlines.next(session, viewer, parts=sources.response, limit=DEADLINES_SHOWN)
    ]


def _compliance(session: Session, viewer: Actor, now: datetime, counts: dict[str, int]) -> list[Due]:
    """Count what presses of compliance; what is not there is not counted as nothing."""
    dues: list[Due] = []
    if viewer.may(COMPLIANCE_CONTROL_READ) and (tasks := pressing.tasks(session, viewer, now)):
        counts["tasks"] = tasks
    if viewer.may(PRIVACY_REQUEST_HANDLE) and (notice_due := pressing.notice_due(session, viewer)) is not None:
        dues.append((notice_due, "tell a recipient", "/console/compliance/tasks"))
    if viewer.may(PRIVACY_REQUEST_READ):
        asked = pressing.requests(session, viewer, now)
        if asked.waiting:
            counts["requests"] = asked.waiting
        if asked.due_at is not None:
            dues.append((asked.due_at, "answer a request", "/console/compliance/requests"))
        breach_due = pressing.breach_due(session, viewer)
        if breach_due is not None:
            dues.append((breach_due, "tell of a breach", "/console/compliance/breaches"))
    return dues
