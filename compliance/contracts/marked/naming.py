"""How a row is called in targets, and how rows are asked for by that."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.contracts.marked.marks import Column
from compliance.contracts.personal import Target

BATCH: Final = 500
_DIGITS_MAX: Final = 18
Row: TypeAlias = "sa.RowMapping | Mapping[str, Any]"  # a row is untyped data


def id_of(table: sa.Table, row: Row) -> str:
    """Return how a row is called in targets: its key, or all parts of it."""
    values = [row[column.name] for column in table.primary_key]
    return str(values[0]) if len(values) == 1 else json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def by_store(targets: Sequence[Target]) -> Iterator[tuple[str, list[str]]]:
    """Yield the ids of targets by store, at most so many as one statement asks for."""
    found: dict[str, set[str]] = {}
    for target in targets:
        found.setdefault(target.store, set()).add(target.id)
    for store, ids in sorted(found.items()):
        ordered = sorted(ids)
        for first in range(0, len(ordered), BATCH):
            yield store, ordered[first : first + BATCH]


def with_ids(table: sa.Table, ids: Sequence[str]) -> sa.ColumnElement[bool]:
    """Tell of the rows that are called so."""
    keys = list(table.primary_key)
    if len(keys) == 1:
        return keys[0].in_([_typed(keys[0], id) for id in ids])
    return sa.or_(
        sa.false(),
        *(sa.and_(*(key == _typed(key, value) for key, value in zip(keys, json.loads(id), strict=True))) for id in ids),
    )


def standing(session: Session, table: sa.Table, ids: Collection[str]) -> set[str]:
    """Return those of some ids by which a row of a table is called; what cannot be one of its ids is none."""
    fitting = sorted(id for id in ids if _fits(table, id))
    if not fitting:
        return set()
    rows = session.execute(sa.select(*table.primary_key).where(with_ids(table, fitting))).mappings()
    return {id_of(table, row) for row in rows}


def _fits(table: sa.Table, id: str) -> bool:
    keys = list(table.primary_key)
    if len(keys) == 1:
        of = keys[0].type
        is_number = id.isascii() and id.isdigit() and len(id) <= _DIGITS_MAX
        return is_number if isinstance(of, sa.Integer) else isinstance(of, sa.String)
    try:
        values = json.loads(id)
    except ValueError:
        return False
    return (
        isinstance(values, list)
        and len(values) == len(keys)
        and all(
            type(value) is int and abs(value) < 10**_DIGITS_MAX
            if isinstance(key.type, sa.Integer)
            else isinstance(value, str) and isinstance(key.type, sa.String)
            for key, value in zip(keys, values, strict=True)
        )
    )


def _typed(column: Column, value: Any) -> Any:  # a part of a key
    return int(value) if isinstance(column.type, sa.Integer) else value
