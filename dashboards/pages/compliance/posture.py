"""Posture. *Would we pass today?* Both frameworks by requirement, the share of the quarter, what changed lately."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dash import html

from app.kernel.access import AUDIT_TRAIL_READ, COMPLIANCE_ATTESTATION_PROPOSE, COMPLIANCE_CONTROL_READ
from compliance import posture
from compliance.attest.todo import How
from compliance.catalog.controls import PCI
from compliance.deadlines import Deadline, What
from compliance.posture import Framework, Posture
from compliance.states import State
from dashboards import controls
from dashboards.kit import (
    age,
    answer,
    as_of_page,
    counted_words,
    dated_text,
    day_text,
    due,
    empty,
    mark,
    ok,
    page,
    panel,
    scrolling,
    table,
)
from dashboards.page import COMPLIANCE, Page, View
from ingest.events.compliance import ControlChanged

CHANGES_SHOWN: Final = 8
UNOWNED_SHOWN: Final = 5
_PAGES: Final[Mapping[What, str]] = {
    What.BREACH: "breaches",
    What.REQUEST: "requests",
    What.NOTICE: "tasks",
    What.PAPER: "tasks",
    What.EXCEPTION: "tasks",
    What.ANALYSIS: "tasks",
    What.SCAN: "scans",
    What.REVIEW: "reviews",
    What.HOLD: "retention",
}


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
            html.Div(
                [_failing(found, view), _changes(found, view), _deadlines(found, view), _unowned(found, view)],
                className="stack",
            ),
        ],
        className="cols",
    )
    when = as_of_page(view.now, found.at if found.is_past else None)
    return page("Posture", "Would we pass today?", _answer(found), body, right=when, live=not found.is_past)


def _answer(found: Posture) -> Any:
    pci, gdpr = found.pci, found.gdpr
    fails = (pci.counts.get(State.FAIL, 0), gdpr.counts.get(State.FAIL, 0))
    held, applicable = pci.held + gdpr.held, pci.applicable + gdpr.applicable
    unjudged = sum(one.counts.get(State.NOT_EVALUABLE, 0) for one in (pci, gdpr))
    if any(fails):
        said = [mark("Not then." if found.is_past else "Not today.", "cross", "bad"), f" {_fail_words(*fails)}"]
        oldest, since = found.failing[0]
        small = f"The oldest failure, {oldest.name}, stands for {age(found.at - since)}."
    elif held < applicable:
        said = [mark("Not shown yet.", "clock", "medium"), " Nothing fails, and not all is known."]
        small = ""
    else:
        said = [ok("As far as we see, yes.")]
        small = "An assessor decides."
    span = found.measured_from
    of = (
        "of the quarter"
        if span == posture.quarter_of(found.at)
        else f"of the time since {dated_text(span, seconds=False)}"
    )
    cells = [
        (_share(pci), f"in place, PCI, {of}"),
        (_share(gdpr), f"in place, GDPR, {of}"),
        ("–" if found.is_past else str(len(found.unowned)), "rows nobody signed"),
    ]
    verb = "is" if held == 1 else "are"
    counts = f"{held} of {applicable} applicable rows {verb} in place, {unjudged} cannot be judged yet."
    return answer(said, f"{counts} {small}".strip(), cells)


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
        name = controls.group_id(framework.name, group.number)
        words = [
            html.A(controls.state(state, f" {count}"), href=f"{href}&state={state.value}")
            for state, count in group.counts.items()
            if not state.is_in_place and state is not State.NOT_APPLICABLE
        ]
        rows.append(
            [
                html.Span(number, className="strong"),
                html.A(group.title, href=f"{href}&group={name}#{name}", className="nowrap"),
                controls.tally(group.counts),
                html.Span(words or ok("all in place"), className="words"),
                f"{group.in_place}\u00a0of\u00a0{group.applicable}",
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
                    [html.Span(f"{controls.SHORT[one.before]} to ", className="dim"), controls.state(one.after)],
                    className="grow",
                ),
                html.Span(day_text(one.at), className="dim nowrap", title=f"{dated_text(one.at)} UTC"),
            ]
        )
        for one in shown
        if (one.framework, one.key) in catalogue
    ]
    first = found.measured_from if found.at - found.measured_from < posture.LATELY else None
    still = f"The first rows were judged {age(found.at - first)} ago." if first else "No row moved in seven days."
    listed = html.Ol(items, className="rows r30") if items else empty("Nothing changed.", still)
    count = f"{len(shown)} of {len(found.changes)}" if len(found.changes) > len(shown) else str(len(found.changes))
    every = None
    if view.sources.viewer().may(AUDIT_TRAIL_READ):
        every = html.A("all", href=view.href("audit", action=ControlChanged.kind), className="more")
    return panel("Changed in 7 days", listed, sub=count, right=every)


def _deadlines(found: Posture, view: View) -> Any:
    items = [
        html.Li(
            [
                html.Span(
                    due(one.at, view.now), className="due-small", title=f"{dated_text(one.at, seconds=False)} UTC"
                ),
                html.Span(_about(one, view), className="grow cut"),
                html.Span(_owner(one, view), className="dim cut"),
            ]
        )
        for one in found.deadlines
    ]
    if not items:
        return panel("Deadlines", empty("Nothing is due.", "Papers, requests, breaches, scans and reviews stand here."))
    return panel("Deadlines", html.Ol(items, className="rows r30"))


def _about(one: Deadline, view: View) -> Any:
    slug = _PAGES[one.what]
    control = view.sources.controls.parts.catalogue.controls.get(_key(one.about))
    if control is not None:
        return html.A(f"{one.what} {controls.key(control)}", href=view.href("controls", sel=controls.slug(control)))
    if one.what is What.BREACH:
        return html.A(f"{one.what}: {one.title}", href=view.href(slug, sel=one.about), title=one.about)
    return html.A(f"{one.what}, {one.about}" if one.about else str(one.what), href=view.href(slug))


def _key(about: str) -> tuple[str, str]:
    framework, _, key = about.partition(" ")
    return framework, key


def _owner(one: Deadline, view: View) -> str:
    return (view.sources.name_of_colleague(one.owner) or "a colleague who left") if one.owner else "–"


def _unowned(found: Posture, view: View) -> Any:
    may_sign = view.sources.viewer().may(COMPLIANCE_ATTESTATION_PROPOSE)
    items = [
        html.Li(
            [
                html.A(
                    controls.key(one.control),
                    href=view.href("controls", sel=controls.slug(one.control)),
                    className="strong chg-c",
                ),
                html.Span(one.control.title, className="grow cut", title=one.control.title),
                *(
                    [
                        html.A(
                            "sign",
                            href=view.href("tasks", do="attest", of=controls.slug(one.control)),
                            className="more",
                            **{"aria-label": f"Sign {one.name}"},
                        )
                    ]
                    if may_sign
                    else []
                ),
            ]
        )
        for one in found.unowned[:UNOWNED_SHOWN]
    ]
    if found.is_past:
        return panel("Not signed", empty("Not told.", "Papers are judged as they stand, and not as of a past instant."))
    if not items:
        return panel("Not signed", empty("None.", "Somebody answers by name for every row that needs a person."))
    every = html.A("all", href=view.href("tasks", how=How.UNSIGNED.name.lower()), className="more")
    count = f"{len(items)} of {len(found.unowned)}" if len(found.unowned) > len(items) else str(len(items))
    return panel("Not signed", html.Ol(items, className="rows r30"), sub=count, right=every)


def _failing(found: Posture, view: View) -> Any:
    items = [
        html.Li(
            [
                html.A(
                    controls.key(one.control),
                    href=view.href("controls", sel=controls.slug(one.control)),
                    className="strong chg-c",
                ),
                html.Span(one.control.title, className="grow wraps"),
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
