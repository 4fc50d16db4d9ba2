"""Activity: what happened in a wallet, entry by entry, with the balance after each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import Actor
from payments import signed_text, wallets
from payments.models import book, entry, handle, transaction, transfer
from payments.money import Currency, Money
from payments.paging import Page, bounded
from payments.signed_text import TextKeys, TextReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One entry as its owner sees it: `amount` is signed, `counterpart` a handle where the other side is a person.

    Of what one paid it is the handle it was addressed to, of what came the payer's present one.
    """

    version: int
    at: datetime
    kind: str
    object_id: str
    transaction_id: str
    amount: Money
    held: Money
    balance_after: Money
    counterpart: str | None
    note: str | None
    reference: str | None


def list(
    session: Session,
    actor: Actor,
    wallet_id: str,
    *,
    after: int | None = None,
    limit: int = 50,
    keys: TextKeys | None = None,
) -> Page[Activity, int]:
    """Return the entries of one's own wallet, newest first, after this version; another's is `NotFound`."""
    wallet = wallets.owned_by(session, actor, wallet_id)
    # What one paid names whom it was addressed to, whatever they call themselves now.
    counterpart = sa.case((transfer.c.source == wallet.id, transfer.c.payee), else_=handle.c.name)
    query = (
        sa.select(
            entry.c.version,
            entry.c.transaction_id,
            entry.c.amount,
            entry.c.held_delta,
            entry.c.balance_after,
            transaction.c.at,
            transaction.c.kind,
            transaction.c.object_id,
            transaction.c.reference,
            transaction.c.owner_id,
            transfer.c.owner_id.label("payer"),
            transfer.c.signed_ct,
            counterpart.label("counterpart"),
        )
        .join_from(entry, transaction, transaction.c.id == entry.c.transaction_id)
        .outerjoin(transfer, transfer.c.id == transaction.c.object_id)
        .outerjoin(book, book.c.id == transfer.c.source)
        .outerjoin(handle, (handle.c.owner_id == book.c.owner_id) & handle.c.released_at.is_(None))
        .where(entry.c.book_id == wallet.id)
    )
    if after is not None:
        query = query.where(entry.c.version < after)
    rows = session.execute(query.order_by(entry.c.version.desc()).limit(bounded(limit) + 1)).all()
    reader = signed_text.reader({row.payer for row in rows if row.payer is not None}, keys)
    found = tuple(_activity(row, wallet.currency, actor.own_id, reader) for row in rows[:limit])
    return Page(data=found, next=found[-1].version if len(rows) > limit else None)


def _activity(row: Any, currency: Currency, owner: str, reader: TextReader | None) -> Activity:  # a row of the query
    signed = signed_text.opened(row.signed_ct, row.payer, row.object_id, reader)
    return Activity(
        version=row.version,
        at=row.at,
        kind=row.kind,
        object_id=row.object_id,
        transaction_id=row.transaction_id,
        amount=Money(row.amount, currency),
        held=Money(row.held_delta, currency),
        balance_after=Money(row.balance_after, currency),
        counterpart=row.counterpart,
        note=signed.note if signed else None,
        # The caller's own number is the payer's alone.
        reference=row.reference if row.owner_id == owner else None,
    )
