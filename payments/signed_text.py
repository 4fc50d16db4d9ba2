"""What a payer signs: the text of one order, kept sealed under their key, and its digest, which the log keeps as well.

A salt stands in the text, so that after an erasure nobody finds a short note by trying out what would give the digest.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Protocol

from app.kernel import canonical, crypto
from app.kernel.crypto import Unreadable
from app.kernel.errors import Gone
from payments.money import Currency, Money

SALT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
VERSION: Final = 1
CLASS: Final = "money"


class TextReader(Protocol):
    """Opens column values of those it was made for. It lives for one call, so that an erasure is effective at once."""

    def open_value(self, value: bytes, subject: str, place: str) -> str:
        """Return the text, or raise `Gone` where the person's key was destroyed, `Unreadable` where it was altered."""
        ...


class TextKeys(Protocol):
    """Port to the subject keys: seals a column value of one person, and reads those of several."""

    def seal_value(self, text: str, subject: str, class_: str, place: str) -> bytes: ...

    def reader(self, subjects: Collection[str], class_: str) -> TextReader: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedText:
    """What one order says: who gets how much, at which fee, with which words, under which number of the caller's."""

    payee: str
    amount: Money
    fee: Money
    note: str | None
    reference: str | None
    salt: str

    def __str__(self) -> str:
        """Return the text as it is hashed: canonical JSON (RFC 8785)."""
        facts = {
            "v": VERSION,
            "payee": self.payee,
            "amount": self.amount.minor,
            "currency": self.amount.currency,
            "fee": self.fee.minor,
            "note": self.note,
            "reference": self.reference,
            "salt": self.salt,
        }
        return canonical.encode(facts).decode()

    def digest(self) -> bytes:
        """Return the SHA-256 of the text."""
        return crypto.sha256(str(self).encode())

    def says(self, *, payee: str, amount: Money, fee: Money) -> bool:
        """Tell whether the text says what an order says in clear."""
        return (self.payee, self.amount, self.fee) == (payee, amount, fee)


def fresh_salt() -> str:
    """Return 256 random bits, as `SALT` describes them."""
    return crypto.token()


def seal(text: SignedText, owner: str, transfer_id: str, keys: TextKeys) -> bytes:
    """Return the text as its column holds it."""
    return keys.seal_value(str(text), owner, CLASS, _place(transfer_id))


def reader(writers: Collection[str], keys: TextKeys | None) -> TextReader | None:
    """Return what opens the texts of some writers, or None where nobody may."""
    return None if keys is None else keys.reader(writers, CLASS)


def unseal(sealed: bytes, owner: str, transfer_id: str, reader: TextReader) -> SignedText | None:
    """Return the text, or None where its writer was erased; raises `Unreadable` where it was altered."""
    try:
        facts = canonical.decode(reader.open_value(sealed, owner, _place(transfer_id)).encode())
    except Gone:
        return None
    currency = Currency(facts["currency"])
    return SignedText(
        payee=facts["payee"],
        amount=Money(facts["amount"], currency),
        fee=Money(facts["fee"], currency),
        note=facts["note"],
        reference=facts["reference"],
        salt=facts["salt"],
    )


def opened(sealed: bytes | None, owner: str, transfer_id: str, reader: TextReader | None) -> SignedText | None:
    """Return the text for a reader, or None where there is none, nobody may open it, or it can no longer be read."""
    if sealed is None or reader is None:
        return None
    try:
        return unseal(sealed, owner, transfer_id, reader)
    except Unreadable:
        return None


def _place(transfer_id: str) -> str:
    return f"payments_transfer.signed_ct.{transfer_id}"
