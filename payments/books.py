"""Books: where money stands. Wallets have a floor of zero, the house's own books have none."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.db import dialect_of, insert_once
from payments.ledger.model import BookState
from payments.models import balance, book
from payments.money import Currency

HOUSE: Final = "house"
WALLET: Final = "wallet"
FLOOR_OF_WALLETS: Final = 0
HOUSE_PREFIX: Final = "sys_"
LABEL: Final = ""
"""What stands on a book: nothing yet, nobody names theirs."""


class HouseBook(StrEnum):
    """The books of the house, one a currency, opened on first use."""

    BANK_CLEARING = "bank.clearing"


def house(session: Session, name: HouseBook, currency: Currency, ctx: Context) -> str:
    """Return the id of a house book, opening it on first use."""
    id = house_id(name.value, currency)
    known = session.execute(sa.select(book.c.id).where(book.c.id == id)).scalar_one_or_none()
    if known is None:
        insert(
            session, id=id, kind=name.value, owner=HOUSE, currency=currency, floor=None, state=BookState.OPEN, ctx=ctx
        )
    return id


def house_id(kind: str, currency: str) -> str:
    """Return how the house's book of a kind and currency is called."""
    return f"{HOUSE_PREFIX}{kind}.{currency}"


def insert(
    session: Session,
    *,
    id: str,
    kind: str,
    owner: str,
    currency: Currency,
    floor: int | None,
    state: BookState,
    ctx: Context,
) -> bool:
    """Open a book with nothing in it; returns False where the owner has such a one already."""
    row = {
        "id": id,
        "kind": kind,
        "owner_id": owner,
        "currency": currency,
        "label": LABEL,
        "opened_at": ctx.at,
        "closed_at": None,
    }
    if insert_once(session, book, row) == 0:
        return False
    standing = {
        "book_id": id,
        "currency": currency,
        "state": state.value,
        "posted": 0,
        "held": 0,
        "floor": floor,
        "ceiling": None,
        "version": 0,
        "last_at": ctx.at,
        "forced": 0,
    }
    session.execute(sa.insert(balance).values(standing))
    return True


def move(session: Session, ids: Sequence[str], *, source: BookState, target: BookState) -> list[str]:
    """Lock books in the order of their ids, move those in one state to another, and return which moved.

    The lock is that of the balance, so a posting sees the state before or after, never between.
    """
    locked = session.execute(
        sa.select(balance.c.book_id, balance.c.state)
        .where(balance.c.book_id.in_(ids))
        .order_by(balance.c.book_id)
        .with_for_update()
    ).all()
    moved = [row.book_id for row in locked if row.state == source]
    if moved:
        session.execute(sa.update(balance).where(balance.c.book_id.in_(moved)).values(state=target.value))
    return moved


def lock_owner(session: Session, owner: str) -> None:
    """Let no two units of work open or restrain books of one owner at a time; on SQLite the write lock does."""
    if dialect_of(session) != "sqlite":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_number("owner", owner))))


def lock_number(*words: str) -> int:
    """Return the signed 64 bits by which PostgreSQL knows an advisory lock."""
    digest = hashlib.sha256("\n".join(words).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
