"""Consent. *Who agreed to what text?* Purposes and the versions of their texts, how people stand, receipts by id."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_CONSENT_READ, PRIVACY_REQUEST_HANDLE
from app.kernel.context import Context
from compliance.catalog import purposes
from compliance.privacy import consent, wording
from compliance.privacy.consent import Receipt, Tally
from dashboards import acts, proving
from dashboards.acts import Deed
from dashboards.kit import (
    Part,
    answer,
    as_of_page,
    chain,
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
from dashboards.mount import Console
from dashboards.page import COMPLIANCE, Page, View
from dashboards.ports import Sources

SAME: Final = "consent-same"


def layout(view: View) -> Any:  # a Dash component
    """Return how people stand, text by text, and the receipts of the one whose id the address names."""
    present, view = view.now, view.as_told()
    context, subject = view.sources.context(), view.words.get("of", "").strip()
    with view.sources.read() as session:
        found = consent.tallies(session, context)
    receipts: Sequence[Receipt] = ()
    if subject:
        receipts = view.sources.acted(lambda session: consent.receipts_of(session, subject, context))
    body = html.Div([_texts(view, found), _receipts(view, subject, receipts)], className="cols")
    return page(
        "Consent",
        "Who agreed to what text?",
        _answer(found),
        body,
        right=as_of_page(present, view.now),
    )


def _answer(found: Sequence[Tally]) -> Part:
    given = sum(one.given for one in found if one.holds)
    stale = sum(one.given for one in found if not one.holds)
    back = sum(one.withdrawn for one in found)
    said: list[Part] = [ok(f"{counted_words(given, 'consent')} to the present texts.")]
    if stale:
        said = [
            mark(f"{stale:,} to an older text.", "clock", "medium"),
            " Those uses are off until they are asked anew.",
        ]
    small = "A purpose is off until somebody agrees. Taking it back works in the same transaction, at the gate itself."
    cells = [(f"{given:,}", "stand"), (f"{stale:,}", "to an older text"), (f"{back:,}", "taken back")]
    return answer(said, small, cells)


def _texts(view: View, found: Sequence[Tally]) -> Part:
    rows = []
    for purpose in purposes.shipped().values():
        if not purpose.needs_consent:
            continue
        mine = [one for one in found if one.purpose == purpose.id]
        if not any(one.is_present for one in mine):
            rows.append(_row(view, purpose.title, purpose.version, purpose.text_hash, None))
        rows += [_row(view, purpose.title, one.version, one.sha256, one) for one in mine]
    heads = [
        ("Purpose", ""),
        ("Text", ""),
        ("Agreed", "num"),
        ("Taken back", "num"),
        ("Newest", "roomy"),
        ("SHA-256", "roomy"),
    ]
    words = chain([[one.title, html.Span(one.text), f"v{one.version}"] for one in _asked()], cls="words-of")
    listed = scrolling("Purposes and texts", table(heads, rows, caption="Purposes and texts", cls="r36"))
    return html.Div(
        [
            panel("Purposes and texts", listed, sub="the newest receipt of each person decides"),
            panel("What people agree to", html.Div(words, className="body"), sub="as it is shown to them"),
        ],
        className="stack",
    )


def _asked() -> list[purposes.Purpose]:
    return [one for one in purposes.shipped().values() if one.needs_consent]


def _row(view: View, title: str, version: int, sha256: str, tally: Tally | None) -> list[Part]:
    is_present = tally is None or tally.is_present
    words = ", older, says the same" if tally and tally.holds else ", older"
    return [
        html.Span(title, className="strong"),
        html.Span([f"version {version}", html.Span("" if is_present else words, className="dim")]),
        f"{tally.given:,}" if tally else "0",
        f"{tally.withdrawn:,}" if tally else "0",
        dated(tally.newest_at) if tally else "–",
        html.Span([short(sha256), *_same(view, tally)]),
    ]


def _same(view: View, tally: Tally | None) -> list[Part]:
    """Return the act by which an older text is put before a second person as one that says the same."""
    if tally is None or tally.holds or not view.sources.viewer().may(PRIVACY_REQUEST_HANDLE):
        return []
    of = f"{tally.purpose} {tally.sha256}"
    return [" ", acts.press("Says the same", SAME, of), acts.place(SAME, of)]


def wire(console: Console) -> None:
    """Register the act."""
    acts.wire(console, SAME, PRIVACY_REQUEST_HANDLE, partial(_propose, console.sources))


def _propose(sources: Sources, session: Session, deed: Deed, ctx: Context) -> str:
    purpose, _, sha256 = deed.of.partition(" ")
    wording.propose(session, purpose, sha256, ctx, approvals=sources.retention.approvals)
    return "A second person is asked, under Approvals"


def _receipts(view: View, subject: str, found: Sequence[Receipt]) -> Part:
    ask = html.Form(
        [
            dmc.TextInput(
                name="of",
                label="Receipts of",
                value=subject,
                placeholder="acc_…",
                description="Looking them up is recorded",
                attributes={"input": {"maxLength": 40}},
            ),
            html.Button("Show", className="btn", type="submit"),
        ],
        method="get",
        className="form",
    )
    parts: list[Part] = [html.Div(ask, className="body")]
    if subject and not found:
        parts.append(empty("No receipt.", "Nobody with this id ever agreed to anything, or there is no such person."))
    if found:
        items = [
            html.Li(
                [
                    html.A(
                        _said(one),
                        href=proving.address(view, one.event_id),
                        title="event and proof",
                        className="grow",
                    ),
                    html.Span([f"v{one.version}, {one.channel}  ", dated(one.at)], className="dim nowrap"),
                ]
            )
            for one in reversed(found)
        ]
        parts.append(html.Ol(items, className="rows r36"))
    return panel("Receipts by person", *parts)


def _said(one: Receipt) -> list[Part]:
    known = purposes.shipped().get(one.purpose)
    title = known.title if known else one.purpose
    shown = ok("agreed") if one.action == consent.GIVEN else mark("took back", "cross", "ink-2")
    return [shown, f"  {title}"]


PAGE: Final = Page(
    slug="consent",
    title="Consent",
    question="Who agreed to what text?",
    permission=PRIVACY_CONSENT_READ,
    layout=layout,
    area=COMPLIANCE,
)
