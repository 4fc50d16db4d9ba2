"""Recognising what must not stand in clear: card numbers, keys, tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Digit runs of 13 to 19 with single spaces or hyphens between; the issuer ranges are those of ISO/IEC 7812 in use.
_CANDIDATE: Final = re.compile(r"(?<![\d])\d(?:[ -]?\d){12,18}(?![\d])")
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
    """Return every run that has the length, issuer range and check digit of a card number."""
    hits = []
    for match in _CANDIDATE.finditer(text):
        digits = re.sub(r"[ -]", "", match.group())
        if _ISSUER.match(digits) and luhn(digits) and len(set(digits)) > 1:
            hits.append(Found("card_number", match.start(), match.end()))
    return hits


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
