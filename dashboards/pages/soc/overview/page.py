"""Overview. *What needs me now?* What is due and waits for me, figures, what was found, whether the parts are whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from dash import html

from app.kernel.access import (
    SOC_ALERT_READ,
    SOC_HEALTH_READ,
    SOC_INCIDENT_READ,
    SOC_OVERVIEW_READ,
)
from dashboards import triage, windows
from dashboards.kit import Part, choices, page, updated
from dashboards.page import Page, View
from dashboards.pages.soc.overview import pictures, waiting
from detectors import alerts
from detectors.alerts import Alert
from playbooks import action_rows, deadlines, incidents
from playbooks.cases import Incident
from playbooks.deadlines import Deadline

DEADLINES_READ: Final = 100
ALERTS_SHOWN: Final = 6
ALERTS_READ: Final = 200
MEDIAN_OVER: Final = timedelta(days=7)


def layout(view: View) -> Any:  # a Dash component
    """Return what needs this person, over the range of the address."""
    viewer = view.sources.viewer()
    window = windows.read(view.words.get("from"), view.words.get("to"), view.now)
    with view.sources.read() as session:
        found: Sequence[Deadline] = ()
        cases: Sequence[Incident] = ()
        approvals = 0
        if viewer.may(SOC_INCIDENT_READ):
            found = deadlines.next(session, viewer, parts=view.sources.response, limit=DEADLINES_READ)
            cases = incidents.list_page(session, viewer)
            asked = action_rows.waiting(session, viewer)
            approvals = sum(one.requested_by != viewer.id for one in asked)
        by_severity = incidents.open_by_severity(session, viewer)
        median = incidents.median_acknowledge(session, viewer, view.now - MEDIAN_OVER)
        in_time = incidents.acknowledged_in_time(session, viewer, view.now - MEDIAN_OVER)
        newest: Sequence[Alert] = ()
        to_triage: Sequence[Alert] = ()
        open_alerts = worked = 0
        if viewer.may(SOC_ALERT_READ):
            newest = alerts.list_page(session, viewer, limit=ALERTS_SHOWN)
            to_triage = alerts.list_page(session, viewer, outside=triage.worked(session, viewer), limit=ALERTS_READ)
            open_alerts = triage.count(session, viewer)
            worked = alerts.count(session, viewer) - open_alerts
    queue = waiting.queue_of(found, cases, viewer)
    return page(
        "Overview",
        "What needs me now?",
        pictures.numbers(view, by_severity, to_triage, open_alerts, worked, (median, *in_time), approvals),
        html.Div([waiting.my_queue(queue, view), waiting.next_hour(view, found)], className="ov"),
        html.Div([pictures.found(view, window), pictures.newest(view, newest)], className="ov"),
        pictures.categories(view, window),
        *([pictures.parts(view)] if viewer.may(SOC_HEALTH_READ) else []),
        right=[_ranges(view), updated(view.now)],
        live=True,
    )


def _ranges(view: View) -> Part:
    chosen = view.words.get("from", windows.DEFAULT)
    ranges = [(words, None if value == windows.DEFAULT else value, value == chosen) for value, words in windows.CHOICES]
    return choices(
        "Range of the charts",
        [(words, view.here("overview", **{"from": since, "to": None}), is_it) for words, since, is_it in ranges],
    )


PAGE: Final = Page(
    slug="overview",
    title="Overview",
    question="What needs me now?",
    permission=SOC_OVERVIEW_READ,
    layout=layout,
)
