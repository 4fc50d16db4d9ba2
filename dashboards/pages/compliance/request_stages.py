"""How far a request has come: the stages of its kind, each with the day it was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from dash import html

from compliance.privacy.request import Kind, State, Story
from dashboards.kit import Part, day_text, ok
from dashboards.page import View

_PACKED: Final = ("Received", "Identity", "Search", "Pack", "Ready", "Fetched")
_ERASED: Final = ("Received", "Identity", "Plan", "Second person", "Wait", "Erase", "Look again", "Certified")
_WORKED: Final = ("Received", "Identity", "A person looks", "Answered")
# Where each state stands among the stages of its kind.
_AT: Final[Mapping[Kind, Mapping[State, int]]] = {
    Kind.ACCESS: {State.IDENTITY: 1, State.SCOPED: 2, State.IN_REVIEW: 3, State.READY: 5, State.DELIVERED: 6},
    Kind.ERASURE: {
        State.IDENTITY: 1,
        State.SCOPED: 2,
        State.IN_REVIEW: 3,
        State.WAITING: 4,
        State.EXECUTING: 5,
        State.EXECUTED: 6,
        State.VERIFIED: 7,
        State.CLOSED: 8,
    },
    Kind.RECTIFICATION: {
        State.IDENTITY: 1,
        State.SCOPED: 2,
        State.IN_REVIEW: 2,
        State.EXECUTING: 2,
        State.EXECUTED: 4,
        State.CLOSED: 4,
    },
}
# By which states a stage was done: the first of them that the request came to names the day.
_DONE: Final[Mapping[tuple[str, ...], Mapping[int, tuple[State, ...]]]] = {
    _PACKED: {
        1: (State.SCOPED,),
        2: (State.IN_REVIEW, State.READY),
        3: (State.READY,),
        4: (State.READY,),
        5: (State.DELIVERED,),
    },
    _ERASED: {
        1: (State.SCOPED,),
        2: (State.IN_REVIEW, State.EXECUTING),
        3: (State.WAITING,),
        4: (State.EXECUTING, State.EXECUTED),
        5: (State.EXECUTED,),
        6: (State.VERIFIED,),
        7: (State.CLOSED,),
    },
    _WORKED: {1: (State.SCOPED,), 2: (State.EXECUTED, State.CLOSED), 3: (State.EXECUTED, State.CLOSED)},
}


def stages(view: View, story: Story) -> Part:
    """Return the stages of a request: those that are done with their day, the one it stands at, those to come."""
    found = story.request
    names = {Kind.ACCESS: _PACKED, Kind.PORTABILITY: _PACKED, Kind.ERASURE: _ERASED}.get(found.kind, _WORKED)
    like = Kind.ACCESS if names is _PACKED else Kind.ERASURE if names is _ERASED else Kind.RECTIFICATION
    first = {step.state: step.at for step in reversed(story.steps)}
    if found.state in (State.REFUSED, State.WITHDRAWN, State.STOPPED):
        reached = max((_AT[like].get(State(step.state), 0) for step in story.steps), default=0)
    elif found.state is State.CLOSED and names is _PACKED:
        # A copy that nobody fetched went with its time.
        reached = len(names) if State.DELIVERED.value in first else _AT[Kind.ACCESS][State.READY]
    else:
        reached = _AT[like].get(found.state, len(names))
    days = _days(view, story, names)
    shown = []
    is_going = found.is_open
    for place, name in enumerate(names):
        at = days.get(place)
        if place < reached:
            # A stage that was passed without a day of its own says none.
            shown.append(html.Li([ok(name), html.Small(at or "\u00a0")], className="done"))
        elif place == reached and is_going:
            shown.append(html.Li([html.B(name), html.Small(at or "–")], className="now", **{"aria-current": "step"}))
        else:
            shown.append(html.Li([html.Span(name, className="dim"), html.Small("–")]))
    return html.Section(html.Ol(shown, className="stages"), className="panel", **{"aria-label": "Stages"})


def _days(view: View, story: Story, names: Sequence[str]) -> Mapping[int, str]:
    """Return the day of each stage that has one; the first says how it came, too."""
    found, first = story.request, {step.state: step.at for step in reversed(story.steps)}
    days = {0: f"{day_text(found.received_on)}, {found.channel.replace('_', ' ')}"}
    for place, states in _DONE[tuple(names)].items():
        at = next((first[state.value] for state in states if state.value in first), None)
        if at is not None:
            days[place] = day_text(at.date())
    return days
