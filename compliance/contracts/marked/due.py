"""Rows whose time is over: by the class of their table, counted from when they ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.contracts.marked import marks, naming
from compliance.contracts.marked.owned import Owned
from compliance.contracts.personal import Target

_SINCE: Final = "its_time_began_to_run"


def carried_out(owned: Owned) -> Mapping[str, str]:
    """Return the tables whose rows runs end, each with the class that they end by."""
    found = {name: ended.retention for name, ended in owned.ended.items()}
    for ended in owned.ended.values():
        found.update(dict.fromkeys(ended.children, ended.retention))
    found.update({files.name: owned.ended[name].retention for name, files in owned.files.items()})
    return found


def due(owned: Owned, session: Session, class_: str, before: datetime, limit: int) -> Iterator[Target]:
    """Yield at most so many rows of a class that ended before an instant, oldest first in each table."""
    left = limit
    for name, ended in owned.ended.items():
        # The row ends by the class of its table; a column of a shorter class is no reason to end the rest.
        if ended.retention != class_ or left <= 0:
            continue
        query = ended_before(owned, name, before)
        query = query.add_columns(_end_of(owned, name).label(_SINCE))
        query = query.order_by(_end_of(owned, name), *owned.by_name[name].primary_key).limit(left)
        for target in _due_of(owned, session, name, class_, query):
            left -= 1
            yield target


def still_due(
    owned: Owned, session: Session, class_: str, before: datetime, targets: Sequence[Target]
) -> Iterator[Target]:
    """Yield those of the targets that are due at this instant, read anew."""
    for name, ids in naming.by_store(targets):
        if name not in owned.ended or owned.ended[name].retention != class_:
            continue
        query = ended_before(owned, name, before).where(naming.with_ids(owned.by_name[name], ids))
        yield from _due_of(owned, session, name, class_, query)


def ended_before(owned: Owned, store: str, before: datetime) -> sa.Select[Any]:
    """Return the query of rows that ended before an instant."""
    ended = owned.ended[store]
    query = sa.select(owned.by_name[store]).where(_end_of(owned, store) < before)
    return query if ended.where is None else query.where(ended.where)


def _end_of(owned: Owned, store: str) -> sa.ColumnElement[Any]:
    column = owned.ended[store].column
    return owned.by_name[store].c[column] if isinstance(column, str) else column


def _due_of(owned: Owned, session: Session, store: str, class_: str, query: sa.Select[Any]) -> Iterator[Target]:
    table = owned.by_name[store]
    columns = [column for column in table.columns if marks.of(column).retention == class_]
    assert columns, f"nothing in {store} is of the class {class_}"
    mark = next((marks.of(column) for column in columns if marks.of(column).category != "none"), marks.of(columns[0]))
    for row in session.execute(query).mappings():
        yield Target(
            store=store,
            id=naming.id_of(table, row),
            subject=str(row.get(str(mark.subject), "")),
            category=mark.category,
            action="delete",
            retention=class_,
            ended_at=row.get(_SINCE),
        )
