"""Overview. *What needs me now?* What is due and waits for me, figures, what was found, whether the parts are whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from dash import html

from app.kernel.access import (
    EVENT_RECORD_READ,
    SOC_ACTION_APPROVE,
    SOC_ALERT_READ,
    SOC_HEALTH_READ,
    SOC_INCIDENT_READ,
    SOC_INCIDENT_WRITE,
    SOC_OVERVIEW_READ,
    Actor,
)
from app.kernel.errors import Unavailable
from dashboards import acts, figures, response, triage, windows
from dashboards.charts import chart
from dashboards.kit import Part, act, age, due, mark, ok, page, panel, readable, severity, span, updated
from dashboards.page import Page, View
from dashboards.theme import SEVERITIES
from dashboards.windows import Span
from detectors import alerts
from detectors.alerts import Alert
from detectors.sigma.ast import Level
from ingest.store.query import And, Bin, Eq, Where
from playbooks import action_rows, deadlines, incidents, registry
from playbooks.cases import Incident
from playbooks.deadlines import Deadline

QUEUE_MAX: Final = 8
DEADLINES_READ: Final = 100
NEXT_HOUR: Final = timedelta(minutes=60)
NEXT_SHOWN: Final = 8
ALERTS_SHOWN: Final = 6
ALERTS_READ: Final = 200
CATEGORIES_SHOWN: Final = 7
MEDIAN_OVER: Final = timedelta(days=7)
SOON: Final = timedelta(minutes=20)
_LEVELS: Final = {level.value: level.value.capitalize() for level in Level}
_WORDS: Final = {"acknowledge": "acknowledge", "containment": "containment ends", "approval": "second person"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One row of the queue: an incident, and why it needs this person, the nearest deadline first."""

    case: Incident
    due_at: datetime | None
    asks: str
    note: str
    is_take: bool = False


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
        newest: Sequence[Alert] = ()
        waiting: Sequence[Alert] = ()
        open_alerts = 0
        if viewer.may(SOC_ALERT_READ):
            newest = alerts.list_page(session, viewer, limit=ALERTS_SHOWN)
            waiting = alerts.list_page(session, viewer, outside=triage.worked(session, viewer), limit=ALERTS_READ)
            open_alerts = triage.count(session, viewer)
    queue = _queue(found, cases, viewer)
    return page(
        "Overview",
        "What needs me now?",
        _figures(view, by_severity, waiting, open_alerts, median, approvals),
        html.Div([_my_queue(queue, view), _next_hour(view, found)], className="ov"),
        html.Div([_found(view, window), _newest(view, newest)], className="ov"),
        _categories(view, window),
        *([_parts(view)] if viewer.may(SOC_HEALTH_READ) else []),
        right=[_ranges(view), updated(view.now)],
        live=True,
    )


def _queue(found: Sequence[Deadline], cases: Sequence[Incident], viewer: Actor) -> list[Waiting]:
    """Return what is this person's: theirs, nobody's, and what they may approve; one row a thing that is due."""
    case_by_id = {case.id: case for case in cases}
    rows: list[Waiting] = []
    for one in found:
        case = case_by_id.get(one.incident_id)
        if case is None:
            continue
        is_mine = case.owner == viewer.id
        match one.kind:
            case "clock" if is_mine or case.owner is None:
                rows.append(_waiting(case, one.due_at, _WORDS.get(one.text, one.text), "", viewer))
            case "task" if is_mine:
                rows.append(_waiting(case, one.due_at, "task", one.text, viewer))
            case "containment" if is_mine:
                rows.append(_waiting(case, one.due_at, "containment ends", _title(one.text), viewer))
            case "approval" if viewer.may(SOC_ACTION_APPROVE):
                rows.append(_waiting(case, one.due_at, "second person", _title(one.text), viewer))
            case _:
                pass
    shown = {row.case.id for row in rows}
    others = [case for case in cases if case.id not in shown and (case.owner is None or case.owner == viewer.id)]
    others.sort(key=lambda case: (case.severity, case.id))
    return rows + [_waiting(case, None, "no deadline runs", "", viewer) for case in others]


def _waiting(case: Incident, due_at: datetime | None, asks: str, note: str, viewer: Actor) -> Waiting:
    is_take = case.owner is None and viewer.may(SOC_INCIDENT_WRITE)
    return Waiting(case=case, due_at=due_at, asks=asks, note=note, is_take=is_take)


def _my_queue(queue: Sequence[Waiting], view: View) -> Part:
    late = sum(row.due_at is not None and row.due_at <= view.now for row in queue)
    rows = [_row(row, place, view) for place, row in enumerate(queue[:QUEUE_MAX])]
    words = f"{len(queue)} by deadline" + (f", {late} late" if late else "")
    more = len(queue) - len(rows)
    nothing = html.Div(
        [
            html.P(ok("Nothing waits for you."), className="strong"),
            html.P("No open incident is yours or nobody's, and no approval is asked of you.", className="dim"),
            act("All open incidents", view.href("incidents")),
        ],
        className="body empty",
    )
    return panel(
        "My queue",
        html.Ol(rows, className="queue") if rows else nothing,
        *([html.P(f"and {more} more", className="dim tail")] if more > 0 else []),
        sub=words if rows else None,
        right=html.A("all incidents", href=view.href("incidents"), className="more"),
    )


