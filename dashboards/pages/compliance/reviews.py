"""Access reviews. *Who has more than they need?* Each role with its holder, giver and last use: kept or removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import COMPLIANCE_CONTROL_READ, COMPLIANCE_REVIEW_DECIDE
from app.kernel.context import Context
from app.kernel.errors import NotFound
from compliance.reviews import campaigns
from compliance.reviews.campaigns import Decision, Line, Review
from dashboards import acts
from dashboards.acts import Deed
from dashboards.kit import (
    Part,
    age,
    answer,
    counted_words,
    dated,
    day_text,
    empty,
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

LOOKS: Final = {
    Decision.REMOVE: ("removed", "cross", "ink-2"),
    Decision.LAPSED: ("lapsed", "cross", "medium"),
    Decision.STAYED: ("stayed as the last", "clock", "bad"),
    Decision.GONE: ("ended meanwhile", "empty", "ink-2"),
}


def layout(view: View) -> Any:  # a Dash component
    """Return the campaign that is open or was last, and those before."""
    viewer = view.sources.viewer()
    with view.sources.read() as session:
        found = campaigns.listed(session, viewer)
        oldest = min((basis for _, _, basis in campaigns.bases(session, view.now, view.sources.reviews)), default=None)
    right: list[Part] = [updated(view.now)]
    is_open = bool(found) and found[0].closed_at is None
    if viewer.may(COMPLIANCE_REVIEW_DECIDE) and campaigns.may_open(found):
        right += [acts.press("Open a review", "review-open", "new"), acts.place("review-open", "new")]
    next_on = day_text(oldest + campaigns.EVERY) if oldest is not None else "a grant is there"
    body: list[Part] = [_answer(found[0] if is_open else None, next_on, was_done=bool(found))]
    if found:
        body += [*_form(view, found[0]), _lines(view, found[0]), _earlier(found[1:])]
    else:
        body.append(panel("Lines", empty("No review yet.", f"The first opens by itself on {next_on}."), cls="last"))
    return page("Access reviews", "Who has more than they need?", *body, right=right)


def _answer(running: Review | None, next_on: str, *, was_done: bool) -> Part:
    if running is None:
        # That no line waits is no review: PCI DSS 7.2.4 asks for one every six months.
        said = [ok("Nothing waits.")] if was_done else [mark("Nobody has looked yet.", "clock", "medium")]
        cells = [(next_on, "the next opens")]
    else:
        said = [mark(f"{counted_words(running.left, 'line')} left.", "clock", "medium")]
        cells = [
            (str(len(running.lines) - running.left), "decided"),
            (str(running.left), "left"),
            (day_text(running.due_at), "the first lapse"),
        ]
    small = (
        "Somebody else than the holder decides; after 183 days a role lapses. The last of its kind stays "
        "until somebody decides, at the latest in the next review."
    )
    return answer(said, small, cells)


def _lines(view: View, review: Review) -> Part:
    rows = [
        [
            html.Span(line.what, className="strong nowrap"),
            _name(view, line.holder),
            html.Span(_name(view, line.giver) if line.giver else "–"),
            html.Span(f"{age(view.now - line.last_use)} ago" if line.last_use else "never", className="nowrap"),
            html.Span(day_text(line.since), className="nowrap"),
            _decision(view, line),
            html.Div(_acts(view, line), className="chips"),
        ]
        for line in review.lines
    ]
    heads = [
        ("Role", ""),
        ("Holder", ""),
        ("Given by", "roomy"),
        ("Last sign-in", ""),
        ("Decided last", "roomy"),
        ("Decision", ""),
        ("Acts", ""),
    ]
    listed = scrolling("Lines", table(heads, rows, caption="Lines", cls="r36"))
    return panel("Lines", listed, sub=f"opened {day_text(review.opened_at)}")


def _decision(view: View, line: Line) -> Part:
    if line.decision is None:
        return mark(f"lapses {day_text(line.lapses_at)}", "clock", "medium" if line.lapses_at > view.now else "bad")
    by = f" by {_name(view, line.decided_by)}" if line.decided_by else ""
    if line.decision is Decision.KEEP:
        return html.Span([ok("kept"), html.Span(by, className="dim")], title=line.reason)
    words, shape, token = LOOKS[line.decision]
    return html.Span([mark(words, shape, token), html.Span(by, className="dim")], title=line.reason)


def _acts(view: View, line: Line) -> list[Part]:
    viewer = view.sources.viewer()
    if not line.waits or not viewer.may(COMPLIANCE_REVIEW_DECIDE):
        return []
    if line.holder == viewer.id:
        return [html.Span("somebody else decides", className="dim")]
    of = f"{line.review_id}/{line.source}/{line.grant_ref}"
    return [html.A("decide", href=view.here("reviews", of=of), className="more")]


def _form(view: View, review: Review) -> list[Part]:
    of = view.words.get("of", "")
    line = next((one for one in review.lines if f"{one.review_id}/{one.source}/{one.grant_ref}" == of), None)
    if line is None or not line.waits or not view.sources.viewer().may(COMPLIANCE_REVIEW_DECIDE):
        return []
    back = html.A("Cancel", href=view.here("reviews", of=None), className="more", **{"data-key": "Escape"})
    form = acts.form(
        "Decide",
        dmc.Select(
            id=acts.field("decision", "review-decide", of),
            label="Decision",
            data=[{"value": "keep", "label": "Keep: they need it"}, {"value": "remove", "label": "Remove it now"}],
            placeholder="Choose",
            comboboxProps={"withinPortal": False},
        ),
        acts.reason("review-decide", of, longest=campaigns.REASON_MAX),
        buttons=[acts.press("Decide", "review-decide", of, main=True)],
        says=acts.place("review-decide", of),
    )
    title = f"{line.what} of {_name(view, line.holder)}"
    return [panel(title, html.Div([form], className="body deed"), cls="opened", right=back)]


def _earlier(found: Sequence[Review]) -> Part:
    if not found:
        return panel("Earlier reviews", empty("None.", "Every review stays, with its decisions."), cls="last")
    items = [
        html.Li(
            [
                html.Span(day_text(one.opened_at), className="nowrap"),
                html.Span(counted_words(len(one.lines), "line"), className="grow"),
                dated(one.closed_at) if one.closed_at else "open",
            ]
        )
        for one in found
    ]
    return panel("Earlier reviews", html.Ol(items, className="rows r30"), cls="last")


def _name(view: View, account: str | None) -> str:
    return (view.sources.name_of_colleague(account) if account else None) or "–"


def wire(console: Console) -> None:
    """Register the acts of the page."""

    def begin(session: Session, deed: Deed, ctx: Context) -> str:
        made = campaigns.open_by_hand(session, ctx, sources=console.sources.reviews)
        return f"{counted_words(len(made.lines), 'line')} to decide"

    def decide(session: Session, deed: Deed, ctx: Context) -> str:
        parts = deed.of.split("/")
        try:
            decision = Decision(deed.text("decision"))
        except ValueError as error:
            raise NotFound from error
        if len(parts) != 3:
            raise NotFound
        campaigns.decide(
            session,
            (parts[0], parts[1], parts[2]),
            decision,
            deed.text("reason"),
            ctx,
            sources=console.sources.reviews,
        )
        return "Kept" if decision is Decision.KEEP else "Removed"

    acts.wire(console, "review-open", COMPLIANCE_REVIEW_DECIDE, begin)
    fields = [("decision", "value"), ("reason", "value")]
    acts.wire(console, "review-decide", COMPLIANCE_REVIEW_DECIDE, decide, fields=fields)


PAGE: Final = Page(
    slug="reviews",
    title="Access reviews",
    question="Who has more than they need?",
    permission=COMPLIANCE_CONTROL_READ,
    layout=layout,
    area=COMPLIANCE,
)
