"""When a request is due: months by Regulation (EEC, Euratom) 1182/71, in the legal time zone, with its holidays."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Container
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

from compliance.settings import PrivacySettings

RULES: Final = 1
"""The version of these rules, kept with each request."""
MONTHS: Final = 1
EXTENDED_MONTHS: Final = 3
INTERNAL_DAYS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalCalendar:
    """The days of one place: its time zone and its holidays."""

    zone: ZoneInfo
    country: str
    region: str | None = None

    def day_of(self, at: datetime) -> date:
        """Return the day of an instant where the law applies."""
        return at.astimezone(self.zone).date()

    def end_of(self, day: date) -> datetime:
        """Return the instant at which a day has ended."""
        return datetime.combine(day + timedelta(days=1), time(), tzinfo=self.zone)

    def due(self, received: date, months: int, paused_days: int) -> date:
        """Return the last day to answer (see `due`)."""
        return due(received, months, paused_days, _holidays(self.country, self.region, received.year))


def of(settings: PrivacySettings) -> LegalCalendar:
    """Return the calendar that the settings name."""
    return LegalCalendar(zone=settings.legal_timezone, country=settings.holiday_country, region=settings.holiday_region)


def due(received: date, months: int, paused_days: int, off: Container[date]) -> date:
    """Return the last day: months from receipt, whose day does not count, and never on a day off.

    It is late once that day has ended.
    """
    year, month = divmod(received.year * 12 + received.month - 1 + months, 12)
    day = date(year, month + 1, min(received.day, monthrange(year, month + 1)[1])) + timedelta(days=paused_days)
    while day.weekday() > 4 or day in off:
        day += timedelta(days=1)
    return day


def paused_between(asked: date, answered: date) -> int:
    """Return the whole days strictly between the day of a question and the day of its answer."""
    return max(0, (answered - asked).days - 1)


@cache
def _holidays(country: str, region: str | None, year: int) -> frozenset[date]:
    """Return the holidays around a year: a request, its extension and its pauses reach into the next."""
    return frozenset(holidays.country_holidays(country, subdiv=region, years=range(year, year + 3)))
