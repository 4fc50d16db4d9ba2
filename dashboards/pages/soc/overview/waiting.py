"""What waits for a person, the nearest deadline first; and what is due for the whole team within the hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dash import html

from app.kernel.access import (
    SOC_ACTION_APPROVE,
    SOC_INCIDENT_WRITE,
    Actor,
)
from dashboards import acts, figures, response
from dashboards.kit import Part, act, due, ok, panel, readable, span
from dashboards.page import View
from playbooks import registry
from playbooks.cases import Incident
from playbooks.deadlines import Deadline

QUEUE_MAX: Final = 8
NEXT_HOUR: Final = timedelta(minutes=60)
NEXT_SHOWN: Final = 8
SOON: Final = timedelta(minutes=20)
_WORDS: Final = {"acknowledge": "acknowledge", "containment": "containment ends", "approval": "second person"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One row of the queue: an incident, and why it needs this person, the nearest deadline first."""

    case: Incident
    due_at: datetime | None
    asks: str
    note: str
    is_take: bool = False


def queue_of(found: Sequence[Deadline], cases: Sequence[Incident], viewer: Actor) -> list[Waiting]:
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


def my_queue(queue: Sequence[Waiting], view: View) -> Part:
    late = sum(row.due_at is not None and row.due_at <= view.now for row in queue)
    rows = [_row(row, place, view) for place, row in enumerate(queue[:QUEUE_MAX])]
    words = f"{len(queue)} due to you or to nobody yet" + (f", {late} late" if late else "")
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
    owner = "nobody's yet" if case.owner is None else response.STATES[case.state].lower()
    since = f"since {case.found_at:%H:%M}" if case.owner is None else response.person_text(view.sources, case.owner)
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


def next_hour(view: View, found: Sequence[Deadline]) -> Part:
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


def _title(name: str) -> str:
    found = registry.REGISTRY.get(name)
    return found.title if found else name
