"""Beside the list of alerts: *why did it fire?* Its sentence, evidence and growth, and the verdict that closes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html

from app.kernel.access import SOC_ALERT_TRIAGE, SOC_INCIDENT_READ
from dashboards import acts, response, triage
from dashboards.kit import act, age, chain, copy, dock, facts, ident, readable, severity, short, short_text, span, when
from dashboards.page import View
from detectors import alerts
from detectors.alerts import Alert, AlertState
from detectors.sigma.ast import Correlation, CorrelationType, Rule
from playbooks import incidents
from playbooks.cases import Incident

EVIDENCE_SHOWN: Final = 12
REVISIONS_SHOWN: Final = 8
# How a revision came to be, in words.
REVISED: Final[Mapping[str, str]] = {
    "opened": "opened with",
    "extended": "grew by",
    "merged": "took in",
    "reopened": "reopened with",
}
NAMES: Final[Mapping[str, str]] = {
    "source.ip": "Addresses",
    "onepay.network.client": "Addresses",
    "user.id": "Accounts",
    "user.hash": "Names typed at sign-in",
}


def dock_of(view: View, alert_id: str) -> Any:  # a Dash component
    """Return what is known of one alert; raises `NotFound`."""
    viewer = view.sources.viewer()
    with view.sources.read() as session:
        alert = alerts.by_id(session, alert_id, viewer)
        seen = alerts.evidence(session, alert_id, viewer, limit=EVIDENCE_SHOWN)
        grown = alerts.revisions(session, alert_id, viewer)
        case = None
        if alert.incident is not None and viewer.may(SOC_INCIDENT_READ):
            case = incidents.by_ids(session, viewer, [alert.incident]).get(alert.incident)
    rule = view.sources.rules.get(alert.slug)
    inner: list[Any] = [
        html.P(readable(alert.reason), className="lead"),
        html.H3([html.Span("Why did it fire"), html.Span(f"revision {alert.revision}")]),
        facts(
            ("Rule", html.A(f"{alert.rule_title}", href=view.href(f"rules/{alert.slug}"))),
            ("Version", [f"v{alert.rule_number} ", ident(alert.rule_version[:12])]),
            ("From, to", [when(alert.first_at, view.now), " to ", when(alert.last_at, view.now)]),
            ("Found", when(alert.found_at, view.now)),
            *_peak(alert, rule),
            ("Incident", _held(case, view)),
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
                    html.Span(f"#{item.sequence:,} {item.role.replace('_', ' ')}", className="num nowrap dim"),
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
                    html.Span(f"{REVISED.get(item.kind, item.kind)} {item.added:,} events", className="cut"),
                    html.Span(f"read to #{item.hi:,}", className="dim num"),
                ]
                for item in grown[-REVISIONS_SHOWN:]
            ]
        ),
    ]
    if rule is not None:
        inner += [html.H3("What the rule says"), html.P(rule.description, className="dim")]
    inner += _verdict(alert, case, view)
    footer = []
    if case is not None:
        words = f"Open {response.number(case.number)}"
        footer.append(act(words, view.href(f"incidents/{case.id}"), main=case.is_open))
    footer.append(html.Button("Copy link", className="btn", type="button", **{"data-do": "copy"}))
    return dock(
        f"Alert {short_text(alert.id)}",
        bar=[severity(alert.level.value), short(alert.id), html.Span(age(view.now - alert.found_at), className="dim")],
        title=alert.rule_title,
        inner=inner,
        footer=footer,
        close=view.here("alerts", sel=None),
    )


def _peak(alert: Alert, rule: Rule | None) -> list[tuple[str, Any]]:
    """Return the most that one window held, for rules that count; a chain has no such number."""
    judged = rule.outermost if rule is not None else None
    if not isinstance(judged, Correlation):
        return []
    within = span(judged.timespan)
    match judged.type:
        case CorrelationType.EVENT_COUNT:
            return [("Peak", f"{alert.peak:,} events within {within}; the rule asks for {judged.at_least:,}")]
        case CorrelationType.VALUE_COUNT:
            words = f"{alert.peak:,} different values within {within}; the rule asks for {judged.at_least:,}"
            return [("Peak", words)]
        case CorrelationType.TEMPORAL_ORDERED:
            return []


def _held(case: Incident | None, view: View) -> Any:
    if case is None:
        return html.Span("none", className="dim")
    link = html.A(response.number(case.number), href=view.href(f"incidents/{case.id}"), className="more")
    return [
        link,
        f", {response.STATES[case.state].lower()}, owner {response.person_text(view.sources, case.owner)}",
    ]


def _entities(alert: Alert, view: View) -> list[tuple[str, Any]]:
    found: Mapping[str, Sequence[str]] = {
        **{path: [value] for path, value in alert.group.items()},
        **alert.entities,
    }
    return [
        (
            NAMES.get(path, path),
            html.Span(
                [
                    part
                    for value in list(values)[:4]
                    for part in (
                        html.A(short(value), href=view.href("events", q=f"{path}:{value}"), className="more"),
                        copy(value, "value"),
                    )
                ]
                + ([html.Span(f"and {len(values) - 4} more", className="dim")] if len(values) > 4 else [])
            ),
        )
        for path, values in found.items()
        if values and path != "event.id"
    ]


def _events_of(alert: Alert, view: View) -> str:
    terms = " ".join(f"{path}:{value}" for path, value in alert.group.items() if path != "event.id")
    until = alert.last_at.replace(microsecond=0) + timedelta(seconds=1)
    return view.href("events", q=terms, **{"from": alert.first_at.isoformat(), "to": until.isoformat()})


def _verdict(alert: Alert, case: Incident | None, view: View) -> list[Any]:
    may_triage = view.sources.viewer().may(SOC_ALERT_TRIAGE)
    if alert.verdict is not None:
        closed = facts(
            ("Verdict", triage.VERDICTS[alert.verdict]),
            ("Reason", alert.verdict_reason or "–"),
            ("By", response.person(view.sources, alert.closed_by)),
        )
        again = acts.form(
            "Reopen the alert",
            buttons=[acts.press("Reopen", "reopen-alert", alert.id)],
            says=acts.place("reopen-alert", alert.id),
        )
        return [html.H3("Closed"), closed, *([again] if may_triage else [])]
    if not may_triage or alert.state is not AlertState.OPEN:
        return []
    held = []
    if case is not None and case.is_open:
        held = [html.P(f"{response.number(case.number)} works it, and closes it when it ends.", className="dim")]
    return [
        html.H3("Close with a verdict"),
        *held,
        acts.form(
            "Close the alert",
            dmc.Select(
                id=acts.field("verdict", "close-alert", alert.id),
                data=[{"value": verdict.value, "label": word} for verdict, word in triage.VERDICTS.items()],
                placeholder="Verdict",
                attributes={"input": {"aria-label": "Verdict"}},
                comboboxProps={"withinPortal": False},
            ),
            dmc.Textarea(
                id=acts.field("reason", "close-alert", alert.id),
                placeholder="Reason, at least ten letters",
                autosize=True,
                minRows=2,
                attributes={"input": {"aria-label": "Reason", "maxLength": alerts.REASON_MAX}},
            ),
            buttons=[acts.press("Close the alert", "close-alert", alert.id)],
            says=acts.place("close-alert", alert.id),
        ),
    ]
