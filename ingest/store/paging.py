"""Pages by key: where a page ended, and up to which sequence all pages of one question see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ingest.store.columns import Schema
from ingest.store.matches import elements
from ingest.store.port import BadCursor, UnknownField, check_limit, check_window
from ingest.store.query import Order, Search

_KEY: Final = re.compile(r"(-?[0-9]{1,16})\.([0-9]{1,16})\.([0-9]{1,16})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """The last document of a page, and the highest sequence that the pages see."""

    millis: int
    sequence: int
    hi: int

    def text(self) -> str:
        """Return the key as it is handed out."""
        return f"{self.millis}.{self.sequence}.{self.hi}"


def check(search: Search, schema: Schema) -> After | None:
    """Return where to go on, or raise `LimitTooHigh`, `BadWindow`, `UnknownField` or `BadCursor`."""
    check_limit(search.limit)
    check_window(search.window)
    for path in search.fields or ():
        if path not in schema.fields:
            raise UnknownField(f"there is no field {path!r}", param=path[:100])
    return None if search.after is None else read(search.after)


def read(text: str) -> After:
    """Read a key, or raise `BadCursor`."""
    found = _KEY.fullmatch(text)
    if not found:
        raise BadCursor
    return After(millis=int(found[1]), sequence=int(found[2]), hi=int(found[3]))


def is_beyond(order: Order, key: tuple[int, int], after: After) -> bool:
    """Tell whether a document, by its (milliseconds, sequence), comes after a page's end."""
    match order:
        case Order.NEWEST:
            return key < (after.millis, after.sequence)
        case Order.OLDEST:
            return key > (after.millis, after.sequence)
        case Order.SEQUENCE:
            return key[1] > after.sequence


def projected(document: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """Return the document cut down to some paths."""
    cut: dict[str, Any] = {}
    for path in fields:
        if elements(path)(document):
            _copy(document, cut, path.split("."))
    return cut


def _copy(source: Mapping[str, Any], target: dict[str, Any], parts: list[str]) -> None:
    for part in parts[:-1]:
        source, target = source[part], target.setdefault(part, {})
    target[parts[-1]] = source[parts[-1]]
