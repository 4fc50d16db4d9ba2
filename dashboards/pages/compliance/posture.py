"""Posture. *Would we pass today?* Both frameworks by requirement, the share of the quarter, what changed lately."""

from __future__ import annotations

from typing import Any, Final

from dash import html

from app.kernel.access import COMPLIANCE_CONTROL_READ
from compliance import posture
from compliance.catalog.controls import PCI
from compliance.posture import Framework, Posture
from compliance.states import State
from dashboards import controls
from dashboards.kit import age, answer, counted_words, empty, mark, ok, page, panel, scrolling, table, updated
from dashboards.page import COMPLIANCE, Page, View

CHANGES_SHOWN: Final = 12


def layout(view: View) -> Any:  # a Dash component
    """Return the answer, both frameworks, and what changed."""
    sources = view.sources
    with sources.read() as session:
        found = posture.of_now(session, sources.viewer(), view.now, sources.controls.parts)
    body = html.Div(
        [
            html.Div(
                [
                    _framework(found.pci, "PCI DSS 4.0.1 by requirement", "Req.", view),
                    _framework(found.gdpr, "GDPR by chapter", "Ch.", view),
                ],
                className="stack",
            ),
            html.Div([_changes(found, view), _failing(found, view)], className="stack"),
        ],
        className="cols",
    )
    return page("Posture", "Would we pass today?", _answer(found), body, right=updated(view.now), live=True)


def _answer(found: Posture) -> Any:
    pci, gdpr = found.pci, found.gdpr
    fails = (pci.counts.get(State.FAIL, 0), gdpr.counts.get(State.FAIL, 0))
    held, applicable = pci.held + gdpr.held, pci.applicable + gdpr.applicable
    unjudged = sum(one.counts.get(State.NOT_EVALUABLE, 0) for one in (pci, gdpr))
    if any(fails):
        said = [mark("Not today.", "cross", "bad"), f" {_fail_words(*fails)}"]
        oldest, since = found.failing[0]
        small = f"The oldest failure, {oldest.name}, stands for {age(found.at - since)}."
    elif held < applicable:
        said = [mark("Not shown yet.", "clock", "medium"), " Nothing fails, and not all is known."]
        small = f"{counted_words(unjudged, 'row')} of {applicable} cannot be judged yet."
    else:
        said = [ok("As far as we see, yes.")]
        small = "An assessor decides."
    span = found.measured_from
    of = "of the quarter" if span == posture.quarter_of(found.at) else f"of the time since {span:%-d %b %H:%M}"
    cells = [
        (_share(pci), f"in place, PCI, {of}"),
        (_share(gdpr), f"in place, GDPR, {of}"),
        (str(unjudged), "rows not evaluable"),
    ]
    return answer(said, f"{held} of {applicable} applicable rows are in place. {small}", cells)


def _fail_words(pci: int, gdpr: int) -> str:
    parts = [f"{count} {name}" for count, name in ((pci, "PCI"), (gdpr, "GDPR")) if count]
    return f"{' and '.join(parts)} {'row fails' if pci + gdpr == 1 else 'rows fail'}."


def _share(framework: Framework) -> str:
    in_place, judged = framework.in_place
    return f"{in_place / judged:.1%}".replace("%", " %") if judged else "–"


def _framework(framework: Framework, title: str, head: str, view: View) -> Any:
    apart = framework.counts.get(State.NOT_APPLICABLE, 0)
    rows = []
    for group in framework.groups:
        number = controls.number(framework.name, group.number)
        href = view.href("controls", framework="pci" if framework.name == PCI else "gdpr")
        words = [
            html.A(controls.state(state, f" {count}"), href=f"{href}&state={state.value}")
            for state, count in group.counts.items()
            if not state.is_in_place and state is not State.NOT_APPLICABLE
        ]
        rows.append(
            [
                html.Span(number, className="strong"),
                html.A(
                    group.title, href=f"{href}#{controls.group_id(framework.name, group.number)}", className="nowrap"
                ),
                controls.tally(group.counts),
                html.Span(words or ok("all in place"), className="words"),
                f"{group.in_place} of {group.applicable}",
            ]
        )
    heads = [
        (head, ""),
        ("Title", ""),
        ("Worst first", "roomy"),
        ("Not in place", ""),
        ("In place", "num nowrap"),
    ]
    listed = scrolling(title, table(heads, rows, caption=title, cls="pos"))
    return panel(
        title,
        listed,
        sub=f"{counted_words(framework.applicable + apart, 'row')}, {apart} not applicable",
        right=html.A("controls", href=view.href("controls"), className="more"),
    )


def _changes(found: Posture, view: View) -> Any:
    shown = found.changes[:CHANGES_SHOWN]
    catalogue = view.sources.controls.parts.catalogue.controls
    items = [
        html.Li(
            [
                html.A(
                    controls.key(catalogue[one.framework, one.key]),
                    href=view.href("controls", sel=controls.slug(catalogue[one.framework, one.key])),
                    className="strong chg-c",
                ),
                html.Span(
                    [
                        *_from(one.before),
                        controls.state(one.after),
                    ],
                    className="grow",
                ),
                html.Span(f"{one.at:%d %b %H:%M}", className="dim nowrap"),
            ]
        )
        for one in shown
        if (one.framework, one.key) in catalogue
    ]
    listed = html.Ol(items, className="rows r30") if items else empty("Nothing changed.", "No row moved in seven days.")
    return panel("Changed in 7 days", listed, sub=str(len(found.changes)))


def _from(before: State | None) -> list[Any]:
    """Return the state it was in; that nobody could say is not worth a line of its own."""
    if before is None or before is State.NOT_EVALUABLE:
        return []
    return [html.Span(f"{controls.SHORT[before]} to ", className="dim")]


def _failing(found: Posture, view: View) -> Any:
    items = [
        html.Li(
            [
                html.A(
                    controls.key(one.control),
                    href=view.href("controls", sel=controls.slug(one.control)),
                    className="strong chg-c",
                ),
                html.Span(one.control.title, className="grow cut"),
                html.Span(age(found.at - since), className="dim nowrap"),
            ]
        )
        for one, since in found.failing
    ]
    listed = html.Ol(items, className="rows r30") if items else empty("Nothing fails.", "No probe sees a violation.")
    return panel("Failing, oldest first", listed, sub=str(len(found.failing)))


PAGE: Final = Page(
    slug="posture",
    title="Posture",
    question="Would we pass today?",
    permission=COMPLIANCE_CONTROL_READ,
    layout=layout,
    area=COMPLIANCE,
)
