"""Days as people write them into the console: year, month and day of UTC, in ASCII digits and within our times."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from app.kernel.errors import Invalid

_WRITTEN: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
YEARS: Final = range(2000, 2200)


class DayInvalid(Invalid):
    """A day is written like 2026-11-30."""

    code = "report_day_invalid"


def begin_of(text: str, *, param: str) -> datetime | None:
    """Return when a written day begins; None for nothing written; raises `DayInvalid`."""
    written = text.strip()
    if not written:
        return None
    try:
        if not _WRITTEN.fullmatch(written) or int(written[:4]) not in YEARS:
            raise DayInvalid(param=param)
        return datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise DayInvalid(param=param) from error
