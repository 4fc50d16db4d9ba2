"""Prefixed, time-ordered, unguessable identifiers."""

from __future__ import annotations

import random
import re
import secrets
import threading
from datetime import datetime
from functools import lru_cache
from typing import Final, Protocol

from app.kernel.clock import micros

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Two characters at a time: a payment makes three ids, all of one instant.
_PAIRS: Final = tuple(high + low for high in ALPHABET for low in ALPHABET)
_MOMENT_SHIFTS: Final = tuple(range(40, -1, -10))
_LOW_SHIFTS: Final = tuple(range(70, -1, -10))
SHAPE: Final = re.compile(r"^[a-z]{2,4}_[0-9A-HJKMNP-TV-Z]{26}$")


class Ids(Protocol):
    """Makes identifiers; part of every context, so that seeded worlds repeat theirs."""

    def new(self, prefix: str, at: datetime) -> str: ...


class RandomIds:
    """48 bits of milliseconds and 80 random bits, in Crockford's base 32 after a prefix."""

    def new(self, prefix: str, at: datetime) -> str:
        return f"{prefix}_{_text(at, secrets.randbits(80))}"


class SeededIds:
    """The same form from a seeded generator: for demonstration worlds and tests alone."""

    def __init__(self, generator: random.Random) -> None:
        self._generator = generator
        self._guard = threading.Lock()

    def new(self, prefix: str, at: datetime) -> str:
        with self._guard:
            # Only .random() promises one sequence on every Python version.
            high, low = (int(self._generator.random() * 2**40) for _ in range(2))
        return f"{prefix}_{_text(at, high << 40 | low)}"


class CountedIds:
    """Identifiers that count up: for tests that print them."""

    def __init__(self) -> None:
        self._n = 0
        self._guard = threading.Lock()

    def new(self, prefix: str, at: datetime) -> str:
        with self._guard:
            self._n += 1
            return f"{prefix}_{_text(at, self._n)}"


def derived(prefix: str, at: datetime, low: int) -> str:
    """Return the identifier that 80 given bits make: for what must get the same one whenever it is met."""
    assert 0 <= low < 1 << 80, "an identifier holds 80 bits beside its instant"
    return f"{prefix}_{_text(at, low)}"


def _text(at: datetime, low: int) -> str:
    return _moment(micros(at) // 1000 & (1 << 48) - 1) + "".join([_PAIRS[low >> shift & 1023] for shift in _LOW_SHIFTS])


@lru_cache(maxsize=64)
def _moment(millis: int) -> str:
    return "".join([_PAIRS[millis >> shift & 1023] for shift in _MOMENT_SHIFTS])
