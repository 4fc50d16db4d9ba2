"""Quarters of scans, from the assessment anchor: a closed one needs a pass dated inside, the open one is shown."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from compliance.scans.register import Scan

QUARTER: Final = 3
GAP_MAX: Final = timedelta(days=92)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarter:
    """One quarter: [begin, end), closed or open; by component the day of its pass, or None where there was none."""

    number: int
    begin: date
    end: date
    is_closed: bool
    passes: dict[str, date | None]

    @property
    def is_passed(self) -> bool:
        """Tell whether the weakest component passed; without any component nothing did."""
        return bool(self.passes) and all(self.passes.values())

    @property
    def lacking(self) -> tuple[str, ...]:
        """The components without a pass."""
        return tuple(sorted(name for name, day in self.passes.items() if day is None))


def begin_of(anchor: date, number: int) -> date:
    """Return the first day of a quarter, always counted from the anchor: the 31st of January does not drift.

    Quarters before the anchor have numbers below zero.
    """
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + QUARTER * number, 12)
    return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))


def number_of(anchor: date, day: date) -> int:
    """Return the number of the quarter that holds a day."""
    number = (day.year * 12 + day.month - anchor.year * 12 - anchor.month) // QUARTER
    return number if begin_of(anchor, number) <= day else number - 1


def quarters(anchor: date, scans: Sequence[Scan], today: date, *, since: date) -> list[Quarter]:
    """Return the quarters from the one that holds `since` to the open one, the oldest first.

    What has to pass in each are the components that scans up to its end named.
    """
    found: list[Quarter] = []
    for number in range(number_of(anchor, since), number_of(anchor, today) + 1):
        begin, end = begin_of(anchor, number), begin_of(anchor, number + 1)
        known = {name for one in scans if one.performed_on < end for name in one.components}
        passes = {name: passed(name, scans, begin, end) for name in sorted(known)}
        found.append(Quarter(number=number, begin=begin, end=end, is_closed=end <= today, passes=passes))
    return found


def gaps(scans: Sequence[Scan], today: date) -> list[tuple[str, date, date]]:
    """Return by component the stretches of more than 92 days without a pass, from the first look at it up to today."""
    found = []
    for name in sorted({name for one in scans for name in one.components}):
        passes = {one.performed_on for one in scans if name in one.passed and one.counts}
        days = sorted({min(one.performed_on for one in scans if name in one.components), *passes})
        ends = [*days[1:], today]
        found += [(name, day, end) for day, end in zip(days, ends, strict=True) if end - day > GAP_MAX]
    return found


def passed(name: str, scans: Sequence[Scan], begin: date, end: date) -> date | None:
    """Return the day of the last look at a component from `begin` until before `end`, if it passed then."""
    inside = [one for one in scans if begin <= one.performed_on < end and name in one.components and one.counts]
    if not inside:
        return None
    # A rescan mends what failed before it; a later failure is one again.
    last = max(inside, key=lambda one: (one.performed_on, one.entered_at))
    return last.performed_on if name in last.passed else None
