"""Reports. *What do I hand over?* Kinds with what they hold, making one, and what was made, with hash and files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import AUDIT_REQUEST_WRITE, COMPLIANCE_REPORT_CREATE, COMPLIANCE_REPORT_READ
from app.kernel.context import Context
from compliance.reports import pdf, runs
from compliance.reports.kinds import KINDS
from compliance.reports.runs import Report
from dashboards import acts, days
from dashboards.acts import Deed
from dashboards.kit import (
    Part,
    answer,
    counted_words,
    dated,
    dated_text,
    day_text,
    empty,
    mark,
    ok,
    page,
    panel,
    scrolling,
    short,
    table,
    updated,
)
from dashboards.mount import Console
from dashboards.page import COMPLIANCE, Page, View
from dashboards.pages.compliance import work

DAYS: Final = 90
MAKE: Final = "report-make"
CANCEL: Final = "report-cancel"


def layout(view: View) -> Any:  # a Dash component
    """Return the kinds, the form that makes one, and the history."""
    viewer = view.sources.viewer()
    with view.sources.read() as session:
        found = runs.listed(session, viewer, kinds=tuple(KINDS))
    side = [_form(view)] if viewer.may(COMPLIANCE_REPORT_CREATE) else [_who_makes(view)]
    body = html.Div(
        [html.Div([_history(view, found)], className="stack"), html.Div([*side, _kinds()], className="stack")],
        className="cols",
    )
    return page("Reports", "What do I hand over?", _answer(found), body, right=updated(view.now), live=True)


def _answer(found: Sequence[Report]) -> Part:
    made = {one.kind for one in found if one.state == runs.DONE}
    going = sum(one.is_open for one in found)
    if going:
        said: list[Part] = [mark("Being made.", "run", "accent"), f" {counted_words(going, 'report')} to come."]
    elif made:
        ready = sum(one.state == runs.DONE for one in found)
        said = [ok(f"{counted_words(ready, 'report')}."), f" {len(made)} of {len(KINDS)} kinds were made."]
    else:
        said = [mark("Nothing yet.", "clock", "medium"), " No report was made."]
    small = (
        "A report says what stood at its instant; its files are compared with their hashes before they are handed out."
    )
    return answer(said, small)


def _who_makes(view: View) -> Part:
    """Return why there is no form, and the way to a report for whoever may not make one."""
    says = "Compliance officers and the data protection officer make reports; who only reads cannot."
    inner: list[Part] = [html.P(says)]
    if view.sources.viewer().may(AUDIT_REQUEST_WRITE):
        link = html.A("Audit requests", href=view.href("audit-requests"), className="more")
        inner.append(html.P(["Ask for one under ", link, ": name kind and days, within your period."]))
    return panel("Make a report", html.Div(inner, className="body"))


def _form(view: View) -> Part:
    def id_(name: str) -> dict[str, Any]:
        return acts.field(name, MAKE, "report")

    chosen = view.words.get("kind", "")
    inner = acts.form(
        "Make a report",
        dmc.Select(
            id=id_("kind"),
            label="Report",
            data=[{"value": one.name, "label": one.title} for one in KINDS.values()],
            value=chosen if chosen in KINDS else "pci_status",
            allowDeselect=False,
            comboboxProps={"withinPortal": False},
        ),
        dmc.TextInput(
            id=id_("since"),
            label="From, a day",
            value=f"{view.now - timedelta(days=DAYS):%Y-%m-%d}",
            attributes={"input": {"maxLength": 10}},
        ),
        dmc.TextInput(
            id=id_("as_of"),
            label="As of the end of a day",
            description="Empty is now",
            value="",
            attributes={"input": {"maxLength": 10}},
        ),
        buttons=[acts.press("Make it", MAKE, "report", main=True)],
        says=acts.place(MAKE, "report"),
    )
    return panel("Make a report", html.Div(inner, className="body"))


def _kinds() -> Part:
    items = [
        html.Li(
            [
                html.Div([html.Span(one.title, className="strong"), html.Small(one.says, className="dim block")]),
                html.Span(", ".join(one.formats), className="dim nowrap push"),
            ]
        )
        for one in KINDS.values()
    ]
    why = pdf.lacking()
    note = [html.P([mark("No PDF now.", "clock", "medium"), f" {why}."], className="body wraps")] if why else []
    return panel("Kinds", html.Ol(items, className="rows kinds"), *note)


def _history(view: View, found: Sequence[Report]) -> Part:
    if not found:
        why = "Reports of the period that is locked to you stand here." if view.sources.viewer().period else "Make one."
        return panel("Made", empty("No report yet.", why))
    rows = [
        [
            html.Div(
                [
                    html.Span(KINDS[one.kind].title, className="strong"),
                    html.Small(_period(one), className="dim block"),
                ]
            ),
            html.Div([work.state(one), work.ending(one, CANCEL)]),
            html.Div([work.files(one), html.Small(one.note, className="dim block") if one.files else None]),
            html.Div([f"{one.size:,}", html.Small(short(one.root or ""), className="block")]) if one.size else "–",
            dated(one.asked_at),
        ]
        for one in found
    ]
    heads = [
        ("Report, period", ""),
        ("State", ""),
        ("Files, SHA-256", ""),
        ("Log size, root", "num roomy"),
        ("Asked", "roomy"),
    ]
    return panel(
        "Made",
        scrolling("Made", table(heads, rows, caption="Reports that were made", cls="tall")),
        sub=str(len(found)),
    )


def _period(one: Report) -> str:
    return f"{day_text(one.since)} to {dated_text(one.as_of, seconds=False)} UTC"


def wire(console: Console) -> None:
    """Register making and cancelling."""

    def make(session: Session, deed: Deed, context: Context) -> str:
        as_of = days.begin_of(deed.text("as_of"), param="as_of")
        until = min(as_of + timedelta(days=1), context.at) if as_of is not None else context.at
        since = days.begin_of(deed.text("since"), param="since") or until - timedelta(days=DAYS)
        runs.ask(session, deed.text("kind"), since, context, as_of=until, parts=console.sources.reports)
        return "The report is being made"

    def cancel(session: Session, deed: Deed, context: Context) -> str:
        runs.cancel(session, deed.of, context, parts=console.sources.reports)
        return "Cancelled"

    fields = [("kind", "value"), ("since", "value"), ("as_of", "value")]
    acts.wire(console, MAKE, COMPLIANCE_REPORT_CREATE, make, fields=fields)
    acts.wire(console, CANCEL, COMPLIANCE_REPORT_READ, cancel)


PAGE: Final = Page(
    slug="reports",
    title="Reports",
    question="What do I hand over?",
    permission=COMPLIANCE_REPORT_READ,
    layout=layout,
    area=COMPLIANCE,
)