def _row(row: Waiting, place: int, view: View) -> Part:
    case, href = row.case, view.href(f"incidents/{row.case.id}")
    left = (
        due(row.due_at, view.now, row.asks)
        if row.due_at
        else html.Span([html.Span("–"), html.Small(row.asks)], className="left")
    )
    under = readable(row.note or case.reason)
    owner = "not taken" if case.owner is None else response.STATES[case.state].lower()
    since = (
        f"since {case.found_at:%H:%M}"
        if case.owner is None
        else f"{response.person_text(view.sources.viewer(), case.owner)}"
    )
    if row.is_take:
        takes = acts.press(
            "Take", "take", case.id, case.version, main=place == 0, **{"aria-label": f"Take {case.title}"}
        )
        ends: Part = html.Span([takes, acts.place("take", case.id, case.version)], className="act-with-place")
    else:
        ends = html.A("Open", href=href, className="btn", **{"aria-label": f"Open {case.title}"})
    return html.Li(
        [
            left,
            response.severity_of(case.severity),
            html.Div(
                [
                    html.B(html.A(case.title, href=href)),
                    html.Small(f"{response.number(case.number)} · {under}", title=under),
                ],
                className="two",
            ),
            html.Div([html.Span(owner), html.Small(since)], className="two"),
            ends,
        ]
    )


def _figures(
    view: View,
    by_severity: Mapping[int, int],
    waiting: Sequence[Alert],
    open_alerts: int,
    median: timedelta | None,
    approvals: int,
) -> Part:
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
                "all found, by hour, 24 h" if viewer.may(SOC_ALERT_READ) else "not yours to see",
                view.href("alerts"),
            ),
            _figure(
                "Median time to acknowledge, 7 d",
                took,
                "",
                None,
                _within(median, view),
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


def _within(median: timedelta | None, view: View) -> Part:
    """Return how the median stands to what is allowed at severity high."""
    if median is None:
        return "nothing was acknowledged"
    allowed = view.sources.response.clock_rules.acknowledge[2][0]
    says = f" {age(allowed)}, which high allows"
    return html.Span([mark("above", "high", "high") if median > allowed else ok("within"), says])


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


def _found(view: View, window: Span) -> Part:
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


def _next_hour(view: View, found: Sequence[Deadline]) -> Part:
    near = [one for one in found if one.due_at - view.now <= NEXT_HOUR]
    ticks = [((one.due_at - view.now) / timedelta(minutes=1), _token(one, view.now)) for one in near]
    rows = [
        html.Li(
            [
                html.Span(due(one.due_at, view.now), className="dl-t2 due-small"),
                html.A(
                    _asks(one), href=view.href(f"incidents/{one.incident_id}"), className="grow cut", title=one.text
                ),
                html.Span(response.number(one.incident_number), className="id"),
            ]
        )
        for one in near[:NEXT_SHOWN]
    ]
    words = f"{len(near)}, whole team" if near else None
    says = f"{len(near)} deadlines in the next hour, " + (
        f"the first {'is late' if near[0].due_at <= view.now else 'in ' + span(near[0].due_at - view.now)}"
        if near
        else "none"
    )
    nothing = html.P(ok("Nothing is due within the hour."), className="body")
    axis = html.Div(html.Img(src=figures.due_axis(ticks), alt=says, className="axis"), className="axis-box ax1")
    names = html.Div(
        [html.Span(word) for word in ("now", "15", "30", "45", "60 min")],
        className="ax-words",
        **{"aria-hidden": "true"},
    )
    more = len(near) - len(rows)
    return panel(
        "Due in the next 60 min",
        *([axis, names, html.Ol(rows, className="rows")] if near else [nothing]),
        *([html.P(f"and {more} more", className="dim tail")] if more > 0 else []),
        sub=words,
    )


def _asks(one: Deadline) -> str:
    match one.kind:
        case "clock":
            return _WORDS.get(one.text, one.text)
        case "task":
            return f"task: {one.text}"
        case _:
            return f"{_WORDS[one.kind]}: {_title(one.text).lower()}"


def _token(one: Deadline, now: datetime) -> str:
    if one.due_at <= now:
        return "bad"
    return "medium" if one.due_at - now <= SOON else "ink"


def _categories(view: View, window: Span) -> Part:
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
        *([html.P(f"and {rest:,} of other categories", className="dim tail")] if rest > 0 else []),
        sub=f"{total:,} in {_range_words(view)}, the {CATEGORIES_SHOWN} most frequent",
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


def _newest(view: View, found: Sequence[Alert]) -> Part:
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


def _parts(view: View) -> Part:
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


def _ranges(view: View) -> Part:
    chosen = view.words.get("from", windows.DEFAULT)
    return html.Nav(
        [
            html.A(
                words,
                href=view.here("overview", **{"from": None if value == windows.DEFAULT else value, "to": None}),
                className="chip-link",
                **({"aria-current": "true"} if value == chosen else {}),
            )
            for value, words in windows.CHOICES
        ],
        className="ranges",
        **{"aria-label": "Range of the charts"},
    )


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


def _title(name: str) -> str:
    found = registry.REGISTRY.get(name)
    return found.title if found else name


PAGE: Final = Page(
    slug="overview",
    title="Overview",
    question="What needs me now?",
    permission=SOC_OVERVIEW_READ,
    layout=layout,
)
