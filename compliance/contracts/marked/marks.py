"""Columns by their marks: which are about people, by which path, and what one holds that was emptied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from app.kernel.marks import NOBODY, Mark

APPEND_ONLY: Final = "append_only"
"""Key of `Table.info` under which a table says that its rows are never changed."""
Column: TypeAlias = sa.Column[Any]


def mark_of(column: Column) -> Mark | None:
    """Return the mark of a column."""
    mark = column.info.get("mark")
    return mark if isinstance(mark, Mark) else None


def of(column: Column) -> Mark:
    """Return the mark of a column that has one, as every column has once the start went well."""
    mark = mark_of(column)
    assert mark is not None, f"{column} has no mark"
    return mark


def personal(table: sa.Table) -> list[Column]:
    """Return the columns that say something about people."""
    return [column for column in table.columns if of(column).category != "none"]


def is_marked(table: sa.Table) -> bool:
    """Tell whether a table says something about people that its own rows lead to."""
    marks = [mark_of(column) for column in table.columns]
    return any(m and m.category != "none" and not str(m.subject).startswith("onepay.") for m in marks)


def by_path(table: sa.Table) -> Mapping[str, list[Column]]:
    """Return the columns by the path to their person, staff and nobody apart."""
    found: dict[str, list[Column]] = {}
    for column in personal(table):
        mark = of(column)
        if mark.subject != NOBODY:
            found.setdefault(str(mark.subject), []).append(column)
    return found


def blank(column: Column) -> Any:  # a value of the column
    """Return what a column holds once it was emptied."""
    if column.nullable:
        return None
    match column.type:
        case sa.LargeBinary():
            return b""
        case sa.JSON():
            return {}
        case sa.Integer():
            return 0
        case _:
            return ""


def is_full(column: Column) -> sa.ColumnElement[bool]:
    """Tell of a row whose column was not emptied."""
    return column.is_not(None) if column.nullable else column != blank(column)
