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
from urllib.parse import unquote

from app.kernel import classify

UNPACKED_MAX: Final = 20_000_000
DIGITS_MIN: Final = 12
"""So many digits a card number has at the least."""
_BEGIN: Final = re.compile(rb"stream\r?\n")
_END: Final = b"endstream"
_STRING: Final = re.compile(rb"\(((?:[^()\\]|\\.)*)\)", re.DOTALL)
_OCTAL: Final = re.compile(rb"\\([0-7]{1,3})")
_HEX: Final = re.compile(rb"<([0-9A-Fa-f]{2,})>")
_TAG: Final = re.compile(r"<[^<>]{1,200}>")
_GROUPS: Final = (4, 5, 16)
"""So many pieces a list has that is a card number: its groups, or its digits."""
_THOUSANDS: Final = re.compile(r"(?<![\d.,])\d{1,3}(?:([.,])\d{3})(?:\1\d{3}){3,5}(?![\d.,]*\d)")
_EXPONENT: Final = re.compile(r"(?<![\w.])\d\.\d{10,18}[eE]\+?\d{2}(?!\w)")
_STACKED: Final = re.compile(r"(?<![\d\n])\d{4}[ \t]*\n\s*\d{4}[ \t]*\n\s*\d{4}[ \t]*\n\s*\d{1,7}(?!\d)")


def in_text(text: str) -> bool:
    """Tell whether a text holds a card number, as it stands or once a program has read it."""
    return any(_holds(reading) for reading in _readings(text))


def in_pdf(content: bytes) -> bool:
    """Tell whether a string of a PDF holds a card number: of its text in clear, and of what is deflated in it."""
    for part in _parts(content):
        if any(_holds(said) for said in _said(part)):
            return True
    return any(in_text(said) for said in _metadata(content))


def _said(part: bytes) -> Iterator[str]:
    """Yield the strings of a part of a PDF: those in brackets with what is escaped in them, and those in hex digits."""
    said = b"".join(_STRING.findall(part))
    yield said.decode("latin-1")
    if b"\\" in said:
        yield _OCTAL.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), said).decode("latin-1")
    written = [bytes.fromhex(digits.decode()) for digits in _HEX.findall(part) if len(digits) % 2 == 0]
    yield b"".join(written).decode("latin-1")
    yield "\n".join(one.decode("utf-16-be", "replace") for one in written if one.startswith(b"\xfe\xff"))


def _metadata(content: bytes) -> Iterator[str]:
    """Yield the descriptions of a PDF that stand in it as XML (XMP), in one pass."""
    at = 0
    while (begin := content.find(b"<x:xmpmeta", at)) >= 0:
        end = content.find(b"</x:xmpmeta>", begin)
        if end < 0:
            return
        yield content[begin:end].decode("utf-8", "replace")
        at = end


def _holds(text: str) -> bool:
    if classify.find_card_numbers(text):
        return True
    return any(classify.holds_card_number(line) for line in text.splitlines() if len(line) >= DIGITS_MIN)


def _readings(text: str) -> Iterator[str]:
    yield text
    text = text.replace("\r\n", "\n")
    plain = _TAG.sub(" ", html.unescape(unquote(text)))
    if plain != text:
        yield plain
    for match in _THOUSANDS.finditer(text):
        yield re.sub(r"\D", "", match.group())
    for match in _EXPONENT.finditer(text):
        yield str(int(Decimal(match.group())))
    for match in _STACKED.finditer(text):
        yield " ".join(match.group().split())
    if text.lstrip().startswith(("{", "[", '"')):
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
        if len(value) in _GROUPS and all(isinstance(item, int | str) for item in value):
            yield " ".join(map(str, value))
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
