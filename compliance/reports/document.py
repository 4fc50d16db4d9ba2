"""A report as one built object: facts, tables, and the head of the log it stands on. Pages and files are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import rfc3339
from compliance.states import REASON_WORDS, WORDS, Reason, State
from ingest import models as log

NOTHING: Final = "Nothing of this kind in the period."
UNTOLD: Final = "Not told for an instant of the past: what is kept says how things stand now."
NOW_ALONE: Final = "What is processed, and for what, is told as the marks say now: no older register is kept."
Cell: TypeAlias = str | int | None
FORMAT: Final = "onepay-report/1"
PROPOSED: Final = (
    "Every state here is a proposed finding, made by OnePay about itself; an assessor decides. "
    "This is neither a report on compliance nor an attestation of it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The newest signed head of the log that is not younger than the report."""

    size: int
    root: str
    note: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: `name` for machines, `title` and `says` for people; whole numbers and texts alone.

    A cell that is a member of an enumeration is its code to machines, and its words to people (see `in_words`).
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    says: str = ""
    empty: str = NOTHING
    """What is said where there are no rows: that there are none, or why they are not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Everything a report says."""

    kind: str
    title: str
    lead: str
    since: datetime
    as_of: datetime
    build: str
    seal: Seal
    facts: tuple[tuple[str, Cell], ...]
    tables: tuple[Table, ...]
    findings: int = 0
    """How much of what it tells is not as it should be: so many findings the event of the report names."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, each row under the names of its columns."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "title": self.title,
            "lead": self.lead,
            "notice": PROPOSED,
            "since": rfc3339(self.since),
            "as_of": rfc3339(self.as_of),
            "build": self.build,
            "log": {"size": self.seal.size, "root": self.seal.root, "checkpoint": self.seal.note},
            "facts": [{"name": name, "value": value} for name, value in self.facts],
            "tables": [
                {
                    "name": table.name,
                    "title": table.title,
                    "rows": [dict(zip(table.columns, row, strict=True)) for row in table.rows],
                    **({} if table.rows else {"note": table.empty}),
                }
                for table in self.tables
            ],
        }


def in_words(cell: Cell) -> Cell:
    """Return a cell as people read it: a state or a reason in its words, anything else as it is."""
    match cell:
        case State():
            return WORDS[cell]
        case Reason():
            return REASON_WORDS[cell]
        case StrEnum():
            return str(cell).replace("_", " ")
        case _:
            return cell


def seal_at(session: Session, at: datetime) -> Seal:
    """Return the newest signed head at an instant; of a log that nothing was signed of, an empty one."""
    of = log.checkpoint
    row = session.execute(sa.select(of).where(of.c.at <= at).order_by(of.c.size.desc()).limit(1)).one_or_none()
    if row is None:
        return Seal(size=0, root="", note="", at=None)
    return Seal(size=row.size, root=row.root.hex(), note=row.note, at=row.at)


def minute(at: datetime | None) -> str | None:
    """Return an instant as reports write it."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else None


def written_over(untold: int) -> str:
    """Say of how many processors an instant of the past is not told, as their entries were written over since."""
    if not untold:
        return ""
    entries = "1 entry was" if untold == 1 else f"{untold:,} entries were"
    return f"{entries} changed since, so that what stood there is not told; the events of the changes hold its hash."
