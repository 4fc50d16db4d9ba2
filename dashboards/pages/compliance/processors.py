"""Processors. *Whom do we hand data to?* Contracts with their eight points, countries, attestations; the officer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REGISTER_WRITE, PRIVACY_REQUEST_READ
from app.kernel.context import Context
from compliance.catalog import purposes
from compliance.registers import processors
from compliance.registers.processors import POINTS, Entry, Officer, Processor, ProcessorInvalid
from dashboards import acts
from dashboards.acts import Deed
from dashboards.kit import (
    Part,
    act,
    answer,
    chain,
    counted_words,
    dated,
    day_text,
    days_text,
    dock,
    empty,
    facts,
    mark,
    ok,
    page,
    panel,
    scrolling,
    table,
    updated,
)
from dashboards.mount import Console
from dashboards.page import COMPLIANCE, Page, View
from dashboards.ports import Sources

_ENTRY: Final = (
    "name", "does", "purposes", "countries", "contract", "transfer", "sub_processors", "hosts", "cards", "aoc_on",
    "aoc_until", "review_on",
)  # fmt: skip
_OFFICER: Final = ("contact", "published", "reports_to", "independence")


def layout(view: View) -> Any:  # a Dash component
    """Return the processors, the form that is asked for, the officer's record, and what is open beside it."""
    context, viewer = view.sources.context(), view.sources.viewer()
    with view.sources.read() as session:
        found, officer = processors.register(session, context), processors.officer_seen(session, context)
    chosen = next((one for one in found if one.id == view.words.get("sel")), None)
    right: list[Part] = [updated(view.now)]
    if viewer.may(PRIVACY_REGISTER_WRITE):
        right += [
            act("Name the officer", view.here("processors", do="officer", sel=None)),
            act("Add a processor", view.here("processors", do="add", sel=None), main=True),
        ]
    return page(
        "Processors",
        "Whom do we hand data to?",
        _answer(view, found, officer),
        *_form(view, officer, chosen),
        html.Div([_list(view, found), _officer(officer)], className="stack" if chosen else "cols"),
        right=right,
        dock=_dock(view, chosen) if chosen is not None else None,
    )


def _answer(view: View, found: Sequence[Processor], officer: Officer | None) -> Part:
    wrong = [one for one in found if one.lacks(view.now.date())]
    if wrong:
        says = f" Of {counted_words(len(wrong), 'processor')} something is missing."
        said: list[Part] = [mark("Not in order.", "cross", "bad"), says]
    elif officer is None:
        said = [mark("Nobody is named.", "clock", "medium"), " The data protection officer has no record."]
    elif not found:
        said = [ok("To nobody.")]
    else:
        said = [ok(f"To {counted_words(len(found), 'processor')}, by contract.")]
    outside = {country for one in found for country in one.outside}
    cells = [
        (str(len(found)), "processors"),
        (str(sum(one.has_cards for one in found)), "that touch cards"),
        (", ".join(sorted(outside)) or "none", "outside the EEA"),
    ]
    small = "One register for Art. 28 and PCI DSS 12.8; each is looked at again on its day."
    return answer(said, small, cells)


def _list(view: View, found: Sequence[Processor]) -> Part:
    if not found:
        return panel("Processors", empty("None.", "Whoever works on data for us stands here with the contract."))
    heads = [
        ("Processor", ""),
        ("Does", ""),
        ("Points", "num nowrap"),
        ("Countries", ""),
        ("AOC until", "nowrap roomy"),
        ("Look again", "nowrap"),
        ("State", ""),
    ]
    rows = []
    for one in found:
        missing = one.lacks(view.now.date())
        state = mark(f"{len(missing)} missing", "cross", "bad") if missing else ok("in order")
        rows.append(
            [
                html.A(one.name, href=view.here("processors", sel=one.id, do=None)),
                html.Span(one.does, className="dim"),
                f"{len(one.points)} of {len(POINTS)}",
                ", ".join(one.countries),
                day_text(one.aoc_until) if one.aoc_until else "missing" if one.has_cards else "–",
                day_text(one.review_on),
                state,
            ]
        )
    listed = scrolling("Processors", table(heads, rows, caption="Processors", cls="r36"))
    return panel("Processors", listed, sub=str(len(found)))


def _officer(officer: Officer | None) -> Part:
    if officer is None:
        return panel(
            "Data protection officer", empty("No record.", "Contact, publication, reporting line, independence.")
        )
    shown = facts(
        ("Contact", officer.contact),
        ("Published", officer.published),
        ("Reports to", officer.reports_to),
        ("Independence", officer.independence),
        ("Since", dated(officer.from_at)),
    )
    return panel("Data protection officer", html.Div(shown, className="body"), sub="Art. 37 to 39")


