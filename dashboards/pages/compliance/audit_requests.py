"""Audit requests. *What does the auditor ask?* Questions and samples, those that wait first; asking and answering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel import numbers
from app.kernel.access import AUDIT_REQUEST_ANSWER, AUDIT_REQUEST_WRITE, AUDIT_SAMPLE_DRAW, AUDIT_TRAIL_READ
from app.kernel.context import Context
from compliance.audit import filters, requests
from compliance.audit.requests import Request
from compliance.audit.sample import SampleInvalid
from dashboards import acts
from dashboards.acts import Deed
from dashboards.colleagues import named
from dashboards.kit import (
    Part,
    answer,
    counted_words,
    dated,
    days_text,
    dock,
    empty,
    facts,
    ident,
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

ASK: Final = "audit-ask"
DRAW: Final = "audit-ask-sample"
ANSWER: Final = "audit-answer"
EVIDENCE_SHOWN: Final = 200


def layout(view: View) -> Any:  # a Dash component
    """Return the requests, the forms of an auditor, and one beside them."""
    viewer = view.sources.viewer()
    with view.sources.read() as session:
        found = requests.listed(session, viewer)
        sel = view.words.get("sel")
        chosen = requests.by_id(session, sel, viewer) if sel else None
    forms = [_ask(), _ask_sample()] if viewer.may(AUDIT_REQUEST_WRITE) else [_exports()]
    body = html.Div(
        [html.Div([_list(view, found)], className="stack"), html.Div(forms, className="stack")], className="cols"
    )
    beside = _dock(view, chosen) if chosen is not None else None
    return page(
        "Audit requests",
        "What does the auditor ask?",
        _answer(found),
        body,
        right=updated(view.now),
        dock=beside,
    )


def _answer(found: Sequence[Request]) -> Part:
    waiting = sum(one.state == requests.WAITING for one in found)
    if waiting:
        said: list[Part] = [
            mark("Answers are owed.", "clock", "medium"),
            f" {counted_words(waiting, 'request')} waiting.",
        ]
    else:
        said = [ok("Nothing waits."), f" {counted_words(len(found), 'request')} answered." if found else ""]
    small = "An answer names evidence by its number; a sample is drawn by the auditor's own seed, inside their period."
    return answer(said, small)


def _exports() -> Part:
    link = html.A("Approvals", href="/approvals", className="more")
    return panel(
        "Exports", html.Div(html.P(["What an auditor wants to take away waits under ", link, "."]), className="body")
    )


def _ask() -> Part:
    inner = acts.form(
        "Ask a question",
        dmc.Textarea(
            id=acts.field("body", ASK, "question"),
            label="Question",
            autosize=True,
            minRows=3,
            value="",
            attributes={"input": {"maxLength": 2_000}},
        ),
        buttons=[acts.press("Ask", ASK, "question", main=True)],
        says=acts.place(ASK, "question"),
    )
    return panel("Ask a question", html.Div(inner, className="body"))


def _ask_sample() -> Part:
    def id_(name: str) -> dict[str, Any]:
        return acts.field(name, DRAW, "sample")

    inner = acts.form(
        "Ask for a sample",
        dmc.TextInput(
            id=id_("seed"),
            label="Seed",
            description="Any words of your own",
            value="",
            attributes={"input": {"maxLength": 200}},
        ),
        dmc.TextInput(id=id_("count"), label="How many", value="25", attributes={"input": {"maxLength": 4}}),
        dmc.TextInput(id=id_("action"), label="Action", description="A kind, or auth.*; empty is all", value=""),
        dmc.Textarea(
            id=id_("body"),
            label="What for",
            autosize=True,
            minRows=2,
            value="",
            attributes={"input": {"maxLength": 2_000}},
        ),
        buttons=[acts.press("Ask for it", DRAW, "sample")],
        says=acts.place(DRAW, "sample"),
    )
    return panel("Ask for a sample", html.Div(inner, className="body"))


def _list(view: View, found: Sequence[Request]) -> Part:
    if not found:
        return panel("Requests", empty("No request yet.", "What auditors ask stands here until it is answered."))
    rows = [
        [
            html.A(one.body, href=view.here("audit-requests", sel=one.id), className="cut"),
            one.kind,
            named(view, one.auditor or "–"),
            dated(one.asked_at),
            ok("answered") if one.state == requests.ANSWERED else mark("waits", "clock", "medium"),
        ]
        for one in found
    ]
    heads = [("Request", ""), ("Kind", ""), ("Auditor", "roomy"), ("Asked", "roomy"), ("State", "nowrap")]
    return panel("Requests", scrolling("Requests", table(heads, rows, caption="Requests")), sub=str(len(found)))


def _dock(view: View, one: Request) -> Part:
    inner: list[Part] = [
        html.P(one.body, className="lead"),
        facts(
            ("Kind", one.kind),
            ("Asked", dated(one.asked_at)),
            ("Auditor", named(view, one.auditor or "–")),
            ("Period", days_text(one.period_from, one.period_until)),
            *((("Seed", one.seed or ""), ("Events", str(one.count))) if one.kind == requests.SAMPLE else ()),
            *((("Filter", requests.said(one.filter)),) if one.filter else ()),
        ),
    ]
    if one.state == requests.ANSWERED and one.answered_at is not None:
        more = len(one.evidence) - EVIDENCE_SHOWN
        shown = [html.Li(ident(number)) for number in one.evidence[:EVIDENCE_SHOWN]]
        inner += [
            html.H3("Answer"),
            html.P(one.answer),
            facts(("Answered", dated(one.answered_at)), ("By", named(view, one.answered_by or "–"))),
            html.H3(counted_words(len(one.evidence), "piece") + " of evidence"),
            html.Ul(shown, className="numbers"),
            *([html.P(f"and {more:,} more", className="dim")] if more > 0 else []),
        ]
    elif view.sources.viewer().may(AUDIT_REQUEST_ANSWER):
        inner.append(_answer_form(view, one))
    bar = [
        ok("answered") if one.state == requests.ANSWERED else mark("waits", "clock", "medium"),
        html.B(short(one.id)),
    ]
    title = "A question" if one.kind == requests.QUESTION else "A sample"
    return dock(f"Request {one.id}", bar=bar, title=title, inner=inner, close=view.here("audit-requests", sel=None))


def _answer_form(view: View, one: Request) -> Part:
    is_drawn = one.kind == requests.SAMPLE
    if is_drawn and not view.sources.viewer().may(AUDIT_SAMPLE_DRAW):
        return html.P("Somebody who may draw samples answers this.", className="dim")
    evidence = dmc.TextInput(
        id=acts.field("evidence", ANSWER, one.id),
        label="Evidence numbers",
        description="Such as EV-000012345, by commas",
        value="",
        style={"display": "none"} if is_drawn else None,
    )
    return acts.form(
        "Answer",
        dmc.Textarea(
            id=acts.field("answer", ANSWER, one.id),
            label="Answer",
            autosize=True,
            minRows=3,
            value="",
            attributes={"input": {"maxLength": 2_000}},
        ),
        evidence,
        buttons=[acts.press("Draw and answer" if is_drawn else "Answer", ANSWER, one.id, main=True)],
        says=acts.place(ANSWER, one.id),
    )


def wire(console: Console) -> None:
    """Register asking and answering."""

    def ask(session: Session, deed: Deed, context: Context) -> str:
        requests.ask(session, deed.text("body"), context)
        return "Asked"

    def ask_sample(session: Session, deed: Deed, context: Context) -> str:
        count = numbers.whole(deed.text("count"))
        if count is None:
            raise SampleInvalid(param="count")
        wanted = filters.read({"action": deed.text("action")}, context.at)
        requests.ask_sample(session, deed.text("seed"), wanted, count, deed.text("body"), context)
        return "Asked"

    def answer(session: Session, deed: Deed, context: Context) -> str:
        requests.answer(
            session, deed.of, deed.text("answer"), deed.text("evidence"), context, parts=console.sources.reports
        )
        return "Answered"

    acts.wire(console, ASK, AUDIT_REQUEST_WRITE, ask, fields=[("body", "value")])
    fields = [(name, "value") for name in ("seed", "count", "action", "body")]
    acts.wire(console, DRAW, AUDIT_REQUEST_WRITE, ask_sample, fields=fields)
    acts.wire(console, ANSWER, AUDIT_REQUEST_ANSWER, answer, fields=[("answer", "value"), ("evidence", "value")])


PAGE: Final = Page(
    slug="audit-requests",
    title="Audit requests",
    question="What does the auditor ask?",
    permission=AUDIT_TRAIL_READ,
    layout=layout,
    area=COMPLIANCE,
)
