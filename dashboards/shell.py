"""The frame of every page: header, notice, menu, main."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html

from app.kernel.access import (
    AUDIT_TRAIL_READ,
    COMPLIANCE_CONTROL_READ,
    COMPLIANCE_REPORT_READ,
    EVENT_RECORD_READ,
    PRIVACY_CONSENT_READ,
    PRIVACY_REQUEST_READ,
    SOC_ALERT_READ,
    SOC_HEALTH_READ,
    SOC_INCIDENT_READ,
    SOC_OVERVIEW_READ,
    SOC_RULE_READ,
    Actor,
    Permission,
)
from dashboards import proving
from dashboards.kit import clock_time, due, icon
from dashboards.page import COMPLIANCE, SOC

Entry = tuple[str, str, Permission]
Menu = Sequence[tuple[str | None, Sequence[Entry]]]
_SECURITY: Final[Menu] = (
    (
        None,
        (
            ("Overview", "overview", SOC_OVERVIEW_READ),
            ("Incidents", "incidents", SOC_INCIDENT_READ),
            ("Alerts", "alerts", SOC_ALERT_READ),
            ("Events", "events", EVENT_RECORD_READ),
        ),
    ),
    ("Detection", (("Rules", "rules", SOC_RULE_READ),)),
    ("Platform", (("Health", "health", SOC_HEALTH_READ),)),
)
_COMPLIANCE: Final[Menu] = (
    (
        None,
        (
            ("Posture", "posture", COMPLIANCE_CONTROL_READ),
            ("Controls", "controls", COMPLIANCE_CONTROL_READ),
            ("Tasks", "tasks", COMPLIANCE_CONTROL_READ),
            ("Scans", "scans", COMPLIANCE_CONTROL_READ),
            ("Access reviews", "reviews", COMPLIANCE_CONTROL_READ),
        ),
    ),
    (
        "Privacy",
        (
            ("Register", "register", PRIVACY_REQUEST_READ),
            ("Requests", "requests", PRIVACY_REQUEST_READ),
            ("Consent", "consent", PRIVACY_CONSENT_READ),
            ("Retention", "retention", PRIVACY_REQUEST_READ),
            ("Breaches", "breaches", PRIVACY_REQUEST_READ),
            ("Processors", "processors", PRIVACY_REQUEST_READ),
        ),
    ),
    (
        "Proof",
        (
            ("Audit log", "audit", AUDIT_TRAIL_READ),
            ("Verifier", "verifier", AUDIT_TRAIL_READ),
            ("Reports", "reports", COMPLIANCE_REPORT_READ),
            ("Audit requests", "audit-requests", AUDIT_TRAIL_READ),
        ),
    ),
)
MENUS: Final[Mapping[str, Menu]] = {SOC: _SECURITY, COMPLIANCE: _COMPLIANCE}
AREAS: Final = ((SOC, "Security"), (COMPLIANCE, "Compliance"))


def frame(
    content: Any,
    *,
    current: str,
    area: str,
    viewer: Actor,
    now: datetime,
    is_demo: bool,
    counts: Mapping[str, int],
    deadlines: Sequence[tuple[datetime, str, str]],
    banner: str | None,
) -> Any:  # a Dash component
    """Return the whole page; `deadlines` are (instant, words, address), `counts` stand beside menu entries."""
    return html.Div(
        [
            _header(viewer, now, deadlines),
            _notice(is_demo, banner),
            _menu(current, area, viewer, counts),
            html.Main(content, className="main", id="content", tabIndex="-1"),
        ],
        className="shell",
    )


def _header(viewer: Actor, now: datetime, deadlines: Sequence[tuple[datetime, str, str]]) -> Any:
    dues = [html.A(due(at, now, words), href=href, className="due") for at, words, href in deadlines[:3]]
    held = [role.replace("_", " ") for role in sorted(viewer.roles)]
    # The letters stand for what one is here as.
    letters = "".join(word[0] for role in held for word in role.split())[:2].upper()
    return html.Header(
        [
            html.Button(
                icon("menu"),
                className="btn icon-only burger",
                type="button",
                **{"aria-label": "Menu", "aria-expanded": "false", "data-do": "menu"},
            ),
            html.A(["OnePay", html.Span("console")], href="/console/", className="brand"),
            html.Div(
                dmc.TextInput(
                    id="jump",
                    placeholder="Jump to id, address, field:value",
                    leftSection=icon("search"),
                    rightSection=dmc.Kbd("/"),
                    attributes={
                        "input": {
                            "aria-label": "Jump to id, address or field:value",
                            "data-do": "jump",
                            "data-events": proving.page_of_events(viewer),
                        }
                    },
                ),
                className="jump",
            ),
            html.Nav(dues, className="dues", **{"aria-label": "Next deadlines"}),
            html.Div(
                [
                    html.Span([clock_time(now), " UTC"], className="tool utc dim"),
                    html.Button(
                        icon("scheme"),
                        className="tool",
                        type="button",
                        title="Light or dark, key t",
                        **{"aria-label": "Switch light or dark", "data-do": "scheme"},
                    ),
                    html.A(
                        letters,
                        href="/staff/account",
                        className="tool face",
                        title=", ".join(held),
                        **{"aria-label": f"Your account, {', '.join(held)}"},
                    ),
                ],
                className="tools",
            ),
        ],
        className="head",
    )


def _notice(is_demo: bool, banner: str | None) -> Any:
    words = []
    if is_demo:
        words += [
            html.Span("Demonstration data. ", className="strong"),
            html.Span("Simulated customers and payments; nothing here moved money. "),
        ]
    if banner:
        words.append(html.Span(banner, className="strong"))
    hidden = {} if words else {"hidden": True}
    return html.Aside(words, className="notice", **{"aria-label": "Notice"}, **hidden)


def _menu(current: str, area: str, viewer: Actor, counts: Mapping[str, int]) -> Any:
    items: list[Any] = _areas(area, viewer)
    for head, entries in MENUS[area]:
        links = [
            html.Li(
                html.A(
                    [name, html.Span(_count(counts[slug]))] if slug in counts else name,
                    href=f"/console/{area}/{slug}",
                    **({"aria-current": "page"} if slug == current else {}),
                )
            )
            for name, slug, permission in entries
            if viewer.may(permission)
        ]
        if links:
            items += [*([html.H2(head)] if head else []), html.Ul(links)]
    waiting = counts.get("approvals", 0)
    words: Any = ["Approvals", html.Span(_count(waiting))] if waiting else "Approvals"
    items.append(html.Ul(html.Li(html.A(words, href="/approvals"))))
    return html.Nav(items, className="menu", **{"aria-label": "Main"})


def _areas(area: str, viewer: Actor) -> list[Any]:
    """Return the switch between the halves of the console, for those who see both."""
    seen = [
        (name, words, first)
        for name, words in AREAS
        if (first := next((slug for _, entries in MENUS[name] for _, slug, may in entries if viewer.may(may)), None))
    ]
    if len(seen) < 2:
        return []
    links = [
        html.A(words, href=f"/console/{name}/{first}", **({"aria-current": "true"} if name == area else {}))
        for name, words, first in seen
    ]
    return [html.Div(links, className="area")]


def _count(number: int) -> str:
    return f"{number:,}" if number < 10_000 else "10,000+"
