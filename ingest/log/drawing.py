"""A sample an auditor draws by a seed of their own: anybody can draw the same one again, and nobody can steer it."""

from __future__ import annotations

import hashlib
from typing import Final

from app.kernel.errors import Invalid

DRAWN_MAX: Final = 10_000
SEED_CHARS_MAX: Final = 200
_BYTES: Final = 8


class SampleInvalid(Invalid):
    """A sample draws at least one of what there is, at most ten thousand, by a seed of 1 to 200 characters."""

    code = "sample_invalid"


def draw(seed: str, first: int, last: int, count: int) -> list[int]:
    """Return so many different sequences from `first` to `last`, both included, in the order they are drawn.

    Number n = 0, 1, 2 … is the first eight bytes of SHA-256(seed in UTF-8, a zero byte, n in eight bytes), big-endian.
    Numbers at or above the largest multiple of the range are left out, so that every sequence is as likely; of the
    others, the remainder is added to `first`, and what was drawn before is left out.
    """
    span = last - first + 1
    if not 1 <= len(seed) <= SEED_CHARS_MAX or not 1 <= count <= min(span, DRAWN_MAX) or first < 1:
        raise SampleInvalid
    fair = (1 << 8 * _BYTES) // span * span
    drawn: dict[int, None] = {}
    n = 0
    while len(drawn) < count:
        digest = hashlib.sha256(seed.encode() + b"\x00" + n.to_bytes(_BYTES, "big")).digest()
        value = int.from_bytes(digest[:_BYTES], "big")
        if value < fair:
            drawn.setdefault(first + value % span)
        n += 1
    return list(drawn)
