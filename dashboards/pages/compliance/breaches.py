"""Breaches. *Must we notify?* Each with its clock from awareness, what is known, the decision, drafts and notices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dash import html

from app.kernel.access import PRIVACY_BREACH_WRITE, PRIVACY_REQUEST_READ
from compliance.registers import breaches, processors
from compliance.registers.breaches import Breach
from dashboards.kit import (
    Part,
    act,
    answer,
    as_of_page,
    counted_words,
    dated,
    empty,
    mark,
    ok,
    page,
    panel,
    scrolling,
    short,
    table,
)
from dashboards.page import COMPLIANCE, Page, View
from dashboards.pages.compliance import breach, breach_forms


def layout(view: View) -> Any:  # a Dash component
    """Return the register, the form that is asked for, and what is open beside it."""
    present, view = view.now, view.as_told()
    context, viewer = view.sources.context(), view.sources.viewer()
    with view.sources.read() as session:
        found = breaches.register(session, context)
        officer = processors.officer_seen(session, context)
    chosen = next((one for one in found if one.id == view.words.get("sel")), None)
    contact = officer.contact if officer else view.sources.registers.settings.dpo_contact
    right: list[Part] = [as_of_page(present, view.now)]
    if viewer.may(PRIVACY_BREACH_WRITE):
        right.append(act("Enter a breach", view.here("breaches", do="enter", sel=None), main=True))
    return page(
        "Breaches",
        "Must we notify?",
        _answer(view, found),
        *breach_forms.entering(view),
        _list(view, found),
        right=right,
        dock=breach.dock_of(view, chosen, contact) if chosen is not None else None,
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
        ("Known since", "roomy told-beside"),
        ("State", ""),
        ("By law", ""),
        ("People", "num roomy told-beside"),
        ("Risk", "roomy"),
    ]
    rows = [
        [
            html.A(short(one.id), href=view.here("breaches", sel=one.id, do=None)),
            html.Span(one.title),
            dated(one.aware_at),
            breach.state(one),
            breach.clock(view, one),
            f"{one.people:,}" if one.people is not None else "–",
            mark("high", "cross", "bad") if one.high_risk else html.Span("–" if one.high_risk is None else "not high"),
        ]
        for one in found
    ]
    listed = scrolling("Breaches", table(heads, rows, caption="Breaches", cls="r44"))
    return panel("Register", listed, sub=f"{len(found)}, open first")


PAGE: Final = Page(
    slug="breaches",
    title="Breaches",
    question="Must we notify?",
    permission=PRIVACY_REQUEST_READ,
    layout=layout,
    area=COMPLIANCE,
)
