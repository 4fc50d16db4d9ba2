"""Events. *What happened around X?* Query bar, histogram, grid by key, and a dock with the proof of one event."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Input, Output, html

from app.kernel.access import EVENT_RECORD_READ
from app.kernel.clock import parse_rfc3339
from app.kernel.errors import Invalid, NotFound
from dashboards import feeds, figures, proving, query_bar, states, windows
from dashboards.charts import chart
from dashboards.kit import (
    chain,
    choices,
    counted_words,
    dock,
    facts,
    icon,
    ident,
    mark,
    money,
    page,
    severity,
    short_text,
    updated,
)
from dashboards.mount import Console
from dashboards.page import Page, View
from dashboards.tables import grid
from dashboards.windows import Span
from detectors import alerts
from ingest.events import catalog
from ingest.events.envelope import at_path
from ingest.store.query import Document, Eq, Search, Where

FEED: Final = "/console/api/events"
FEED_WORDS: Final = frozenset({"q", "from", "to"})
GRID: Final = "events-grid"
COUNT_MAX: Final = 10_000
TOP_FIELDS: Final = (("Action", "event.action"), ("Source", "source.ip"), ("Outcome", "event.outcome"))
TOP: Final = 5
AROUND: Final = timedelta(minutes=5)
COLUMNS: Final[Sequence[dict[str, Any]]] = (
    {"field": "time", "headerName": "Time, UTC", "width": 158, "cellClass": "mono", "context": {"from": 520}},
    {"field": "clock", "headerName": "UTC", "width": 86, "cellClass": "mono", "context": {"below": 520}},
    {"field": "action", "headerName": "Action", "flex": 1, "minWidth": 180},
    {"field": "outcome", "headerName": "Outcome", "width": 92, "context": {"from": 640}},
    {"field": "user", "headerName": "User", "width": 140, "cellClass": "mono", "context": {"from": 520}},
    {"field": "source", "headerName": "Source", "width": 128, "cellClass": "mono", "context": {"from": 420}},
    {"field": "reason", "headerName": "Reason", "width": 130, "context": {"from": 860}},
    {
        "field": "seq",
        "headerName": "Sequence",
        "width": 96,
        "cellClass": "mono num",
        "headerClass": "num",
        "context": {"from": 760},
    },
)


def layout(view: View) -> Any:  # a Dash component
    """Return the page of a query, a range and, where `sel` names one, an event beside the list."""
    text = view.words.get("q", "")
    read = query_bar.forgive(text)
    mistake, where, terms = read.mistake, read.query.where, read.query.terms
    try:
        span = windows.read(view.words.get("from"), view.words.get("to"), view.now)
    except Invalid as wrong:
        return states.refused("Events", "What happened around it?", wrong)
    store = view.sources.store
    counted = store.count(where, span.window())
    bins = store.histogram(where, span.window(), span.every)
    times, counts = [b.at for b in bins], [b.count for b in bins]
    labels = [f"{at:%d %b %H:%M}" for at in times]
    chosen = view.words.get("from", windows.DEFAULT)
    goes_on = "to" not in view.words
    said = figures.say(counts, labels, is_filling=goes_on)
    spans = [
        (word, view.here("events", **{"from": value, "to": None, "sel": None}), goes_on and value == chosen)
        for value, word in windows.CHOICES
    ]
    ranges = choices("Range", spans)
    bar = html.Div(
        dmc.TextInput(
            value=text,
            leftSection=icon("search"),
            rightSection=html.Span(f"{terms} of {query_bar.TERMS_MAX} terms", className="dim qn") if terms else None,
            rightSectionWidth=104,
            className="grow",
            placeholder="field:value, such as action:auth.* source.ip:198.19.0.0/16 -outcome:success",
            attributes={"input": {"aria-label": "Query, field:value", "spellCheck": "false", "data-do": "query"}},
        ),
        className="qbar",
    )
    body = [
        bar,
        *([_mistaken(mistake, read.text)] if mistake else []),
        html.Section(
            [
                html.Header(
                    [
                        html.H2(counted_words(counted, "event") if counted <= COUNT_MAX else "10,000+ events"),
                        html.Span(said, className="dim cut"),
                        html.Div(ranges, className="right"),
                    ]
                ),
                html.Div(
                    chart(
                        "events-histogram",
                        "Events over time.",
                        figures.histogram(times, counts, view.scheme, span.every),
                        said,
                        height=96,
                    ),
                    className="body tight",
                ),
            ],
            className="panel",
            **{"aria-label": "Events over time"},
        ),
        html.Section(
            html.Div(
                [
                    _top_values(view, where, span),
                    grid(GRID, COLUMNS, feed=FEED, label="Events", query=read.text if mistake else None),
                ],
                className="gridbox",
            ),
            className="panel grow last",
            **{"aria-label": "Events"},
        ),
    ]
    selected = view.words.get("sel")
    return page(
        "Events",
        "What happened around it?",
        *body,
        fill=True,
        live=goes_on,
        dock=_dock(view, selected) if selected else None,
        right=[html.Button("Copy link", className="btn", type="button", **{"data-do": "copy"}), updated(view.now)],
    )


def rows(view: View, *, after: str | None, limit: int) -> Mapping[str, Any]:
    """Return one block of the grid: rows, the key of the next one, and the sequence all blocks see."""
    feeds.check(FEED_WORDS)
    where = query_bar.read(view.words.get("q", "")).where
    span = windows.read(view.words.get("from"), view.words.get("to"), view.now)
    found = view.sources.store.search(Search(where=where, window=span.window(), limit=limit, after=after))
    return {"rows": [_row(document) for document in found.documents], "next": found.after, "hi": found.hi}


def wire(console: Console) -> None:
    """Feed the grid at its first request, and open a row by a click."""
    console.clientside_callback(
        f"function(first){{if(first){{onepay.rows('{GRID}');onepay.fit('{GRID}');}}return dash_clientside.no_update;}}",
        Output(GRID, "id"),
        Input(GRID, "getRowsRequest"),
    )
    console.clientside_callback(
        "function(cell){onepay.open(cell);return dash_clientside.no_update;}",
        Output(GRID, "className"),
        Input(GRID, "cellClicked"),
        prevent_initial_call=True,
    )


def _mistaken(mistake: str, rest: str) -> Any:
    applied = f"Applied: {rest}" if rest else "Nothing of it is applied: all events of the range are shown."
    return html.P([mark(mistake, "cross", "bad"), f" {applied}"], className="qmistake")


def _row(document: Document) -> dict[str, Any]:
    at = parse_rfc3339(document["@timestamp"])
    return {
        "id": at_path(document, "event.id"),
        "time": f"{at:%d %b %H:%M:%S}.{at.microsecond // 1000:03d}",
        "clock": f"{at:%H:%M:%S}",
        "action": at_path(document, "event.action"),
        "outcome": at_path(document, "event.outcome") or "–",
        "user": short_text(at_path(document, "user.id") or at_path(document, "user.target.id") or "–"),
        "source": at_path(document, "source.ip") or "–",
        "reason": at_path(document, "event.reason") or "–",
        "seq": f"{at_path(document, 'event.sequence'):,}",
    }


def _top_values(view: View, where: Where, span: Span) -> Any:
    parts: list[Any] = [html.H2("Top values", className="vh")]
    query = view.words.get("q", "")
    for name, path in TOP_FIELDS:
        found = view.sources.store.terms(where, span.window(), path, TOP)
        parts.append(html.H3(name))
        items = [
            html.Li(
                [
                    html.A(
                        str(value),
                        href=view.here("events", q=f"{query} {path}:{value}".strip(), sel=None),
                        className="cut",
                        title=f"Keep {value}",
                    ),
                    html.Span(f"{count:,}"),
                ]
            )
            for value, count in found.counts
        ]
        parts.append(html.Ul(items or [html.Li(html.Span("–", className="dim"))]))
    return html.Div(parts, className="top")


def _dock(view: View, event_id: str) -> Any:
    document = _find(view, proving.event_of(view, event_id))
    tab = view.words.get("tab", "readable")
    at, action = parse_rfc3339(document["@timestamp"]), str(at_path(document, "event.action"))
    tabs = [
        (name, view.here("events", tab=word), tab == word)
        for name, word in (("Readable", "readable"), ("JSON", "json"))
    ]
    inner = _json(document) if tab == "json" else _readable(view, document, at)
    return dock(
        f"Event {at_path(document, 'event.sequence')}",
        bar=[
            html.Span(f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} UTC", className="dim"),
            ident(f"#{at_path(document, 'event.sequence'):,}"),
        ],
        title=catalog.headline(action),
        inner=inner,
        close=view.here("events", sel=None, tab=None),
        tabs=tabs,
    )


def _find(view: View, event_id: str) -> Document:
    found = view.sources.store.search(Search(where=Eq("event.id", event_id), limit=1)).documents
    if not found:
        raise NotFound
    return found[0]


def _readable(view: View, document: Document, at: datetime) -> list[Any]:
    shown = (
        ("Action", "event.action"),
        ("Outcome", "event.outcome"),
        ("Reason", "event.reason"),
        ("User", "user.id"),
        ("Target", "user.target.id"),
        ("Source", "source.ip"),
        ("Program", "user_agent.name"),
        ("Session", "onepay.session.id"),
        ("Transfer", "onepay.transfer.id"),
        ("Payee", "onepay.payee.id"),
        ("Wallet", "onepay.wallet.id"),
        ("Top-up", "onepay.topup.id"),
        ("Incident", "onepay.incident.id"),
        ("Request", "trace.id"),
        ("Class", "onepay.class"),
    )
    pairs = [
        (name, html.A(ident(str(value)), href=view.href("events", q=f"{path}:{value}")))
        for name, path in shown
        if (value := at_path(document, path)) is not None
    ]
    amount, currency = at_path(document, "transaction.amount"), at_path(document, "transaction.currency")
    if isinstance(amount, int) and isinstance(currency, str):
        pairs.insert(3, ("Amount", html.A(money(amount, currency), href=view.href("events", q=f"amount:{amount}"))))
    parts: list[Any] = [
        html.H3("Who, what and where"),
        facts(*pairs),
        *proving.path(view, str(at_path(document, "event.id"))),
    ]
    with view.sources.read() as session:
        led = alerts.of_event(session, str(at_path(document, "event.id")), view.sources.viewer())
    parts.append(html.H3([html.Span("Led to"), html.Span(counted_words(len(led), "alert"))]))
    if led:
        parts.append(
            chain(
                [
                    [
                        html.Span("Alert"),
                        html.A(found.rule_title, href=view.href("alerts", sel=found.id, state="all"), className="cut"),
                        severity(found.level.value),
                    ]
                    for found in led
                ],
                "c2",
            )
        )
    else:
        parts.append(html.P("It is not evidence of any alert.", className="dim"))
    address = at_path(document, "source.ip")
    if address is not None:
        parts += _around(view, document, str(address), at)
    return parts


def _around(view: View, document: Document, address: str, at: datetime) -> list[Any]:
    whole = at.replace(microsecond=at.microsecond // 1000 * 1000)
    span = Span(since=whole - AROUND, until=whole + AROUND, every=AROUND)
    near = view.sources.store.search(Search(where=Eq("source.ip", address), window=span.window(), limit=8)).documents
    lines = [
        [
            html.Span(f"{parse_rfc3339(other['@timestamp']):%H:%M:%S}", className="id"),
            html.A(
                str(at_path(other, "event.action")),
                href=view.here("events", sel=str(at_path(other, "event.id"))),
                className="cut",
            ),
            html.Span(
                "this event"
                if at_path(other, "event.id") == at_path(document, "event.id")
                else short_text(str(at_path(other, "user.id") or "–")),
                className="id dim",
            ),
        ]
        for other in near
    ]
    return [html.H3("Same address, 10 minutes around"), chain(lines)]


def _json(document: Document) -> list[Any]:
    return [html.Pre(json.dumps(document, indent=2, ensure_ascii=False), className="json")]


PAGE: Final = Page(
    slug="events",
    title="Events",
    question="What happened around it?",
    permission=EVENT_RECORD_READ,
    layout=layout,
)
