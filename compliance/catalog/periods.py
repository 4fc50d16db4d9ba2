"""Periods of ISO 8601 in calendar arithmetic: five years are not 1,825 days."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_SHAPE: Final = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)
YEARS_MAX: Final = 100
"""What is longer is a slip of the hand, and reckoning back by it leaves our calendar."""
_DIGITS_MAX: Final = 8
_DAYS: Final = tuple(datetime(2027 + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(48))
"""Days of all months, with a leap day among them at each place."""


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time: months and years by the calendar, the rest by the clock."""

    text: str
    months: int
    span: timedelta

    def after(self, at: datetime) -> datetime:
        """Return the end of the period that begins at an instant; the last day of a short month stands for its end."""
        return add_months(at, self.months) + self.span

    def before(self, at: datetime) -> datetime:
        """Return the instant before which a period that began has ended by now."""
        return add_months(at, -self.months) - self.span

    def exceeds(self, other: Period) -> bool:
        """Tell whether it can be the longer one, whenever both begin: 1,826 days can end before five years do."""
        return any(self.after(day) > other.after(day) for day in _DAYS)

    @property
    def is_nothing(self) -> bool:
        """Tell whether it has no length: what is kept so goes as soon as it has ended."""
        return self.months == 0 and not self.span

    def in_words(self) -> str:
        """Return the period as people say it."""
        years, months = divmod(self.months, 12)
        hours, rest = divmod(self.span.seconds, 3_600)
        parts = [(years, "year"), (months, "month"), (self.span.days, "day"), (hours, "hour")]
        parts += [(rest // 60, "minute"), (rest % 60, "second")]
        said = [f"{count} {word}{'s' if count != 1 else ''}" for count, word in parts if count]
        if len(said) < 3:
            return " and ".join(said) or "not longer than used"
        return f"{', '.join(said[:-1])} and {said[-1]}"


def add_months(at: datetime, months: int) -> datetime:
    """Return the same day and time so many months later, or the month's last day where it lacks that day."""
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    return at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1]))


def parse(text: str) -> Period:
    """Read a period such as P13M, P10Y or PT15M, of at most a hundred years; raises `ValueError`."""
    match = _SHAPE.fullmatch(text)
    if match is None or text in ("P", "PT") or text.endswith("T"):
        raise ValueError(f"{text!r} is no period")
    if max(len(part or "") for part in match.groups()) > _DIGITS_MAX:
        raise ValueError(f"{text!r} is longer than {YEARS_MAX} years")
    years, months, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    found = Period(text, years * 12 + months, timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds))
    if found.months + found.span / timedelta(days=30) > YEARS_MAX * 12:
        raise ValueError(f"{text!r} is longer than {YEARS_MAX} years")
    return found
