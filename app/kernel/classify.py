"""Recognising what must not stand in clear: card numbers, keys, tokens."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

# 13 to 19 digits, unbroken or grouped as cards are printed; the issuer ranges are those of ISO/IEC 7812 in use.
_CANDIDATE: Final = re.compile(
    r"(?<!\d)(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5})(?!\d)"
)
_ALNUM: Final = re.compile(r"[0-9A-Za-z]*")
_IBAN: Final = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}\d{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,4})?(?![0-9A-Za-z])")
# What people write between digits, and the runs of digits that are left where it becomes one blank.
_BETWEEN: Final = re.compile(r"(?<=[0-9])[\W_]{1,3}(?=[0-9])")
# What hangs on to a word by a hyphen is part of an id.
_RUN: Final = re.compile(r"(?<![0-9A-Za-z])(?<![0-9A-Za-z][-_])(?<![0-9] )[0-9]++(?: [0-9]++)++(?![-_]?[A-Za-z])")
# How long numbers of the schemes are that people write: read in groups unlike those of a card, a run must be one whole.
_WHOLE: Final = re.compile(r"3[47][0-9]{13}|(?!3[47])[2-6][0-9]{15}")
# Digits within a word of this length belong to an id or a digest, not to a card.
_WORD_OF_AN_ID: Final = 24
_ISSUER: Final = re.compile(
    r"^(?:4|5[1-5]|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)|3[47]|3(?:0[0-5]|[689])|6(?:011|5|4[4-9]|2)|35(?:2[89]|[3-8]\d)|5[06-9]|6\d)"
)
_SECRETS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("private_key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)")),
    ("jwt", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\b")),
    ("api_key", re.compile(r"\bop_(?:live|test)_[0-9A-Za-z_]{20,}\b")),
    ("bearer", re.compile(r"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{16,}=*")),
    ("password", re.compile(r"(?i)\b(?:password|passwd|pwd|secret|token)\s*[=:]\s*\S+")),
)


@dataclass(frozen=True, slots=True)
class Found:
    """One hit: what kind of secret stands at which characters."""

    kind: str
    start: int
    end: int


def luhn(digits: str) -> bool:
    """Tell whether a string of digits passes the check of ISO/IEC 7812-1 annex B."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char)
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def find_card_numbers(text: str) -> list[Found]:
    """Return every run that has the form, issuer range and check digit of a card number.

    What stands inside an IBAN, an id or a digest is none: one run of digits in ten passes the check by chance.
    """
    hits = []
    for match in _CANDIDATE.finditer(text):
        digits, end = re.sub(r"[ -]", "", match.group()), match.end()
        if match.group(1) and len(digits) == 19 and not _is_card(digits):
            # The three digits behind it may be those from the back of the card.
            digits, end = digits[:16], end - 4
        if _is_card(digits) and not _in_long_word(text, match) and not _in_iban(text, match):
            hits.append(Found("card_number", match.start(), end))
    return hits


def holds_card_number(text: str) -> bool:
    """Tell whether people would read a card number in a text: in digits of any script, with up to three signs between.

    In the groups of a card it is found among other numbers too; in pairs, one by one, or in groups of three and more it
    must stand alone and be of a length that cards have, else dates, times and telephone numbers would be taken for one.
    """
    plain = _BETWEEN.sub(" ", _in_plain_digits(text))
    if find_card_numbers(text) or find_card_numbers(plain):
        return True
    return any(_is_whole_card(run) and not _in_iban(plain, run) for run in _RUN.finditer(plain))


def _in_plain_digits(text: str) -> str:
    """Return the text in compatibility form, with the digits of every script as those of ASCII."""
    if text.isascii():
        return text
    normal = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in normal)


def _is_whole_card(run: re.Match[str]) -> bool:
    groups = run.group().split(" ")
    sizes = [len(group) for group in groups]
    is_even = sizes[0] <= 2 and len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0]
    return (is_even or min(sizes) >= 3) and _is_card("".join(groups)) and bool(_WHOLE.fullmatch("".join(groups)))


def _is_card(digits: str) -> bool:
    return bool(_ISSUER.match(digits)) and luhn(digits) and len(set(digits)) > 1


def _in_long_word(text: str, match: re.Match[str]) -> bool:
    before = _ALNUM.match(text[: match.start()][::-1])
    after = _ALNUM.match(text, match.end())
    beside = sum(len(found.group()) for found in (before, after) if found)
    return beside + match.end() - match.start() >= _WORD_OF_AN_ID


def _in_iban(text: str, match: re.Match[str]) -> bool:
    return any(
        iban.start() < match.start() and match.end() <= iban.end() and _is_iban(iban.group().replace(" ", ""))
        for iban in _IBAN.finditer(text)
    )


def _is_iban(text: str) -> bool:
    """Tell whether a text passes the check of ISO 13616 (mod 97)."""
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def find_secrets(text: str) -> list[Found]:
    """Return every key, token or password that shows its kind."""
    return [Found(kind, match.start(), match.end()) for kind, pattern in _SECRETS for match in pattern.finditer(text)]


def redact(text: str) -> tuple[str, list[Found]]:
    """Return the text with each hit replaced by its kind in brackets, and the hits."""
    hits = sorted(find_card_numbers(text) + find_secrets(text), key=lambda hit: (hit.start, -hit.end))
    parts, at, kept = [], 0, []
    for hit in hits:
        if hit.start < at:
            continue
        parts += [text[at : hit.start], f"[{hit.kind}]"]
        at = hit.end
        kept.append(hit)
    return "".join(parts) + text[at:], kept
