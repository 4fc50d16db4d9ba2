"""What lies about a person: found by the paths of marks, read row by row, with others left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import rfc3339
from app.kernel.db import UtcDateTime
from app.kernel.marks import NOBODY
from compliance.contracts import masking
from compliance.contracts.marked import marks, naming, paths
from compliance.contracts.marked.marks import Column
from compliance.contracts.marked.naming import Row
from compliance.contracts.marked.owned import Owned
from compliance.contracts.marked.paths import parse
from compliance.contracts.personal import Record, Redaction, Seed, ids_of, subject_of

_FINDS: Final = ("account.id", "device.id", "contact", "card")


def seeds(owned: Owned, session: Session, seeds: Set[Seed]) -> Set[Seed]:
    """Return the keys of rows that lead to a person, from which other owners go on."""
    ids, found = ids_of(seeds), set()
    for table in owned.tables:
        for column in table.primary_key:
            mark = marks.mark_of(column)
            if mark is None or mark.category not in _FINDS or mark.subject in (None, NOBODY):
                continue
            where = paths.condition(owned.by_name, table, parse(str(mark.subject)), ids)
            for value in session.execute(sa.select(column).where(where)).scalars():
                found.add(Seed(mark.category, str(value)))
    return found


def collect(owned: Owned, session: Session, seeds: Set[Seed]) -> Iterator[Record]:
    """Yield what rows say about a person, a record a row and category."""
    ids, subject = ids_of(seeds), subject_of(seeds)
    own = frozenset(seed.value for seed in seeds)
    for table in owned.tables:
        for path, columns in marks.by_path(table).items():
            shown = [column for column in columns if marks.of(column).export != "never"]
            if not shown or {marks.of(column).category for column in columns} == {"staff"}:
                continue
            beside = [
                column
                for column in marks.personal(table)
                if marks.of(column).export == "counterparty" and column not in columns
            ]
            query = (
                sa.select(table)
                .where(paths.condition(owned.by_name, table, parse(path), ids))
                .order_by(*table.primary_key)
            )
            for row in session.execute(query).mappings():
                yield from _records(owned, table, row, shown, subject, own)
                yield from _records(owned, table, row, beside, subject, own, counterparty=True)


def _records(
    owned: Owned,
    table: sa.Table,
    row: Row,
    columns: Sequence[Column],
    subject: str,
    own: frozenset[str],
    *,
    counterparty: bool = False,
) -> Iterator[Record]:
    by_category: dict[str, list[Column]] = {}
    for column in columns:
        by_category.setdefault(marks.of(column).category, []).append(column)
    if len(by_category) > 1:
        by_category.pop("account.id", None)
    for category, those in by_category.items():
        data: dict[str, Any] = {}
        left_out: Counter[str] = Counter()
        for column in those:
            value = _value(owned, table, column, row, subject)
            if value in (None, "", b""):
                continue
            if marks.of(column).export == "masked":
                value, count = masking.only_own(value, own)
                left_out["others_in_documents"] += count
            data[column.name] = value
        if not data:
            continue
        around, hidden = masking.mask(_around(table, row), own)
        left_out["ids_of_others"] += hidden
        mark = marks.of(those[0])
        yield Record(
            store=table.name,
            id=naming.id_of(table, row),
            category=category,
            origin=mark.origin,
            purposes=mark.purposes,
            retention=mark.retention,
            data=data,
            around=around,
            counterparty=counterparty,
            redactions=tuple(Redaction(rule=rule, count=count) for rule, count in left_out.items() if count),
        )


def _around(table: sa.Table, row: Row) -> dict[str, Any]:
    """Return what a row says that is about nobody and reads as text: states, kinds, instants, currencies."""
    return {
        column.name: _plain(row[column.name])
        for column in table.columns
        if marks.of(column).category == "none"
        and not column.primary_key
        and row[column.name] is not None
        and isinstance(column.type, sa.Text | sa.Boolean | UtcDateTime)
    }


def _value(owned: Owned, table: sa.Table, column: Column, row: Row, subject: str) -> Any:  # of any column
    reader = owned.read.get(f"{table.name}.{column.name}")
    return _plain(row[column.name] if reader is None or row[column.name] is None else reader(row, subject))


def _plain(value: Any) -> Any:  # a value of any column
    match value:
        case datetime():
            return rfc3339(value)
        case bytes():
            return value.hex()
        case _:
            return value
