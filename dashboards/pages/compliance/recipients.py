"""Recipients of a request: who is asked or told, by when, with which receipt; and what still waits for an answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REQUEST_HANDLE, PRIVACY_REQUEST_READ
from app.kernel.context import Context
from compliance.privacy import recipients
from compliance.privacy.recipients import IMPOSSIBLE, RECEIPT, Answer, Notice, NoticeInvalid
from compliance.privacy.request import Kind
from dashboards import acts, days, rights
from dashboards.acts import Deed
from dashboards.kit import Part, counted_words, day_text, due, mark, ok, panel, scrolling, table
from dashboards.mount import Console
from dashboards.page import View
from dashboards.ports import Sources

ACT: Final = "notice-answer"
_FIELDS: Final = ("answer", "on", "reference", "says")
_TOLD: Final = {
    Kind.ACCESS: "asked what it holds",
    Kind.RECTIFICATION: "told what was corrected",
    Kind.ERASURE: "told what was erased",
    Kind.RESTRICTION: "told of the restriction",
}


def of_request(view: View, notices: Sequence[Notice]) -> list[Part]:
    """Return the recipients of one request, none where nobody has to be asked or told."""
    if not notices:
        return []
    may = view.sources.viewer().may(PRIVACY_REQUEST_HANDLE)
    rows: list[list[Part]] = []
    for one in notices:
        about = ", ".join(each.replace(".", " ").replace("_", " ") for each in one.categories)
        link: Part = "–"
        if one.is_open and may:
            address = view.here(f"requests/{one.request_id}", do=ACT, notice=one.id)
            link = html.A("note the answer", href=address, className="more nowrap", **{"aria-label": f"of {one.name}"})
        rows.append(
            [
                html.Span([html.Span(one.name, className="strong"), html.Small(about, className="dim block")]),
                _state(view, one),
                html.Span(_said(one), className="dim"),
                link,
            ]
        )
    heads = [("Recipient", ""), ("State", ""), ("Receipt, words", "roomy"), ("Acts", "")]
    waits = sum(one.is_open for one in notices)
    sub = f"{counted_words(len(notices), 'notice')}, {waits} open" if waits else counted_words(len(notices), "notice")
    listed = scrolling("Recipients", table(heads, rows, caption="Recipients", cls="r36"))
    return [panel("Recipients", listed, sub=f"{sub}, {_TOLD[notices[0].kind]}")]


def opened(view: View, notices: Sequence[Notice]) -> list[Part]:
    """Return the form that notes an answer, where the address asks for it and it is open."""
    if view.words.get("do") != ACT or not view.sources.viewer().may(PRIVACY_REQUEST_HANDLE):
        return []
    one = next((each for each in notices if each.id == view.words.get("notice") and each.is_open), None)
    if one is None:
        return []
    is_access = one.kind is Kind.ACCESS
    cannot = "It cannot be asked" if is_access else "It cannot be told, or only out of all proportion"
    form = acts.form(
        f"Answer of {one.name}",
        dmc.Select(
            id=acts.field("answer", ACT, one.id),
            label="Answer",
            data=[
                {"value": RECEIPT, "label": "It said what it holds" if is_access else "It was told, and confirmed it"},
                {"value": IMPOSSIBLE, "label": cannot},
            ],
            value=RECEIPT,
            comboboxProps={"withinPortal": False},
        ),
        dmc.TextInput(
            id=acts.field("on", ACT, one.id),
            label="On",
            description="The day of its answer, such as 2026-11-30",
            value=view.now.date().isoformat(),
        ),
        dmc.TextInput(
            id=acts.field("reference", ACT, one.id),
            label="Reference",
            description="Of its receipt: number of its ticket, date and sender of its letter",
            attributes={"input": {"data-first": "true", "maxLength": recipients.REFERENCE_MAX}},
        ),
        acts.reason(
            ACT,
            one.id,
            name="says",
            label="What it holds" if is_access else "Why it cannot be told",
            description="At least ten letters; the person reads it",
            longest=recipients.SAYS_MAX,
            is_first=False,
        ),
        buttons=[acts.press("Note it", ACT, one.id, main=True)],
        says=acts.place(ACT, one.id),
    )
    back = html.A(
        "Cancel",
        href=view.here(f"requests/{one.request_id}", do=None, notice=None),
        className="more",
        **{"data-key": "Escape"},
    )
    says = html.P(f"{one.name} is to be {_TOLD[one.kind]} by {day_text(one.due)}.")
    return [panel("Note the answer", html.Div([says, form], className="body deed"), cls="opened", right=back)]


def waiting(view: View, session: Session) -> list[Notice]:
    """Return the notices that wait, those due first; none for who sees no requests."""
    if not view.sources.viewer().may(PRIVACY_REQUEST_READ):
        return []
    return recipients.waiting(session, view.sources.context())


def of_tasks(view: View, notices: Sequence[Notice]) -> list[Part]:
    """Return the notices that wait, as tasks with their day."""
    if not notices:
        return []
    rows: list[list[Part]] = [
        [
            html.Span(one.name, className="strong"),
            f"{_TOLD[one.kind]}",
            html.A(
                f"{rights.KINDS[one.kind][0]}, {rights.KINDS[one.kind][1]}",
                href=view.href(f"requests/{one.request_id}"),
                className="more nowrap",
                **{"aria-label": f"request {one.request_id}"},
            ),
            _state(view, one),
        ]
        for one in notices
    ]
    heads = [("Recipient", ""), ("Is to be", ""), ("Request", ""), ("Due", "")]
    listed = scrolling("Notices to recipients", table(heads, rows, caption="Notices to recipients", cls="r36"))
    return [panel("Notices to recipients", listed, sub=f"{counted_words(len(notices), 'notice')}, those due first")]


def _state(view: View, one: Notice) -> Part:
    if one.is_called_off:
        return mark("called off", "empty", "ink-2")
    if one.is_open:
        return due(one.due_at, view.now, f"by {day_text(one.due)}")
    if one.is_late:
        return mark("answered late", "cross", "bad")
    return ok("answered") if one.answer == RECEIPT else mark("impossible", "ring", "ink-2")


def _said(one: Notice) -> str:
    if one.answered_on is None:
        return "–"
    said = [day_text(one.answered_on), one.reference or "", one.says or ""]
    return ", ".join(part for part in said if part)


def wire(console: Console) -> None:
    """Register the act."""
    work = partial(_answer, console.sources)
    acts.wire(console, ACT, PRIVACY_REQUEST_HANDLE, work, fields=[(field, "value") for field in _FIELDS])


def _answer(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    on = days.begin_of(deed.text("on"), param="on")
    if on is None:
        raise NoticeInvalid(param="on")
    given = Answer(answer=deed.text("answer"), on=on.date(), reference=deed.text("reference"), says=deed.text("says"))
    recipients.answer(session, deed.of, given, ctx, parts=sources.privacy)
    return "The answer is noted"
