"""The only way to register a server callback: with the permission it demands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html, no_update, set_props
from flask import g, request

from app.kernel.access import ANONYMOUS, Permission
from app.kernel.errors import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    OnePayError,
    StepUpRequired,
    Unavailable,
)
from dashboards.kit import ident, mark
from dashboards.mount import Console

TRIED: Final = "is_tried"
ACTIONABLE = (Conflict, Invalid, NotFound, Gone, StepUpRequired, Unavailable)

View = Callable[..., Any]  # a Dash callback


class LetIn(Exception):
    """Somebody who was only trying a callback was let in by its guard: the callback itself is not called."""


def callback(
    console: Console,
    *wires: Any,
    permission: Permission,
    refused: Callable[[OnePayError], Any] | None = None,
    **options: Any,
) -> Callable[[View], View]:
    """Bind a callback. Who lacks the permission gets 403 and leaves an event; what one can mend becomes a toast.

    With `refused`, a refusal of the service is the callback's own output, in the place of the act; that somebody may
    not do it is one of them then.
    """

    def bind(function: View) -> View:
        @functools.wraps(function)
        def guarded(*values: Any, **named: Any) -> Any:
            is_tried = g.get(TRIED, False)
            try:
                console.sources.viewer().require(permission)
            except Forbidden:
                if not is_tried:
                    console.sources.denied(permission, request.path)
                raise
            if is_tried:
                raise LetIn
            caught = ACTIONABLE if refused is None else (*ACTIONABLE, Forbidden)
            try:
                return function(*values, **named)
            except caught as problem:
                console.sources.leave_trace(problem)
                if refused is not None:
                    return refused(problem)
                # PreventUpdate would drop the toast with it.
                set_props("toast", {"sendNotifications": [notice(problem)]})
                return no_update

        bound: View = console.callback(*wires, **options)(guarded)
        output = next(reversed(console.callback_map))
        console.demands[output], console.guarded[output] = permission, guarded
        return bound

    return bind


def refuses(console: Console, output: str) -> bool | None:
    """Tell whether the guard of a callback turns a stranger away; None where it has no guard.

    It is gone through as in any call, up to the callback: nothing is done, and nothing recorded. The request in which
    that is asked is nobody's from then on.
    """
    guarded = console.guarded.get(output)
    if guarded is None:
        return None
    setattr(g, TRIED, True)
    g.actor = ANONYMOUS
    try:
        guarded()
    except LetIn:
        return False
    except OnePayError:
        return True
    finally:
        setattr(g, TRIED, False)
    return False


def notice(problem: OnePayError) -> dict[str, Any]:
    """Return the toast of a refusal: its sentence and its code."""
    return {
        "action": "show",
        "id": problem.code,
        "title": "That did not work",
        "message": f"{problem} Code {problem.code}.",
        "autoClose": 8000,
        "withBorder": True,
    }


def explained(problem: OnePayError) -> Any:  # a Dash component
    """Return a refusal where the act stands: its sentence, its code, and the way on where there is one."""
    ways: list[Any] = []
    if isinstance(problem, StepUpRequired):
        ways = [
            " ",
            html.A("Confirm with your factor", href="/staff/step-up", className="more", **{"data-do": "prove"}),
        ]
    elif isinstance(problem, Conflict):
        ways = [" ", html.Button("Show how it stands now", className="as-link", type="button", **{"data-do": "draw"})]
    code = html.Small(["Code ", ident(problem.code)], className="dim block")
    return html.Div([html.P([mark(str(problem), "cross", "bad"), *ways]), code])


def done(text: str, more: str = "") -> None:
    """Show that an act was carried out, and what came of it."""
    told = {"action": "show", "title": text, "message": more, "autoClose": 8000 if more else 4000}
    set_props("toast", {"sendNotifications": [told]})


def container() -> Any:  # a Dash component
    """Return where toasts appear: not over the acts of a dock, where the pointer that pressed one holds it open."""
    return dmc.NotificationContainer(id="toast", position="bottom-left")