def _dock(view: View, one: Processor) -> Part:
    missing = one.lacks(view.now.date())
    bar: list[Part] = [mark("not in order", "cross", "bad") if missing else ok("in order")]
    inner: list[Part] = [
        *([html.P([mark("Missing: ", "cross", "bad"), "; ".join(missing)])] if missing else []),
        facts(
            ("Does", one.does),
            ("For", ", ".join(one.purposes)),
            ("Contract", one.contract or "none"),
            ("Countries", ", ".join(one.countries)),
            ("Transfer by", one.transfer or "–"),
            ("Sub-processors", ", ".join(one.sub_processors) or "none"),
            ("Hosts", ", ".join(one.hosts) or "none"),
            ("AOC", _attested(one)),
            ("Look again", day_text(one.review_on)),
        ),
        html.H3("Art. 28(3)"),
        chain(
            [
                [point.replace("_", " "), html.Span(says), one.points.get(point) or mark("missing", "cross", "bad")]
                for point, says in POINTS.items()
            ]
        ),
    ]
    if view.sources.viewer().may(PRIVACY_REGISTER_WRITE) and one.ended_at is None:
        name = "processor-tick"
        points = [{"value": point, "label": says} for point, says in POINTS.items()]
        inner.append(
            acts.form(
                "Note a point",
                dmc.Select(
                    id=acts.field("point", name, one.id),
                    label="The contract says that it",
                    data=points,
                    placeholder="Choose",
                    comboboxProps={"withinPortal": False},
                ),
                dmc.TextInput(id=acts.field("reference", name, one.id), label="Where", placeholder="DPA, section 4.2"),
                buttons=[
                    acts.press("Note it", name, one.id, main=True),
                    acts.press("Works for us no more", "processor-end", one.id),
                ],
                says=html.Div([acts.place(name, one.id), acts.place("processor-end", one.id)]),
            )
        )
        bar.append(act("Look again or change", view.here("processors", do="edit")))
    close = view.here("processors", sel=None)
    return dock(f"Processor {one.name}", bar=bar, title=one.name, inner=inner, close=close)


def _attested(one: Processor) -> str:
    """Return for which days a processor is attested."""
    if one.aoc_until is None:
        return "–"
    return days_text(one.aoc_on, one.aoc_until) if one.aoc_on else f"until {day_text(one.aoc_until)}"


def _form(view: View, officer: Officer | None, chosen: Processor | None) -> list[Part]:
    do = view.words.get("do")
    if not view.sources.viewer().may(PRIVACY_REGISTER_WRITE):
        return []
    if do == "add":
        title, form = "Add a processor", _entry(None)
    elif do == "officer":
        title, form = "Name the officer", _naming(officer)
    elif do == "edit" and chosen is not None and chosen.ended_at is None:
        title, form = f"Look again at {chosen.name}", _entry(chosen)
    else:
        return []
    back = html.A("Cancel", href=view.here("processors", do=None), className="more", **{"data-key": "Escape"})
    return [panel(title, html.Div(form, className="body deed"), cls="opened", right=back)]


