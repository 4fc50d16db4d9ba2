"""What payments hold about people: amounts as text with their currency, signed texts opened with the payer's key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.crypto import Secret, Unreadable
from app.kernel.marks import Mark
from compliance.contracts.marked.naming import Row
from compliance.contracts.marked.owned import Ended, Reader
from compliance.contracts.personal import Obstacle
from compliance.contracts.tables import MarkedTables
from payments import models, signed_text
from payments.money import DIGITS, Currency
from payments.signed_text import TextKeys

BOOKED: Final = frozenset(
    f"payments_{name}" for name in ("balance", "book", "entry", "hold", "topup", "transaction", "transfer")
)
"""Tables that hold what was booked: a row nobody ordered would be a difference in the books."""


def source(keys: TextKeys, hashing: Secret) -> MarkedTables:
    """Return the tables of payments as a source of personal data."""

    def signed(row: Row, subject: str) -> Any:  # canonical JSON
        """Return what a payer signed, without its salt; None once their key is gone."""
        reader = keys.reader((row["owner_id"],), signed_text.CLASS)
        place = f"payments_transfer.signed_ct.{row['id']}"
        try:
            text = signed_text.unseal(row["signed_ct"], row["owner_id"], row["id"], reader)
        except Unreadable:
            return {"unreadable": place}
        return None if text is None else {"note": text.note, "reference": text.reference}

    def write(row: Row, text: str) -> bytes:
        facts = {
            "v": signed_text.VERSION,
            "payee": "",
            "amount": 1,
            "currency": "EUR",
            "fee": 0,
            "note": text,
            "reference": None,
            "salt": signed_text.fresh_salt(),
        }
        place = f"payments_transfer.signed_ct.{row['id']}"
        return keys.seal_value(canonical.encode(facts).decode(), str(row["owner_id"]), signed_text.CLASS, place)

    return MarkedTables(
        "payments",
        models.metadata,
        hashing=hashing,
        read={**_amounts(), "payments_transfer.signed_ct": signed},
        write={"payments_transfer.signed_ct": write},
        key_class={"payments_transfer.signed_ct": signed_text.CLASS},
        ended={
            "payments_restraint": Ended(column="released_at", retention="incident"),
        },
        examples={
            "payments_idempotency.fingerprint": bytes(32),
            "payments_idempotency.state": "done",
            "payments_restraint.kind": "wallet.hold_outgoing",
        },
        unplanted=BOOKED,
    )


def obstacles(session: Session, owner: str) -> Sequence[Obstacle]:
    """Return what is not settled with a person: money of theirs that somebody has to be able to pay out."""
    held = (
        sa.select(models.balance.c.book_id)
        .join(models.book, models.book.c.id == models.balance.c.book_id)
        .where(models.book.c.owner_id == owner, (models.balance.c.posted != 0) | (models.balance.c.held != 0))
    )
    if session.execute(held.limit(1)).first() is None:
        return ()
    says = "There is money in a wallet: who it belongs to and how they are reached stays until it is paid out."
    return (Obstacle(name="open_balance", says=says, keeps=frozenset(("name", "contact"))),)


def _amounts() -> Mapping[str, Reader]:
    """Return how each amount reads: decimal text with its currency, where the row names one."""
    found: dict[str, Reader] = {}
    for table in models.metadata.tables.values():
        for column in table.columns:
            mark = column.info.get("mark")
            if isinstance(mark, Mark) and mark.category == "money" and "currency" in table.c:
                found[f"{table.name}.{column.name}"] = _amount(column.name)
    return found


def _amount(name: str) -> Reader:
    def read(row: Row, subject: str) -> str:
        currency = Currency(row["currency"])
        return f"{Decimal(row[name]).scaleb(-DIGITS[currency])} {currency}"

    return read
