"""Erasure by marks: planned target by target, done in batches, and looked at afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence, Set

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.db import delete_for_good
from compliance.contracts.marked import marks, naming, paths
from compliance.contracts.marked.marks import Column
from compliance.contracts.marked.naming import Row
from compliance.contracts.marked.owned import Owned
from compliance.contracts.marked.paths import parse
from compliance.contracts.personal import Seed, Target, ids_of, subject_of


def plan(owned: Owned, session: Session, seeds: Set[Seed]) -> Iterator[Target]:
    """Yield what an erasure does to each row about a person."""
    ids, subject = ids_of(seeds), subject_of(seeds)
    for table in owned.tables:
        for path, columns in marks.by_path(table).items():
            where = paths.condition(owned.by_name, table, parse(path), ids)
            query = sa.select(table).where(where).order_by(*table.primary_key)
            for row in session.execute(query).mappings():
                yield from _targets(owned, table, columns, row, subject)


def _targets(owned: Owned, table: sa.Table, columns: Sequence[Column], row: Row, subject: str) -> Iterator[Target]:
    ending = [column for column in columns if marks.of(column).on_erase == "delete"]
    if ending:
        # The row goes as a whole: one target, called by what it is kept for.
        yield _ends(owned, table, ending, row, subject)
        return
    grouped: dict[tuple[str, str, str | None], list[Column]] = {}
    for column in columns:
        mark = marks.of(column)
        action = "keep" if mark.on_erase == "keep_to_class_end" else mark.on_erase
        key = None if action == "keep" else owned.key_class.get(f"{table.name}.{column.name}")
        grouped.setdefault((mark.category, action, key), []).append(column)
    for (category, action, key), those in grouped.items():
        if action == "null" and not any(row[c.name] not in (None, marks.blank(c)) for c in those):
            continue
        yield Target(
            store=table.name,
            id=naming.id_of(table, row),
            subject=subject,
            category=category,
            action=action,
            retention=marks.of(those[0]).retention,
            fields=tuple(column.name for column in those),
            key_class=key,
            forced_by=marks.of(those[0]).retention if action == "keep" else None,
        )


def _ends(owned: Owned, table: sa.Table, ending: Sequence[Column], row: Row, subject: str) -> Target:
    first = next((column for column in ending if marks.of(column).category != "account.id"), ending[0])
    keys = [owned.key_class.get(f"{table.name}.{column.name}") for column in ending]
    return Target(
        store=table.name,
        id=naming.id_of(table, row),
        subject=subject,
        category=marks.of(first).category,
        action="delete",
        retention=marks.of(first).retention,
        fields=tuple(column.name for column in ending),
        key_class=next((key for key in keys if key), None),
    )


def erase(
    owned: Owned, session: Session, targets: Sequence[Target], ctx: Context, *, only_of: str | None
) -> Counter[str]:
    """Delete rows, with the files beside them, and empty columns; return how many by action. Done twice is once.

    Rows that do not lead to the person `only_of` stay, whatever a target calls them.
    """
    delete_for_good(session)
    done: Counter[str] = Counter()
    groups: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
    for target in targets:
        if target.action in ("delete", "null"):
            fields = target.fields if target.action == "null" else ()
            groups.setdefault((target.store, target.action, fields), set()).add(target.id)
    for (store, action, fields), named in sorted(groups.items()):
        table = owned.by_name[store]
        is_theirs = sa.true() if only_of is None else _is_theirs(owned, table, action, fields, only_of)
        ids = sorted(named if only_of is None else named - _of_others(session, table, named, is_theirs))
        where = naming.with_ids(table, ids) & is_theirs
        if action == "delete":
            # Files first: killed in between, the row is still due, and they are removed by it again.
            for id in ids if store in owned.files else ():
                owned.files[store].remove(id)
            # The row first: what only goes with its whole, such as a timeline, lets nobody delete it before.
            result = session.execute(sa.delete(table).where(where))
            for child, path in children(owned, store):
                session.execute(sa.delete(child).where(paths.condition(owned.by_name, child, parse(path), ids)))
        else:
            values = {name: marks.blank(table.c[name]) for name in fields}
            is_full = sa.or_(*(marks.is_full(table.c[name]) for name in fields))
            result = session.execute(sa.update(table).where(where, is_full).values(**values))
        done[action] += int(result.rowcount)  # type: ignore[attr-defined]  # both answer with a cursor result
    return done


def _is_theirs(
    owned: Owned, table: sa.Table, action: str, fields: Sequence[str], subject: str
) -> sa.ColumnElement[bool]:
    """Tell of the rows of which a path of what goes leads to a person."""
    going = (
        path
        for path, columns in marks.by_path(table).items()
        if any(marks.of(one).on_erase == "delete" if action == "delete" else one.name in fields for one in columns)
    )
    leads = (paths.condition(owned.by_name, table, parse(path), [subject]) for path in going)
    return sa.or_(sa.false(), *leads)


def _of_others(session: Session, table: sa.Table, ids: Collection[str], is_theirs: sa.ColumnElement[bool]) -> set[str]:
    """Return those ids by which a row is called that is not theirs."""
    query = sa.select(*table.primary_key).where(naming.with_ids(table, sorted(ids)) & is_theirs)
    return naming.standing(session, table, ids) - {
        naming.id_of(table, row) for row in session.execute(query).mappings()
    }


def children(owned: Owned, store: str) -> Iterator[tuple[sa.Table, str]]:
    """Yield the tables whose rows are a part of one of a store, and the path that says of which."""
    if store in owned.ended:
        yield from ((owned.by_name[name], key) for name, key in owned.ended[store].children.items())


def remaining(owned: Owned, session: Session, targets: Sequence[Target]) -> int:
    """Return how many targets can still be read."""
    wanted = [target for target in targets if target.action != "keep"]
    rows: dict[tuple[str, str], Row] = {}
    for store, ids in naming.by_store(wanted):
        table = owned.by_name[store]
        for row in session.execute(sa.select(table).where(naming.with_ids(table, ids))).mappings():
            rows[store, naming.id_of(table, row)] = row
    return sum(_is_left(owned, target, rows.get((target.store, target.id))) for target in wanted)


def _is_left(owned: Owned, target: Target, row: Row | None) -> bool:
    if row is None:
        files = owned.files.get(target.store)
        return files is not None and target.action == "delete" and files.is_there(target.id)
    table = owned.by_name[target.store]
    match target.action:
        case "delete":
            return True
        case "null":
            return any(row[name] not in (None, marks.blank(table.c[name])) for name in target.fields)
        case _:
            return any(_is_readable(owned, table, name, row, target.subject) for name in target.fields)


def _is_readable(owned: Owned, table: sa.Table, name: str, row: Row, subject: str) -> bool:
    """Tell whether a sealed value opens; what nobody reads goes with its key, whose absence is looked at apart."""
    reader = owned.read.get(f"{table.name}.{name}")
    return reader is not None and reader(row, subject) is not None
