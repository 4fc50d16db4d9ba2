"""The one maker of grids, and of what a click on a row does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import dash_ag_grid
from dash import Input, Output, html

from dashboards.mount import Console

BLOCK: Final = 200
BLOCKS_KEPT: Final = 20
CARDS_MAX: Final = 100


def grid(
    id: str,
    columns: Sequence[dict[str, Any]],
    *,
    feed: str | None = None,
    rows: Sequence[dict[str, Any]] | None = None,
    row_height: int = 30,
    label: str,
    opens: str | None = None,
    query: str | None = None,
) -> Any:  # a Dash component
    """Return a grid fed by key from an address (`feed`), or holding its few rows; cells are text, never markup.

    `query` is asked of the feed in place of the one in the page's address, of which a part cannot be read.

    A row opens beside the list (`sel`), or where `opens` is given at that address and its id.
    """
    options: dict[str, Any] = {
        "theme": {"function": "onepayTheme(agGrid.themeQuartz)"},
        "rowHeight": row_height,
        "headerHeight": 30,
        "ensureDomOrder": True,
        "suppressMovableColumns": True,
        "animateRows": False,
        "suppressDragLeaveHidesColumns": True,
        "rowClassRules": {"row-open": "params.data && params.data.open"},
        "enableCellTextSelection": True,
        "tooltipShowDelay": 400,
    }
    shared: dict[str, Any] = {
        "columnDefs": list(columns),
        "defaultColDef": {"sortable": False, "resizable": True, "suppressHeaderMenuButton": True},
        "style": {"height": "100%", "width": "100%"},
        "className": "",
        "getRowId": "params.data.id",
        "id": id,
    }
    if feed is not None:
        options |= {
            "rowModelType": "infinite",
            "cacheBlockSize": BLOCK,
            "maxBlocksInCache": BLOCKS_KEPT,
            "maxConcurrentDatasourceRequests": 2,
        }
        made = dash_ag_grid.AgGrid(rowModelType="infinite", dashGridOptions=options, **shared)  # noqa: TID251 - its one home
    else:
        made = dash_ag_grid.AgGrid(rowData=list(rows or ()), dashGridOptions=options, **shared)  # noqa: TID251 - its one home
    wrapper = {name: word for name, word in (("data-feed", feed), ("data-opens", opens)) if word}
    if query is not None:
        wrapper["data-query"] = query
    return html.Div(made, className=f"feed r{row_height}", role="group", **{"aria-label": label}, **wrapper)


def wire(console: Console, id: str) -> None:
    """Fit the columns of a grid that holds its few rows, and open a row by a click."""
    console.clientside_callback(
        "function(id){if(id)onepay.fit(id);return dash_clientside.no_update;}",
        Output(id, "className"),
        Input(id, "id"),
    )
    console.clientside_callback(
        "function(cell){onepay.open(cell);return dash_clientside.no_update;}",
        Output(id, "style"),
        Input(id, "cellClicked"),
        prevent_initial_call=True,
    )


def cards(rows: Sequence[tuple[str, Sequence[Any], str, Sequence[str]]], *, label: str, more: int = 0) -> Any:
    """Return the rows of a grid for narrow screens: (address, head, title, lines) each, one link a row.

    The style sheet shows either the grid or these, never both.
    """
    items = [
        html.Li(
            html.A(
                [
                    html.Span(list(head), className="card-head"),
                    html.B(title),
                    *[html.Small(line) for line in lines if line],
                ],
                href=href,
            )
        )
        for href, head, title, lines in rows
    ]
    rest = [html.P(f"and {more:,} more; choose a severity or a state", className="dim tail")] if more > 0 else []
    return html.Div([html.Ol(items), *rest], className="cards", role="group", **{"aria-label": label})
