"""Words of requests of people: kinds with their articles, stages, clocks; the same on every page that shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from dash import html

from compliance.privacy.request import Kind, Request, State
from dashboards.kit import Part, counted_words, day_text, due, mark, ok

KINDS: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.ACCESS: ("Access and copy", "Art. 15"),
    Kind.PORTABILITY: ("Portability", "Art. 20"),
    Kind.RECTIFICATION: ("Rectification", "Art. 16"),
    Kind.ERASURE: ("Erasure", "Art. 17"),
    Kind.RESTRICTION: ("Restriction", "Art. 18"),
    Kind.OBJECTION: ("Objection", "Art. 21"),
    Kind.HUMAN_REVIEW: ("Review by a person", "Art. 22"),
}
_STATES: Final[Mapping[State, tuple[str, str, str]]] = {
    State.IDENTITY: ("who is it?", "clock", "medium"),
    State.SCOPED: ("being searched", "run", "accent"),
    State.IN_REVIEW: ("a person looks", "clock", "medium"),
    State.WAITING: ("waits, can be called off", "clock", "medium"),
    State.EXECUTING: ("under way", "run", "accent"),
    State.REFUSED: ("refused", "cross", "ink-2"),
    State.WITHDRAWN: ("taken back", "empty", "ink-2"),
    State.STOPPED: ("stopped, “not me”", "cross", "ink-2"),
}
_DONE: Final[Mapping[State, str]] = {
    State.READY: "ready to fetch",
    State.DELIVERED: "fetched",
    State.EXECUTED: "done",
    State.VERIFIED: "done and looked at",
    State.CLOSED: "closed",
}


def kind(found: Request) -> Part:
    """Return the kind of a request with its article."""
    words, article = KINDS[found.kind]
    return html.Span([words, html.Small(article, className="dim block")])


def stage(found: Request, *, waits: bool = False) -> Part:
    """Return how far a request has come; `waits` where it was put before a second person, who has not decided yet."""
    if waits:
        return mark("a second person decides", "clock", "medium")
    if found.state in _DONE:
        said, why = ok(_DONE[found.state]), stays_open(found)
        return html.Span([said, html.Small(why, className="dim block")]) if why else said
    words, shape, token = _STATES[found.state]
    return mark(words, shape, token)


def stays_open(found: Request) -> str | None:
    """Return why a request that has its answer is not closed, or nothing where it waits for one or has ended."""
    if found.answered_at is None or not found.is_open:
        return None
    match found.state:
        case State.READY:
            return "until it is fetched, or its copy ends"
        case State.DELIVERED:
            return "until its copy ends"
        case State.EXECUTED if found.kind is Kind.RESTRICTION:
            return "while the restriction stands"
        case State.EXECUTED:
            return "until another reader has looked"
        case _:
            return "until it is certified"


def internal(found: Request, now: datetime) -> Part:
    """Return the days until our own day, which is earlier than the law's; late with the word, once it has ended."""
    if found.answered_at is not None:
        over = (found.answered_at.date() - found.internal_due).days
        said = f"answered {counted_words(over, 'day')} after it" if over > 0 else f"{-over} d were left"
        return html.Span(said, className="dim nowrap")
    left = (found.internal_due - now.date()).days
    return (
        mark(internal_words(found, now), "clock", "medium") if left < 0 else html.Span(f"{left} d", className="nowrap")
    )


def internal_words(found: Request, now: datetime) -> str:
    """Return the days until our own day, or past it, in words: of one that was answered, as they were then."""
    left = (found.internal_due - (found.answered_at or now).date()).days
    return f"late {-left} d" if left < 0 else f"{left} d"


def stage_words(state: str) -> str:
    """Return the stage of a step in words."""
    known = State(state)
    return _DONE[known] if known in _DONE else _STATES[known][0]


def identity(found: Request) -> Part:
    """Return whether it is known who asks."""
    if found.is_verified:
        return ok("shown")
    if found.asked_at is not None:
        return mark(f"asked {day_text(found.asked_at.date())}", "clock", "medium")
    return mark("not shown", "clock", "medium")


def clock(found: Request, now: datetime) -> Part:
    """Return the time left by law, or when it was answered."""
    if found.answered_at is not None:
        late = found.answered_at >= found.due_at
        said = f"answered {day_text(found.answered_at.date())}"
        return mark(f"{said}, late", "cross", "bad") if late else html.Span(said, className="dim nowrap")
    return due(found.due_at, now, f"by {day_text(found.due)}")


def pause(found: Request) -> str:
    """Return whether and why the clock stands or stood."""
    if found.asked_at is not None:
        return f"stands since {day_text(found.asked_at.date())}: identity asked"
    if found.paused_days:
        return f"stood {found.paused_days} {'day' if found.paused_days == 1 else 'days'}: identity asked"
    return "–"


def until(said: str) -> str:
    """Return until when something stays, as a plan or certificate says it, with its day in the form of the console."""
    day, rest = said.split()[:3], said.split()[3:]
    try:
        return " ".join((day_text(datetime.strptime(" ".join(day), "%d %B %Y").replace(tzinfo=UTC)), *rest))
    except ValueError:
        return said
