"""Working time: hours counted only while somebody is at work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS_MAX: Final = 3_660


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """When people work: days of the week, hours of the day, holidays, all in one time zone."""

    zone: str = "UTC"
    days: frozenset[int] = frozenset(range(5))
    opens: int = 9
    closes: int = 17
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        assert self.days, "somebody works on some day"
        assert 0 <= self.opens < self.closes <= 23, "a working day has hours"

    @property
    def hours_a_day(self) -> int:
        return self.closes - self.opens

    def works_on(self, day: date) -> bool:
        """Tell whether a day is a working day."""
        return day.weekday() in self.days and day not in self.holidays


def add(start: datetime, span: timedelta, calendar: Calendar) -> datetime:
    """Return the instant at which so much working time has passed since the start, in UTC.

    Hours are elapsed hours, also on a day on which the clocks change.
    """
    zone = ZoneInfo(calendar.zone)
    day, left = start.astimezone(zone).date(), span
    for _ in range(_DAYS_MAX):
        if calendar.works_on(day):
            opens = datetime.combine(day, time(calendar.opens), zone).astimezone(UTC)
            closes = datetime.combine(day, time(calendar.closes), zone).astimezone(UTC)
            begins = max(start, opens)
            if begins < closes:
                if left <= closes - begins:
                    return begins + left
                left -= closes - begins
        day += timedelta(days=1)
    raise AssertionError("no calendar of ours lacks working days for ten years")
