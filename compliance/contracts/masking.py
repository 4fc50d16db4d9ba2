"""Leaving out of a text or document what is about somebody else: ids, addresses of machines and of people."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

OTHER: Final = "[somebody else]"
_PERSONS: Final = re.compile(r"\b(?:acc|dev|ses|wal|fac|con|lgn)_[0-9A-HJKMNP-TV-Z]{26}\b")
_IPV4: Final = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
_IPV6: Final = re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{0,4}(?![\w:])")
_MAIL: Final = re.compile(r"[^\s@<>\"',;]{1,64}@[\w.-]+\.\w+")
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,4})?\b")


def mask(value: Any, own: Collection[str]) -> tuple[Any, int]:  # a document is untyped data
    """Return a value without what belongs to others, and how often something was left out."""
    match value:
        case str():
            return _masked(value, own)
        case Mapping():
            pairs = {key: mask(item, own) for key, item in value.items()}
            return {key: item for key, (item, _) in pairs.items()}, sum(count for _, count in pairs.values())
        case list() | tuple():
            items = [mask(item, own) for item in value]
            return [item for item, _ in items], sum(count for _, count in items)
        case _:
            return value, 0


def only_own(value: Any, own: Collection[str]) -> tuple[Any, int]:  # as above
    """Return of a document only the texts that are the person's own ids, the rest left out and counted."""
    match value:
        case str():
            return (value, 0) if value in own else (OTHER, 1)
        case Mapping():
            pairs = {key: only_own(item, own) for key, item in value.items()}
            return {key: item for key, (item, _) in pairs.items()}, sum(count for _, count in pairs.values())
        case list() | tuple():
            items = [only_own(item, own) for item in value]
            kept = [item for item, count in items if not count]
            return kept, sum(count for _, count in items)
        case _:
            return value, 0


def _masked(text: str, own: Collection[str]) -> tuple[str, int]:
    left_out = 0

    def hide(match: re.Match[str]) -> str:
        nonlocal left_out
        if match.group() in own:
            return match.group()
        left_out += 1
        return OTHER

    for pattern in (_PERSONS, _MAIL, _IPV4, _IPV6, _IBAN):
        text = pattern.sub(hide, text)
    return text, left_out
