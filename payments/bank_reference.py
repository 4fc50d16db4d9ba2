"""The text by which a bank transfer finds its owner: a creditor reference of ISO 11649, with check digits."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from app.kernel.ids import ALPHABET

_FOUND: Final = re.compile(r"RF[0-9]{2}[0-9A-Z]{16}")


def of(owner: str) -> str:
    """Return the owner's reference without spaces; it stays the same for ever and does not tell the owner's id."""
    digest = int.from_bytes(hashlib.sha256(b"onepay bank reference\n" + owner.encode()).digest()[:10], "big")
    body = "".join(ALPHABET[digest >> shift & 31] for shift in range(75, -1, -5))
    return f"RF{98 - _number(body + 'RF00') % 97:02d}{body}"


def shown(reference: str) -> str:
    """Return the reference in groups of four, as people copy it."""
    return " ".join(reference[at : at + 4] for at in range(0, len(reference), 4))


def find(text: str) -> str | None:
    """Return the reference that stands in a bank line, however it is spaced, or None; wrong check digits are none."""
    packed = re.sub(r"[\s.-]", "", text.upper())
    for match in re.finditer(rf"(?=({_FOUND.pattern}))", packed):
        candidate = match.group(1)
        if _number(candidate[4:] + candidate[:4]) % 97 == 1:
            return candidate
    return None


def _number(text: str) -> int:
    """Return the number of ISO 7064 MOD 97-10: letters count from 10."""
    return int("".join(str(int(char, 36)) for char in text))
