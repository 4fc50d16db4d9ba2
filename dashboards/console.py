"""The console as a whole: its pages, the router that draws them, and what every page is wired to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import dash_mantine_components as dmc
from dash import Input, Output, dcc, html
from flask import Flask

from app.kernel.access import COMPLIANCE_CONTROL_READ, SECURITY_OWN_READ, SOC_OVERVIEW_READ, Actor
from app.kernel.errors import NotFound, OnePayError, Unavailable
from dashboards import around, guard, mount, shell, states, theme
from dashboards.calls import BadCall, is_text
from dashboards.mount import Console
from dashboards.page import COMPLIANCE, SOC, Page, View
from dashboards.pages import compliance, soc
from dashboards.ports import Sources

HOMES: Final = {SOC: "overview", COMPLIANCE: "posture"}
PAGES: Final = (*soc.PAGES, *compliance.PAGES)
WORDS_MAX: Final = 40


def make(server: Flask, sources: Sources) -> Console:
    """Return the console on an application, with every page and callback wired."""
    console = mount.make(server, sources)
    console.layout = dmc.MantineProvider(
        [
            dcc.Store(id="route"),
            dcc.Store(id="scheme"),
            dcc.Store(id="redraw"),
            guard.container(),
            html.Div(states.loading(), id="view"),
        ],
        id="mantine",
        theme=theme.mantine_theme(),
        defaultColorScheme="auto",
        getStyleNonce={"function": "styleNonce"},
    )
    console.clientside_callback("function(x){return onepay.here();}", Output("route", "data"), Input("view", "id"))
    console.clientside_callback(
        "function(s){return s||window.dash_clientside.no_update;}",
        Output("mantine", "forceColorScheme"),
        Input("scheme", "data"),
        prevent_initial_call=True,
    )
    console.clientside_callback(
        "function(x){return onepay.after(x);}",
        Output("route", "data", allow_duplicate=True),
        Input("redraw", "data"),
        prevent_initial_call=True,
    )
    console.clientside_callback(
        "function(x){return onepay.drawn();}", Output("view", "className"), Input("view", "children")
    )
    _wire_router(console)
    for wire in (*soc.WIRES, *compliance.WIRES):
        wire(console)
    return console


def _wire_router(console: Console) -> None:
    """Draw the page of an address; the page's permission is demanded here, and a refusal is a page of its own."""

    @guard.callback(
        console,
        Output("view", "children"),
        Input("route", "data"),
        permission=SECURITY_OWN_READ,
        prevent_initial_call=True,
    )
    def show(route: object) -> Any:
        address = route if isinstance(route, Mapping) else {}
        path, search = address.get("path"), address.get("search")
        if not isinstance(path, str) or not isinstance(search, str):
            raise BadCall("The route is no address.", param="route")
        return draw(console.sources, path, search)


def draw(sources: Sources, path: str, search: str) -> Any:  # a Dash component
    """Return the frame with the page of an address in it."""
    viewer, now = sources.viewer(), sources.context().at
    page, id_ = find(path, viewer)
    words = _words(search)
    area = page.area if page else area_of(path, viewer)
    view = View(sources=sources, now=now, scheme=sources.scheme(), words=words or {}, id=id_, area=area)
    surroundings = around.around(sources, viewer, now)
    return shell.frame(
        states.unreadable(WORDS_MAX) if words is None else _content(page, view, viewer, path),
        current=page.slug if page else "",
        area=area,
        viewer=viewer,
        now=now,
        is_demo=sources.is_demo,
        counts=surroundings.counts,
        deadlines=surroundings.deadlines,
        banner=surroundings.banner,
    )


def _words(search: str) -> Mapping[str, str] | None:
    """Return the words of an address, or None where no page of ours would write it: too many, or no text."""
    try:
        words = dict(parse_qsl(search.removeprefix("?"), max_num_fields=WORDS_MAX))
    except ValueError:
        return None
    return words if all(is_text(name) and is_text(value) for name, value in words.items()) else None


def find(path: str, viewer: Actor) -> tuple[Page | None, str | None]:
    """Return the page of an address and the id in it; (None, None) for an address that is none."""
    parts = [part for part in path.split("/") if part][1:]
    area = area_of(path, viewer)
    if len(parts) > 3 or (parts and parts[0] not in HOMES):
        return None, None
    slug = parts[1] if len(parts) > 1 else HOMES[area]
    id_ = parts[2] if len(parts) > 2 else None
    for page in PAGES:
        if (page.area, page.slug) == (area, slug) and page.takes_id == (id_ is not None):
            return page, id_
    return None, None


def area_of(path: str, viewer: Actor) -> str:
    """Return the half of the console an address is in; where it names none, the one where the viewer works."""
    parts = [part for part in path.split("/") if part][1:]
    if parts and parts[0] in HOMES:
        return parts[0]
    return SOC if viewer.may(SOC_OVERVIEW_READ) or not viewer.may(COMPLIANCE_CONTROL_READ) else COMPLIANCE


def _content(page: Page | None, view: View, viewer: Actor, path: str) -> Any:
    if page is None:
        return states.nothing_here()
    if not viewer.may(page.permission):
        view.sources.denied(page.permission, path)
        return states.denied(page.title, page.permission, view.sources.holders_of(page.permission))
    try:
        return page.layout(view)
    except NotFound:
        return states.nothing_here()
    except Unavailable as away:
        return states.away(page.title, page.question, away, view.sources)
    except OnePayError as refused:
        return states.refused(page.title, page.question, refused)
