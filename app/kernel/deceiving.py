"""Characters that make a text read as something else than it is: unseen ones, and those that turn what follows."""

from __future__ import annotations

import unicodedata
from typing import Final

# Control, format, lone halves, private, unassigned, and the two that break lines and paragraphs.
_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters by category, and nothing to the eye.
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# Persian and the scripts of India are not written without them (gateway SCH-3).
_JOINERS: Final = frozenset("\u200c\u200d")
_LINES: Final = frozenset("\n\t")


def deceives(text: str, *, has_lines: bool = False) -> bool:
    """Tell whether a text holds an unseen or turning character; with `has_lines` line ends and tabs are none."""
    fine = _JOINERS | _LINES if has_lines else _JOINERS
    return any(char in _BLANK or (unicodedata.category(char) in _CATEGORIES and char not in fine) for char in text)
