"""Health. *Is the pipeline whole?* Sequencer, shipper, checkpoint, store, and where each detector stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dash import html

from app.kernel.access import SOC_HEALTH_READ, SOC_RULE_READ
from app.kernel.errors import Unavailable
from dashboards.kit import act, answer, mark, ok, page, panel, table, updated
from dashboards.page import Page, View
from dashboards.pages.soc.rules import is_troubled, trouble_of
from detectors import runner

# What each part is there for, in the words of who reads its line for the first time.
MEANS: Final[Mapping[str, str]] = {
    "Sequencer": "gives each event its number, without gaps",
    "Shipper": "brings numbered events to where they are searched",
    "Parked": "events that the store refused; none is lost, each waits for a person",
    "Jobs": "what runs by the clock: detectors, playbooks, clocks",
    "Letters": "what people are told; failing: tried three times; lost: tried in vain for a day, or never to be sent",
    "Checkpoint": "the newest signature over the whole log",
}


def layout(view: View) -> Any:  # a Dash component
    """Return every part in one line each, the troubled ones first."""
    parts, lag = sorted(view.sources.parts(), key=lambda part: part.ok), view.sources.lag()
    bad = [part for part in parts if not part.ok]
    if bad:
        say: list[Any] = [mark("Not whole.", "cross", "bad"), f" {', '.join(part.name for part in bad)}."]
        why = "Events are numbered and kept all the same; what is behind catches up by itself."
    else:
        behind = lag["log"]["unsequenced"] or lag["store"]["behind"] or lag["checkpoint"]["size"] < lag["log"]["head"]
        all_there = " Every event is numbered, signed and searchable."
        say = [ok("Whole."), " The newest events are on their way." if behind else all_there]
        why = "Checked when this page was drawn."
    cells = [
        (f"{lag['log']['head']:,}", "events in the log"),
        (f"{lag['log']['unsequenced']:,}", "wait for a number"),
        (f"{lag['store']['behind']:,}", "wait to be searchable"),
        (f"{lag['store']['parked']:,}", "parked"),
    ]
    rows = [
        [
            html.Div([html.B(part.name), html.Small(MEANS.get(part.name, ""))], className="two"),
            ok(part.says) if part.ok else mark(part.says, "cross", "bad"),
            html.Span(part.detail, className="dim"),
        ]
        for part in parts
    ]
    body = [
        answer(say, why, cells),
        panel("Parts", table([("Part", ""), ("Stands", ""), ("More", "roomy")], rows, caption="Parts of the pipeline")),
        _store(view),
        *([_detectors(view)] if view.sources.viewer().may(SOC_RULE_READ) else []),
    ]
    return page(
        "Health", "Is the pipeline whole?", html.Div(body, className="stack"), live=True, right=updated(view.now)
    )


def _store(view: View) -> Any:
    try:
        stats = view.sources.store.stats()
    except Unavailable as away:
        return panel("Event store", html.Div(mark(f"{away} ({away.code})", "cross", "bad"), className="body"))
    rows = [
        [
            html.Span(unit.name, className="id"),
            f"{unit.documents:,}",
            f"{unit.bytes / 2**20:.1f} MiB",
            f"#{unit.low:,} … #{unit.high:,}",
        ]
        for unit in stats.units
    ]
    heads = [("Unit", ""), ("Documents", "num"), ("Size", "num"), ("Sequences", "num")]
    return panel(
        "Event store",
        table(heads, rows, caption="Units of the event store"),
        sub=f"{stats.documents:,} documents, one unit a class and month",
    )


def _detectors(view: View) -> Any:
    with view.sources.read() as session:
        found = runner.standings(session, view.sources.rules, view.sources.viewer(), view.now)
    rows = [
        [
            html.A(one.rule.slug, href=view.href(f"rules/{one.rule.slug}"), className="id"),
            ok("runs") if not is_troubled(one, view.now) else mark(trouble_of(one), "cross", "bad"),
            f"#{one.sequence:,}",
            f"{one.lag:,}",
        ]
        for one in found
    ]
    heads = [("Detector", ""), ("Stands", ""), ("Read to", "num"), ("Behind", "num")]
    return panel("Detectors", table(heads, rows, caption="Detectors"), right=act("Rules", view.href("rules")))


PAGE: Final = Page(
    slug="health", title="Health", question="Is the pipeline whole?", permission=SOC_HEALTH_READ, layout=layout
)
