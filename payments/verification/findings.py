"""What a verification found, the first of each kind with how many there are."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa


@dataclass(slots=True, kw_only=True)
class Difference:
    """The first bad row of one kind, and how many there are."""

    kind: str
    table: str
    key: str
    expected: str
    found: str
    count: int = 1

    def __str__(self) -> str:
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        return f"{self.kind}: {self.table} {self.key}: expected {self.expected}, found {self.found}{more}"


@dataclass(slots=True)
class Findings:
    """Differences by kind: one bad row is named, the others of its kind are counted."""

    by_kind: dict[str, Difference] = field(default_factory=dict)

    def add(self, kind: str, table: sa.Table, key: str, *, expected: object, found: object) -> None:
        known = self.by_kind.get(kind)
        if known is not None:
            known.count += 1
            return
        self.by_kind[kind] = Difference(kind=kind, table=table.name, key=key, expected=str(expected), found=str(found))

    def same(self, kind: str, table: sa.Table, key: str, expected: object, found: object) -> None:
        if expected != found:
            self.add(kind, table, key, expected=expected, found=found)
