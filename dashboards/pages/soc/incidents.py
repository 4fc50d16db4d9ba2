"""Incidents. *What is open, whose, how late?* The worst first, then the one whose clock ends first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dash import html

from app.kernel.access import SOC_INCIDENT_READ
from dashboards import response, tables
from dashboards.kit import age, choices, empty, page, readable, severity, short_text, updated
from dashboards.mount import Console
from dashboards.page import Page, View
from dashboards.tables import CARDS_MAX, cards, grid
from playbooks import cases, clocks, incidents
from playbooks.cases import Incident, State
from playbooks.clocks import Clock
from playbooks.incidents import NamedEntity

GRID: Final = "incidents-grid"
ROWS_MAX: Final = 1_000
STATES: Final[Sequence[tuple[str, str, tuple[State, ...]]]] = (
    ("open", "Open", cases.OPEN),
    *((state.value, response.STATES[state], (state,)) for state in cases.OPEN),
    ("ended", "Ended", tuple(sorted(cases.ENDED))),
    ("all", "All", tuple(State)),
)
OWNERS: Final = (("anyone", "Anyone"), ("me", "Mine"), ("nobody", "Nobody's"))
COLUMNS: Final[Sequence[dict[str, Any]]] = (
    {"field": "sev", "headerName": "Severity", "width": 98, "cellClass": {"function": "sevClass(params)"}},
    {"field": "number", "headerName": "Number", "width": 86, "cellClass": "mono", "context": {"from": 560}},
    {"field": "title", "headerName": "Title", "flex": 1, "minWidth": 130, "tooltipField": "reason"},
    {"field": "keys", "headerName": "About", "width": 220, "cellClass": "mono", "context": {"from": 980}},
    {"field": "state", "headerName": "State", "width": 104, "context": {"from": 700}},
    {"field": "owner", "headerName": "Owner", "width": 138, "context": {"from": 820}},
    {"field": "ack", "headerName": "Acknowledge", "width": 116, "cellClass": "num", "headerClass": "num"},
    {
        "field": "age",
        "headerName": "Age",
        "width": 76,
        "cellClass": "num",
        "headerClass": "num",
        "context": {"from": 460},
    },
)


def layout(view: View) -> Any:  # a Dash component
    """Return the list of a state, an owner and, where one is chosen, a severity."""
    state, owner, wanted = view.words.get("status", "open"), view.words.get("owner", "anyone"), view.words.get("sev")
    viewer = view.sources.viewer()
    states = next((members for word, _, members in STATES if word == state), cases.OPEN)
    with view.sources.read() as session:
        found = _all(view, session, states, viewer.id if owner == "me" else None)
        running = {clock.incident_id: clock for clock in reversed(clocks.running(session)) if _is_first(clock)}
        keys = incidents.keys_of(session, viewer, [case.id for case in found])
    if owner == "nobody":
        found = [case for case in found if case.owner is None]
    shown = [case for case in found if wanted is None or response.SEVERITIES[case.severity] == wanted]
    shown.sort(key=lambda case: (case.severity, _due(running.get(case.id)), case.id))
    chips = [
        html.A(
            [severity(word), html.B(_count(sum(case.severity == level for case in found), len(found)))],
            href=view.here("incidents", sev=None if wanted == word else word),
            className="chip",
            **({"aria-current": "true"} if wanted == word else {}),
        )
        for level, word in response.SEVERITIES.items()
    ]
    head = next(words for word, words, _ in STATES if word == state) if any(s[0] == state for s in STATES) else "Open"
    rows = [_row(case, running.get(case.id), keys.get(case.id, ()), view) for case in shown]
    listed: list[Any] = [
        html.Div(
            grid(GRID, COLUMNS, rows=rows, row_height=36, label="Incidents", opens="/console/soc/incidents"),
            className="gridbox wide-only",
        ),
        cards(
            [_card(case, row, view) for case, row in zip(shown[:CARDS_MAX], rows, strict=False)],
            label="Incidents",
            more=len(shown) - CARDS_MAX,
        ),
    ]
    if not shown:
        listed = [_nothing(view, bool(found), is_filtered=wanted is not None or owner != "anyone" or state != "open")]
    note = "by severity, then by clock" if len(found) < ROWS_MAX else f"the newest {ROWS_MAX:,}; choose a state"
    return page(
        "Incidents",
        "What is open, whose, how late?",
        html.Div(
            [
                *chips,
                html.Span(className="grow"),
                _choice(view, "owner", "Owner", OWNERS, owner, "anyone"),
                _choice(view, "status", "State", [(word, words) for word, words, _ in STATES], state, "open"),
            ],
            className="chips",
        ),
        html.Section(
            [
                html.Header([html.H2(f"{len(shown):,} {head.lower()}"), html.Span(note, className="dim cut")]),
                *listed,
            ],
            className="panel grow last",
            **{"aria-label": "Incidents"},
        ),
        fill=True,
        live=True,
        right=updated(view.now),
    )


def wire(console: Console) -> None:
    """Open a row by a click."""
    tables.wire(console, GRID)


def _all(view: View, session: Any, states: Sequence[State], owner: str | None) -> list[Incident]:
    found: list[Incident] = []
    while len(found) < ROWS_MAX:
        after = found[-1].id if found else None
        block = incidents.list_page(session, view.sources.viewer(), states=states, owner=owner, after=after)
        found += block
        if len(block) < incidents.PAGE_MAX:
            break
    return found


def _is_first(clock: Clock) -> bool:
    return clock.kind == clocks.ACKNOWLEDGE


def _due(clock: Clock | None) -> float:
    return clock.due_at.timestamp() if clock else float("inf")


def _count(count: int, of: int) -> str:
    return f"{count:,}" if of < ROWS_MAX else f"{count:,}+"


def _row(case: Incident, clock: Clock | None, keys: Sequence[NamedEntity], view: View) -> dict[str, Any]:
    if clock is None and case.is_open and case.acknowledged_at is None:
        due_at = view.sources.response.clock_rules.acknowledge_due(case.severity, case.found_at)
        acknowledge = f"late {age(view.now - due_at)}" if due_at <= view.now else "–"
    else:
        acknowledge = response.acknowledgement_text(case, clock, view.now)
    return {
        "id": case.id,
        "sev": response.SEVERITIES[case.severity].capitalize(),
        "number": response.number(case.number),
        "title": case.title,
        "reason": readable(case.reason),
        "keys": ", ".join(short_text(entity.value) for entity in keys),
        "state": response.STATES[case.state].lower(),
        "owner": response.person_text(view.sources, case.owner),
        "ack": acknowledge,
        "age": age(view.now - case.found_at),
    }


def _card(case: Incident, row: Mapping[str, Any], view: View) -> tuple[str, list[Any], str, list[str]]:
    head = [
        response.severity_of(case.severity),
        html.Span(response.number(case.number), className="id"),
        html.Span(row["age"], className="dim"),
    ]
    clock = f" · acknowledge {row['ack']}" if case.is_open else ""
    return (
        view.href(f"incidents/{case.id}"),
        head,
        case.title,
        [row["reason"], f"{row['state']}, {row['owner']}{clock}"],
    )


def _choice(
    view: View, word: str, label: str, of: Sequence[tuple[str, str]], chosen: str, default: str
) -> Any:  # a Dash component
    links = [
        (words, view.here("incidents", **{word: None if value == default else value}), value == chosen)
        for value, words in of
    ]
    return choices(label, links)


def _nothing(view: View, is_hidden: bool, *, is_filtered: bool) -> Any:
    clear = html.A("Show all that are open", href=view.href("incidents"), className="btn")
    if is_filtered or is_hidden:
        return empty("No incidents here.", "No incident is of this severity, state and owner.", clear)
    return empty(
        "No incident is open.",
        "Findings of detection rules open incidents by themselves; what the rules read is on the Rules page.",
        html.A("Rules and their coverage", href=view.href("rules"), className="btn"),
    )


PAGE: Final = Page(
    slug="incidents",
    title="Incidents",
    question="What is open, whose, how late?",
    permission=SOC_INCIDENT_READ,
    layout=layout,
)
