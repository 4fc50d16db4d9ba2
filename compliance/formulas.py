"""Which text a spreadsheet would take for a formula when it opens a table (CSV injection, CWE-1236)."""

from __future__ import annotations

from typing import Final

_BEGINS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def may_be_one(text: str) -> bool:
    """Tell whether a cell could be a formula, also once blanks before it are dropped, as some programs do."""
    return text.startswith(_BEGINS) or text.lstrip().startswith(_BEGINS)
