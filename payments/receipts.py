"""The receipt of a transfer: the order, and what the log shows of it, compared anew whenever it is asked for.

All comes from rows of ours: no search store is asked on the way to a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import Actor
from app.kernel.crypto import Unreadable
from ingest.events.envelope import at_path
from ingest.events.transaction import TransferRefused, TransferSettled
from ingest.log import receipts
from ingest.log.receipts import Lack, ObjectReceipt, Receipt
from payments import signed_text, transfers
from payments.models import transfer as table
from payments.signed_text import TextKeys
from payments.transfers import Transfer

_KINDS: Final = (TransferSettled.kind, TransferRefused.kind)


class TextStands(StrEnum):
    """How the text that was signed stands to order and event. Of an erased one there is no more than its hash."""

    AS_LOGGED = "as_logged"
    NOT_AS_LOGGED = "not_as_logged"
    ERASED = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The place of an order's event, and how the signed text stands to the hash and the facts the event keeps."""

    place: Receipt
    text: TextStands


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferReceipt:
    """An order as its payer or payee may see it, with its proof, or with why there is none."""

    transfer: Transfer
    is_own: bool
    proof: Proof | None
    lack: Lack | None


def of_transfer(session: Session, actor: Actor, id: str, *, keys: TextKeys) -> TransferReceipt:
    """Return the receipt of an order one made, or of money one received; another's is `NotFound`."""
    found = transfers.by_id(session, actor, id, keys=keys)
    told = receipts.of_object(session, found.id, path="onepay.transfer.id", kinds=_KINDS, at=found.at)
    is_own = found.owner_id == actor.own_id
    if isinstance(told, Lack):
        return TransferReceipt(transfer=found, is_own=is_own, proof=None, lack=told)
    proof = Proof(place=told.place, text=_stands(session, found, told, keys))
    return TransferReceipt(transfer=found, is_own=is_own, proof=proof, lack=None)


def _stands(session: Session, found: Transfer, told: ObjectReceipt, keys: TextKeys) -> TextStands:
    """Compare the event with the order, and the text with both: whoever asks, all of it, also what is not for them."""
    if not (told.is_as_sealed and _says_the_order(told.document, found)):
        return TextStands.NOT_AS_LOGGED
    sealed = session.execute(sa.select(table.c.signed_ct).where(table.c.id == found.id)).scalar_one()
    reader = keys.reader({found.owner_id}, signed_text.CLASS)
    try:
        text = signed_text.unseal(sealed, found.owner_id, found.id, reader)
    except Unreadable:
        return TextStands.NOT_AS_LOGGED
    if text is None:
        return TextStands.ERASED
    says = text.says(payee=found.payee, amount=found.amount, fee=found.fee)
    return TextStands.AS_LOGGED if says and text.digest() == found.signed_hash else TextStands.NOT_AS_LOGGED


def _says_the_order(event: Mapping[str, Any], found: Transfer) -> bool:
    """Tell whether an event keeps the hash and the facts of an order: what is left to compare after an erasure."""
    wanted = {
        "onepay.transfer.signed_hash": found.signed_hash.hex(),
        "onepay.wallet.id": found.source,
        "onepay.payee.id": found.target,
        "transaction.amount": found.amount.minor,
        "transaction.currency": found.amount.currency,
        "transaction.fee": found.fee.minor,
        "transaction.status": found.state.value,
    }
    owner = next(iter(at_path(event, "onepay.subject.id") or ()), None)
    return owner == found.owner_id and all(at_path(event, path) == value for path, value in wanted.items())
