"""Whom and what rows name: in any column, by a path that leads further, or in a row that is a part of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.contracts.marked import marks, naming, paths
from compliance.contracts.marked.erasing import children
from compliance.contracts.marked.owned import Owned
from compliance.contracts.marked.paths import parse
from compliance.contracts.personal import Target


def named(owned: Owned, session: Session, targets: Sequence[Target], ids: Collection[str]) -> frozenset[str]:
    """Return the leaves of those targets whose row names one of some ids, or has a part that does."""
    wanted, found = sorted(ids), set[tuple[str, str]]()
    for store, called in naming.by_store(targets) if wanted else ():
        table = owned.by_name[store]
        those = sa.select(*table.primary_key).where(naming.with_ids(table, called), _names(owned, table, wanted))
        found |= {(store, naming.id_of(table, row)) for row in session.execute(those).mappings()}
        for child, path in children(owned, store):
            found |= {(store, id) for id in _by_part(owned, session, child, path, called, wanted)}
    return frozenset(target.leaf for target in targets if (target.store, target.id) in found)


def _names(owned: Owned, table: sa.Table, ids: Sequence[str]) -> sa.ColumnElement[bool]:
    """Tell of the rows of a table that name one of some ids."""
    said: list[sa.ColumnElement[bool]] = [one.in_(ids) for one in table.columns if isinstance(one.type, sa.Text)]
    for column in (one for one in table.columns if isinstance(one.type, sa.JSON)):
        text = sa.cast(column, sa.Text)
        said += [text.contains(id, autoescape=True) for id in ids]
    further = (parse(path) for path in marks.by_path(table))
    said += [paths.condition(owned.by_name, table, path, ids) for path in further if path.hops]
    return sa.or_(sa.false(), *said)


def _by_part(
    owned: Owned, session: Session, child: sa.Table, path: str, called: Sequence[str], ids: Sequence[str]
) -> Iterator[str]:
    """Yield by which of some rows a part is that names one of the ids."""
    read, names = parse(path), _names(owned, child, ids)

    def part_of(those: Sequence[str]) -> Any:  # a condition
        return sa.and_(paths.condition(owned.by_name, child, read, those), names)

    if not read.hops and not read.is_document:
        whose = child.c[read.column]
        yield from {str(one) for one in session.scalars(sa.select(whose).where(part_of(called)).distinct())}
        return
    for id in called:
        if session.execute(sa.select(sa.literal(1)).select_from(child).where(part_of([id])).limit(1)).first():
            yield id
