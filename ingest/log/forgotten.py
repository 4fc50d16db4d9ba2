"""What retention has lawfully removed: which units, what of them a hold kept, and exact counts of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ingest import models
from ingest.log.read import Said

BEGUN: Final = "begun"
"""Said that it will go and what is held; it may be anywhere still."""
UNSTORED: Final = "unstored"
"""Gone from the event store; bodies and archive follow."""
GONE: Final = "gone"
"""Gone everywhere, and looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One class and month that is being removed or was; `count` of its sequences, `held` of them kept for cases."""

    class_: str
    month: str
    first: int
    last: int
    count: int
    held: int
    state: str
    run: str
    begun_at: datetime
    ended_at: datetime | None

    @property
    def is_unstored(self) -> bool:
        """Whether the store does not have it any more."""
        return self.state in (UNSTORED, GONE)


def removals(session: Session, lo: int = 0, hi: int | None = None) -> list[Removal]:
    """Return the removals of units that have a sequence in (lo, hi], whatever state they are in."""
    unit = models.forgotten.c
    query = sa.select(models.forgotten).where(unit.last > lo).order_by(unit.first)
    if hi is not None:
        query = query.where(unit.first <= hi)
    return [_removal(row) for row in session.execute(query)]


def removal(session: Session, class_: str, month: str) -> Removal | None:
    """Return the removal of one unit, or None where it never began."""
    known = models.forgotten.c
    row = session.execute(
        sa.select(models.forgotten).where(known["class"] == class_, known.month == month)
    ).one_or_none()
    return None if row is None else _removal(row)


def dropped(session: Session, lo: int, hi: int) -> int:
    """Count exactly the sequences in (lo, hi] that the store lawfully lacks: what is there and this make hi - lo."""
    return sum(
        _count(session, one, max(lo, one.first - 1), min(hi, one.last))
        for one in removals(session, lo, hi)
        if one.is_unstored
    )


def holds_of(session: Session, class_: str, month: str) -> dict[str, list[int]]:
    """Return which sequences of a unit are kept, by case."""
    held = models.held.c
    rows = session.execute(
        sa.select(held.hold, held.sequence)
        .where(held["class"] == class_, held.month == month)
        .order_by(held.hold, held.sequence)
    )
    found: dict[str, list[int]] = {}
    for case, sequence in rows:
        found.setdefault(case, []).append(sequence)
    return found


def held_in(session: Session, lo: int, hi: int) -> set[int]:
    """Return the sequences of (lo, hi] that a hold keeps."""
    held = models.held.c.sequence
    return set(session.scalars(sa.select(held).where(held > lo, held <= hi)))


def covers(removals: Sequence[Removal], class_: str, sequence: int) -> Removal | None:
    """Return the removal that a sequence of a class belongs to."""
    return next((one for one in removals if one.class_ == class_ and one.first <= sequence <= one.last), None)


def not_ended(session: Session, silent: Sequence[Said]) -> list[Said]:
    """Return of events whose body is gone those that retention did not remove: their body was taken."""
    known = removals(session) if silent else []
    return [one for one in silent if one.sequence is None or covers(known, one.class_, one.sequence) is None]


def shippable(removals: Sequence[Removal]) -> sa.ColumnElement[bool]:
    """Return the condition on entries that keeps what retention removes from being sent to a store again."""
    entry = models.entry.c
    return sa.and_(
        sa.true(),
        *(
            sa.not_(sa.and_(entry["class"] == one.class_, entry.sequence.between(one.first, one.last)))
            for one in removals
        ),
    )


def _count(session: Session, one: Removal, lo: int, hi: int) -> int:
    if (lo, hi) == (one.first - 1, one.last):
        return one.count - one.held
    entry = models.entry.c
    held = sa.select(models.held.c.sequence).where(
        models.held.c["class"] == one.class_, models.held.c.sequence > lo, models.held.c.sequence <= hi
    )
    found = session.scalar(
        sa.select(sa.func.count())
        .select_from(models.entry)
        .where(entry.sequence > lo, entry.sequence <= hi, entry["class"] == one.class_, entry.sequence.not_in(held))
    )
    return found or 0


def _removal(row: sa.Row[tuple[object, ...]]) -> Removal:
    values = dict(row._mapping)
    return Removal(class_=values.pop("class"), **values)
