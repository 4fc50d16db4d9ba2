"""Alerts. *Which one first?* By severity and age; the dock answers "why did it fire" and takes the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, ctx, html, no_update

from app.kernel.access import SOC_ALERT_READ, SOC_ALERT_TRIAGE
from app.kernel.errors import Invalid
from dashboards import guard
from dashboards.kit import act, age, button, chain, dock, facts, ident, page, severity, short, short_text, updated, when
from dashboards.mount import Console
from dashboards.page import Page, View
from dashboards.tables import grid
from detectors import alerts
from detectors.alerts import Alert, AlertState, Verdict
from detectors.sigma.ast import Level

GRID: Final = "alerts-grid"
ROWS_MAX: Final = 500
EVIDENCE_SHOWN: Final = 12
STATES: Final = (("open", "To triage"), ("closed", "Closed"), ("all", "All"))
COLUMNS: Final[Sequence[dict[str, Any]]] = (
    {"field": "sev", "headerName": "Severity", "width": 98, "cellClass": {"function": "sevClass(params)"}},
    {"field": "reason", "headerName": "Why", "flex": 1, "minWidth": 240},
    {"field": "entity", "headerName": "Entity", "width": 150, "cellClass": "mono", "context": {"from": 860}},
    {"field": "rule", "headerName": "Rule", "width": 160, "cellClass": "mono", "context": {"from": 940}},
    {"field": "age", "headerName": "Age", "width": 80, "cellClass": "num", "headerClass": "num"},
    {
        "field": "n",
        "headerName": "Events",
        "width": 76,
        "cellClass": "num",
        "headerClass": "num",
        "context": {"from": 700},
    },
    {"field": "state", "headerName": "State", "width": 110, "context": {"from": 620}},
)
WORDS: Final = {
    Verdict.TRUE_POSITIVE: "True positive",
    Verdict.FALSE_POSITIVE: "False positive",
    Verdict.BENIGN: "Benign",
    Verdict.DUPLICATE: "Duplicate",
}


def layout(view: View) -> Any:  # a Dash component
    """Return the list by severity, then age, and the alert that `sel` names beside it."""
    state, wanted = view.words.get("state", "open"), view.words.get("sev")
    with view.sources.read() as session:
        found = alerts.list_page(
            session,
            view.sources.viewer(),
            state={"open": AlertState.OPEN, "closed": AlertState.CLOSED}.get(state),
            slug=view.words.get("rule"),
            limit=ROWS_MAX,
        )
    shown = [alert for alert in found if wanted is None or alert.level.value == wanted]
    shown.sort(key=lambda alert: (-alert.level.rank, alert.found_at))
    selected = view.words.get("sel")
    rows = [_row(alert, view, selected) for alert in shown]
    chips = [
        html.A(
            [severity(level.value), html.B(str(sum(alert.level is level for alert in found)))],
            href=view.here("alerts", sev=None if wanted == level.value else level.value, sel=None),
            className="chip",
            **({"aria-current": "true"} if wanted == level.value else {}),
        )
        for level in reversed(Level)
    ]
    states = [
        html.A(
            word,
            href=view.here("alerts", state=value, sel=None),
            className="chip",
            **({"aria-current": "true"} if value == state else {}),
        )
        for value, word in STATES
    ]
    head = dict(STATES).get(state, "All")
    return page(
        "Alerts",
        "Which one first?",
        html.Div([*chips, html.Span(className="grow"), *states], className="chips"),
        html.Section(
            [
                html.Header(
                    [html.H2(f"{len(shown)} {head.lower()}"), html.Span("by severity, then age", className="dim")]
                ),
                html.Div(grid(GRID, COLUMNS, rows=rows, row_height=36, label="Alerts"), className="gridbox"),
            ],
            className="panel grow last",
            **{"aria-label": "Alerts"},
        ),
        fill=True,
        dock=_dock(view, selected) if selected else None,
        right=updated(view.now),
    )


def wire(console: Console) -> None:
    """Open a row by a click; close or reopen an alert with a verdict."""
    console.clientside_callback(
        "function(id){if(id)onepay.fit(id);return dash_clientside.no_update;}",
        Output(GRID, "className"),
        Input(GRID, "id"),
    )
    console.clientside_callback(
        "function(cell){onepay.open(cell);return dash_clientside.no_update;}",
        Output(GRID, "style"),
        Input(GRID, "cellClicked"),
        prevent_initial_call=True,
    )

    @guard.callback(
        console,
        Output("redraw", "data", allow_duplicate=True),
        Input({"act": "close-alert", "id": ALL}, "n_clicks"),
        State({"field": "alert-verdict", "id": ALL}, "value"),
        State({"field": "alert-reason", "id": ALL}, "value"),
        permission=SOC_ALERT_TRIAGE,
        prevent_initial_call=True,
    )
    def close(clicks: Sequence[int | None], verdicts: Sequence[str | None], reasons: Sequence[str | None]) -> Any:
        if not any(clicks):
            return no_update
        alert_id = str(ctx.triggered_id["id"])
        chosen = verdict_of(verdicts)
        with console.sources.begin() as session:
            alerts.close(session, alert_id, chosen, str((reasons or [None])[0] or ""), console.sources.context())
        guard.done("Closed")
        return alert_id

    @guard.callback(
        console,
        Output("redraw", "data", allow_duplicate=True),
        Input({"act": "reopen-alert", "id": ALL}, "n_clicks"),
        permission=SOC_ALERT_TRIAGE,
        prevent_initial_call=True,
    )
    def reopen(clicks: Sequence[int | None]) -> Any:
        if not any(clicks):
            return no_update
        alert_id = str(ctx.triggered_id["id"])
        with console.sources.begin() as session:
            alerts.reopen(session, alert_id, console.sources.context())
        guard.done("Reopened")
        return f"{alert_id} reopened"


def verdict_of(chosen: Sequence[object]) -> Verdict:
    """Return the verdict a browser sent; raises `Invalid` for none and for one that is not offered."""
    found = next((verdict for verdict in WORDS if chosen and chosen[0] == verdict.value), None)
    if found is None:
        raise Invalid("Choose a verdict.", param="verdict")
    return found


def _row(alert: Alert, view: View, selected: str | None) -> dict[str, Any]:
    return {
        "id": alert.id,
        "sev": alert.level.value.capitalize(),
        "reason": alert.reason,
        "entity": short_text(next(iter(alert.group.values()), "–")),
        "rule": alert.slug,
        "age": age(view.now - alert.found_at),
        "n": f"{alert.events:,}",
        "state": WORDS[alert.verdict] if alert.verdict else ("in incident" if alert.incident else "open"),
        "open": alert.id == selected,
    }


def _dock(view: View, alert_id: str) -> Any:
    viewer = view.sources.viewer()
    with view.sources.read() as session:
        alert = alerts.by_id(session, alert_id, viewer)
        seen = alerts.evidence(session, alert_id, viewer, limit=EVIDENCE_SHOWN)
        grown = alerts.revisions(session, alert_id, viewer)
    rule = view.sources.rules.get(alert.slug)
    inner: list[Any] = [
        html.P(alert.reason, className="lead"),
        html.H3([html.Span("Why did it fire"), html.Span(f"revision {alert.revision}")]),
        facts(
            ("Rule", html.A(f"{alert.rule_title}", href=view.href(f"rules/{alert.slug}"))),
            ("Version", [f"v{alert.rule_number} ", ident(alert.rule_version[:12])]),
            ("From, to", [when(alert.first_at, view.now), " to ", when(alert.last_at, view.now)]),
            ("Found", when(alert.found_at, view.now)),
            ("Peak", f"{alert.peak:,} in one window"),
            *_entities(alert, view),
        ),
        html.H3(
            [
                html.Span(f"Evidence, {alert.events:,} events"),
                html.A("in Events", href=_events_of(alert, view), className="more"),
            ]
        ),
        chain(
            [
                [
                    html.Span(f"{item.at:%H:%M:%S}", className="id"),
                    html.A(short(item.event_id), href=view.href("events", sel=item.event_id), className="cut"),
                    html.Span(f"#{item.sequence:,} {item.role}", className="num nowrap dim"),
                ]
                for item in seen
            ]
        ),
        *([html.P(f"and {alert.events - len(seen):,} more", className="dim")] if alert.events > len(seen) else []),
        html.H3("Revisions"),
        chain(
            [
                [
                    html.Span(f"{item.at:%H:%M:%S}", className="id"),
                    html.Span(f"{item.kind}, {item.added:,} events", className="cut"),
                    html.Span(f"read to #{item.hi:,}", className="dim num"),
                ]
                for item in grown[-8:]
            ]
        ),
    ]
    if rule is not None:
        inner += [html.H3("What the rule says"), html.P(rule.description, className="dim")]
    inner += _verdict(alert, viewer.may(SOC_ALERT_TRIAGE))
    footer = []
    if alert.incident:
        footer.append(act("Open the incident", view.href(f"incidents/{alert.incident}"), main=True))
    footer.append(html.Button("Copy link", className="btn", type="button", **{"data-do": "copy"}))
    return dock(
        f"Alert {short_text(alert.id)}",
        bar=[severity(alert.level.value), short(alert.id), html.Span(age(view.now - alert.found_at), className="dim")],
        title=alert.rule_title,
        inner=inner,
        footer=footer,
        close=view.here("alerts", sel=None),
    )


def _entities(alert: Alert, view: View) -> list[tuple[str, Any]]:
    names = {"source.ip": "Addresses", "user.id": "Accounts", "user.hash": "Identifiers"}
    found: Mapping[str, Sequence[str]] = {
        **{path: [value] for path, value in alert.group.items()},
        **alert.entities,
    }
    return [
        (
            names.get(path, path),
            html.Span(
                [
                    part
                    for value in list(values)[:4]
                    for part in (html.A(short(value), href=view.href("events", q=f"{path}:{value}")), " ")
                ]
                + ([html.Span(f"and {len(values) - 4} more", className="dim")] if len(values) > 4 else [])
            ),
        )
        for path, values in found.items()
        if values and path != "event.id"
    ]


def _events_of(alert: Alert, view: View) -> str:
    terms = " ".join(f"{path}:{value}" for path, value in alert.group.items() if path != "event.id")
    return view.href("events", q=terms, **{"from": alert.first_at.isoformat(), "to": None})


def _verdict(alert: Alert, may_triage: bool) -> list[Any]:
    if alert.verdict is not None:
        closed = facts(
            ("Verdict", WORDS[alert.verdict]),
            ("Reason", alert.verdict_reason or "–"),
            ("By", short(alert.closed_by or "–")),
        )
        again = [button("Reopen", id={"act": "reopen-alert", "id": alert.id})] if may_triage else []
        return [html.H3("Closed"), closed, html.Div(again, className="chips mt8")]
    if not may_triage or alert.state is not AlertState.OPEN:
        return []
    return [
        html.H3("Close with a verdict"),
        html.Div(
            [
                dmc.Select(
                    id={"field": "alert-verdict", "id": alert.id},
                    data=[{"value": verdict.value, "label": word} for verdict, word in WORDS.items()],
                    placeholder="Verdict",
                    attributes={"input": {"aria-label": "Verdict"}},
                ),
                dmc.Textarea(
                    id={"field": "alert-reason", "id": alert.id},
                    placeholder="Reason, at least ten characters",
                    autosize=True,
                    minRows=2,
                    attributes={"input": {"aria-label": "Reason"}},
                ),
                button("Close the alert", id={"act": "close-alert", "id": alert.id}),
            ],
            className="verdict",
        ),
    ]


PAGE: Final = Page(slug="alerts", title="Alerts", question="Which one first?", permission=SOC_ALERT_READ, layout=layout)
