"""The receipt of a transfer: the order, and what the log shows of it, compared anew whenever it is asked for.

All comes from rows of ours: no search store is asked on the way to a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.access import Actor
from ingest.events.envelope import at_path
from ingest.events.transaction import TransferRefused, TransferSettled
from ingest.log import receipts
from ingest.log.receipts import ObjectReceipt, Receipt
from payments import transfers
from payments.signed_text import TextKeys
from payments.transfers import Transfer

_KINDS: Final = (TransferSettled.kind, TransferRefused.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The place of an order's event, and whether the text that was signed is the one the event keeps the hash of."""

    place: Receipt
    is_signed_text: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferReceipt:
    """An order as its payer or payee may see it; `proof` is there once its event is numbered."""

    transfer: Transfer
    is_own: bool
    proof: Proof | None


def of_transfer(session: Session, actor: Actor, id: str, *, keys: TextKeys) -> TransferReceipt:
    """Return the receipt of an order one made, or of money one received; another's is `NotFound`."""
    found = transfers.by_id(session, actor, id, keys=keys)
    is_own = found.owner_id == actor.own_id
    told = receipts.of_object(session, found.id, path="onepay.transfer.id", kinds=_KINDS, at=found.at)
    proof = None if told is None else Proof(place=told.place, is_signed_text=_is_signed_text(found, is_own, told))
    return TransferReceipt(transfer=found, is_own=is_own, proof=proof)


def _is_signed_text(found: Transfer, is_own: bool, told: ObjectReceipt) -> bool:
    """Tell whether the text hashes to what order and event keep, and says what the order says.

    Whoever signed can read it as long as it is what was sealed; to others it is gone once its writer was erased.
    """
    is_told = at_path(told.document, "onepay.transfer.signed_hash") == found.signed_hash.hex()
    if not (told.is_as_sealed and is_told):
        return False
    text = found.signed
    if text is None:
        return not is_own
    says = text.says(payee=found.payee, amount=found.amount, fee=found.fee)
    return says and text.digest() == found.signed_hash
