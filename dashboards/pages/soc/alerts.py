"""Alerts. *Which one first?* By severity and age; what an open incident holds is worked there and waits no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import SOC_ALERT_READ, SOC_ALERT_TRIAGE, SOC_INCIDENT_READ
from app.kernel.context import Context
from app.kernel.errors import Invalid
from dashboards import acts, response, tables, triage
from dashboards.acts import Deed
from dashboards.kit import act, age, choices, empty, page, readable, severity, short_text, updated
from dashboards.mount import Console
from dashboards.page import Page, View
from dashboards.pages.soc import alert_dock
from dashboards.tables import CARDS_MAX, cards, grid
from detectors import alerts
from detectors.alerts import Alert, AlertState, Verdict
from detectors.sigma.ast import Level
from playbooks import incidents
from playbooks.cases import Incident

GRID: Final = "alerts-grid"
ROWS_MAX: Final = 500
TO_TRIAGE, IN_INCIDENTS, OPEN, CLOSED, ALL = "triage", "incident", "open", "closed", "all"
STATES: Final = (
    (TO_TRIAGE, "To triage"),
    (IN_INCIDENTS, "In incidents"),
    (OPEN, "Open"),
    (CLOSED, "Closed"),
    (ALL, "All"),
)
KEPT_IN: Final = dict.fromkeys((TO_TRIAGE, IN_INCIDENTS, OPEN), AlertState.OPEN) | {CLOSED: AlertState.CLOSED}
COLUMNS: Final[Sequence[dict[str, Any]]] = (
    {"field": "sev", "headerName": "Severity", "width": 98, "cellClass": {"function": "sevClass(params)"}},
    {"field": "reason", "headerName": "Why", "flex": 1, "minWidth": 240},
    {"field": "entity", "headerName": "About", "width": 150, "cellClass": "mono", "context": {"from": 860}},
    {"field": "rule", "headerName": "Rule", "width": 210, "context": {"from": 1000}},
    {"field": "age", "headerName": "Age", "width": 80, "cellClass": "num", "headerClass": "num"},
    {
        "field": "n",
        "headerName": "Events",
        "width": 76,
        "cellClass": "num",
        "headerClass": "num",
        "context": {"from": 700},
    },
    {"field": "state", "headerName": "State", "width": 160, "context": {"from": 620}},
)


def layout(view: View) -> Any:  # a Dash component
    """Return the list by severity, then age, and the alert that `sel` names beside it."""
    viewer = view.sources.viewer()
    state, wanted = view.words.get("state", TO_TRIAGE), view.words.get("sev")
    with view.sources.read() as session:
        worked = triage.worked(session, viewer)
        found = alerts.list_page(
            session,
            viewer,
            state=KEPT_IN.get(state),
            slug=view.words.get("rule"),
            outside=worked if state == TO_TRIAGE else (),
            limit=ROWS_MAX,
        )
        if state == IN_INCIDENTS:
            found = [alert for alert in found if alert.incident in worked]
        case_by_id: Mapping[str, Incident] = {}
        if viewer.may(SOC_INCIDENT_READ):
            case_by_id = incidents.by_ids(session, viewer, {one.incident for one in found if one.incident})
    shown = [alert for alert in found if wanted is None or alert.level.value == wanted]
    shown.sort(key=lambda alert: (-alert.level.rank, alert.found_at))
    selected = view.words.get("sel")
    head = dict(STATES).get(state, "All")
    note = "by severity, then age" if len(found) < ROWS_MAX else f"of the newest {ROWS_MAX:,}, by severity, then age"
    listed: Any = [
        html.Div(
            grid(
                GRID,
                COLUMNS,
                rows=[_row(alert, view, selected, case_by_id) for alert in shown],
                row_height=36,
                label="Alerts",
            ),
            className="gridbox wide-only",
        ),
        cards(
            [_card(alert, view, case_by_id) for alert in shown[:CARDS_MAX]],
            label="Alerts",
            more=len(shown) - CARDS_MAX,
        ),
    ]
    if not shown:
        listed = [_nothing(view, state, is_filtered=wanted is not None or "rule" in view.words, worked=len(worked))]
    return page(
        "Alerts",
        "Which one first?",
        html.Div(
            [*_severities(view, found, wanted), html.Span(className="grow"), _states(view, state)], className="chips"
        ),
        html.Section(
            [html.Header([html.H2(f"{len(shown)} {head.lower()}"), html.Span(note, className="dim cut")]), *listed],
            className="panel grow last",
            **{"aria-label": "Alerts"},
        ),
        fill=True,
        live=True,
        dock=alert_dock.dock_of(view, selected) if selected else None,
        right=updated(view.now),
    )


def wire(console: Console) -> None:
    """Open a row by a click; close or reopen an alert with a verdict."""
    tables.wire(console, GRID)
    fields = [("verdict", "value"), ("reason", "value")]
    acts.wire(console, "close-alert", SOC_ALERT_TRIAGE, _close, fields=fields)
    acts.wire(console, "reopen-alert", SOC_ALERT_TRIAGE, _reopen)


def _close(session: Session, deed: Deed, ctx: Context) -> str:
    alerts.close(session, deed.of, verdict_of([deed.text("verdict")]), deed.text("reason"), ctx)
    return "Closed"


def _reopen(session: Session, deed: Deed, ctx: Context) -> str:
    alerts.reopen(session, deed.of, ctx)
    return "Reopened"


def verdict_of(sent: Sequence[object]) -> Verdict:
    """Return the verdict a browser sent; raises `Invalid` for none and for one that is not offered."""
    found = next((verdict for verdict in triage.VERDICTS if sent and sent[0] == verdict.value), None)
    if found is None:
        raise Invalid("Choose a verdict.", param="verdict")
    return found


def _severities(view: View, found: Sequence[Alert], wanted: str | None) -> list[Any]:
    return [
        html.A(
            [severity(level.value), html.B(f"{sum(alert.level is level for alert in found):,}")],
            href=view.here("alerts", sev=None if wanted == level.value else level.value, sel=None),
            className="chip",
            **({"aria-current": "true"} if wanted == level.value else {}),
        )
        for level in reversed(Level)
    ]


def _states(view: View, state: str) -> Any:
    links = [
        (word, view.here("alerts", state=None if value == TO_TRIAGE else value, sel=None), value == state)
        for value, word in STATES
    ]
    return choices("State", links)


def _row(alert: Alert, view: View, selected: str | None, case_by_id: Mapping[str, Incident]) -> dict[str, Any]:
    return {
        "id": alert.id,
        "sev": alert.level.value.capitalize(),
        "reason": readable(alert.reason),
        "entity": short_text(_about(alert, view)),
        "rule": alert.rule_title,
        "age": age(view.now - alert.found_at),
        "n": f"{alert.events:,}",
        "state": _stands(alert, case_by_id),
        "open": alert.id == selected,
    }


def _about(alert: Alert, view: View) -> str:
    """Return what its incident is keyed by, so that lists of both say the same; else what the rule groups by."""
    rule = view.sources.rules.get(alert.slug)
    for path in rule.incident.fields if rule is not None else ():
        named = [alert.group[path]] if path in alert.group else list(alert.entities.get(path, ()))
        if named:
            return named[0]
    return next(iter(alert.group.values()), "–")


def _card(alert: Alert, view: View, case_by_id: Mapping[str, Incident]) -> tuple[str, list[Any], str, list[str]]:
    head = [severity(alert.level.value), html.Span(age(view.now - alert.found_at), className="dim")]
    lines = [alert.rule_title, f"{alert.events:,} events · {_stands(alert, case_by_id)}"]
    return view.here("alerts", sel=alert.id), head, readable(alert.reason), lines


def _stands(alert: Alert, case_by_id: Mapping[str, Incident]) -> str:
    """Return where an alert stands, in words: its verdict, the incident that holds it, or that it waits."""
    if alert.verdict is not None:
        return triage.VERDICTS[alert.verdict].lower()
    case = case_by_id.get(alert.incident or "")
    if case is None:
        return "to triage"
    number = response.number(case.number)
    return f"in {number}" if case.is_open else f"to triage, {number} ended"


def _nothing(view: View, state: str, *, is_filtered: bool, worked: int) -> Any:
    if is_filtered:
        clear = act("Show all of this state", view.href("alerts", state=None if state == TO_TRIAGE else state))
        return empty("No alert of this kind.", "None in this state is of this severity and rule.", clear)
    if state == TO_TRIAGE and worked:
        says = f"Each is held by one of {worked:,} open incidents, closed, or there was none."
        return empty("No alert waits for triage.", says, act("In incidents", view.href("alerts", state=IN_INCIDENTS)))
    return empty("No alert here.", "Detection rules raise alerts by themselves.", act("Rules", view.href("rules")))


PAGE: Final = Page(slug="alerts", title="Alerts", question="Which one first?", permission=SOC_ALERT_READ, layout=layout)
