"""Pure figures: numbers in, pictures out; no Dash, no clock, no database.

Small pictures are SVG data URIs for images: inside one the SVG follows the page's colour scheme, so `light-dark()` in
its own style switches without a redraw. Charts with a time axis and hover are plotly figures, drawn for one scheme.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.theme import SEVERITIES, TOKENS, colour, template

FEW: Final = 3


def say(values: Sequence[int], labels: Sequence[str], *, is_filling: bool) -> str:
    """Return most and last, the sentence a chart carries; a last bar that is still filling is compared with none."""
    if not values:
        return "nothing in this range"
    top = max(range(len(values)), key=values.__getitem__)
    last = f"{values[-1]:,} in the bar of now so far" if is_filling else f"{values[-1]:,} in the last bar"
    return f"most {values[top]:,} at {labels[top]}, {last}"


def due_axis(minutes: Sequence[tuple[float, str]], *, width: int = 440, height: int = 22) -> str:
    """Return the next hour as one line, a tick a deadline: (minutes from now, token); late ones stand left of now."""

    def x(minute: float) -> float:
        return 24 + min(60.0, max(-6.0, minute)) * (width - 32) / 60

    css = f".a{{stroke:{_both('line')}}}.n{{stroke:{_both('ink-2')}}}" + "".join(
        f".{token}{{fill:{_both(token)}}}" for token in ("bad", "medium", "ink")
    )
    body = f"<path class='a' d='M0 16.5H{width}'/><path class='n' d='M24.5 4V22'/>"
    body += "".join(f"<path class='a' d='M{x(minute):.0f}.5 13V20'/>" for minute in (15, 30, 45, 60))
    body += "".join(
        f"<rect class='{token}' x='{max(x(minute), 4) - 3:.1f}' y='5' width='6' height='11' rx='1'/>"
        for minute, token in minutes
    )
    return _picture(width, height, css, body, stretch=True)


def bars_spark(
    values: Sequence[int],
    *,
    width: int = 96,
    height: int = 20,
    token: str = "ink-2",  # noqa: S107 - the name of a colour
    stretch: bool = False,
) -> str:
    """Return counts by equal steps of time as bars from zero."""
    top, step = max(values, default=0) or 1, width / max(1, len(values))
    body = "".join(
        f"<rect x='{place * step:.1f}' y='{height - max(1.0, value / top * height):.1f}' width='{step - 1:.1f}' "
        f"height='{max(1.0, value / top * height):.1f}'" + (" class='o'" if not value else "") + "/>"
        for place, value in enumerate(values)
    )
    css = f"rect{{fill:{_both(token)}}}.o{{fill:{_both('line')}}}"
    return _picture(width, height, css, body, stretch=stretch)


def coverage_strip(ranges: Sequence[tuple[float, float, str]], *, width: int = 168, height: int = 12) -> str:
    """Return what a rule has read as ranges (from 0..1, to 0..1, `read` or `gap`); a gap is hollow, in any colour."""
    css = (
        f".read{{fill:{_both('ink-2')}}}.gap{{fill:none;stroke:{_both('bad')};stroke-width:1.5}}"
        f".t{{fill:{_both('raised')}}}"
    )
    body = f"<rect class='t' y='3' width='{width}' height='6'/>"
    for start, end, kind in ranges:
        x, w = start * width, max((end - start) * width, 3)
        if kind == "gap":
            body += f"<rect class='gap' x='{x + 0.75:.1f}' y='.75' width='{max(w - 1.5, 2.5):.1f}' height='10.5'/>"
        else:
            body += f"<rect class='read' x='{x:.1f}' y='3' width='{w:.1f}' height='6'/>"
    return _picture(width, height, css, body)


# How high a day stands, as a share: the shape says the state as well as the colour does.
_DAYS: Final[Mapping[str, tuple[str, float]]] = {
    "fail": ("bad", 1.0),
    "stale": ("medium", 0.7),
    "excepted": ("accent", 0.4),
    "ok": ("good", 0.4),
    "none": ("info", 0.12),
    "na": ("line", 0.12),
}


def day_strip(days: Sequence[str], *, width: int = 180, height: int = 16) -> str:
    """Return a cell a day, oldest left, of the kinds fail, stale, excepted, ok, none and na."""
    step = width / max(1, len(days))
    gap = 1 if step >= 4 else 0  # in narrower cells a gap would be a pattern of its own
    css = "rect{shape-rendering:crispEdges}.ok{opacity:.7}" + "".join(
        f".{kind}{{fill:{_both(token)}}}" for kind, (token, _) in _DAYS.items()
    )
    body = "".join(
        f"<rect class='{kind}' x='{place * step:g}' y='{height - _DAYS[kind][1] * height:.1f}' "
        f"width='{step - gap:g}' height='{_DAYS[kind][1] * height:.1f}'/>"
        for place, kind in enumerate(days)
    )
    return _picture(width, height, css, body, stretch=True)


def tally(counts: Sequence[tuple[str, int]], *, cell: int = 7, height: int = 14, width: int) -> str:
    """Return so many cells of each kind, in their order; what fails stands higher."""
    kinds = [kind for kind, count in counts for _ in range(count)]
    step = min(cell, width / max(1, len(kinds)))
    css = ".ok{opacity:.7}" + "".join(f".{kind}{{fill:{_both(token)}}}" for kind, (token, _) in _DAYS.items())
    body = ""
    for place, kind in enumerate(kinds):
        tall = height if kind == "fail" else height / 2
        body += (
            f"<rect class='{kind}' x='{place * step:g}' y='{height - tall:g}' width='{step - 2:g}' height='{tall:g}'/>"
        )
    return _picture(width, height, css, body)


def severity_lanes(
    times: Sequence[datetime],
    counts: Mapping[str, Sequence[int]],
    scheme: str,
    severities: Sequence[str] = SEVERITIES,
) -> go.Figure:
    """Return a bar row a severity on one time axis, each on its own scale: a critical is never drowned by mediums."""
    is_long = len(times) > 1 and times[-1] - times[0] > timedelta(hours=48)
    tickformat = "%d %b" if is_long else "%H:%M"
    figure = make_subplots(rows=len(severities), cols=1, shared_xaxes=True, vertical_spacing=0)
    for row, severity in enumerate(severities, 1):
        values = counts[severity]
        token = f"{severity.lower()}-fill"
        figure.add_bar(
            x=list(times),
            y=list(values),
            row=row,
            col=1,
            marker={"color": colour(token, scheme), "line_width": 0},
            hovertemplate="%{x|%H:%M} · %{y} " + severity.lower() + "<extra></extra>",
        )
        edge = colour("raised", scheme)
        figure.update_yaxes(
            range=[0, max([*values, 1]) * 1.35],
            showticklabels=False,
            showgrid=False,
            showline=True,
            row=row,
            col=1,
            linecolor=edge,
            linewidth=1,
        )
        figure.update_xaxes(
            showgrid=True, nticks=7, tickformat=tickformat, showline=True, linecolor=edge, row=row, col=1
        )
    margin = {"l": 0, "r": 0, "t": 0, "b": 22}
    figure.update_layout(template=template(scheme), bargap=0.25, margin=margin, hovermode="x")
    return figure


def histogram(times: Sequence[datetime], counts: Sequence[int], scheme: str, every: timedelta) -> go.Figure:
    """Return how many, when: one accent series from zero."""
    layout = {
        "template": template(scheme),
        "bargap": 0.2,
        "margin": {"l": 36, "r": 0, "t": 4, "b": 20},
        "hovermode": "x",
    }
    figure = go.Figure(layout=layout)
    figure.add_bar(
        x=list(times),
        y=list(counts),
        marker={"line_width": 0, "color": colour("accent", scheme)},
        hovertemplate="%{x|%d %b %H:%M} · %{y} events<extra></extra>",
    )
    # Events are whole: between few of them stands no tick.
    few: dict[str, Any] = {"dtick": 1} if max(counts, default=0) <= FEW else {"nticks": 3}
    figure.update_yaxes(rangemode="tozero", showgrid=True, **few)
    is_long = every >= timedelta(hours=2)
    figure.update_xaxes(tickformat="%d %b" if is_long else "%H:%M", showgrid=False, nticks=8)
    return figure


def _both(token: str) -> str:
    dark, light = TOKENS[token]
    return f"light-dark({light},{dark})"


def _picture(width: int, height: int, css: str, body: str, *, stretch: bool = False) -> str:
    ratio = " preserveAspectRatio='none'" if stretch else ""
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
        f"viewBox='0 0 {width} {height}'{ratio}>"
        f"<style>:root{{color-scheme:light dark}}{css}</style>{body}</svg>"
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode("ascii")
