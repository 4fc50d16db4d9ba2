"""The place of an order's event in the log, from the log's own rows: no search store is asked on the way to a page."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.ids import derived
from ingest.events.envelope import at_path
from ingest.events.transaction import TransferRefused, TransferSettled
from ingest.log import receipts
from ingest.log.receipts import Receipt
from ingest.models import body, entry
from payments.transfers import Transfer

_KINDS: Final = (TransferSettled.kind, TransferRefused.kind)
_OF_ONE_MILLISECOND_MAX: Final = 1_000
_LOWEST, _HIGHEST = 0, (1 << 80) - 1


def of_transfer(session: Session, found: Transfer) -> Receipt | None:
    """Return where the event of an order stands, checked anew, or None before it is numbered.

    The event was recorded in the unit of work of the order, and ids begin with their millisecond: so it is among the
    few events of that millisecond.
    """
    first, last = derived("evt", found.at, _LOWEST), derived("evt", found.at, _HIGHEST)
    rows = session.execute(
        sa.select(entry.c.event_id, body.c.body)
        .join(body, body.c.sequence == entry.c.sequence)
        .where(entry.c.event_id.between(first, last), entry.c.kind.in_(_KINDS))
        .limit(_OF_ONE_MILLISECOND_MAX)
    )
    for row in rows:
        if at_path(canonical.decode(row.body), "onepay.transfer.id") == found.id:
            return receipts.of_event(session, row.event_id)
    return None