def _entry(one: Processor | None) -> Part:
    """Return the form of an entry: empty for a new one, else as it stands; its points are noted beside it."""
    act_, of, seen = ("processor-change", one.id, one.version) if one else ("processor-add", "new", 0)
    title, done = ("Look again", "Write it down") if one else ("Add a processor", "Add it")

    def id_(name: str) -> dict[str, Any]:
        return acts.field(name, act_, of, seen)

    def said(name: str) -> str:
        held = getattr(one, name) if one else None
        return "" if held is None else str(held)

    def lines(name: str) -> str:
        return "\n".join(getattr(one, name)) if one else ""

    uses = [{"value": name, "label": one.says} for name, one in purposes.shipped().items()]
    return acts.form(
        title,
        dmc.TextInput(
            id=id_("name"),
            label="Name",
            value=said("name"),
            attributes={"input": {"data-first": "true", "maxLength": 100}},
        ),
        dmc.TextInput(id=id_("does"), label="What it does for us", value=said("does")),
        dmc.MultiSelect(
            id=id_("purposes"),
            label="For which purposes",
            data=uses,
            value=list(one.purposes) if one else [],
            comboboxProps={"withinPortal": False},
        ),
        dmc.TextInput(
            id=id_("countries"),
            label="Countries",
            value=", ".join(one.countries) if one else "",
            placeholder="DE, IE",
            description="Two letters each",
        ),
        dmc.TextInput(id=id_("contract"), label="Contract", value=said("contract"), placeholder="DPA of 2026-03-01"),
        dmc.TextInput(
            id=id_("transfer"),
            label="What allows a transfer",
            value=said("transfer"),
            placeholder="Standard contractual clauses",
        ),
        dmc.Textarea(
            id=id_("sub_processors"),
            label="Sub-processors",
            description="One a line",
            value=lines("sub_processors"),
            autosize=True,
            minRows=1,
        ),
        dmc.Textarea(
            id=id_("hosts"), label="Hosts", description="One a line", value=lines("hosts"), autosize=True, minRows=1
        ),
        dmc.Select(
            id=id_("cards"),
            label="Touches card data",
            data=["no", "yes"],
            value="yes" if one and one.has_cards else "no",
            comboboxProps={"withinPortal": False},
        ),
        dmc.TextInput(
            id=id_("aoc_on"), label="Attestation of compliance of", value=said("aoc_on"), placeholder="2026-05-01"
        ),
        dmc.TextInput(id=id_("aoc_until"), label="Holds until", value=said("aoc_until"), placeholder="2027-05-01"),
        dmc.TextInput(
            id=id_("review_on"), label="To be looked at again on", value=said("review_on"), placeholder="2027-05-01"
        ),
        buttons=[acts.press(done, act_, of, seen, main=True)],
        says=acts.place(act_, of, seen),
    )


def _naming(officer: Officer | None) -> Part:
    labels = {
        "contact": "How they are reached",
        "published": "Where that is published",
        "reports_to": "To whom they report",
        "independence": "What keeps them independent",
    }
    return acts.form(
        "Name the officer",
        *(
            dmc.TextInput(
                id=acts.field(name, "officer-name", "now"), label=label, value=getattr(officer, name) if officer else ""
            )
            for name, label in labels.items()
        ),
        buttons=[acts.press("Write it down", "officer-name", "now", main=True)],
        says=acts.place("officer-name", "now"),
    )


def wire(console: Console) -> None:
    """Register every act."""
    sources = console.sources
    for name, does, fields in (
        ("processor-add", _add, _ENTRY),
        ("processor-change", _change, _ENTRY),
        ("processor-tick", _tick, ("point", "reference")),
        ("processor-end", _end, ()),
        ("officer-name", _name, _OFFICER),
    ):
        work = partial(does, sources)
        acts.wire(console, name, PRIVACY_REGISTER_WRITE, work, fields=[(field, "value") for field in fields])


def _add(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    entry = _written(deed)
    processors.add(session, entry, ctx)
    return f"{entry.name} stands in the register"


def _change(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    points = processors.get(session, deed.of).points
    entry = replace(_written(deed), points=points)
    processors.change(session, deed.of, entry, ctx, seen=deed.seen)
    return f"{entry.name} is written down anew"


def _written(deed: Deed) -> Entry:
    review = _day(deed.text("review_on"), "review_on")
    if review is None:
        raise ProcessorInvalid("Say when it is looked at again.", param="review_on")
    return Entry(
        name=deed.text("name"),
        does=deed.text("does"),
        purposes=deed.names("purposes"),
        countries=_countries(deed.text("countries")),
        contract=deed.text("contract").strip() or None,
        transfer=deed.text("transfer").strip() or None,
        sub_processors=_lines(deed.text("sub_processors")),
        hosts=_lines(deed.text("hosts")),
        has_cards=deed.text("cards") == "yes",
        aoc_on=_day(deed.text("aoc_on"), "aoc_on"),
        aoc_until=_day(deed.text("aoc_until"), "aoc_until"),
        review_on=review,
    )


def _tick(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    processors.tick(session, deed.of, deed.text("point"), deed.text("reference"), ctx)
    return "It is noted"


def _end(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    processors.end(session, deed.of, ctx)
    return "It works for us no more"


def _name(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    contact, published, reports_to, independence = (deed.text(name) for name in _OFFICER)
    processors.appoint(session, contact, published, reports_to, independence, ctx)
    return "It is written down"


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _countries(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _day(text: str, param: str) -> date | None:
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise ProcessorInvalid("Write a day as 2027-05-01.", param=param) from error


PAGE: Final = Page(
    slug="processors",
    title="Processors",
    question="Whom do we hand data to?",
    permission=PRIVACY_REQUEST_READ,
    layout=layout,
    area=COMPLIANCE,
)
