"""The span of time a list looks at, from the words of its address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app.kernel.errors import Invalid
from ingest.store.query import Window

SPAN_MAX: Final = timedelta(days=400)
DEFAULT: Final = "-24h"
CHOICES: Final = (("-1h", "1 h"), ("-24h", "24 h"), ("-7d", "7 d"), ("-30d", "30 d"))
BINS: Final = 96
_RELATIVE: Final = re.compile(r"^-(\d{1,4})([mhd])$")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_STEPS: Final = (
    timedelta(seconds=10),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=7),
)


class BadRange(Invalid):
    """The range of time cannot be read."""

    code = "bad_range"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """[since, until) in whole milliseconds, and the step of a histogram over it."""

    since: datetime
    until: datetime
    every: timedelta

    def window(self, hi: int | None = None) -> Window:
        """Return the store window of this span."""
        return Window(since=self.since, until=self.until, hi=hi)


def read(from_: str | None, to: str | None, now: datetime) -> Span:
    """Return the span of `from` and `to`: relative (-24h) or RFC 3339; raises `BadRange`."""
    until = _instant(to, now) if to else now + timedelta(seconds=1)
    since = _instant(from_ or DEFAULT, now)
    if since >= until:
        raise BadRange("The range ends before it begins.", param="from")
    if until - since > SPAN_MAX:
        raise BadRange("A range is at most 400 days.", param="from")
    every = next((step for step in _STEPS if (until - since) // step <= BINS), _STEPS[-1])
    return Span(since=whole(since), until=whole(until), every=every)


def coarse(span: Span, bars: int = 60) -> timedelta:
    """Return the step of a small picture over a span."""
    return next((step for step in _STEPS if (span.until - span.since) / step <= bars), _STEPS[-1])


def _instant(text: str, now: datetime) -> datetime:
    found = _RELATIVE.match(text)
    if found:
        return now - timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRange(f"“{text}” is no time such as -24h or 2026-11-02T09:00Z.", param="from") from error


def whole(at: datetime) -> datetime:
    """Return an instant in whole milliseconds, as the store counts."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
