"""The one maker of charts: no share button, a question, a sentence, a fixed height."""

from __future__ import annotations

from typing import Any

from dash import dcc, html


def chart(id: str, question: str, figure: Any, summary: str, *, height: int | None = None, cls: str = "") -> Any:
    """Return a chart as a figure with its summary; `figure` is a plotly figure drawn for one scheme."""
    graph = dcc.Graph(  # noqa: TID251 - its one home
        id=id,
        figure=figure,
        responsive=True,
        className="dash-graph",
        config={"displayModeBar": False, "showSendToCloud": False, "plotlyServerURL": "", "displaylogo": False},
    )
    return html.Div(
        graph,
        className=f"plot {cls}".strip(),
        role="figure",
        style={"height": height} if height else None,
        **{"aria-label": f"{question} {summary}"},
    )
