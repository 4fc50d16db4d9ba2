"""Periods: by the calendar, in words that people say, and none that leaves it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from compliance.catalog.periods import parse

HUGE = f"P{'9' * 5000}D"


@pytest.mark.parametrize("text", ["", "P", "PT", "P1YT", "P-1D", "-P1D", "P1.5Y", "P1Y1Y", "P٥Y"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no period"):
        parse(text)


@pytest.mark.parametrize("text", ["P101Y", "P3000Y", "P9999Y", "P40000D", "P99999999999999D", HUGE])
def test_what_is_longer_than_a_life_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="longer than 100 years"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("P5Y", "5 years"),
        ("P13M", "1 year and 1 month"),
        ("P1Y2M3D", "1 year, 2 months and 3 days"),
        ("PT12H", "12 hours"),
        ("PT30S", "30 seconds"),
        ("P0D", "not longer than used"),
    ],
)
def test_it_is_said_as_people_say_it(text: str, words: str) -> None:
    assert parse(text).in_words() == words


def test_months_are_those_of_the_calendar() -> None:
    leap = datetime(2028, 2, 29, tzinfo=UTC)
    assert parse("P1Y").after(leap) == datetime(2029, 2, 28, tzinfo=UTC)
    assert parse("P100Y").before(leap).year == 1928
