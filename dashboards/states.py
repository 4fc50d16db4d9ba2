"""What stands where a page cannot: nothing here, not allowed, a part away, a question refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html

from app.kernel.access import Permission
from app.kernel.errors import OnePayError, Unavailable
from dashboards.kit import act, facts, ident, mark, page, panel
from dashboards.ports import Sources
from ingest.store.port import StoreUnavailable


def loading() -> Any:  # a Dash component
    """Return what stands before the first page is drawn; it shows itself only after a moment."""
    return html.Main(
        [
            html.H1("Loading", className="vh"),
            html.P("The console is loading…", className="dim"),
            html.Div(className="block"),
            html.Div(className="block"),
        ],
        className="boot",
        id="content",
        **{"aria-busy": "true"},
    )


def nothing_here() -> Any:  # a Dash component
    """Return the page of an address that is none, or of an object that is not there."""
    return page(
        "Nothing here",
        None,
        panel(
            "Not found",
            html.Div(
                [html.P("There is no page or object at this address."), act("Overview", "/console/soc/overview")],
                className="body",
            ),
        ),
    )


def unreadable(most: int) -> Any:  # a Dash component
    """Return the page of an address that no page of ours would write."""
    return page(
        "This address cannot be read",
        None,
        panel(
            "Not an address of ours",
            html.Div(
                [
                    html.P(f"After its question mark, an address holds at most {most} words, each of them text."),
                    act("Overview", "/console/soc/overview"),
                ],
                className="body",
            ),
        ),
    )


def denied(title: str, permission: Permission, holders: Sequence[str]) -> Any:
    """Return the page of what the viewer may not see: the permission, and who holds it."""
    return page(
        title,
        None,
        panel(
            "Not allowed",
            html.Div(
                [
                    html.P(f"This page needs a permission you do not hold: {permission.meaning}"),
                    facts(("Permission", ident(permission.name)), ("Held by", ", ".join(holders) or "nobody")),
                    html.P("This look was recorded as a denied request.", className="dim"),
                ],
                className="body",
            ),
        ),
    )


def away(title: str, question: str, problem: Unavailable, sources: Sources) -> Any:
    """Return the page while a part is away: since when, how many wait, and that nothing is lost. Never "0 found"."""
    if not isinstance(problem, StoreUnavailable):
        return _busy(title, question, problem)
    store = sources.lag().get("store", {})
    behind = store.get("behind", 0)
    return page(
        title,
        question,
        panel(
            "The event store does not answer",
            html.Div(
                [
                    html.P(mark(str(problem), "cross", "bad")),
                    html.P(
                        f"{behind:,} events wait to become searchable. Nothing is lost: they are numbered and kept, "
                        "and are shipped as soon as it is back."
                    ),
                    html.P(
                        [
                            "Code ",
                            ident(problem.code),
                            ". Pages that read the database go on: incidents, alerts, rules, health.",
                        ],
                        className="dim",
                    ),
                ],
                className="body",
            ),
        ),
    )


def _busy(title: str, question: str, problem: Unavailable) -> Any:
    again = html.Button("Retry", className="btn", type="button", **{"data-do": "draw"})
    return page(
        title,
        question,
        panel(
            "This page cannot be drawn at the moment",
            html.Div(
                [
                    html.P(mark(str(problem), "cross", "bad")),
                    html.P(["Code ", ident(problem.code), ". Nothing was changed."], className="dim"),
                    html.Div(again),
                ],
                className="body empty",
            ),
        ),
    )


def refused(title: str, question: str, problem: OnePayError) -> Any:
    """Return the page of a question that cannot be asked so."""
    return page(
        title,
        question,
        panel(
            "This cannot be shown so",
            html.Div([html.P(str(problem)), html.P(["Code ", ident(problem.code)], className="dim")], className="body"),
        ),
    )
