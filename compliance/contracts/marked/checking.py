"""What marks say that cannot be carried out, named by table and column before anything starts."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.marks import NOBODY
from compliance.contracts.marked import marks, paths
from compliance.contracts.marked.marks import APPEND_ONLY
from compliance.contracts.marked.owned import Owned
from compliance.contracts.marked.paths import PathUnknown, parse


def check(owned: Owned) -> list[str]:
    """Return what the marks of these tables say that cannot be carried out."""
    wrong = [
        f"{table.name}.{column.name} has no mark"
        for table in owned.by_name.values()
        for column in table.columns
        if marks.mark_of(column) is None
    ]
    wrong += [
        f"{name} is to go with {store} by {key}, which leads to none of it"
        for store, ended in owned.ended.items()
        for name, key in ended.children.items()
        if not _leads(owned, name, key)
    ]
    wrong += [
        f"{store} is to end by {ended.column}, which is no column of it"
        for store, ended in owned.ended.items()
        if isinstance(ended.column, str) and (store not in owned.by_name or ended.column not in owned.by_name[store].c)
    ]
    if wrong:
        return wrong
    for table in owned.tables:
        classes: dict[tuple[str, str | None], set[str]] = {}
        for column in marks.personal(table):
            mark = marks.of(column)
            classes.setdefault((mark.category, mark.subject), set()).add(mark.retention)
            place = f"{table.name}.{column.name}"
            if mark.subject != NOBODY and not str(mark.subject).startswith("onepay."):
                try:
                    paths.condition(owned.by_name, table, parse(str(mark.subject)), ["acc"])
                except PathUnknown as error:
                    wrong.append(f"{place}: {error}")
            is_bytes = isinstance(column.type, sa.LargeBinary)
            if is_bytes and mark.export != "never" and place not in owned.read:
                wrong.append(f"{place} is exported as bytes that nothing opens")
            if mark.on_erase in ("delete", "null") and table.info.get(APPEND_ONLY):
                wrong.append(f"{place}: {mark.on_erase} on a table that is only appended to")
            if mark.on_erase == "shred" and place not in owned.key_class:
                wrong.append(f"{place} is shredded with a key that nothing names")
        wrong += [
            f"{table.name} keeps {category} by two classes: {sorted(names)}"
            for (category, _), names in classes.items()
            if len(names) > 1
        ]
        ends = {
            marks.of(c).on_erase for c in marks.personal(table) if marks.of(c).category not in ("account.id", "staff")
        }
        if "delete" in ends and ends != {"delete"}:
            wrong.append(f"{table.name} ends its row for one value and keeps it for another: {sorted(ends)}")
    return wrong


def _leads(owned: Owned, name: str, path: str) -> bool:
    try:
        return (
            name in owned.by_name
            and paths.condition(owned.by_name, owned.by_name[name], parse(path), ["id"]) is not None
        )
    except PathUnknown:
        return False
