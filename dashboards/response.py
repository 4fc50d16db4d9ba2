"""How incidents are said: severities, numbers, states, people, what a clock asks for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from dash import html

from dashboards.kit import Part, severity, short_text, span
from dashboards.ports import Sources
from playbooks.cases import Incident, State
from playbooks.clocks import Clock

SEVERITIES: Final[Mapping[int, str]] = {1: "critical", 2: "high", 3: "medium", 4: "low"}
STATES: Final[Mapping[State, str]] = {
    State.NEW: "New",
    State.TRIAGED: "Triaged",
    State.CONTAINED: "Contained",
    State.ERADICATED: "Eradicated",
    State.RECOVERED: "Recovered",
    State.CLOSED: "Closed",
}
# What moves an incident into a state, as the button says it.
STEPS: Final[Mapping[State, str]] = {
    State.TRIAGED: "Triage is done",
    State.CONTAINED: "It is contained",
    State.ERADICATED: "It is eradicated",
    State.RECOVERED: "It is recovered",
}
ENTITIES: Final[Mapping[str, tuple[str, str]]] = {
    "account": ("account", "user.id"),
    "subject": ("account", "onepay.subject.id"),
    "address": ("address", "source.ip"),
    "identifier": ("name typed at sign-in", "user.hash"),
    "device": ("device", "device.id"),
    "session": ("session", "onepay.session.id"),
    "host": ("host", "host.name"),
}


def severity_of(number: int) -> Part:
    """Return a severity of an incident."""
    return severity(SEVERITIES[number])


def number(case_number: int) -> str:
    """Return how an incident is called."""
    return f"INC-{case_number}"


def person_text(sources: Sources, account_id: str | None) -> str:
    """Return who it was: you, a part of the system, a colleague by name, a customer by the short id alone."""
    if account_id is None:
        return "nobody"
    if account_id == sources.viewer().id:
        return "you"
    if account_id.startswith("svc_"):
        return account_id.removeprefix("svc_")
    return sources.name_of_colleague(account_id) or short_text(account_id)


def person(sources: Sources, account_id: str | None) -> Part:
    """Return who it was, the whole id in its title."""
    words = person_text(sources, account_id)
    if account_id is None or words == "you" or account_id.startswith("svc_"):
        return html.Span(words)
    face = {"className": "id"} if words == short_text(account_id) else {}
    return html.Span(words, title=account_id, **face)


def acknowledgement_text(case: Incident, clock: Clock | None, now: datetime) -> str:
    """Return how the acknowledgement of an incident stands, for a cell."""
    if case.acknowledged_at is not None:
        return f"in {span(case.acknowledged_at - case.found_at)}"
    if not case.is_open or clock is None:
        return "–" if not case.is_open else "late"
    return f"late {span(now - clock.due_at)}" if clock.due_at <= now else span(clock.due_at - now)


def entity_words(kind: str) -> tuple[str, str]:
    """Return what an entity is in words, and the field of events that names it."""
    return ENTITIES.get(kind, (kind, kind))
