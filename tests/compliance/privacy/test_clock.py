"""The last day to answer: the vectors of the law, and what holds for every day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from compliance.privacy import clock
from compliance.privacy.clock import LegalCalendar
from compliance.settings import PrivacySettings

CALENDAR = clock.of(PrivacySettings())


@pytest.mark.parametrize(
    ("received", "months", "paused", "due"),
    [
        ("2026-08-31", 1, 0, "2026-09-30"),
        ("2027-01-31", 1, 0, "2027-03-01"),
        ("2027-01-31", 3, 0, "2027-04-30"),
        ("2028-01-31", 1, 0, "2028-02-29"),
        ("2028-01-31", 3, 0, "2028-05-02"),
        ("2026-11-25", 1, 0, "2026-12-28"),
        ("2026-03-05", 1, 0, "2026-04-07"),
        ("2026-11-24", 1, clock.paused_between(date(2026, 11, 26), date(2026, 12, 1)), "2026-12-28"),
        ("2026-12-31", 1, 0, "2027-02-01"),
        ("2026-12-31", 3, 0, "2027-03-31"),
    ],
)
def test_the_vectors(received: str, months: int, paused: int, due: str) -> None:
    assert CALENDAR.due(date.fromisoformat(received), months, paused) == date.fromisoformat(due)


def test_every_day_of_seven_years_is_due_within_a_month_and_what_rolls_over() -> None:
    day = date(2026, 1, 1)
    while day < date(2033, 1, 1):
        due = CALENDAR.due(day, 1, 0)
        plain = clock.due(day, 1, 0, frozenset())
        while plain.weekday() > 4:  # the months alone, before days off
            plain += timedelta(days=1)
        span = (due - day).days
        assert span >= 28
        assert due.weekday() < 5
        assert 28 <= span - (due - _by_months(day)).days <= 31
        assert (due - _by_months(day)).days <= 6
        day += timedelta(days=1)


def _by_months(day: date) -> date:
    """Return the same day of the next month, or its last, found by looking and not by our sums."""
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    last = (date(following.year + following.month // 12, following.month % 12 + 1, 1) - timedelta(days=1)).day
    return following.replace(day=min(day.day, last))


@pytest.mark.parametrize(
    ("asked", "answered", "days"),
    [("2026-11-26", "2026-12-01", 4), ("2026-11-26", "2026-11-26", 0), ("2026-11-26", "2026-11-27", 0)],
)
def test_only_whole_days_between_question_and_answer_count(asked: str, answered: str, days: int) -> None:
    assert clock.paused_between(date.fromisoformat(asked), date.fromisoformat(answered)) == days


def test_it_is_late_once_the_day_has_ended_where_the_law_applies() -> None:
    assert CALENDAR.end_of(date(2026, 12, 28)).astimezone(UTC) == datetime(2026, 12, 28, 23, 0, tzinfo=UTC)
    assert CALENDAR.end_of(date(2026, 8, 31)).astimezone(UTC) == datetime(2026, 8, 31, 22, 0, tzinfo=UTC)


def test_the_day_of_receipt_is_that_of_the_place() -> None:
    assert CALENDAR.day_of(datetime(2026, 11, 25, 23, 30, tzinfo=UTC)) == date(2026, 11, 26)


def test_another_place_has_other_holidays() -> None:
    bavaria = LegalCalendar(zone=CALENDAR.zone, country="DE", region="BY")
    epiphany = date(2026, 12, 6)
    assert CALENDAR.due(epiphany, 1, 0) == date(2027, 1, 6)
    assert bavaria.due(epiphany, 1, 0) == date(2027, 1, 7)
