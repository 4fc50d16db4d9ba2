"""Requests. *Which breaks its deadline?* What people ask of their data, those due first; entering one by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REQUEST_HANDLE, PRIVACY_REQUEST_READ
from app.kernel.context import Context
from compliance import pressing
from compliance.catalog import purposes
from compliance.privacy import intake, requests
from compliance.privacy.parts import ReceiptInvalid
from compliance.privacy.request import BY_HAND, Asked, Kind, Request, RequestFilter
from dashboards import acts, rights
from dashboards.acts import Deed
from dashboards.kit import (
    Part,
    act,
    answer,
    as_of_page,
    choices,
    counted_words,
    day_text,
    empty,
    mark,
    ok,
    page,
    panel,
    scrolling,
    short,
    table,
)
from dashboards.mount import Console
from dashboards.page import COMPLIANCE, Page, View
from dashboards.ports import Sources

_SHOWN: Final[Mapping[str, tuple[bool | None, bool | None]]] = {
    "": (True, False),
    "answered": (True, True),
    "all": (None, None),
}
"""Which requests an address shows: whether they are open, whether they are answered."""
_FIELDS: Final = ("kind", "subject", "received_on", "channel", "purpose", "detail", "reason")


def layout(view: View) -> Any:  # a Dash component
    """Return what is open, those due first, or what was asked so far; the form where it is called for."""
    present, view = view.now, view.as_told()
    viewer, shows = view.sources.viewer(), view.words.get("show", "")
    is_open, is_answered = _SHOWN.get(shows, _SHOWN[""])
    wanted = RequestFilter(is_open=is_open, is_answered=is_answered, kind=_kind(view))
    after, context = view.words.get("after"), view.sources.context()
    found = view.sources.acted(lambda session: requests.listed(session, wanted, context, after=after))
    with view.sources.read() as session:
        asked = pressing.requests(session, viewer, view.now)
    right: list[Part] = [as_of_page(present, view.now)]
    if viewer.may(PRIVACY_REQUEST_HANDLE):
        right.append(act("Enter one by hand", view.here("requests", do="enter"), main=True))
    return page(
        "Requests",
        "Which breaks its deadline?",
        _answer(asked),
        *_form(view),
        _filters(view, asked),
        _list(view, found),
        right=right,
    )


def _answer(asked: pressing.Asked) -> Part:
    soon = f" {counted_words(asked.soon, 'request')} {'falls' if asked.soon == 1 else 'fall'} due within 7 days."
    if asked.late:
        said: list[Part] = [mark("One is late." if asked.late == 1 else f"{asked.late} are late.", "cross", "bad")]
    elif asked.behind:
        one = "One is past our own day" if asked.behind == 1 else f"{asked.behind} are past our own day"
        said = [mark(f"{one}.", "clock", "medium"), " None is past the law's."]
    elif asked.soon:
        said = [mark("None has.", "clock", "medium"), soon]
    else:
        said = [ok("None.")]
    small = (
        "One month from receipt by the calendar of the law; the clock stands only while a question of identity does. "
        "Our own day is the 20th after receipt."
    )
    cells = [
        (str(asked.waiting), "waiting for an answer"),
        (str(asked.late), "past the day of the law"),
        (str(asked.behind), "past our own day, not the law's"),
        (str(asked.unknown), "of whom we do not know who asks"),
    ]
    return answer(said, small, cells)


def _filters(view: View, asked: pressing.Asked) -> Part:
    shows = view.words.get("show", "")
    which = [
        (words, view.here("requests", show=show or None, after=None), show == (shows if shows in _SHOWN else ""))
        for words, show in (
            (f"Waiting {asked.waiting}", ""),
            (f"Answered, not closed {asked.answered}", "answered"),
            ("All", "all"),
        )
    ]
    chosen = _kind(view)
    kinds = [("Every kind", view.here("requests", kind=None, after=None), chosen is None)]
    for kind, (words, _) in rights.KINDS.items():
        kinds.append((words, view.here("requests", kind=kind.value, after=None), chosen is kind))
    return html.Div(
        [choices("Which", which, cls="ranges fit"), choices("Kind", kinds, cls="ranges fit")], className="chips"
    )


def _list(view: View, found: Sequence[Request]) -> Part:
    if not found:
        return panel("Requests", empty("Nobody waits.", "What people ask on their pages or by letter stands here."))
    heads = [
        ("Request", ""),
        ("Kind", ""),
        ("By law", ""),
        ("Stage", ""),
        ("Person", "roomy"),
        ("Identity", "roomy"),
        ("Internal", "roomy"),
        ("Clock", "roomy"),
        ("Owner", "roomy"),
    ]
    rows = [
        [
            html.A(short(one.id), href=view.href(f"requests/{one.id}")),
            rights.kind(one),
            rights.clock(one, view.now),
            rights.stage(one),
            short(one.subject),
            rights.identity(one),
            _internal(view, one),
            html.Span(rights.pause(one) + (", extended" if one.is_extended else ""), className="dim"),
            html.Span(_owner(view, one), className="dim"),
        ]
        for one in found
    ]
    listed = scrolling("Requests", table(heads, rows, caption="Requests", cls="r44"))
    further = []
    if len(found) == requests.PAGE_MAX:
        further = [html.A("those due later", href=view.here("requests", after=found[-1].id), className="more")]
    return panel("Requests", listed, sub=f"{len(found)}, due first", right=further)


def _internal(view: View, found: Request) -> Part:
    by = html.Small(f"by {day_text(found.internal_due)}", className="dim block")
    return html.Span([rights.internal(found, view.now), by])


def _owner(view: View, found: Request) -> str:
    if found.handled_by is None:
        return "–"
    return view.sources.name_of_colleague(found.handled_by) or "a colleague who left"


def _form(view: View) -> list[Part]:
    if view.words.get("do") != "enter" or not view.sources.viewer().may(PRIVACY_REQUEST_HANDLE):
        return []

    def id_(name: str) -> dict[str, Any]:
        return acts.field(name, "request-enter", "new")

    kinds = [{"value": kind.value, "label": f"{words}, {law}"} for kind, (words, law) in rights.KINDS.items()]
    uses = [
        {"value": one.id, "label": one.says}
        for one in purposes.shipped().values()
        if one.may_be_objected_to or one.needs_consent
    ]
    channels = [{"value": one, "label": one.replace("_", " ")} for one in BY_HAND]
    under = {"comboboxProps": {"withinPortal": False}}
    fields = acts.form(
        "Enter a request",
        dmc.Select(id=id_("kind"), label="What is asked", data=kinds, value=Kind.ACCESS.value, **under),
        dmc.TextInput(
            id=id_("subject"),
            label="Of whom",
            description="The account's id; whether it is them is shown afterwards",
            placeholder="acc_…",
            attributes={"input": {"data-first": "true", "maxLength": 40}},
        ),
        dmc.TextInput(
            id=id_("received_on"),
            label="Received on",
            description="The day it reached us; the clock runs from it",
            value=view.now.date().isoformat(),
        ),
        dmc.Select(id=id_("channel"), label="How it came", data=channels, value=BY_HAND[0], **under),
        dmc.Select(
            id=id_("purpose"),
            label="Which use, for an objection",
            data=uses,
            placeholder="Choose",
            clearable=True,
            **under,
        ),
        dmc.Textarea(
            id=id_("detail"),
            label="What is wrong, or which decision",
            description="For a rectification or a review; sealed under the person's key",
            autosize=True,
            minRows=2,
        ),
        dmc.TextInput(id=id_("reason"), label="Why so late", description="Only where it is older than 60 days"),
        buttons=[acts.press("Enter it", "request-enter", "new", main=True)],
        says=acts.place("request-enter", "new"),
    )
    back = html.A("Cancel", href=view.here("requests", do=None), className="more", **{"data-key": "Escape"})
    return [panel("Enter a request", html.Div(fields, className="body deed"), cls="opened", right=back)]


def _kind(view: View) -> Kind | None:
    said = view.words.get("kind", "")
    return Kind(said) if said in set(Kind) else None


def wire(console: Console) -> None:
    """Register the form."""
    fields = [(name, "value") for name in _FIELDS]
    acts.wire(console, "request-enter", PRIVACY_REQUEST_HANDLE, partial(_enter, console.sources), fields=fields)


def _enter(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    try:
        received = date.fromisoformat(deed.text("received_on").strip())
    except ValueError as error:
        raise ReceiptInvalid("Write the day of receipt as 2027-01-31.", param="received_on") from error
    wanted = Asked(
        kind=deed.text("kind"),
        detail=deed.text("detail").strip() or None,
        purpose=deed.text("purpose") or None,
        channel=deed.text("channel") or BY_HAND[0],
    )
    intake.enter(
        session,
        wanted,
        deed.text("subject").strip(),
        received,
        ctx,
        parts=sources.privacy,
        reason=deed.text("reason") or None,
    )
    return "It is entered; now it is to be shown who asks"


PAGE: Final = Page(
    slug="requests",
    title="Requests",
    question="Which breaks its deadline?",
    permission=PRIVACY_REQUEST_READ,
    layout=layout,
    area=COMPLIANCE,
)
