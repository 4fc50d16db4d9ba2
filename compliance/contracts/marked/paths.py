"""Paths from a row to its person: read from a mark, and asked as a condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa


class PathUnknown(ValueError):
    """A mark names a path to a person that leads nowhere."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a path: the table it leads to, by which column of it, and what is read there."""

    table: str
    key: str | None
    column: str


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path: the column it begins at, whether that is a document that holds the id, and the steps."""

    column: str
    is_document: bool
    hops: tuple[Hop, ...]


def parse(text: str) -> Path:
    """Read a path as `app.kernel.marks.personal` describes it; raises `PathUnknown`."""
    first, *rest = text.split(">")
    hops = []
    for part in rest:
        table, dot, columns = part.partition(".")
        key, colon, column = columns.partition(":")
        if not dot or not columns or (colon and not column):
            raise PathUnknown(f"{text} is no path to a person")
        hops.append(Hop(table, key if colon else None, column if colon else key))
    return Path(first.removesuffix("*"), first.endswith("*"), tuple(hops))


def condition(
    by_name: Mapping[str, sa.Table], table: sa.Table, path: Path, ids: Sequence[str]
) -> sa.ColumnElement[bool]:
    """Tell of the rows of a table whose path leads to one of the ids; raises `PathUnknown`."""
    column = table.c.get(path.column)
    if column is None:
        raise PathUnknown(f"{table.name} has no column {path.column}")
    if path.hops:
        hop, *rest = path.hops
        there = by_name.get(hop.table)
        if there is None:
            raise PathUnknown(f"there is no table {hop.table} of this owner")
        keys = [each.name for each in there.primary_key]
        if hop.key is None and len(keys) != 1:
            raise PathUnknown(f"{hop.table} has no single key; name the column")
        key = there.c.get(hop.key or keys[0])
        if key is None:
            raise PathUnknown(f"{hop.table} has no column {hop.key}")
        inner = condition(by_name, there, Path(hop.column, False, tuple(rest)), ids)
        return column.in_(sa.select(key).where(inner))
    if path.is_document:
        text = sa.cast(column, sa.Text)
        return sa.or_(sa.false(), *(text.contains(id, autoescape=True) for id in ids))
    return column.in_(ids)
