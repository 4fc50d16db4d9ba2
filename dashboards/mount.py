"""One Dash app at /console, on the system's own Flask: no global pages, callbacks through the guard alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from dash import Dash
from flask import Flask, g

from app.kernel.access import Permission
from dashboards import calls
from dashboards.ports import Sources

BASE: Final = "/console/"
_HERE: Final = Path(__file__).parent
_EARLY: Final = (_HERE / "early.js").read_text("utf-8").replace("\n", " ")
_NO_SCRIPTS: Final = (
    '<noscript><p class="noscript">The console needs scripts. Incidents and events can be read by the command line: '
    "<code>onepay log tail</code>.</p></noscript>"
    '<a class="skip" href="#content">Skip to content</a>'
)
_TAGS: Final = re.compile(r"<(script|style)(?=[\s>])")


class Console(Dash):  # type: ignore[misc]  # dash is taken as untyped
    """A Dash app that knows what it demands: permission and guard of every server callback by its output."""

    sources: Sources
    demands: dict[str, Permission]
    guarded: dict[str, Callable[..., Any]]

    def index(self, *args: Any, **kwargs: Any) -> str:
        """Return the page with the early script first and a nonce on every script and style of it."""
        page = str(super().index(*args, **kwargs)).replace("<head>", f"<head><script>{_EARLY}</script>", 1)
        page = _TAGS.sub(rf'<\1 nonce="{g.csp_nonce}"', page)
        return page.replace("<html", '<html lang="en"', 1).replace("<body>", "<body>" + _NO_SCRIPTS, 1)


def make(server: Flask, sources: Sources) -> Console:
    """Return the console on a Flask application; pages and callbacks are wired by `dashboards.console`."""
    console = Console(
        "dashboards",
        server=server,
        url_base_pathname=BASE,
        assets_folder=str(_HERE / "assets"),
        suppress_callback_exceptions=True,
        update_title=None,
        serve_locally=True,
        csrf_token_name="onepay_csrf",  # noqa: S106 - the name of a cookie
        enable_mcp=False,
        title="OnePay console",
    )
    console.sources = sources
    console.demands, console.guarded = {}, {}
    endpoint = next(one for one, rule in endpoints(server).items() if rule == f"{BASE}{calls.ROUTE}")
    own = server.view_functions[endpoint]
    server.view_functions[endpoint] = calls.strict(own, lambda: _with_code(console))
    return console


def _with_code(console: Console) -> calls.Callbacks:
    return {output: known for output, known in console.callback_map.items() if output in console.demands}


def endpoints(server: Flask) -> Mapping[str, str]:
    """Return rule by endpoint of everything that Dash registered under /console."""
    return {rule.endpoint: rule.rule for rule in server.url_map.iter_rules() if rule.rule.startswith("/console")}
