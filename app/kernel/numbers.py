"""Whole numbers that come as text from outside: plain digits, and few enough to be a number anywhere."""

from __future__ import annotations

from typing import Final

DIGITS_MAX: Final = 17


def whole(text: str | None) -> int | None:
    """Return the number of a text of 1 to 17 ASCII digits, else None; it fits a 64-bit column."""
    if not text or len(text) > DIGITS_MAX or not (text.isascii() and text.isdecimal()):
        return None
    return int(text)
