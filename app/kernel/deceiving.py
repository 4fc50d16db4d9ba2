"""Characters that make a text read as something else than it is: unseen ones, and those that turn what follows.

What Unicode calls default-ignorable is a format character or stands in `_UNSEEN`; the standard library has no name for
the property. A joiner or a selector passes where it can be seen: where a script is not written without it (gateway
SCH-3), and within an emoji.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import Final

# Control, format, lone halves, private, unassigned, and the two that break lines and paragraphs.
_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters, marks and signs by category, and nothing to the eye: fillers, blanks, and what selects a form.
_UNSEEN: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U00013441\U00013442\U00016fe4\U0001d159"
    + "".join(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
_LINES: Final = frozenset("\n\t")
_NON_JOINER: Final = "\u200c"
_JOINER: Final = "\u200d"
_SELECTORS: Final = frozenset("\ufe0e\ufe0f")
_KEYS: Final = frozenset("0123456789#*")
_KEYCAP: Final = "\u20e3"
# The combining class of the marks that join two consonants of an Indic script.
_VIRAMA: Final = 9
# Arabic letters that join with the next: those that have a form for the beginning of a word.
_JOINING: Final = frozenset(
    chr(int(form.split()[1], 16))
    for form in map(unicodedata.decomposition, map(chr, range(0xFB50, 0xFF00)))
    if form.startswith("<initial>") and len(form.split()) == 2
)
# Emoji whose category is not that of symbols, and the five tones of skin.
_EMOJI_TOO: Final = frozenset(
    "\u203c\u2049\u2139\u2194\u25fb\u25fc\u25fd\u25fe\u2934\u2935\u3030"
    "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
)
MARKS_MAX: Final = 3


def deceives(text: str, *, has_lines: bool = False, is_name: bool = False) -> bool:
    """Tell whether a text holds an unseen or turning character, or more marks on a letter than any script puts there.

    With `has_lines` line ends and tabs are none; in a name no emoji has parts, since two that look alike would differ.
    """
    for place, char in enumerate(text):
        is_fine = _is_seen(char) or (has_lines and char in _LINES) or _joins(text, place)
        if not is_fine and (is_name or not _is_of_emoji(text, place)):
            return True
    return any(is_mark and len(list(run)) > MARKS_MAX for is_mark, run in groupby(text, _is_mark))


def can_be_read(text: str) -> bool:
    """Tell whether a letter or a digit of a text is seen."""
    return any(read_signs(text))


def read_signs(text: str) -> Iterator[str]:
    """Yield the letters and digits of a text that are seen."""
    return (char for char in text if unicodedata.category(char)[0] in "LN" and char not in _UNSEEN)


def _is_seen(char: str) -> bool:
    return unicodedata.category(char) not in _CATEGORIES and char not in _UNSEEN


def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in ("Mn", "Me")


def _joins(text: str, place: int) -> bool:
    """Tell whether a joiner shows: beside a virama, or, keeping apart, after an Arabic letter that would join."""
    char, before, after = text[place], text[max(0, place - 1) : place], text[place + 1 : place + 2]
    if char not in (_JOINER, _NON_JOINER) or not before or not after:
        return False
    if _VIRAMA in (unicodedata.combining(before), unicodedata.combining(after)):
        return True
    return char == _NON_JOINER and before in _JOINING and unicodedata.bidirectional(after) == "AL"


def _is_of_emoji(text: str, place: int) -> bool:
    """Tell whether a selector or joiner is part of an emoji: after what has two forms, or between two emoji."""
    char, before, after = text[place], text[max(0, place - 1) : place], text[place + 1 : place + 2]
    if char in _SELECTORS:
        return _is_emoji(before) or (before in _KEYS and after == _KEYCAP)
    return char == _JOINER and (_is_emoji(before) or before in _SELECTORS) and _is_emoji(after)


def _is_emoji(char: str) -> bool:
    return char != "" and char not in _UNSEEN and (unicodedata.category(char) == "So" or char in _EMOJI_TOO)
