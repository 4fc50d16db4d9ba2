"""One page of a list, newest first, continued by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from app.kernel.errors import Malformed

PAGE_MAX: Final = 200
Item = TypeVar("Item")
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item, Key]):
    """Some items, and the key to go on after, or None at the end."""

    data: tuple[Item, ...]
    next: Key | None


def bounded(limit: int) -> int:
    """Return the limit, or raise `Malformed` unless it is 1 to 200."""
    if not 1 <= limit <= PAGE_MAX:
        raise Malformed(f"A page holds 1 to {PAGE_MAX} items.", param="limit")
    return limit
