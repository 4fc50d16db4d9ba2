"""Where time comes from: the only module that reads a clock."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# In which pages and letters tell customers the time.
ZONE: Final = ZoneInfo("Europe/Berlin")
# The one clock of all staff, in the console and beside it.
STAFF_ZONE: Final = ZoneInfo("UTC")


class Clock(Protocol):
    """Tells the present instant, aware and in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class StillClock:
    """A clock that stands until it is moved; tests use it."""

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self._at

    def move(self, by: timedelta) -> None:
        """Go on by a span, which may be negative to stand for a clock that was set back."""
        self._at += by


class SteppedClock:
    """A clock that starts in the past and only moves forward, by steps, never beyond the real present.

    A seeded world lives on it; `release` lets the real clock take over for good.
    """

    def __init__(self, start: datetime, real: Clock | None = None) -> None:
        self._real = real or SystemClock()
        self._at = start.astimezone(UTC)
        self._released = False
        self._guard = threading.Lock()

    def now(self) -> datetime:
        with self._guard:
            return self._real.now() if self._released else self._at

    def step_to(self, at: datetime) -> None:
        """Move forward to an instant; earlier ones are ignored, later ones than the present are refused."""
        with self._guard:
            if at > self._real.now():
                raise ValueError("history ends now")
            self._at = max(self._at, at.astimezone(UTC))

    def release(self) -> None:
        """Follow the real clock from now on."""
        with self._guard:
            self._released = True


def micros(at: datetime) -> int:
    """Return microseconds since 1970 as an exact integer."""
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(value: int) -> datetime:
    """Return the instant that `micros` counted."""
    return EPOCH + timedelta(microseconds=value)


def rfc3339(at: datetime) -> str:
    """Return the instant as RFC 3339 text with six decimals and Z."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_rfc3339(text: str) -> datetime:
    """Read an RFC 3339 instant; a text without offset is refused with `ValueError`."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("an instant needs an offset")
    return at.astimezone(UTC)
