"""Figures of now, what was found by severity and category, the newest alerts, and whether the parts are whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from dash import html

from app.kernel.access import (
    EVENT_RECORD_READ,
    SOC_ACTION_APPROVE,
    SOC_ALERT_READ,
)
from app.kernel.errors import Unavailable
from dashboards import figures, response, windows
from dashboards.charts import chart
from dashboards.kit import Part, age, mark, ok, panel, readable, severity, span
from dashboards.page import View
from dashboards.theme import SEVERITIES
from dashboards.windows import Span
from detectors.alerts import Alert
from detectors.sigma.ast import Level
from ingest.store.query import And, Bin, Eq, Where

CATEGORIES_SHOWN: Final = 7
_LEVELS: Final = {level.value: level.value.capitalize() for level in Level}


def numbers(
    view: View,
    by_severity: Mapping[int, int],
    waiting: Sequence[Alert],
    open_alerts: int,
    worked: int,
    acknowledged: tuple[timedelta | None, int, int],
    approvals: int,
) -> Part:
    """Return the figures of now; `acknowledged` is the median, how many were in time, and of how many."""
    median, in_time, of = acknowledged
    viewer = view.sources.viewer()
    day = windows.read("-24h", None, view.now)
    hourly = Span(since=day.since, until=day.until, every=timedelta(hours=1))
    opened = _counts(view, Eq("event.action", "incident.case.opened"), hourly)
    raised = _counts(view, Eq("event.action", "detection.finding.raised"), hourly)
    open_count = sum(by_severity.values())
    worst = [f"{count} {response.SEVERITIES[level]}" for level, count in by_severity.items() if count]
    oldest = min((alert.found_at for alert in waiting), default=None)
    took = span(median) if median is not None else "–"
    return html.Div(
        [
            _figure(
                "Open incidents",
                f"{open_count:,}",
                "",
                opened,
                ", ".join(worst) or "none is open",
                view.href("incidents"),
            ),
            _figure(
                "Alerts to triage",
                f"{open_alerts:,}" if viewer.may(SOC_ALERT_READ) else "–",
                f"oldest {age(view.now - oldest)}" if oldest else "",
                raised,
                f"and {worked:,} in open incidents; bars: found in 24 h"
                if viewer.may(SOC_ALERT_READ)
                else "not yours to see",
                view.href("alerts"),
            ),
            _figure(
                "Median time to acknowledge, 7 d",
                took,
                "",
                None,
                _within(in_time, of),
                view.href("incidents", status="all"),
            ),
            _figure(
                "Approvals waiting",
                f"{approvals:,}",
                "",
                None,
                "of others; a second person decides" if viewer.may(SOC_ACTION_APPROVE) else "for an incident commander",
                view.href("incidents"),
            ),
        ],
        className="figures",
    )


def _within(in_time: int, of: int) -> Part:
    """Return how many were acknowledged within the time of their own severity; late ones count, taken or not."""
    if not of:
        return "nothing was acknowledged"
    says = f"{in_time:,} of {of:,} in their time"
    return ok(says) if in_time == of else mark(says, "high", "high")


def _figure(label: str, value: str, small: str, bars: Sequence[int] | None, foot: Part, href: str) -> Part:
    picture: list[Part] = []
    if bars is not None:
        says = f"{sum(bars):,} in 24 hours, most {max(bars, default=0):,} in one"
        picture = [
            html.Img(src=figures.bars_spark(bars, width=220, height=46, stretch=True), alt=says, className="spark")
        ]
    return html.A(
        [
            html.Span(label, className="label"),
            html.Span([value, *([html.Small(small)] if small else [])], className="value"),
            *picture,
            html.Span(foot, className="foot"),
        ],
        href=href,
        className="figure",
    )


def found(view: View, window: Span) -> Part:
    """Alerts found, a lane a severity: how many, when, how bad."""
    where = Eq("event.action", "detection.finding.raised")
    bins, problem = _bins(view, where, window, "onepay.finding.severity")
    if problem is not None:
        return panel("Alerts by severity", _away(problem, view))
    times = [one.at for one in bins]
    counts = {word: [int(one.parts.get(word.lower(), 0)) for one in bins] for word in SEVERITIES}
    shown = [word for word in SEVERITIES if word.lower() in _LEVELS]
    total = sum(sum(values) for values in counts.values())
    summary = "; ".join(f"{word.lower()} {sum(counts[word]):,}" for word in shown)
    left = [
        html.Li(
            [
                html.A(
                    [severity(word), html.Span(f"{sum(counts[word]):,}", className="lane-n")],
                    href=view.href("alerts", sev=word.lower(), state="all"),
                )
            ]
        )
        for word in shown
    ]
    right = [html.Li(_most(counts[word], times)) for word in shown]
    lanes = html.Div(
        [
            html.Ol(left),
            chart(
                "overview-lanes",
                "Alerts found, by severity.",
                figures.severity_lanes(times, counts, view.scheme, shown),
                summary,
            ),
            html.Ol(right),
        ],
        className="lanes four",
    )
    return panel(
        "Alerts by severity", lanes, sub=f"{total:,} found in {_range_words(view)}", right="each row on its own scale"
    )


def _most(values: Sequence[int], times: Sequence[datetime]) -> list[Part]:
    if not any(values):
        return [html.Small("none")]
    top = max(range(len(values)), key=values.__getitem__)
    return [html.Span(["most ", html.B(f"{values[top]:,}")]), html.Small(f"at {times[top]:%H:%M}")]


def categories(view: View, window: Span) -> Part:
    """Events by category: how many of each, and when."""
    if not view.sources.viewer().may(EVENT_RECORD_READ):
        return panel("Events by category", html.P("Not yours to see.", className="body dim"))
    wide = Span(since=window.since, until=window.until, every=windows.coarse(window))
    bins, problem = _bins(view, And(), wide, "event.category", top=CATEGORIES_SHOWN)
    if problem is not None:
        return panel("Events by category", _away(problem, view))
    totals: dict[str, int] = {}
    for one in bins:
        for name, count in one.parts.items():
            totals[str(name)] = totals.get(str(name), 0) + count
    names = sorted(totals, key=lambda name: (-totals[name], name))[:CATEGORIES_SHOWN]
    rows = [_category(name, totals[name], [int(one.parts.get(name, 0)) for one in bins], view) for name in names]
    total = sum(one.count for one in bins)
    rest = total - sum(totals[name] for name in names)
    nothing = html.P("No event in this range.", className="body dim")
    return panel(
        "Events by category",
        html.Ol(rows, className="rows r30 cats") if rows else nothing,
        *([html.P(f"and {rest:,} of other categories, or of none", className="dim tail")] if rest > 0 else []),
        sub=f"{total:,} in {_range_words(view)}, the most frequent",
        right=html.A("all events", href=view.href("events", **{"from": view.words.get("from")}), className="more"),
    )


def _category(name: str, total: int, values: Sequence[int], view: View) -> Part:
    href = view.href("events", q=f"event.category:{name}", **{"from": view.words.get("from")})
    says = f"{name}: most {max(values, default=0):,} in one bar"
    return html.Li(
        [
            html.A(name.replace("_", " "), href=href, className="cat-n"),
            html.Img(
                src=figures.bars_spark(values, width=480, height=20, token="accent", stretch=True),  # noqa: S106 - a colour
                alt=says,
                className="cat-bars",
            ),
            html.Span(f"{total:,}", className="num cat-c"),
        ]
    )


def newest(view: View, found: Sequence[Alert]) -> Part:
    newest = sorted(found, key=lambda alert: alert.found_at, reverse=True)
    rows = [
        html.Li(
            [
                html.Span(severity(alert.level.value), className="dl-t2"),
                html.A(
                    readable(alert.reason),
                    href=view.href("alerts", sel=alert.id, state="all"),
                    className="grow cut",
                    title=alert.reason,
                ),
                html.Span(age(view.now - alert.found_at), className="num dim nowrap"),
            ]
        )
        for alert in newest
    ]
    nothing = html.P(ok("No alert is open."), className="body")
    return panel(
        "Newest alerts",
        html.Ol(rows, className="rows") if rows else nothing,
        right=html.A("all alerts", href=view.href("alerts", state="all"), className="more"),
    )


def parts(view: View) -> Part:
    cells = [
        html.A(
            [
                html.Small(part.name),
                ok(part.says) if part.ok else mark(part.says, "clock", "medium"),
            ],
            href=view.href("health"),
        )
        for part in view.sources.parts()
    ]
    return html.Section(cells, className="panel strip", **{"aria-label": "State of the parts"})


def _range_words(view: View) -> str:
    return dict(windows.CHOICES).get(view.words.get("from", windows.DEFAULT), "this range")


def _counts(view: View, where: Where, window: Span) -> Sequence[int] | None:
    bins, problem = _bins(view, where, window)
    return None if problem is not None else [one.count for one in bins]


def _bins(
    view: View, where: Where, window: Span, split: str | None = None, *, top: int = 10
) -> tuple[Sequence[Bin], Unavailable | None]:
    """Return the bins of a question; a store that is away leaves the other panels."""
    try:
        return view.sources.store.histogram(where, window.window(), window.every, split=split, top=top), None
    except Unavailable as away:
        return (), away


def _away(problem: Unavailable, view: View) -> Part:
    retry = html.A("Retry", href=view.here("overview"), className="more")
    return html.P([mark(str(problem), "cross", "bad"), f" ({problem.code}) ", retry], className="body")
