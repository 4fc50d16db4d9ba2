"""What an owner says of its tables beyond their marks: how sealed columns read, and when rows end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import sqlalchemy as sa

from app.kernel.crypto import Secret
from compliance.contracts.files import Files
from compliance.contracts.marked.naming import Row

Reader: TypeAlias = Callable[[Row, str], Any]
"""Returns what a column says for a person, given its row and the person; None where it cannot be read any more."""
Writer: TypeAlias = Callable[[Row, str], Any]
"""Returns what a column holds for a text, given its row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """By which column or expression a row of a table has ended, and by which class it is kept from then on.

    `children` are the tables of the owner whose rows are a part of one of this table and go with it, in this order,
    each with the path to which: what stands in its own right is none of them. `where` names the rows that end at all.
    """

    column: str | sa.ColumnElement[Any]
    retention: str
    children: Mapping[str, str] = field(default_factory=dict)
    where: sa.ColumnElement[bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """The tables of one owner, with all that it says of them.

    `read` and `write` say how sealed columns and amounts are read and written, by `table.column`; `key_class` under
    which key a sealed one lies; `ended` which column says when a row's time began to run, `files` what lies beside
    rows and goes with them; `examples` what a synthetic row holds where a constraint asks for it, and `unplanted`
    which tables may hold none. `tables` are those of `by_name` that say something about people.
    """

    name: str
    tables: Sequence[sa.Table]
    by_name: Mapping[str, sa.Table]
    hashing: Secret
    read: Mapping[str, Reader]
    write: Mapping[str, Writer]
    key_class: Mapping[str, str]
    ended: Mapping[str, Ended]
    files: Mapping[str, Files]
    examples: Mapping[str, Any]
    unplanted: frozenset[str]


def replaced_at(table: sa.Table, same: Sequence[str], at: str, *, order: str | None = None) -> sa.ColumnElement[Any]:
    """Return when a row was followed by the next one that is about the same, None while none has followed."""
    later = table.alias(f"{table.name}_later")
    is_later = later.c[order or at] > table.c[order or at]
    about = (later.c[name] == table.c[name] for name in same)
    return sa.select(sa.func.min(later.c[at])).where(is_later, *about).correlate(table).scalar_subquery()
