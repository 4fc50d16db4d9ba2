"""Days that staff write: read as days of the clock that their pages show, and as nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from app.kernel.clock import STAFF_ZONE
from app.kernel.errors import Invalid


class DayInvalid(Invalid):
    """Write a day as year, month and day, such as 2026-11-30."""

    code = "day_invalid"


def begin_of(text: str, *, param: str) -> datetime | None:
    """Return the instant at which a written day begins; None for nothing written; raises `DayInvalid`."""
    return _midnight(text, 0, param)


def end_of(text: str, *, param: str) -> datetime | None:
    """Return the instant at which a written day is over; None for nothing written; raises `DayInvalid`."""
    return _midnight(text, 1, param)


def _midnight(text: str, days: int, param: str) -> datetime | None:
    written = text.strip()
    if not written:
        return None
    try:
        if len(written) != len("2026-11-30"):
            raise DayInvalid(param=param)
        day = date.fromisoformat(written) + timedelta(days=days)
        return datetime.combine(day, time(), STAFF_ZONE).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise DayInvalid(param=param) from error
