"""Register. *What do we process, on what basis?* The record of Art. 30 from the marks, and what changed in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REGISTER_WRITE, PRIVACY_REQUEST_READ
from app.kernel.context import Context
from compliance.catalog import periods
from compliance.registers import processing
from compliance.registers.processing import Approved
from dashboards import acts, proving
from dashboards.acts import Deed
from dashboards.kit import (
    Part,
    act,
    answer,
    chain,
    counted_words,
    dated,
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
)
from dashboards.mount import Console
from dashboards.page import COMPLIANCE, Page, View
from dashboards.ports import Sources


def layout(view: View) -> Any:  # a Dash component
    """Return the record as it is now, the difference since it was approved, and the form that asks for approval."""
    parts = view.sources.registers
    with view.sources.read() as session:
        body = processing.document(session, parts=parts)
        last, waits = processing.approved(session), processing.waiting(session)
        left_out = processing.undocumented(session, parts=parts)
    changed = processing.differences(last.body if last else None, body)
    right: list[Part] = [updated(view.now)]
    may = view.sources.viewer().may(PRIVACY_REGISTER_WRITE)
    if waits is not None:
        right.append(act("Approvals", "/approvals", main=True))
    elif may and changed:
        right.append(act("Ask for approval", view.here("register", do="propose"), main=True))
    return page(
        "Register",
        "What do we process, on what basis?",
        _answer(body, last, changed, left_out),
        *(_form(view) if may and changed and waits is None else []),
        _activities(body),
        html.Div([_difference(changed, last), _approval(view, body, last)], className="cols"),
        right=right,
    )


def _answer(
    body: Mapping[str, Any], last: Approved | None, changed: Sequence[Any], left_out: Sequence[tuple[str, str]]
) -> Part:
    if left_out:
        said: list[Part] = [
            mark("Not all is in it.", "cross", "bad"),
            f" {counted_words(len(left_out), 'store')} left out.",
        ]
    elif last is None:
        said = [mark("Not approved yet.", "clock", "medium")]
    elif changed:
        said = [
            mark("It has changed.", "clock", "medium"),
            f" {counted_words(len(changed), 'difference')} since approval.",
        ]
    else:
        said = [ok("As approved.")]
    activities = body["activities"].values()
    stores = {store for one in activities for store in one["stores"]}
    outside = {country for one in activities for country in one["transfers"]}
    cells = [
        (str(len(activities)), "activities"),
        (str(len(stores)), "stores"),
        (", ".join(sorted(outside)) or "none", "countries outside the EEA"),
    ]
    small = "Made from the marks on every column and event field; there is no second list that could be wrong."
    idle = processing.idle(body)
    if idle:
        uses = ", ".join(_said(name) for name in idle)
        small += f" Offered to people, and without any data so far, so no activity: {uses}."
    return answer(said, small, cells)


def _activities(body: Mapping[str, Any]) -> Part:
    heads = [
        ("Activity", ""),
        ("Basis", ""),
        ("Data", ""),
        ("Stores", "num"),
        ("Who receives it", "roomy"),
        ("Kept", "roomy"),
    ]
    rows = [
        [
            html.Div([html.Span(one["says"], className="strong"), html.Small(name, className="dim block")]),
            html.Div([one["basis"].replace("_", " "), html.Small(one["law"], className="dim block")]),
            html.Span(", ".join(_said(each) for each in one["categories"]), className="dim"),
            html.Span(str(len(one["stores"])), title=", ".join(one["stores"])),
            html.Span("; ".join([*one["recipients"], *one["processors"]]) or "nobody outside", className="dim"),
            html.Span("; ".join(_kept(said) for said in one["kept"]), className="dim"),
        ]
        for name, one in sorted(body["activities"].items())
    ]
    listed = scrolling("Activities", table(heads, rows, caption="Activities"))
    return panel("Record of processing, Art. 30", listed, sub=f"controller: {body['controller']}")


def _said(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")


def _kept(said: str) -> str:
    """Return a class and its period as people say them; the document holds both as the law's clock reads them."""
    class_, _, period = said.rpartition(" ")
    return f"{_said(class_)}: {periods.parse(period).in_words()}"


def _field(name: str, said: str) -> str:
    """Return the value of a field, as it stands in the list above."""
    if name == "categories":
        return _said(said)
    return ", ".join(_kept(one) for one in said.split(", ")) if name == "kept" and said else said


def _difference(changed: Sequence[tuple[str, str, str, str]], last: Approved | None) -> Part:
    if not changed:
        return panel("Difference since approval", empty("None.", "What is processed is what was approved."))
    rows = [
        [
            html.Span(f"{name}, {field}"),
            html.Span([_field(field, before) or "–", " → ", html.B(_field(field, now) or "–")]),
            "",
        ]
        for name, field, before, now in changed
    ]
    title = "Difference since approval" if last else "All of it is new"
    return panel(title, html.Div(chain(rows, cls="words-of"), className="body"), sub=str(len(changed)))


def _approval(view: View, body: Mapping[str, Any], last: Approved | None) -> Part:
    pairs: list[tuple[str, Part]] = [("Hash now", short(processing.digest(body)))]
    if last is not None:
        pairs += [
            ("Approved", dated(last.at)),
            ("Its hash", short(last.sha256)),
            ("Event", proving.link(view, last.event_id)),
        ]
    return panel("Approval", html.Div(facts(*pairs), className="body"))


def _form(view: View) -> list[Part]:
    if view.words.get("do") != "propose":
        return []
    form = acts.form(
        "Ask for approval",
        acts.reason(
            "register-propose",
            "now",
            description="At least ten letters; the approval binds the hash of what stands here now",
            longest=processing.REASON_MAX,
        ),
        buttons=[acts.press("Ask a second person", "register-propose", "now", main=True)],
        says=acts.place("register-propose", "now"),
    )
    back = html.A("Cancel", href=view.here("register", do=None), className="more", **{"data-key": "Escape"})
    return [panel("Ask for approval", html.Div(form, className="body deed"), cls="opened", right=back)]


def wire(console: Console) -> None:
    """Register the act."""
    work = partial(_propose, console.sources)
    acts.wire(console, "register-propose", PRIVACY_REGISTER_WRITE, work, fields=[("reason", "value")])


def _propose(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    processing.propose(session, deed.text("reason"), ctx, parts=sources.registers)
    return "A second person is asked, under Approvals"


PAGE: Final = Page(
    slug="register",
    title="Register",
    question="What do we process, on what basis?",
    permission=PRIVACY_REQUEST_READ,
    layout=layout,
    area=COMPLIANCE,
)
