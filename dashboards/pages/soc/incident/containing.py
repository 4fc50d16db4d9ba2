"""Containing from the page: choose what to do to whom, look at whom it touches, then act or ask for a second person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dash import dcc, html

from app.kernel.errors import Conflict, Invalid, NotFound
from dashboards import acts, guard, response
from dashboards.kit import Part, act, choices, due, mark, short
from dashboards.pages.soc.incident import work
from dashboards.pages.soc.incident.look import Look
from playbooks import actions, registry
from playbooks.actions import Preview
from playbooks.registry import ActionType, Lasts

HOURS: Final = ("1", "4", "24")
TARGETS_SHOWN: Final = 12


def choice(seen: Look) -> tuple[str, Sequence[Part]]:
    """Choose: every action that stands here, with the things of this incident it can be aimed at."""
    standing = seen.view.sources.response.containments
    blocks = [_targets(kind, seen) for kind in registry.REGISTRY.values() if kind.name in standing]
    return "Contain", [
        html.P(
            "Choose what to do to whom. The next step shows whom it touches, before anything is done.", className="dim"
        ),
        html.Div(blocks, className="choices"),
    ]


def _targets(kind: ActionType, seen: Look) -> Part:
    wanted = kind.kinds.get(kind.target or "", "")
    values = [entity.value for entity in seen.found.entities if entity.kind == wanted]
    links = [
        html.Li(html.A(short(value), href=seen.href(do=kind.name, entity=value), className="more"))
        for value in values[:TARGETS_SHOWN]
    ]
    if len(values) > 1 and wanted == "address":
        whole = html.A(f"all {len(values):,}", href=seen.href(do=kind.name, entity=",".join(values)), className="more")
        links.insert(0, html.Li(whole))
    nothing = html.P(f"This incident names no {response.entity_words(wanted)[0]}.", className="dim")
    return html.Div([html.H3(kind.title), html.Ul(links, className="plain") if links else nothing])


def preview(seen: Look, kind: ActionType) -> tuple[str, Sequence[Part]]:
    """Show whom an action touches now, until when, how it ends, and who else is needed; the button binds to it."""
    target, hours = seen.view.words.get("entity", ""), seen.view.words.get("hours", "1")
    params = {kind.target: target} if kind.target else {}
    if "hours" in kind.optional:
        params |= {"hours": hours, "reason": "containment"}
    context = seen.view.sources.context()
    try:
        with seen.view.sources.read() as session:
            shown = actions.preview(session, seen.case.id, kind.name, params, context, parts=seen.view.sources.response)
    except (Invalid, Conflict, NotFound) as refused:
        return kind.title, [guard.explained(refused), html.Div(act("Choose again", seen.href(do="contain")))]
    head: list[Part] = [html.P([html.B(kind.title), " ", *_named(target)], className="lead")]
    if "hours" in kind.optional:
        lasts = [
            (f"{number} h", seen.href(do=kind.name, entity=target, hours=number), number == hours) for number in HOURS
        ]
        head.append(choices("How long", lasts, cls="ranges fit"))
    return f"Look before you act: {kind.title.lower()}", [
        *head,
        *work.radius(shown.radius.counts, shown.radius.lines),
        *_consequences(shown, kind, seen),
        *_confirm(shown, kind, context.new_id("clk"), seen),
    ]


def _named(target: str) -> list[Part]:
    values = [value for value in target.split(",") if value]
    parts = [part for value in values[:6] for part in (short(value), " ")]
    return [*parts, *([f"and {len(values) - 6} more"] if len(values) > 6 else [])]


def _consequences(shown: Preview, kind: ActionType, seen: Look) -> list[Part]:
    rows: list[Part] = []
    if shown.until is not None:
        then = "then people are called; it stays" if kind.lasts is Lasts.STAYS else "then it ends by itself"
        rows.append(html.P(due(shown.until, seen.now, then)))
    rows.append(html.P([html.Span("Way back: ", className="dim"), shown.undo_in_words]))
    if shown.customer_is_told:
        rows.append(html.P([html.Span("The customer gets a letter: ", className="dim"), f"“{shown.customer_is_told}”"]))
    if shown.needs_second:
        rows.append(html.P([mark("wide", "medium", "medium"), f" needs a second person: {shown.needs_second}"]))
    return rows


def _confirm(shown: Preview, kind: ActionType, key: str, seen: Look) -> list[Part]:
    if not seen.case.is_open:
        return [html.P("The incident has ended; reopen it first.", className="why-not")]
    may_run = seen.viewer.may(kind.permission)
    name = "run" if may_run else "propose"
    at = (seen.case.id, seen.case.version)
    order = {"name": shown.name, "params": dict(shown.params), "hash": shown.hash, "key": key}
    alone = "Ask for approval" if shown.needs_second else "Do it now"
    words = alone if may_run else "Propose it to a commander"
    return [
        acts.form(
            words,
            dcc.Store(id=acts.field("order", name, *at), data=order),
            buttons=[acts.press(words, name, *at, main=True), act("Choose again", seen.href(do="contain"))],
            says=acts.place(name, *at),
        ),
        *([] if may_run else [html.P("You may propose; an incident commander does it.", className="why-not")]),
    ]
