"""Files of a built report: a page that needs nothing beside it and prints, JSON, and one CSV a table."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from compliance import formulas
from compliance.reports.document import PROPOSED, Cell, Document, Table, in_words, minute

_BAD: Final = frozenset({"FAIL", "EXPIRED", "broken", "late"})
_WARN: Final = frozenset({"STALE", "EXCEPTED", "NOT_EVALUABLE"})
LONG: Final = 32
"""A word that is longer, such as a hash, may break anywhere; all others stay whole."""
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_STYLE: Final = """
:root{--ink:#1a2233;--dim:#58627a;--line:#d5dae3;--page:#fff;--head:#f3f5f9;--bad:#a3142b;--warn:#715300;--good:#0b6b46}
*{box-sizing:border-box}
html{background:var(--page);color:var(--ink);font:13px/18px Inter,system-ui,sans-serif}
body{font-variant-numeric:tabular-nums}
body{max-width:1180px;margin:0 auto;padding:28px 24px 64px}
h1{font-size:28px;line-height:34px;margin:0 0 4px;letter-spacing:-.02em}
h2{font-size:17px;line-height:24px;margin:32px 0 4px}
p{margin:0 0 8px;max-width:78ch}
.dim{color:var(--dim)}
.notice{border-left:3px solid var(--line);padding:2px 0 2px 12px;color:var(--dim)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 18px;margin:16px 0 0}
dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;margin-top:8px}
th{background:var(--head);text-align:left;font-weight:600}
th,td{border-bottom:1px solid var(--line);padding:5px 8px;vertical-align:top;overflow-wrap:break-word}
td.long{overflow-wrap:anywhere;min-width:20ch}td.day{min-width:calc(11ch + 16px)}td.num,th.num{text-align:right}
.bad{color:var(--bad);font-weight:600}.warn{color:var(--warn);font-weight:600}.good{color:var(--good)}
nav ol{columns:2;padding-left:18px}a{color:inherit}
.wide{overflow-x:auto}
.mono{font:12px/17px ui-monospace,monospace;overflow-wrap:anywhere}
footer{margin-top:36px;border-top:1px solid var(--line);padding-top:10px;color:var(--dim)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font:11px/15px ui-monospace,monospace}
@page{size:A4 landscape;margin:14mm 12mm 20mm}
@media print{body{max-width:none;padding:0}thead{display:table-header-group}tr{break-inside:avoid}h2{break-after:avoid}
.wide{overflow:visible}html{font-size:10px;line-height:14px}
.running{position:fixed;bottom:-14mm;left:0;right:0;display:block!important;font-size:9px}}
.running{display:none}
"""


def files_of(document: Document) -> dict[str, bytes]:
    """Return the files that every report has, by name."""
    name = document.kind
    made = {f"{name}.html": page(document), f"{name}.json": plain(document.as_json())}
    for table in document.tables:
        made[f"{name}-{table.name}.csv"] = rows_of(table)
    return made


def plain(value: object) -> bytes:
    """Return JSON that people can read, the same bytes for the same value."""
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=False, allow_nan=False) + "\n").encode()


def rows_of(table: Table) -> bytes:
    """Return a table as CSV in which no spreadsheet finds a formula."""
    return lines(table.columns, table.rows)


def lines(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return columns and rows as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([guarded(column) for column in columns])
    writer.writerows([guarded(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8", "replace")


def guarded(cell: Cell) -> str:
    """Return a cell as text that is no formula: an apostrophe stands before what could be one, numbers excepted."""
    if cell is None:
        return ""
    if isinstance(cell, int):
        return str(cell)
    return f"'{cell}" if formulas.may_be_one(cell) else cell


def page(document: Document) -> bytes:
    """Return the report as one page: no script, nothing fetched, head of the log in the foot of each printed page."""
    seal = document.seal
    foot = f"{document.title}, as of {minute(document.as_of)}. Log: {seal.size:,} events, root {seal.root or 'none'}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(document.title)}, {minute(document.as_of)}</title><style>{_STYLE}</style></head><body>",
        f'<header><h1>{escape(document.title)}</h1><p class="dim">From {minute(document.since)} ',
        f"to {minute(document.as_of)}. OnePay {escape(document.build)}.</p></header><main>",
        f"<p>{escape(document.lead)}</p>",
        f'<p class="notice">{escape(PROPOSED)}</p>',
        "<dl>",
        *(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in document.facts),
        "</dl>",
        _contents(document),
        *(_section(table) for table in document.tables),
        '</main><footer><p>Head of the log that this report stands on:</p><p class="mono">',
        f"size {seal.size:,}<br>root {escape(seal.root) or 'none: nothing was signed yet'}</p>",
        f"<pre>{escape(seal.note)}</pre></footer>",
        f'<div class="running" aria-hidden="true">{escape(foot)}</div></body></html>\n',
    ]
    return "".join(parts).encode("utf-8", "replace")


def _contents(document: Document) -> str:
    if len(document.tables) < 3:
        return ""
    links = "".join(
        f'<li><a href="#{table.name}">{escape(table.title)}</a> <span class="dim">{len(table.rows):,}</span></li>'
        for table in document.tables
    )
    return f'<nav aria-label="Contents"><ol>{links}</ol></nav>'


def _section(table: Table) -> str:
    says = f'<p class="dim">{escape(table.says)}</p>' if table.says else ""
    head = f'<section aria-labelledby="{table.name}"><h2 id="{table.name}">{escape(table.title)}</h2>{says}'
    if not table.rows:
        return f'{head}<p class="dim">{escape(table.empty)}</p></section>'
    numeric = {
        place for place in range(len(table.columns)) if all(isinstance(row[place], int | None) for row in table.rows)
    }
    heads = "".join(
        f'<th scope="col"{" class=num" if place in numeric else ""}>{escape(column)}</th>'
        for place, column in enumerate(table.columns)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{_class(cell, is_number=place in numeric)}>{_text(cell)}</td>" for place, cell in enumerate(row))
        + "</tr>"
        for row in table.rows
    )
    listed = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return (
        f'{head}<div class="wide" tabindex="0" role="group" aria-label="{escape(table.title)}">{listed}</div></section>'
    )


def _class(cell: Cell, *, is_number: bool) -> str:
    if is_number:
        return " class=num"
    if cell in _BAD:
        return " class=bad"
    if cell in _WARN:
        return " class=warn"
    if cell == "PASS":
        return " class=good"
    if isinstance(cell, str) and _DAY.match(cell):
        return " class=day"
    is_long = isinstance(cell, str) and any(len(word) > LONG for word in cell.split())
    return " class=long" if is_long else ""


def _text(cell: Cell) -> str:
    told = in_words(cell)
    if told is None:
        return "–"
    return f"{told:,}" if isinstance(told, int) else escape(told)


def hashed(file: Path) -> tuple[str, int]:
    """Return hash and size of a file."""
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest(), file.stat().st_size


def manifest(files: Mapping[str, tuple[str, int]], more: Mapping[str, object]) -> bytes:
    """Return names, hashes and sizes of files beside what made them."""
    listed = [{"name": name, "sha256": sha256, "bytes": size} for name, (sha256, size) in sorted(files.items())]
    return plain({**more, "files": listed})
