"""Reading an amount as a person types it, never guessing: one text, one reading."""

from __future__ import annotations

import re
from typing import Final

from payments.money import AMOUNT_MINOR_MAX, DIGITS, AmountInvalid, Currency, Money

TEXT_MAX: Final = 24
_GROUPED: Final = re.compile(r"^[0-9]{1,3}(?:(?P<sep>[., '’])[0-9]{3})(?:(?P=sep)[0-9]{3})*$")
_PLAIN: Final = re.compile(r"^[0-9]+$")


def read(text: str, currency: Currency) -> Money:
    """Return the amount; raises `AmountInvalid` with what to write instead.

    `25`, `25.5`, `25,50`, `1.234,56` and `1 234.56` are read; `1,250` has two readings and is refused with both.
    """
    typed = text.strip().replace("\u00a0", " ").replace("\u202f", " ").removeprefix("€").strip()
    digits = DIGITS[currency]
    if not typed or len(typed) > TEXT_MAX or not re.match(r"^[0-9][0-9., '’]*$", typed):
        raise AmountInvalid("Write the amount in figures, such as 25.00.", param="amount")
    whole, part = _split(typed, digits)
    if not (_PLAIN.match(whole) or _GROUPED.match(whole)):
        raise AmountInvalid("Write the amount in figures, such as 25.00.", param="amount")
    if len(part) > digits:
        raise AmountInvalid(f"{currency} has {digits} digits after the point.", param="amount")
    minor = int(re.sub(r"[^0-9]", "", whole)) * 10**digits + int((part or "0").ljust(digits, "0") or 0)
    if minor <= 0:
        raise AmountInvalid("Write an amount above zero.", param="amount")
    if minor > AMOUNT_MINOR_MAX:
        raise AmountInvalid("This is more than can be moved at once.", param="amount")
    return Money(minor, currency)


def _split(typed: str, digits: int) -> tuple[str, str]:
    marks = [place for place, char in enumerate(typed) if char in ".,"]
    if not marks or digits == 0:
        return typed, ""
    last = marks[-1]
    whole, part = typed[:last], typed[last + 1 :]
    kinds = {typed[place] for place in marks}
    if len(marks) > 1 and len(kinds) == 1:
        return typed, ""
    if len(marks) == 1 and len(part) == 3 and " " not in whole:
        plain = whole + part
        raise AmountInvalid(
            f"“{typed}” can be read two ways. Write {plain}.00 or {whole}.{part[:digits]}.",
            param="amount",
        )
    return whole, part
