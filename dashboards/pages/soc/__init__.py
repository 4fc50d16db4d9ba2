"""Pages of security analysts and incident commanders, in the order of the menu; and what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from app.kernel.access import SOC_ALERT_READ, SOC_INCIDENT_READ, SOC_OVERVIEW_READ, Actor
from dashboards import response, triage
from dashboards.mount import Console
from dashboards.page import Page, View
from dashboards.pages.soc import alerts as alerts_page
from dashboards.pages.soc import events, health, incidents, rules
from dashboards.pages.soc.incident import acts as incident_acts
from dashboards.pages.soc.incident import page as incident_page
from dashboards.pages.soc.overview import page as overview
from dashboards.ports import Sources
from playbooks import deadlines
from playbooks import incidents as cases

PAGES: Final[Sequence[Page]] = (
    overview.PAGE,
    incidents.PAGE,
    incident_page.PAGE,
    alerts_page.PAGE,
    events.PAGE,
    rules.PAGE,
    rules.ONE,
    health.PAGE,
)
WIRES: Final[Sequence[Callable[[Console], None]]] = (
    events.wire,
    alerts_page.wire,
    incidents.wire,
    incident_acts.wire,
)
DEADLINES_SHOWN: Final = 3
ASKS: Final = {"clock": "", "task": "task", "containment": "containment ends", "approval": "second person"}
Feed = Callable[..., Mapping[str, Any]]
FEEDS: Final[Mapping[str, tuple[Page, Feed]]] = {"events": (events.PAGE, events.rows)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the frame shows around every page: counts beside the menu, the next deadlines, a banner."""

    counts: Mapping[str, int] = field(default_factory=dict)
    deadlines: Sequence[tuple[datetime, str, str]] = ()
    banner: str | None = None


def around(sources: Sources, viewer: Actor, now: datetime) -> Around:
    """Return the frame's own figures, as far as the viewer may see them."""
    with sources.read() as session:
        counts = {"approvals": sources.approvals_waiting(session)}
    dues: list[tuple[datetime, str, str]] = []
    if viewer.may(SOC_ALERT_READ):
        with sources.read() as session:
            counts["alerts"] = triage.count(session, viewer)
    if viewer.may(SOC_INCIDENT_READ) and viewer.may(SOC_OVERVIEW_READ):
        with sources.read() as session:
            counts["incidents"] = sum(cases.open_by_severity(session, viewer).values())
            next_ones = deadlines.next(session, viewer, parts=sources.response, limit=DEADLINES_SHOWN)
        dues = [
            (
                one.due_at,
                f"{ASKS[one.kind] or one.text} {response.number(one.incident_number)}",
                f"/console/soc/incidents/{one.incident_id}",
            )
            for one in next_ones
        ]
    store = sources.lag().get("store", {})
    behind = store.get("behind", 0)
    banner = None if store.get("ok", True) else f"{behind:,} events are not yet searchable."
    return Around(counts=counts, deadlines=dues, banner=banner)


__all__ = ["FEEDS", "PAGES", "WIRES", "Around", "View", "around"]
