"""A day that nobody can mean is refused where it was written, never an error of ours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dashboards import days
from dashboards.days import DayInvalid


@pytest.mark.parametrize(
    "text", ["9999-12-31", "0001-01-01", "2026-2-1", "2026-02-30", "٢٠٢٦-11-30", "soon", "2026-11-30x"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(DayInvalid):
        days.begin_of(text, param="day")


def test_a_day_begins_at_midnight_of_utc_and_nothing_is_none() -> None:
    assert days.begin_of(" 2026-11-30 ", param="day") == datetime(2026, 11, 30, tzinfo=UTC)
    assert days.begin_of("", param="day") is None
