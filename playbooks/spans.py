"""Lengths of time as files write them: `15m`, `4h`, `2d`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_SHAPE: Final = re.compile(r"^([1-9][0-9]{0,3})([smhd])$")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse(text: str) -> timedelta:
    """Read a length; raises `ValueError` for anything but a whole number and one unit."""
    match = _SHAPE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no length of time: write 15m, 4h or 2d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
