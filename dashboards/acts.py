"""Acts on a page: a form whose button calls one service in one transaction, and says in its place what became of it.

An act is named, and is about one thing (`of`) as it was seen (`seen`, its version; 0 where the service needs none).
Button, fields and place carry the three in their ids, so that a form of one thing never answers for another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import dash_mantine_components as dmc
from dash import ALL, MATCH, Input, Output, State, ctx, html, no_update, set_props
from sqlalchemy.orm import Session

from app.kernel.access import Permission
from app.kernel.context import Context
from app.kernel.errors import Malformed
from dashboards import guard
from dashboards.kit import Part, button
from dashboards.mount import Console

ANSWER: Final = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One press of a button: what it is about, as it was seen, and what was filled in."""

    of: str
    seen: int
    values: Mapping[str, Any]
    found: Any = None
    """What was read before, where an act looks at much before it writes."""

    def text(self, field: str) -> str:
        """Return what was written into a field, or nothing."""
        return str(self.values.get(field) or "")

    def names(self, field: str) -> tuple[str, ...]:
        """Return what was chosen of several; raises `Malformed` for what no page sends."""
        given = self.values.get(field) or []
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise Malformed(param=field)
        return tuple(given)


Does = Callable[[Session, Deed, Context], str]  # calls one service; returns what was done, in words
Reads = Callable[[Session, Deed, Context], Any]


def field(name: str, act: str, of: str, seen: int = 0) -> dict[str, Any]:
    """Return the id of a field of an act."""
    return {"field": name, "act": act, "of": of, "seen": seen}


def reason(
    act: str,
    of: str,
    seen: int = 0,
    *,
    name: str = "reason",
    label: str = "Reason",
    description: str | None = "At least ten letters",
    longest: int = 300,
    is_first: bool = True,
) -> Part:
    """Return the field into which somebody writes why; `is_first` where a form begins in it."""
    first = {"data-first": "true"} if is_first else {}
    return dmc.Textarea(
        id=field(name, act, of, seen),
        label=label,
        description=description,
        autosize=True,
        minRows=2,
        maxRows=8,
        attributes={"input": {**first, "maxLength": longest}},
    )


def answer(name: str, act: str, of: str, seen: int = 0) -> dict[str, Any]:
    """Return the id of a field whose name the act does not know beforehand: an answer that a form asks for."""
    return {"answer": name, "act": act, "of": of, "seen": seen}


def press(text: str, act: str, of: str, seen: int = 0, *, main: bool = False, **more: Any) -> Part:
    """Return the button of an act."""
    return button(text, id={"act": act, "of": of, "seen": seen}, main=main, **more)


def place(act: str, of: str, seen: int = 0) -> Part:
    """Return where an act says why it was refused."""
    return html.Div(id={"say": act, "of": of, "seen": seen}, className="said", role="status")


def form(label: str, *parts: Part, buttons: Sequence[Part], says: Part) -> Part:
    """Return fields, buttons and the place of their refusal, as one named group."""
    row = html.Div(list(buttons), className="chips")
    return html.Div([*parts, row, says], className="form", role="group", **{"aria-label": label})


def wire(
    console: Console,
    act: str,
    permission: Permission,
    does: Does,
    *,
    fields: Sequence[tuple[str, str]] = (),
    answers: bool = False,
    reads: Reads | None = None,
) -> None:
    """Register an act: `fields` are (name, property); with `answers` those whose names only the form knows too.

    What `reads` returns lies in the deed as `found`: it is read in a transaction of its own, for which no writer waits.
    """
    about = {"act": act, "of": MATCH, "seen": MATCH}
    states = [State({"field": name, **about}, property_) for name, property_ in fields]
    if answers:
        states.append(State({"answer": ALL, **about}, "value"))

    @guard.callback(
        console,
        Output({"say": act, "of": MATCH, "seen": MATCH}, "children"),
        Input(about, "n_clicks"),
        *states,
        permission=permission,
        refused=guard.explained,
        prevent_initial_call=True,
    )
    def carry_out(clicks: int | None, *given: Any) -> Any:
        if not clicks or ctx.triggered_id is None:  # a page makes no call in which nothing was pressed
            return no_update
        values = dict(zip((name for name, _ in fields), given, strict=False))
        if answers:
            values[ANSWER] = {one["id"]["answer"]: one.get("value") for one in ctx.states_list[-1]}
        found = ctx.triggered_id
        deed = Deed(of=str(found["of"]), seen=int(found["seen"]), values=values)
        context = console.sources.context()
        if reads is not None:
            with console.sources.read() as session:
                deed = replace(deed, found=reads(session, deed, context))
        said = console.sources.acted(lambda session: does(session, deed, context))
        guard.done(said)
        set_props("redraw", {"data": {"n": context.new_id("prs"), "close": True}})
        return ""
