"""The ledger read by people: the entries of a book explained, and the sums of all books."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import LEDGER_ENTRY_READ
from app.kernel.context import Context
from ingest.models import entry as log_entry
from payments.models import balance, book, entry, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry of a book, explained: what it was for, what it left, and where the log tells of it."""

    version: int
    at: datetime
    kind: str
    object_id: str
    transaction_id: str
    amount: int
    held_delta: int
    balance_after: int
    held_after: int
    hash: str
    event_id: str
    sequence: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalance:
    """The sum of all books of one kind in one currency; the sums of a currency make zero."""

    currency: str
    kind: str
    books: int
    posted: int
    held: int


def explain(session: Session, book_id: str, ctx: Context, *, after: int = 0, limit: int = 100) -> list[Line]:
    """Return the entries of a book, oldest first, after a version: nothing in them is recomputed."""
    ctx.actor.require(LEDGER_ENTRY_READ)
    rows = session.execute(
        sa.select(entry, transaction, log_entry.c.sequence)
        .join_from(entry, transaction, transaction.c.id == entry.c.transaction_id)
        .outerjoin(log_entry, log_entry.c.event_id == transaction.c.event_id)
        .where(entry.c.book_id == book_id, entry.c.version > after)
        .order_by(entry.c.version)
        .limit(limit)
    )
    return [
        Line(
            version=row.version,
            at=row.at,
            kind=row.kind,
            object_id=row.object_id,
            transaction_id=row.transaction_id,
            amount=row.amount,
            held_delta=row.held_delta,
            balance_after=row.balance_after,
            held_after=row.held_after,
            hash=row.hash.hex(),
            event_id=row.event_id,
            sequence=row.sequence,
        )
        for row in rows
    ]


def trial_balance(session: Session, ctx: Context) -> list[TrialBalance]:
    """Return the sums of the books as they stand, by currency and kind."""
    ctx.actor.require(LEDGER_ENTRY_READ)
    rows = session.execute(
        sa.select(
            book.c.currency,
            book.c.kind,
            sa.func.count().label("books"),
            sa.func.sum(balance.c.posted).label("posted"),
            sa.func.sum(balance.c.held).label("held"),
        )
        .join_from(book, balance, balance.c.book_id == book.c.id)
        .group_by(book.c.currency, book.c.kind)
        .order_by(book.c.currency, book.c.kind)
    )
    return [
        TrialBalance(currency=row.currency, kind=row.kind, books=row.books, posted=int(row.posted), held=int(row.held))
        for row in rows
    ]
