"""What people write down: reasons, notes, causes. Card numbers and secrets are refused, and what cannot be read."""

from __future__ import annotations

from typing import Final

from app.kernel import classify
from app.kernel.deceiving import can_be_read, deceives, read_signs
from app.kernel.errors import Invalid, ReasonMissing

REASON_MIN: Final = 10
"""So many letters or digits a reason has at the least."""
TEXT_MAX: Final = 4_000


class SecretInText(Invalid):
    """The text holds what looks like a card number or a secret; take it out."""

    code = "secret_in_text"


class NoText(Invalid):
    """The text holds characters that cannot be kept."""

    code = "no_text"


def says_enough(text: str, least: int = REASON_MIN) -> bool:
    """Tell whether a text has so many letters or digits, and not the same one throughout: dots are no reason."""
    signs = [char.casefold() for char in read_signs(text)]
    return len(signs) >= least and len(set(signs)) > 1


def checked(text: str, *, param: str, shortest: int = REASON_MIN, longest: int = TEXT_MAX) -> str:
    """Return a text in clean form, line by line; raises `ReasonMissing`, `NoText` or `SecretInText`.

    What has to be as long as a reason has to say as much as one; shorter texts, such as names, are only to be read.
    """
    text = text.replace("\r\n", "\n")
    demand_clean(text, param=param)
    clean = "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
    if not _is_long_enough(clean, shortest):
        raise ReasonMissing(param=param)
    if len(clean) > longest:
        raise ReasonMissing(f"Write at most {longest} characters.", param=param)
    demand_clean(clean, param=param)
    return clean


def demand_clean(text: str, *, param: str) -> None:
    """Raise `NoText` or `SecretInText` unless a text may be kept as it stands, whatever it is long."""
    if deceives(text, has_lines=True):
        raise NoText(param=param)
    if classify.find_secrets(text) or classify.holds_card_number(text):
        raise SecretInText(param=param)


def _is_long_enough(clean: str, shortest: int) -> bool:
    if shortest >= REASON_MIN:
        return says_enough(clean, shortest)
    return len(clean) >= shortest and can_be_read(clean)


def reason(text: str, *, longest: int) -> str:
    """Return the reason of an act on one line, as it is kept beside it; raises as `checked` does."""
    return " ".join(checked(text, param="reason", longest=longest).split())


def shortened(text: str, longest: int) -> str:
    """Return the beginning of a checked text, which `checked` takes as well: no sign is cut in two."""
    cut = text[:longest]
    while deceives(cut, has_lines=True):
        cut = cut[:-1]
    return cut
