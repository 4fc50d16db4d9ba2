"""Forms of the page of breaches: entering one, what is known, the decision, notices; each where its state lets it."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import html

from app.kernel.access import PRIVACY_BREACH_DECIDE, PRIVACY_BREACH_WRITE
from compliance.registers import breach_handling, breaches
from compliance.registers.breaches import Breach
from dashboards import acts
from dashboards.kit import (
    Part,
    mark,
    panel,
)
from dashboards.page import View


def entering(view: View) -> list[Part]:
    """Return the form that starts the clock, where the address asks for it and the viewer may."""
    if view.words.get("do") != "enter" or not view.sources.viewer().may(PRIVACY_BREACH_WRITE):
        return []

    def id_(name: str) -> dict[str, Any]:
        return acts.field(name, "breach-enter", "new")

    form = acts.form(
        "Enter a breach",
        dmc.TextInput(id=id_("title"), label="What happened, in a line", attributes=_first()),
        dmc.TextInput(
            id=id_("aware_at"),
            label="Known since, UTC",
            description="When a person was reasonably certain; earlier than now, never later",
            value=f"{view.now:%Y-%m-%d %H:%M}",
        ),
        dmc.TextInput(id=id_("incident"), label="Incident", placeholder="inc_…", description="Where it is worked"),
        dmc.TextInput(
            id=id_("controller"), label="For whom", description="Where the data is another's: they are told first"
        ),
        buttons=[acts.press("Start the clock", "breach-enter", "new", main=True)],
        says=acts.place("breach-enter", "new"),
    )
    back = html.A("Cancel", href=view.here("breaches", do=None), className="more", **{"data-key": "Escape"})
    return [panel("Enter a breach", html.Div(form, className="body deed"), cls="opened", right=back)]


def of_breach(view: View, one: Breach, contact: str) -> list[Part]:
    """Return the forms of one breach, folded but for the next thing to do."""
    viewer, waits = view.sources.viewer(), one.approval_id is not None and one.decision is None
    made: list[Part] = []
    if waits:
        return [html.P([mark("A second person decides. ", "clock", "medium"), html.A("Approvals", href="/approvals")])]
    if not viewer.may(PRIVACY_BREACH_WRITE):
        return []
    if one.is_open:
        made.append(_folded("Write what is known", _assess(one), is_open=not one.is_assessed))
    if one.decision is None and one.is_open:
        made.append(_folded("Correct when we knew", _aware(one)))
        if one.is_assessed:
            made.append(_folded("Propose the decision", _decide(one), is_open=True))
    if one.state in (breaches.TO_NOTIFY, breaches.NOTIFIED):
        text = breach_handling.draft(one, parts=view.sources.registers, contact=contact)
        made.append(_folded("Note a notice that was sent", _notice(view, one, text), is_open=True))
        if one.high_risk and not one.letters_exception and viewer.may(PRIVACY_BREACH_DECIDE):
            made.append(_folded("Write nobody", _reasoned("breach-except", one, "Why people are not written to")))
        if one.state == breaches.NOTIFIED:
            buttons = [acts.press("Nothing more is to be told", "breach-complete", one.id)]
            made.append(acts.form("Close it", buttons=buttons, says=acts.place("breach-complete", one.id)))
    return made


def _folded(title: str, form: Part, *, is_open: bool = False) -> Part:
    return html.Details([html.Summary(title), form], open=is_open, className="fold mt8")


def _area(name: str, of: str, label: str, value: str = "", field: str = "reason", **more: Any) -> Part:
    return dmc.Textarea(id=acts.field(field, name, of), label=label, value=value, autosize=True, minRows=2, **more)


def _reasoned(name: str, one: Breach, label: str) -> Part:
    return acts.form(
        label,
        _area(name, one.id, label),
        buttons=[acts.press("Write it down", name, one.id, main=True)],
        says=acts.place(name, one.id),
    )


def _assess(one: Breach) -> Part:
    name = "breach-assess"

    def id_(field: str) -> dict[str, Any]:
        return acts.field(field, name, one.id)

    return acts.form(
        "What is known",
        _area(name, one.id, "Nature", one.nature or "", field="nature"),
        dmc.TextInput(
            id=id_("categories"),
            label="Categories of data and people",
            description="With commas between",
            value=", ".join(one.categories),
        ),
        dmc.TextInput(id=id_("people"), label="People, about", value="" if one.people is None else str(one.people)),
        dmc.TextInput(id=id_("records"), label="Records, about", value="" if one.records is None else str(one.records)),
        _area(name, one.id, "Likely consequences", one.consequences or "", field="consequences"),
        _area(name, one.id, "Measures", one.measures or "", field="measures"),
        dmc.Select(
            id=id_("risk"),
            label="Risk for people",
            data=[{"value": "high", "label": "High"}, {"value": "no", "label": "Not high"}],
            value="high" if one.high_risk else "no",
            comboboxProps={"withinPortal": False},
        ),
        buttons=[acts.press("Keep it", name, one.id, main=not one.is_assessed)],
        says=acts.place(name, one.id),
    )


def _aware(one: Breach) -> Part:
    name = "breach-aware"
    return acts.form(
        "When we knew",
        dmc.TextInput(
            id=acts.field("aware_at", name, one.id), label="Known since, UTC", value=f"{one.aware_at:%Y-%m-%d %H:%M}"
        ),
        _area(name, one.id, "Why it is set anew"),
        buttons=[acts.press("Set it", name, one.id)],
        says=acts.place(name, one.id),
    )


def _decide(one: Breach) -> Part:
    name = "breach-propose"
    return acts.form(
        "Decision",
        dmc.Select(
            id=acts.field("decision", name, one.id),
            label="The authority",
            data=[
                {"value": breaches.NOTIFY, "label": "is told"},
                {"value": breaches.KEEP, "label": "is not told, as no risk is likely"},
            ],
            value=breaches.NOTIFY,
            comboboxProps={"withinPortal": False},
        ),
        _area(name, one.id, "Reasons"),
        buttons=[acts.press("Ask a second person", name, one.id, main=True)],
        says=acts.place(name, one.id),
    )


def _notice(view: View, one: Breach, text: str) -> Part:
    name = "breach-notify"
    is_late = view.now > one.due_at and not one.told(breaches.AUTHORITY)
    recipients = {"authority": "the authority", "people": "the people", "controller": "the controller"}
    return acts.form(
        "Notice",
        dmc.Select(
            id=acts.field("recipient", name, one.id),
            label="Sent to",
            data=[{"value": value, "label": label} for value, label in recipients.items()],
            value=breaches.AUTHORITY,
            comboboxProps={"withinPortal": False},
        ),
        _area(name, one.id, "Its words, drafted by Art. 33(3)", text, field="text"),
        dmc.TextInput(id=acts.field("reference", name, one.id), label="Their reference"),
        _area(
            name,
            one.id,
            "Why it comes late",
            field="late_reason",
            description="Its 72 hours are over" if is_late else "Only after 72 hours",
        ),
        buttons=[acts.press("It was sent", name, one.id, main=True)],
        says=acts.place(name, one.id),
    )


def _first() -> dict[str, Any]:
    return {"input": {"data-first": "true", "maxLength": breaches.TITLE_MAX}}
