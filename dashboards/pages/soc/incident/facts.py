"""What presses and what is known: clocks, what the incident is about, the alerts that opened it, its facts."""

from __future__ import annotations

from typing import Any, Final

from dash import html

from dashboards import response, triage
from dashboards.kit import Part, copy, due, facts, mark, ok, panel, readable, severity, short, span, when
from dashboards.pages.soc.incident.look import Look
from playbooks.clocks import ACKNOWLEDGE, CONTAINMENT, Clock, ClockState
from playbooks.incidents import LinkedAlert, NamedEntity

ENTITIES_SHOWN: Final = 12
ALERTS_SHOWN: Final = 20


def column(seen: Look) -> Part:
    """Return the left column."""
    return html.Div([_clocks(seen), _alerts(seen), _entities(seen), _facts(seen)], className="stack")


def _clocks(seen: Look) -> Part:
    case = seen.case
    rows = [html.Li(_clock(clock, seen)) for clock in seen.found.clocks]
    taken = f"acknowledged in {span(case.acknowledged_at - case.found_at)}" if case.acknowledged_at else "nobody's yet"
    nothing = html.P("No clock runs.", className="dim body")
    return panel("Clocks", html.Ul(rows, className="clocks") if rows else nothing, right=taken)


def _clock(clock: Clock, seen: Look) -> Part:
    asks = _asks(clock, seen)
    match clock.state:
        case ClockState.RUNNING | ClockState.BREACHED:
            return due(clock.due_at, seen.now, asks)
        case ClockState.MET:
            return _ended(ok("met in time"), asks)
        case ClockState.MET_LATE:
            return _ended(mark("met late", "clock", "medium"), asks)
        case ClockState.ENDED:
            return _ended(html.Span("ended", className="dim"), asks)


def _ended(stands: Part, asks: str) -> Part:
    return html.Span([stands, html.Small(asks)], className="two")


def _asks(clock: Clock, seen: Look) -> str:
    if clock.kind == ACKNOWLEDGE:
        allowed, is_working = seen.view.sources.response.clock_rules.acknowledge[seen.case.severity]
        severity = response.SEVERITIES[seen.case.severity].capitalize()
        return f"to acknowledge, {span(allowed)}{' of working time' if is_working else ''} for {severity}"
    if clock.kind == CONTAINMENT:
        of = next((one.kind.title for one in seen.found.actions if one.id == clock.ref), "containment")
        return f"{of[:1].lower()}{of[1:]} ends or is prolonged"
    return clock.kind.replace("_", " ")


def _alerts(seen: Look) -> Part:
    linked = seen.found.alerts
    rows = [_alert(one, seen) for one in linked[:ALERTS_SHOWN]]
    more = len(linked) - len(rows)
    return panel(
        "Alerts",
        html.Ul(rows, className="mini") if rows else html.P("No alert is linked.", className="dim body"),
        *([html.P(f"and {more:,} more", className="dim tail")] if more > 0 else []),
        right=f"{len(linked):,}",
    )


def _alert(one: LinkedAlert, seen: Look) -> Part:
    known = seen.alert_by_id.get(one.alert_id)
    words = readable(known.reason) if known else one.rule
    name = known.rule_title if known else one.rule
    stands = f", {triage.VERDICTS[known.verdict].lower()}" if known is not None and known.verdict else ""
    return html.Li(
        [
            severity(response.SEVERITIES[one.severity]),
            html.A(words, href=seen.view.href("alerts", sel=one.alert_id, state="all"), title=words),
            html.Small([name, f", {one.events:,} events, ", when(one.first_at, seen.now), stands], className="dim"),
        ]
    )


def _entities(seen: Look) -> Part:
    named = seen.found.entities
    rows = [_entity(one, seen) for one in named[:ENTITIES_SHOWN]]
    more = len(named) - len(rows)
    return panel(
        "Entities",
        html.Ul(rows, className="rows r30"),
        *([html.P(f"and {more:,} more, in its alerts", className="dim tail")] if more > 0 else []),
        right=f"{len(named):,}",
    )


def _entity(one: NamedEntity, seen: Look) -> Part:
    words, _ = response.entity_words(one.kind)
    return html.Li(
        [
            html.A(short(one.value), href=seen.events_href(one.kind, one.value), className="cut more"),
            copy(one.value, words),
            html.Span(words, className="dim cut grow num", title="findings meet by it" if one.is_key else ""),
        ]
    )


def _facts(seen: Look) -> Part:
    case, now = seen.case, seen.now
    pairs: list[tuple[str, Any]] = [
        ("First event", when(case.first_event_at, now)),
        ("Last event", when(case.last_event_at, now)),
        ("Found", when(case.found_at, now)),
        ("Kind", case.kind),
        ("Owner", seen.person(case.owner)),
    ]
    pairs += [
        (name, when(at, now))
        for name, at in (
            ("Contained", case.contained_at),
            ("Recovered", case.recovered_at),
            ("Closed", case.closed_at),
        )
        if at is not None
    ]
    pairs += [
        (name, text)
        for name, text in (
            ("No need", case.nothing_to_contain),
            ("Cause", case.cause),
            ("Mended by", case.fix),
            ("Ended as", case.disposition.replace("_", " ") if case.disposition and not case.is_open else None),
        )
        if text
    ]
    if case.follows:
        pairs.append(("Follows", html.A(short(case.follows), href=seen.view.href(f"incidents/{case.follows}"))))
    pairs.append(("Version", str(case.version)))
    return panel("Facts", html.Div(facts(*pairs), className="body"))
