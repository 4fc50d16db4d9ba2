"""Breaches. *Must we notify?* Each with its clock from awareness, what is known, the decision, drafts and notices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel import numbers
from app.kernel.access import PRIVACY_BREACH_DECIDE, PRIVACY_BREACH_WRITE, PRIVACY_REQUEST_READ, Permission
from app.kernel.context import Context
from compliance.registers import breaches, processors
from compliance.registers.breaches import Assessment, AwarenessInvalid, Breach, Found
from dashboards import acts
from dashboards.acts import Deed
from dashboards.kit import (
    Part,
    act,
    answer,
    chain,
    counted_words,
    dock,
    due,
    empty,
    facts,
    mark,
    ok,
    page,
    panel,
    scrolling,
    short,
    table,
    updated,
    when,
)
from dashboards.mount import Console
from dashboards.page import COMPLIANCE, Page, View
from dashboards.ports import Sources

STATES: Final[Mapping[str, tuple[str, str, str]]] = {
    breaches.SUSPECTED: ("suspected", "clock", "medium"),
    breaches.ASSESSING: ("being assessed", "clock", "medium"),
    breaches.TO_NOTIFY: ("to be notified", "cross", "bad"),
    breaches.NOTIFIED: ("notified, open", "run", "accent"),
}
_ASSESSED: Final = ("nature", "categories", "people", "records", "consequences", "measures", "risk")


def layout(view: View) -> Any:  # a Dash component
    """Return the register, the form that is asked for, and what is open beside it."""
    context, viewer = view.sources.context(), view.sources.viewer()
    with view.sources.read() as session:
        found = breaches.register(session, context)
        officer = processors.appointed(session)
    chosen = next((one for one in found if one.id == view.words.get("sel")), None)
    contact = officer.contact if officer else view.sources.registers.settings.dpo_contact
    right: list[Part] = [updated(view.now)]
    if viewer.may(PRIVACY_BREACH_WRITE):
        right.append(act("Enter a breach", view.here("breaches", do="enter", sel=None), main=True))
    return page(
        "Breaches",
        "Must we notify?",
        _answer(view, found),
        *_entering(view),
        _list(view, found),
        right=right,
        dock=_dock(view, chosen, contact) if chosen is not None else None,
    )


def _answer(view: View, found: Sequence[Breach]) -> Part:
    undecided = [one for one in found if one.is_open and one.decision is None]
    to_tell = [one for one in found if one.state == breaches.TO_NOTIFY]
    late = [one for one in (*undecided, *to_tell) if one.due_at <= view.now]
    if late:
        said: list[Part] = [mark("Late.", "cross", "bad"), f" {counted_words(len(late), 'clock')} ran out."]
    elif to_tell:
        said = [mark("Yes.", "clock", "medium"), " Two people decided to notify."]
    elif undecided:
        said = [mark("Not decided.", "clock", "medium"), " The clock runs from when we knew."]
    else:
        said = [ok("Nothing is open.")]
    small = "72 hours from awareness, weekends and holidays included. Every breach stands here, notified or not."
    notified = sum(bool(one.told(breaches.AUTHORITY)) for one in found)
    kept = sum(one.state == breaches.NO_NOTICE for one in found)
    cells = [
        (str(len(undecided)), "not decided"),
        (str(notified), "told to the authority"),
        (str(kept), "not notified, with reasons"),
    ]
    return answer(said, small, cells)


def _list(view: View, found: Sequence[Breach]) -> Part:
    if not found:
        return panel("Register", empty("No breach is known.", "What playbooks open or people enter stands here."))
    heads = [
        ("Breach", ""),
        ("What", ""),
        ("Known since", "roomy"),
        ("State", ""),
        ("By law", ""),
        ("People", "num roomy"),
        ("Risk", "roomy"),
    ]
    rows = [
        [
            html.A(short(one.id), href=view.here("breaches", sel=one.id, do=None)),
            html.Span(one.title),
            when(one.aware_at, view.now),
            _state(one),
            _clock(view, one),
            f"{one.people:,}" if one.people is not None else "–",
            mark("high", "cross", "bad") if one.high_risk else html.Span("–" if one.high_risk is None else "not high"),
        ]
        for one in found
    ]
    listed = scrolling("Breaches", table(heads, rows, caption="Breaches", cls="r44"))
    return panel("Register", listed, sub=f"{len(found)}, open first")


def _state(one: Breach) -> Part:
    if one.state == breaches.COMPLETE:
        return ok("complete")
    if one.state == breaches.NO_NOTICE:
        return ok("no notice, with reasons")
    words, shape, token = STATES[one.state]
    return mark(words, shape, token)


def _clock(view: View, one: Breach) -> Part:
    first = next(iter(one.told(breaches.AUTHORITY)), None)
    if first is not None:
        late = first.sent_at > one.due_at
        return mark("notified late", "cross", "bad") if late else html.Span("notified in time", className="dim")
    if one.decision == breaches.KEEP:
        return html.Span("decided", className="dim")
    return due(one.due_at, view.now, f"by {one.due_at:%d %b %H:%M} UTC")


def _entering(view: View) -> list[Part]:
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


def _dock(view: View, one: Breach, contact: str) -> Part:
    risk = "–" if one.high_risk is None else "high" if one.high_risk else "not high"
    inner: list[Part] = [
        facts(
            ("By law", _clock(view, one)),
            ("Known since", when(one.aware_at, view.now)),
            ("Written down", when(one.recorded_at, view.now)),
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
    inner += _forms(view, one, contact)
    if one.notices:
        inner += [
            html.H3("Notices"),
            chain(
                [
                    [f"{note.recipient}, phase {note.phase}", html.Span(_late(note)), when(note.sent_at, view.now)]
                    for note in one.notices
                ]
            ),
        ]
    changes = [
        [step.what, html.Span(_change(step), className="cut"), when(step.at, view.now)] for step in reversed(one.steps)
    ]
    inner += [html.H3("History"), chain(changes)]
    close = view.here("breaches", sel=None, do=None)
    return dock(f"Breach {one.id}", bar=[_state(one), short(one.id)], title=one.title, inner=inner, close=close)


def _late(note: breaches.Notice) -> str:
    return f"late: {note.late_reason}" if note.late_reason else f"SHA-256 {note.sha256[:8]}…"


def _change(step: breaches.Step) -> str:
    moved = f"{step.before} → {step.after}" if step.before else (step.after or "")
    return ": ".join(part for part in (moved, step.reason or "") if part)


def _incident(one: Breach) -> Part:
    if one.incident_ref is None:
        return "–"
    return html.A(short(one.incident_ref), href=f"/console/soc/incidents/{one.incident_ref}")


def _forms(view: View, one: Breach, contact: str) -> list[Part]:
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
        text = breaches.draft(one, parts=view.sources.registers, contact=contact)
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
        buttons=[acts.press("Ask the data protection officer", name, one.id, main=True)],
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


def wire(console: Console) -> None:
    """Register every act with the permission that it demands."""
    wanted: Sequence[tuple[str, Permission, Callable[..., str], Sequence[str]]] = (
        ("breach-enter", PRIVACY_BREACH_WRITE, _enter, ("title", "aware_at", "incident", "controller")),
        ("breach-assess", PRIVACY_BREACH_WRITE, _keep, _ASSESSED),
        ("breach-aware", PRIVACY_BREACH_WRITE, _set_aware, ("aware_at", "reason")),
        ("breach-propose", PRIVACY_BREACH_WRITE, _propose, ("decision", "reason")),
        ("breach-notify", PRIVACY_BREACH_WRITE, _notify, ("recipient", "text", "reference", "late_reason")),
        ("breach-except", PRIVACY_BREACH_DECIDE, _except, ("reason",)),
        ("breach-complete", PRIVACY_BREACH_WRITE, _complete, ()),
    )
    for name, permission, does, fields in wanted:
        work = partial(does, console.sources)
        acts.wire(console, name, permission, work, fields=[(field, "value") for field in fields])


def _instant(text: str) -> datetime:
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    except ValueError as error:
        raise AwarenessInvalid("Write the instant as 2027-01-31 14:05, in UTC.", param="aware_at") from error


def _enter(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    found = Found(
        title=deed.text("title"),
        aware_at=_instant(deed.text("aware_at")),
        incident=deed.text("incident").strip() or None,
        controller=deed.text("controller").strip() or None,
    )
    breaches.open_breach(session, found, ctx)
    return "Its clock runs"


def _keep(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    made = Assessment(
        nature=deed.text("nature"),
        categories=tuple(deed.text("categories").split(",")),
        people=numbers.whole(deed.text("people").strip() or None),
        records=numbers.whole(deed.text("records").strip() or None),
        consequences=deed.text("consequences"),
        measures=deed.text("measures"),
        high_risk=deed.text("risk") == "high",
    )
    breaches.assess(session, deed.of, made, ctx)
    return "It is kept"


def _set_aware(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    breaches.correct_awareness(session, deed.of, _instant(deed.text("aware_at")), deed.text("reason"), ctx)
    return "Its clock was set anew"


def _propose(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    approvals, decision = sources.registers.approvals, deed.text("decision")
    breaches.propose(session, deed.of, decision, deed.text("reason"), ctx, approvals=approvals)
    return "A second person is asked"


def _notify(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    breaches.notify(
        session,
        deed.of,
        deed.text("recipient"),
        deed.text("text"),
        ctx,
        reference=deed.text("reference").strip() or None,
        late_reason=deed.text("late_reason").strip() or None,
    )
    return "The notice is kept"


def _except(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    breaches.except_letters(session, deed.of, deed.text("reason"), ctx)
    return "It is written down"


def _complete(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    breaches.complete(session, deed.of, ctx)
    return "It is complete"


PAGE: Final = Page(
    slug="breaches",
    title="Breaches",
    question="Must we notify?",
    permission=PRIVACY_REQUEST_READ,
    layout=layout,
    area=COMPLIANCE,
)
