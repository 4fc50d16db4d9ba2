"""What removing works on: one class and month of the log, as its entries know it. No body is needed to say so."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.errors import NotFound
from ingest import models
from ingest.log import forgotten, read
from ingest.log.forgotten import Removal
from ingest.store.columns import month_end, month_of

SAMPLES: Final = 5


class UnitUnknown(NotFound):
    """The log has no event of this class and month."""

    code = "unit_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One class and month of `ingested` as the log has it: what removing it would remove."""

    class_: str
    month: str
    count: int
    first: int
    last: int
    oldest: datetime
    newest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A unit with the size of its bodies, some of its sequences, evenly spread, and what the archive has of it."""

    unit: Unit
    bytes: int
    samples: tuple[int, ...]
    segments: int
    removal: Removal | None


def every(
    session: Session,
    classes: Collection[str],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Unit]:
    """Return the classes and months that were not removed, by month and class; no body is read for it.

    Only months that end after `since` and at `until` or before are looked through: the entries of each are counted.
    """
    return [
        unit
        for month, lo, hi in _months(session)
        if (since is None or month_end(month) > since) and (until is None or month_end(month) <= until)
        for unit in _units_of(session, month, lo, hi, classes)
    ]


def find(session: Session, class_: str, month: str) -> Unit | None:
    """Return one class and month, or None where the log has nothing of it or it was removed."""
    found = next((one for one in _months(session) if one[0] == month), None)
    return next(iter(_units_of(session, *found, (class_,)) if found is not None else ()), None)


def get(session: Session, class_: str, month: str) -> Unit:
    """Return one class and month; raises `UnitUnknown`."""
    found = find(session, class_, month)
    if found is None:
        raise UnitUnknown(f"The log has no events of class {class_} and month {month}, or they are being removed.")
    return found


def describe(session: Session, class_: str, month: str) -> Described:
    """Return one unit with samples; raises `UnitUnknown`."""
    unit = get(session, class_, month)
    entry = models.entry.c
    step = max(1, (unit.last - unit.first) // SAMPLES)
    marks = [unit.first + n * step for n in range(SAMPLES)]
    of_unit = (entry["class"] == class_) & (entry.sequence <= unit.last)
    found = [
        session.scalar(sa.select(sa.func.min(entry.sequence)).where(of_unit, entry.sequence >= mark)) for mark in marks
    ]
    size = sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(models.body.c.body)), 0))
    segments = session.scalar(
        sa.select(sa.func.count())
        .select_from(models.segment)
        .where(models.segment.c["class"] == class_, models.segment.c.month == month)
    )
    return Described(
        unit=unit,
        bytes=session.scalar(size.where(models.body.c.sequence.in_(bodies_of(class_, unit.first, unit.last)))) or 0,
        samples=tuple(sorted({sequence for sequence in found if sequence is not None})),
        segments=segments or 0,
        removal=forgotten.removal(session, class_, month),
    )


def bodies_of(class_: str, first: int, last: int) -> sa.Select[tuple[int]]:
    """Return the sequences of the bodies that a unit has; the entry says the class, which nobody can change."""
    entry, body = models.entry.c, models.body.c
    return (
        sa.select(body.sequence)
        .join(models.entry, entry.sequence == body.sequence)
        .where(body.sequence.between(first, last), entry["class"] == class_)
        .order_by(body.sequence)
    )


def _months(session: Session) -> Iterator[tuple[str, int, int]]:
    """Yield each month of the log with its first and last sequence; instants of arrival never go back."""
    size, lo = read.head(session).size, 0
    while lo < size:
        month = month_of(_ingested(session, lo + 1))
        end, low, high = month_end(month), lo + 1, size
        while low < high:
            middle = (low + high + 1) // 2
            if _ingested(session, middle) < end:
                low = middle
            else:
                high = middle - 1
        yield month, lo + 1, low
        lo = low


def _ingested(session: Session, sequence: int) -> datetime:
    found = session.scalar(sa.select(models.entry.c.ingested).where(models.entry.c.sequence == sequence))
    assert isinstance(found, datetime), "sequences have no gaps"
    return found


def _units_of(session: Session, month: str, lo: int, hi: int, classes: Collection[str]) -> list[Unit]:
    entry = models.entry.c
    gone = sa.select(models.forgotten.c["class"]).where(models.forgotten.c.month == month)
    query = (
        sa.select(
            entry["class"].label("class_"),
            sa.func.count().label("count"),
            sa.func.min(entry.sequence).label("first"),
            sa.func.max(entry.sequence).label("last"),
            sa.type_coerce(sa.func.min(entry.ingested), models.entry.c.ingested.type).label("oldest"),
            sa.type_coerce(sa.func.max(entry.ingested), models.entry.c.ingested.type).label("newest"),
        )
        .where(entry.sequence.between(lo, hi), entry["class"].in_(classes), entry["class"].not_in(gone))
        .group_by(entry["class"])
        .order_by(entry["class"])
    )
    return [Unit(month=month, **row._mapping) for row in session.execute(query)]
