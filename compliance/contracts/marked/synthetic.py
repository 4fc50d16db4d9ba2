"""Synthetic rows of a person who is nobody: a marker in each column that must come back in an export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import crypto
from app.kernel.context import Context
from app.kernel.db import UtcDateTime
from app.kernel.marks import NOBODY
from compliance.contracts.marked import marks
from compliance.contracts.marked.marks import Column
from compliance.contracts.marked.naming import Row
from compliance.contracts.marked.owned import Owned
from compliance.contracts.marked.paths import parse


def plant(owned: Owned, session: Session, subject: str, marker: str, ctx: Context) -> int:
    """Write a row of every table that may hold one, and return how many markers an export must bring back."""
    planted: dict[str, dict[str, Any]] = {}
    count = 0
    for table in sorted(_plantable(owned), key=_hops):
        row, written = _synthetic(owned, table, subject, marker, planted, ctx)
        session.execute(sa.insert(table).values(row))
        planted[table.name] = row
        count += written
    return count


def markers(owned: Owned, marker: str) -> list[str]:
    """Return what `plant` writes that must come back in an export."""
    return [
        f"{marker}.{table.name}.{column.name}"
        for table in _plantable(owned)
        for column in marks.personal(table)
        if _takes_marker(owned, table, column) and marks.of(column).export in ("as_is", "reveal")
    ]


def _plantable(owned: Owned) -> list[sa.Table]:
    return [table for table in owned.tables if table.name not in owned.unplanted]


def _takes_marker(owned: Owned, table: sa.Table, column: Column) -> bool:
    place = f"{table.name}.{column.name}"
    mark = marks.of(column)
    if mark.subject == NOBODY or mark.category == "staff" or place in owned.examples:
        return False
    path = parse(str(mark.subject))
    leads = path.column == column.name and not path.is_document
    if leads or (place in owned.read and place not in owned.write):
        return False
    return place in owned.write or isinstance(column.type, sa.Text)


def _synthetic(
    owned: Owned, table: sa.Table, subject: str, marker: str, planted: Mapping[str, Row], ctx: Context
) -> tuple[dict[str, Any], int]:
    row: dict[str, Any] = {}
    for column in table.columns:
        row[column.name] = _example(owned, table, column, subject, planted, ctx)
    written = 0
    for column in marks.personal(table):
        if not _takes_marker(owned, table, column):
            continue
        place = f"{table.name}.{column.name}"
        text = f"{marker}.{place}"
        row[column.name] = owned.write[place](row, text) if place in owned.write else text
        written += marks.of(column).export in ("as_is", "reveal")
    return {name: value for name, value in row.items() if value is not None}, written


def _example(
    owned: Owned, table: sa.Table, column: Column, subject: str, planted: Mapping[str, Row], ctx: Context
) -> Any:
    place = f"{table.name}.{column.name}"
    if place in owned.examples:
        example = owned.examples[place]
        return example(subject) if callable(example) else example
    for other in marks.personal(table):
        mark = marks.of(other)
        if mark.subject == NOBODY or mark.category == "staff":
            continue
        path = parse(str(mark.subject))
        if path.column != column.name:
            continue
        if not path.hops:
            return {"user.id": [subject]} if path.is_document else subject
        hop = path.hops[0]
        there = planted.get(hop.table)
        if there is not None:
            return there[hop.key or next(iter(owned.by_name[hop.table].primary_key)).name]
    return _filled(column, ctx)


def _filled(column: Column, ctx: Context) -> Any:  # a value of the column
    if column.nullable or column.autoincrement is True:
        return None
    match column.type:
        case UtcDateTime():
            return ctx.at
        case sa.Boolean():
            return False
        case sa.Integer() if column.unique:
            # Below all that is counted up, so that no synthetic row takes a number of a real one.
            return -int.from_bytes(crypto.sha256(ctx.new_id("syn").encode())[:5], "big") - 1
        case sa.Integer():
            return 1
        case sa.JSON():
            return {}
        case sa.LargeBinary():
            return ctx.new_id("syn").encode()
        case _:
            return ctx.new_id("syn")


def _hops(table: sa.Table) -> int:
    return max((len(parse(path).hops) for path in marks.by_path(table)), default=0)
