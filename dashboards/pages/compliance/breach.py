"""One breach, beside the register: what is known, its clock, the notices that were sent, and its history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dash import html

from app.kernel.clock import parse_rfc3339
from app.kernel.errors import Malformed
from compliance.registers import breaches
from compliance.registers.breaches import Breach
from dashboards.kit import (
    Part,
    chain,
    dated,
    dated_text,
    dock,
    due,
    facts,
    mark,
    ok,
    short,
)
from dashboards.page import View
from dashboards.pages.compliance import breach_forms

STATES: Final[Mapping[str, tuple[str, str, str]]] = {
    breaches.SUSPECTED: ("suspected", "clock", "medium"),
    breaches.ASSESSING: ("being assessed", "clock", "medium"),
    breaches.TO_NOTIFY: ("to be notified", "cross", "bad"),
    breaches.NOTIFIED: ("notified, open", "run", "accent"),
}


def dock_of(view: View, one: Breach, contact: str) -> Part:
    """Return all that is known of one breach, with the forms that its state lets the viewer fill in."""
    risk = "–" if one.high_risk is None else "high" if one.high_risk else "not high"
    inner: list[Part] = [
        facts(
            ("By law", clock(view, one)),
            ("Known since", dated(one.aware_at)),
            ("Written down", dated(one.recorded_at)),
            ("Incident", _incident(one)),
            ("Nature", one.nature or "not known yet"),
            ("Touches", ", ".join(one.categories) or "not known yet"),
            ("People", f"{one.people:,}" if one.people is not None else "not known yet"),
            ("Records", f"{one.records:,}" if one.records is not None else "not known yet"),
            ("What follows", one.consequences or "not known yet"),
            ("What is done", one.measures or "not known yet"),
            ("Risk", risk),
            ("Decision", (one.decision or "not yet").replace("_", " ")),
            ("Why", one.reasons or "–"),
        )
    ]
    if one.letters_exception:
        inner.append(facts(("No letters, since", one.letters_exception)))
    inner += breach_forms.of_breach(view, one, contact)
    if one.notices:
        inner += [
            html.H3("Notices"),
            chain(
                [
                    [
                        f"{note.recipient}, phase {note.phase}",
                        html.Span(_late(note), className="wraps"),
                        dated(note.sent_at),
                    ]
                    for note in one.notices
                ]
            ),
        ]
    changes = [[step.what, html.Span(_change(step), className="wraps"), dated(step.at)] for step in reversed(one.steps)]
    inner += [html.H3("History"), chain(changes)]
    close = view.here("breaches", sel=None, do=None)
    return dock(f"Breach {one.id}", bar=[state(one), short(one.id)], title=one.title, inner=inner, close=close)


def _late(note: breaches.Notice) -> str:
    return f"late: {note.late_reason}" if note.late_reason else f"SHA-256 {note.sha256[:8]}…"


def _change(step: breaches.Step) -> str:
    before, after = _value(step.before), _value(step.after)
    moved = f"{before} → {after}" if before else after
    return ": ".join(part for part in (moved, step.reason or "") if part)


def _value(text: str | None) -> str:
    """Return a value of the history for people: an instant as on every page, and words without their joints."""
    try:
        return f"{dated_text(parse_rfc3339(text or ''))} UTC"
    except (ValueError, Malformed):
        return (text or "").replace("_", " ")


def _incident(one: Breach) -> Part:
    if one.incident_ref is None:
        return "–"
    return html.A(short(one.incident_ref), href=f"/console/soc/incidents/{one.incident_ref}")


def state(one: Breach) -> Part:
    """Return how a breach stands."""
    if one.state == breaches.COMPLETE:
        return ok("complete")
    if one.state == breaches.NO_NOTICE:
        return ok("no notice, with reasons")
    words, shape, token = STATES[one.state]
    return mark(words, shape, token)


def clock(view: View, one: Breach) -> Part:
    """Return the time left by law, or when it was told."""
    first = next(iter(one.told(breaches.AUTHORITY)), None)
    if first is not None:
        late = first.sent_at > one.due_at
        return mark("notified late", "cross", "bad") if late else html.Span("notified in time", className="dim")
    if one.decision == breaches.KEEP:
        return html.Span("decided", className="dim")
    return due(one.due_at, view.now, f"by {dated_text(one.due_at, seconds=False)} UTC")
