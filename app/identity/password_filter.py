"""The filter of common passwords: a Bloom file, so that the list itself is not in the product.

`python -m app.identity.password_filter LIST` builds it from a word list, one a line, and prints what its test compares.
"""

from __future__ import annotations

import hashlib
import math
import sys
from pathlib import Path
from typing import Final

from app.kernel.errors import ConfigurationRefused

FILE: Final = Path(__file__).with_name("common-passwords.bloom")
SHA256: Final = "47f035bd0f56413a4698a8b4c8828b4b7fee828869f3d1d175a7d5e4d0ea5e47"
FALSE_POSITIVES: Final = 1e-4
LENGTH_MIN: Final = 12
_MAGIC: Final = b"onepay-bloom-1\n"


class PasswordFilter:
    """Answers whether a password is common: never wrongly no, wrongly yes once in ten thousand."""

    def __init__(self, data: bytes) -> None:
        if not data.startswith(_MAGIC):
            raise ConfigurationRefused("The filter of common passwords is not in its published form.")
        self._hashes = int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 2], "big")
        self._bits = data[len(_MAGIC) + 2 :]

    def __contains__(self, text: str) -> bool:
        return all(
            self._bits[place >> 3] >> (place & 7) & 1 for place in _places(text, self._hashes, len(self._bits) * 8)
        )


def load() -> PasswordFilter:
    """Read the shipped filter; an altered or missing file stops the start."""
    try:
        data = FILE.read_bytes()
    except OSError as error:
        raise ConfigurationRefused("The filter of common passwords is missing.") from error
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ConfigurationRefused("The filter of common passwords was altered.")
    return PasswordFilter(data)


def build(words: list[str]) -> bytes:
    """Return the file for the words of at least 12 characters, folded to lower case."""
    entries = sorted({word.casefold() for word in words if len(word) >= LENGTH_MIN})
    size = math.ceil(-len(entries) * math.log(FALSE_POSITIVES) / math.log(2) ** 2 / 8)
    hashes = round(size * 8 / len(entries) * math.log(2))
    bits = bytearray(size)
    for entry in entries:
        for place in _places(entry, hashes, size * 8):
            bits[place >> 3] |= 1 << (place & 7)
    return _MAGIC + hashes.to_bytes(2, "big") + bytes(bits)


def _places(text: str, hashes: int, bits: int) -> list[int]:
    # Double hashing (Kirsch and Mitzenmacher, 2006): two halves of one digest give all places.
    digest = hashlib.sha256(text.casefold().encode()).digest()
    first, second = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:], "big") | 1
    return [(first + n * second) % bits for n in range(hashes)]


def main(arguments: list[str]) -> int:
    """Build the file beside this module and print what its test compares."""
    words = Path(arguments[0]).read_text("utf-8").splitlines()
    data = build(words)
    FILE.write_bytes(data)
    entries = len({word.casefold() for word in words if len(word) >= LENGTH_MIN})
    sys.stdout.write(f"entries {entries}\nbytes {len(data)}\nsha256 {hashlib.sha256(data).hexdigest()}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
