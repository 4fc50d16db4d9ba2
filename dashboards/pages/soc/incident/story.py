"""The timeline: one list that writes itself, newest first, and the note a person adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html

from app.kernel.access import SOC_INCIDENT_WRITE
from dashboards import acts, response
from dashboards.kit import Part, choices, icon, panel, readable, when
from dashboards.pages.soc.incident.look import STORY_ROWS, Look
from playbooks import timeline
from playbooks.timeline import Code, Entry

# What an entry looks like: shape and colour. Grey unless somebody should look.
SHAPES: Final[Mapping[Code, tuple[str, str]]] = {
    Code.CASE_OPENED: ("critical", "accent"),
    Code.ALERT_JOINED: ("high", "high"),
    Code.ALERT_REVISED: ("high", "ink-2"),
    Code.SEVERITY_RAISED: ("high", "bad"),
    Code.SEVERITY_LOWERED: ("low", "ink-2"),
    Code.CASE_TAKEN: ("check", "good"),
    Code.CASE_HANDED_OVER: ("person", "ink-2"),
    Code.CASE_ADVANCED: ("chevron", "accent"),
    Code.CLOSE_PROPOSED: ("ring", "medium"),
    Code.CLOSE_VOIDED: ("cross", "medium"),
    Code.CASE_CLOSED: ("check", "good"),
    Code.CASE_REOPENED: ("exception", "accent"),
    Code.FACT_WRITTEN: ("file", "ink-2"),
    Code.NOTE_ADDED: ("note", "ink-2"),
    Code.PLAYBOOK_STARTED: ("run", "accent"),
    Code.PLAYBOOK_PROPOSED: ("run", "medium"),
    Code.PLAYBOOK_MISSING: ("cross", "bad"),
    Code.PLAYBOOK_ENDED: ("check", "good"),
    Code.PLAYBOOK_STOPPED: ("close", "ink-2"),
    Code.STEP_COMPLETED: ("check", "good"),
    Code.STEP_FAILED: ("cross", "bad"),
    Code.STEP_BRANCHED: ("chevron", "ink-2"),
    Code.EVIDENCE_NAMED: ("file", "ink-2"),
    Code.TASK_OPENED: ("ring", "ink-2"),
    Code.TASK_CHECKED: ("ring", "medium"),
    Code.TASK_DONE: ("check", "good"),
    Code.TASK_SKIPPED: ("dash", "medium"),
    Code.ACTION_PROPOSED: ("act", "medium"),
    Code.ACTION_EXECUTED: ("act", "good"),
    Code.ACTION_RECORDED: ("act", "ink-2"),
    Code.ACTION_REFUSED: ("cross", "bad"),
    Code.ACTION_UNDONE: ("act", "ink-2"),
    Code.ACTION_KEPT: ("cross", "bad"),
    Code.ACTION_EXPIRED: ("clock", "ink-2"),
    Code.ACTION_PROLONGED: ("clock", "medium"),
    Code.CLOCK_STARTED: ("clock", "ink-2"),
    Code.CLOCK_MOVED: ("clock", "ink-2"),
    Code.CLOCK_WARNED: ("clock", "medium"),
    Code.CLOCK_BREACHED: ("cross", "bad"),
    Code.CLOCK_MET: ("check", "good"),
}
LATE_RECORD: Final = 60.0


def column(seen: Look) -> Part:
    """Return the middle column; by when things happened, or by when they were recorded."""
    by_found = seen.view.words.get("sort") == "found"
    shown = list(seen.story[:STORY_ROWS])
    # Of one moment, what was written later comes later, whichever the order.
    shown.sort(key=lambda entry: (entry.recorded_at if by_found else entry.at, entry.n), reverse=True)
    orders = choices(
        "Order of the timeline",
        [
            ("Event time", seen.href(sort=None, do=None), not by_found),
            ("Found time", seen.href(sort="found", do=None), by_found),
        ],
    )
    note = [_note(seen)] if seen.viewer.may(SOC_INCIDENT_WRITE) else []
    tails: list[Part] = []
    if len(seen.story) > STORY_ROWS:
        tails.append(html.A("earlier entries", href=seen.href(before=str(shown_last(seen))), className="more"))
    if seen.view.words.get("before"):
        tails.append(html.A("newest entries", href=seen.href(), className="more"))
    return panel(
        "Timeline",
        *note,
        html.Ol([_entry(entry, seen, by_found=by_found) for entry in shown], className="line"),
        *([html.P(tails, className="tail chips")] if tails else []),
        right=orders,
        sub="it writes itself",
    )


def shown_last(seen: Look) -> int:
    """Return the number of the oldest entry shown."""
    return seen.story[STORY_ROWS - 1].n


def _note(seen: Look) -> Part:
    return html.Div(
        [
            dmc.TextInput(
                id=acts.field("text", "note", seen.case.id),
                placeholder="Write a note; it becomes part of the record",
                className="grow",
                attributes={"input": {"aria-label": "Note", "maxLength": 4000, "autoComplete": "off"}},
            ),
            acts.press("Add note", "note", seen.case.id),
            acts.place("note", seen.case.id),
        ],
        className="note-row",
    )


def _entry(entry: Entry, seen: Look, *, by_found: bool) -> Part:
    shape, token = SHAPES[entry.code]
    at = entry.recorded_at if by_found else entry.at
    below: list[Part] = [seen.person(entry.actor) if entry.actor else html.Span(entry.role)]
    if entry.actor and entry.role and not entry.actor.startswith("svc_"):
        below.append(f", {entry.role.replace('_', ' ')}")
    if entry.sequence is not None and entry.event_id is not None:
        link = html.A(f"event {entry.sequence:,}", href=seen.view.href("events", sel=entry.event_id), className="more")
        below += [" · ", link]
    if (entry.recorded_at - entry.at).total_seconds() > LATE_RECORD:
        other, words = (entry.at, "happened ") if by_found else (entry.recorded_at, "found later at ")
        below += [" · ", words, when(other, seen.now)]
    said = said_of(entry, seen)
    what: list[Part] = [html.Span(said, className=None if token == "ink-2" else "strong")]
    if entry.text:
        quoted = html.Span(f"“{entry.text}”", className="words-of")
        what = [quoted] if entry.code is Code.NOTE_ADDED else [*what, quoted]
    return html.Li(
        [
            html.Span(when(at, seen.now), className="at"),
            html.Span(icon(shape), className=f"dot c-{token}"),
            html.Div([*what, html.Small(below)], className="what"),
        ]
    )


def said_of(entry: Entry, seen: Look) -> str:
    """Return the sentence of an entry with people and severities as the page says them."""
    said = timeline.sentence(replace(entry, params={k: _word(k, v, entry, seen) for k, v in entry.params.items()}))
    return readable(said)


def _word(name: str, value: Any, entry: Entry, seen: Look) -> Any:
    if isinstance(value, int) and entry.code in (Code.CASE_OPENED, Code.SEVERITY_RAISED, Code.SEVERITY_LOWERED):
        return response.SEVERITIES.get(value, value)
    if not isinstance(value, str):
        return value
    if name == "rule":
        rule = seen.view.sources.rules.get(value)
        return rule.title if rule is not None else value
    if name == "playbook":
        return seen.playbook(value)
    if name == "what" and value.startswith("playbook "):
        return f"playbook {seen.playbook(value.removeprefix('playbook '))}"
    if value.startswith("acc_"):
        return response.person_text(seen.view.sources, value)
    return value.replace("_", " ") if name in ("role", "disposition") else value
