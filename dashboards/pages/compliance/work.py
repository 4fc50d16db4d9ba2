"""How long work is shown on the pages of proof: state, progress, files with their hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dash import html

from compliance.reports import runs
from compliance.reports.issued import File
from compliance.reports.runs import Report
from dashboards import acts
from dashboards.kit import Part, mark, ok, short

FILES: Final = "/console/files"
READ: Final = (".pdf", ".html", ".zip")
"""What is for reading, in this order; the rest is for machines."""
SHOWN: Final = 2
"""So many files for machines are not worth folding away."""
_STATES: Final[Mapping[str, tuple[str, str, str]]] = {
    runs.QUEUED: ("waits", "clock", "medium"),
    runs.RUNNING: ("under way", "run", "accent"),
    runs.FAILED: ("failed", "cross", "bad"),
    runs.CANCELLED: ("cancelled", "empty", "ink-2"),
}


def state(found: Report) -> Part:
    """Return the state in words, with how far it is while it goes on."""
    if found.state == runs.DONE:
        return ok("made")
    words, shape, token = _STATES[found.state]
    parts: list[Any] = [mark(words, shape, token)]
    if found.state == runs.RUNNING and found.total:
        done = html.Progress(value=str(found.done), max=str(found.total), title=f"{found.done:,} of {found.total:,}")
        parts += [" ", done]
    return html.Span(parts, className="nowrap")


def ending(found: Report, act: str) -> Part:
    """Return the act that ends what still goes on."""
    if not found.is_open:
        return None
    return html.Span([acts.press("Cancel", act, found.id), acts.place(act, found.id)])


def files(found: Report) -> Part:
    """Return the files as links, each with the hash it is kept under: what people read first, tables folded away."""
    if not found.files:
        return html.Span(found.note or "–", className="dim")
    read = [one for suffix in READ for one in found.files if one.name.endswith(suffix)]
    rest = [one for one in found.files if one not in read]
    if not read or len(rest) <= SHOWN:
        return _listed(found, [*read, *rest])
    folded = html.Details([html.Summary(f"{len(rest)} more, for machines", className="more"), _listed(found, rest)])
    return html.Div([_listed(found, read), folded])


def _listed(found: Report, some: Sequence[File]) -> Part:
    return html.Ul(
        [
            html.Li(
                [
                    html.A(one.name, href=f"{FILES}/{found.id}/{one.name}", className="more", download=one.name),
                    html.Span(f" {_size(one.bytes)} ", className="dim nowrap"),
                    short(one.sha256),
                ]
            )
            for one in some
        ],
        className="files",
    )


def _size(count: int) -> str:
    return (
        f"{count:,} B"
        if count < 10_000
        else f"{count / 1_000:,.0f} kB"
        if count < 10_000_000
        else f"{count / 1_000_000:,.0f} MB"
    )
