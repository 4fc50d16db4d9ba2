"""The words on a transfer, as they may be: short, to be shown as they are, and without card numbers."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from app.kernel import classify
from app.kernel.deceiving import deceives
from app.kernel.errors import Invalid

CHARS_MAX: Final = 140
REFERENCE: Final = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?")


class NoteTooLong(Invalid):
    """The words on a transfer exceed what a statement can show: 140 characters."""

    code = "note_too_long"


class NoteInvalid(Invalid):
    """The words on a transfer hold characters that cannot be shown."""

    code = "note_invalid"


class ReferenceInvalid(Invalid):
    """A reference has 1 to 64 printable characters."""

    code = "reference_invalid"


class CardNumberRefused(Invalid):
    """This looks like a card number; please do not write card numbers here."""

    code = "card_number_refused"


def check(note: str) -> str:
    """Return the note without outer blanks, or raise `NoteTooLong`, `NoteInvalid` or `CardNumberRefused`."""
    note = unicodedata.normalize("NFC", note).strip()
    if len(note) > CHARS_MAX:
        raise NoteTooLong(param="note")
    if deceives(note):
        raise NoteInvalid(param="note")
    refuse_card_numbers(note, "note")
    return note


def check_reference(reference: str | None) -> None:
    """Raise `ReferenceInvalid` or `CardNumberRefused` for what cannot be a caller's own number."""
    if reference is None:
        return
    if REFERENCE.fullmatch(reference) is None:
        raise ReferenceInvalid(param="reference")
    refuse_card_numbers(reference, "reference")


def refuse_card_numbers(text: str, param: str) -> None:
    """Raise `CardNumberRefused` where a text holds what looks like a card number."""
    if classify.holds_card_number(text):
        raise CardNumberRefused(param=param)
