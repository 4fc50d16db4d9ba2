"""What an owner keeps about people, by table and category, as its marks say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from compliance.contracts.marked import marks
from compliance.contracts.marked.marks import Column
from compliance.contracts.marked.owned import Owned
from compliance.contracts.personal import StoreInfo

_RANK: Final = {"delete": 0, "null": 1, "shred": 2, "anonymise": 3, "keep_to_class_end": 4, "none": 5}
_EXPORTED: Final = ("as_is", "reveal", "masked", "counterparty", "never")


def stores(owned: Owned) -> Sequence[StoreInfo]:
    """Return the stores, one a table and category, and the files beside rows."""
    found = []
    for table in owned.tables:
        by_category: dict[str, list[Column]] = {}
        for column in marks.personal(table):
            by_category.setdefault(marks.of(column).category, []).append(column)
        for category, columns in sorted(by_category.items()):
            # The most that is done to a value of the category stands for it.
            mark = min((marks.of(column) for column in columns), key=lambda each: _RANK[each.on_erase])
            exports = sorted({marks.of(column).export for column in columns}, key=_EXPORTED.index)
            found.append(
                StoreInfo(
                    name=table.name,
                    kind="table",
                    category=category,
                    retention=mark.retention,
                    on_erase=mark.on_erase,
                    origin=mark.origin,
                    export=exports[0],
                    purposes=tuple(sorted({name for column in columns for name in marks.of(column).purposes})),
                    fields=tuple(column.name for column in columns),
                )
            )
    found += [files.info(owned.ended[name].retention) for name, files in sorted(owned.files.items())]
    return found
