"""The words on a transfer: short, without card numbers, and sealed under the payer's key."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Protocol

from app.kernel import classify
from app.kernel.deceiving import deceives
from app.kernel.errors import Gone, Invalid

CHARS_MAX: Final = 140
REFERENCE: Final = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?")
CLASS: Final = "money"


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


class NoteKeys(Protocol):
    """Port to the subject keys: seals and opens a column value of one person."""

    def seal_value(self, text: str, subject: str, class_: str, place: str) -> bytes: ...

    def open_value(self, value: bytes, subject: str, class_: str, place: str) -> str:
        """Return the text, or raise `Gone` where the person's key was destroyed."""
        ...


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


def seal(note: str, owner: str, transfer_id: str, keys: NoteKeys) -> bytes | None:
    """Return the note as its column holds it."""
    return keys.seal_value(note, owner, CLASS, _place(transfer_id)) if note else None


def opened(sealed: bytes | None, owner: str, transfer_id: str, keys: NoteKeys | None) -> str | None:
    """Return the note, or None where there is none, nobody may open it, or its writer was erased."""
    if sealed is None or keys is None:
        return None
    try:
        return keys.open_value(sealed, owner, CLASS, _place(transfer_id))
    except Gone:
        return None


def _place(transfer_id: str) -> str:
    return f"payments_transfer.note_ct.{transfer_id}"


def refuse_card_numbers(text: str, param: str) -> None:
    """Raise `CardNumberRefused` where a text holds what looks like a card number."""
    # Compatibility forms (full-width digits) are read as what they look like, odd separators as blanks.
    plain = re.sub(r"[\s._/\u2010-\u2015\u00b7]+", " ", unicodedata.normalize("NFKC", text))
    if classify.find_card_numbers(plain):
        raise CardNumberRefused(param=param)
