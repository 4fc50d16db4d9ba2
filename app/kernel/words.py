"""What people write down: reasons, notes, causes. Card numbers and secrets are refused, and what cannot be read."""

from __future__ import annotations

from typing import Final

from app.kernel import classify
from app.kernel.deceiving import can_be_read, deceives
from app.kernel.errors import Invalid, ReasonMissing

REASON_MIN: Final = 10
TEXT_MAX: Final = 4_000


class SecretInText(Invalid):
    """The text holds what looks like a card number or a secret; take it out."""

    code = "secret_in_text"


class NoText(Invalid):
    """The text holds characters that cannot be kept."""

    code = "no_text"


def checked(text: str, *, param: str, shortest: int = REASON_MIN, longest: int = TEXT_MAX) -> str:
    """Return a text in clean form, line by line; raises `ReasonMissing`, `NoText` or `SecretInText`."""
    text = text.replace("\r\n", "\n")
    if deceives(text, has_lines=True):
        raise NoText(param=param)
    clean = "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
    if len(clean) < shortest or not can_be_read(clean):
        raise ReasonMissing(param=param)
    if len(clean) > longest:
        raise ReasonMissing(f"Write at most {longest} characters.", param=param)
    if classify.find_secrets(clean) or classify.holds_card_number(clean):
        raise SecretInText(param=param)
    return clean


def reason(text: str, *, longest: int) -> str:
    """Return the reason of an act on one line, as it is kept beside it; raises as `checked` does."""
    return " ".join(checked(text, param="reason", longest=longest).split())


def shortened(text: str, longest: int) -> str:
    """Return the beginning of a checked text, which `checked` takes as well: no sign is cut in two."""
    cut = text[:longest]
    while deceives(cut, has_lines=True):
        cut = cut[:-1]
    return cut
