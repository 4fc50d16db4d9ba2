"""What the log shows of an order, from the log's own rows: no search store is asked on the way to a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.ids import derived
from ingest.events.envelope import at_path
from ingest.events.transaction import TransferRefused, TransferSettled
from ingest.log import entries, receipts
from ingest.log.receipts import Receipt
from ingest.models import body, entry
from payments.transfers import Transfer

_KINDS: Final = (TransferSettled.kind, TransferRefused.kind)
_OF_ONE_MILLISECOND_MAX: Final = 1_000
_LOWEST, _HIGHEST = 0, (1 << 80) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The place of an order's event, and whether the text that was signed is the one the event keeps the hash of."""

    place: Receipt
    is_signed_text: bool


def of_transfer(session: Session, found: Transfer, *, is_own: bool) -> Proof | None:
    """Return what the log shows of an order, checked anew, or None before its event is numbered.

    The event was recorded in the unit of work of the order, and ids begin with their millisecond: so it is among the
    few events of that millisecond.
    """
    first, last = derived("evt", found.at, _LOWEST), derived("evt", found.at, _HIGHEST)
    rows = session.execute(
        sa.select(entry.c.event_id, entry.c.commitment, body.c.salt, body.c.body)
        .join(body, body.c.sequence == entry.c.sequence)
        .where(entry.c.event_id.between(first, last), entry.c.kind.in_(_KINDS))
        .limit(_OF_ONE_MILLISECOND_MAX)
    )
    for row in rows:
        told = canonical.decode(row.body)
        if at_path(told, "onepay.transfer.id") != found.id:
            continue
        place = receipts.of_event(session, row.event_id)
        if place is None:
            return None
        is_body = entries.commitment(row.salt, row.body) == row.commitment
        is_told = at_path(told, "onepay.transfer.signed_hash") == found.signed_hash.hex()
        return Proof(place=place, is_signed_text=is_body and is_told and _is_text_of(found, is_own))
    return None


def _is_text_of(found: Transfer, is_own: bool) -> bool:
    """Tell whether the text hashes to what the order keeps and says the same.

    Whoever signed can read it as long as it is what was sealed; to others it is gone once its writer was erased.
    """
    text = found.signed
    if text is None:
        return not is_own
    says = text.says(payee=found.payee, amount=found.amount, fee=found.fee)
    return says and text.digest() == found.signed_hash
