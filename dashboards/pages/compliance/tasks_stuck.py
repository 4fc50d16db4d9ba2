"""Requests of people that do not go on, as tasks: since when, at which step, the last error, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REQUEST_HANDLE
from compliance.privacy import trouble
from compliance.privacy.trouble import Trouble
from dashboards import rights
from dashboards.kit import Part, age, counted_words, ident, mark, panel, scrolling, table
from dashboards.page import View


def waiting(view: View, session: Session) -> Sequence[Trouble]:
    """Return what does not go on, those stuck longest first; none for who handles no requests."""
    viewer = view.sources.viewer()
    return trouble.stuck(session, viewer) if viewer.may(PRIVACY_REQUEST_HANDLE) else ()


def of_tasks(view: View, found: Sequence[Trouble]) -> list[Part]:
    """Return the requests that do not go on, none where all do."""
    if not found:
        return []
    rows: list[list[Part]] = [
        [
            html.Span([mark(f"{age(view.now - one.first_at)}", "cross", "bad")], className="nowrap"),
            html.A(
                rights.KINDS[one.kind][0],
                href=view.href(f"requests/{one.request_id}"),
                className="strong nowrap",
                title=one.request_id,
            ),
            html.Span(f"{one.what}, {one.tries} times", className="nowrap"),
            ident(one.code),
            html.Span(one.advice, className="dim"),
        ]
        for one in found
    ]
    heads = [("Since", ""), ("Request", ""), ("Step", ""), ("Last error", ""), ("What to do", "roomy")]
    listed = scrolling(
        "Requests that do not go on", table(heads, rows, caption="Requests that do not go on", cls="r36")
    )
    return [panel("Requests that do not go on", listed, sub=counted_words(len(found), "request"))]
