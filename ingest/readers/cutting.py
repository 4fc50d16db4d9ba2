"""Cutting the texts of a line to what an event holds, counted as they are written in its body.

A control character is one byte in a file and six in JSON. With these bounds every line of a reader makes a body below
its limit: name and line grow by a third when they are sealed, and a message may double where secrets are masked in it.
"""

from __future__ import annotations

from typing import Final

from app.kernel import canonical

KEPT_BYTES_MAX: Final = 4_096
MESSAGE_BYTES_MAX: Final = 2_048
NAME_BYTES_MAX: Final = 1_024
WORD_BYTES_MAX: Final = 256
_CHARACTER_BYTES_MAX: Final = 6  # as in \u0001


def cut(text: str, bytes_max: int) -> str:
    """Return the longest beginning of a text that takes no more bytes than that in a body."""
    if len(text) * _CHARACTER_BYTES_MAX <= bytes_max or _written(text) <= bytes_max:
        return text
    taken = 0
    for place, character in enumerate(text):
        taken += _written(character)
        if taken > bytes_max:
            return text[:place]
    raise AssertionError("characters are written one by one, so together they take what each takes")


def _written(text: str) -> int:
    return len(canonical.encode(text)) - len('""')
