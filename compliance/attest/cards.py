"""Looking for card numbers in a file: in its text, in the ways of writing that programs undo, and in strings of a PDF.

Pictures are not read, and nothing that was enciphered or packed otherwise: whoever brings such a file answers for it.
"""

from __future__ import annotations

import html
import json
import re
import zlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from app.kernel import classify

UNPACKED_MAX: Final = 20_000_000
DIGITS_MIN: Final = 12
"""So many digits a card number has at the least."""
_BEGIN: Final = re.compile(rb"stream\r?\n")
_END: Final = b"endstream"
_STRING: Final = re.compile(rb"\(((?:[^()\\]|\\.)*)\)", re.DOTALL)
_EXPONENT: Final = re.compile(r"(?<![\w.])\d\.\d{10,18}[eE]\+?\d{2}(?!\w)")
_STACKED: Final = re.compile(r"(?<![\d\n])\d{4}[ \t]*\n\s*\d{4}[ \t]*\n\s*\d{4}[ \t]*\n\s*\d{1,7}(?!\d)")


def in_text(text: str) -> bool:
    """Tell whether a text holds a card number, as it stands or once a program has read it."""
    return any(_holds(reading) for reading in _readings(text))


def in_pdf(content: bytes) -> bool:
    """Tell whether a string of a PDF holds a card number: of its text in clear, and of what is deflated in it."""
    for part in _parts(content):
        said = b"".join(_STRING.findall(part)).decode("latin-1")
        if _holds(said):
            return True
    return False


def _holds(text: str) -> bool:
    if classify.find_card_numbers(text):
        return True
    return any(classify.holds_card_number(line) for line in text.splitlines() if len(line) >= DIGITS_MIN)


def _readings(text: str) -> Iterator[str]:
    yield text
    if "&#" in text:
        yield html.unescape(text)
    for match in _EXPONENT.finditer(text):
        yield str(int(Decimal(match.group())))
    for match in _STACKED.finditer(text):
        yield " ".join(match.group().split())
    if "\\u" in text:
        try:
            yield "\n".join(_words(json.loads(text)))
        except (ValueError, RecursionError):
            return


def _words(value: Any) -> Iterator[str]:  # a document of JSON
    if isinstance(value, dict):
        for name, item in value.items():
            yield str(name)
            yield from _words(item)
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)
    elif value is not None:
        yield str(value)


def _parts(content: bytes) -> Iterator[bytes]:
    yield content
    left = UNPACKED_MAX
    for packed in _streams(content):
        try:
            part = zlib.decompressobj().decompress(packed, left)
        except zlib.error:
            continue
        left -= len(part)
        yield part
        if left <= 0:
            return


def _streams(content: bytes) -> Iterator[bytes]:
    """Yield what lies between the beginning and the end of each stream, in one pass, also over a file that is cut."""
    at = 0
    while (begin := _BEGIN.search(content, at)) is not None:
        end = content.find(_END, begin.end())
        if end < 0:
            return
        yield content[begin.end() : end]
        at = end + len(_END)
