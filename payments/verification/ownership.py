"""Whose a book is: wallets against what the log told of their opening, the house's books against what they must be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import rfc3339
from ingest.events.envelope import at_path
from ingest.events.transaction import WalletOpened
from payments import bank_reference, books
from payments.books import WALLET
from payments.ledger.model import BookState
from payments.models import balance, book
from payments.models import bank_reference as reference_table
from payments.verification import told
from payments.verification.findings import Findings

SLICE: Final = 10_000


def check(session: Session, found: Findings) -> None:
    """Compare kind, owner, currency and time of every wallet with its opening, both ways, and every bank reference.

    Books of the house are what the product opens: its own, open, without a floor, and named by kind and currency. Where
    the body of an opening is gone or damaged, that wallet is not compared, and whether one is untold is not known.
    """
    opened, is_whole = 0, True
    for openings in told.of_kinds(session, WalletOpened.kind):
        opened += len(openings)
        events = [event for _, event in told.documents(openings, found)]
        is_whole = is_whole and len(events) == len(openings)
        ids = [told.id_of(event, "onepay.wallet.id") for event in events]
        rows = {row.id: row for row in session.execute(sa.select(book).where(book.c.id.in_(ids)))}
        for id, event in zip(ids, events, strict=True):
            _check_wallet(id, event, rows.get(id), found)
    wallets = session.scalar(sa.select(sa.func.count()).where(book.c.kind == WALLET)) or 0
    if is_whole and wallets > opened:
        found.add("wallet_untold", book, "all wallets", expected=opened, found=wallets)
    _check_house(session, found)
    _check_references(session, found)


def _check_wallet(id: str, event: Any, row: Any, found: Findings) -> None:
    if row is None:
        found.add("wallet_missing", book, id, expected="a wallet", found="none")
        return
    found.same("wallet_kind", book, id, WALLET, row.kind)
    found.same("wallet_owner", book, id, told.owner_of(event), row.owner_id)
    found.same("wallet_currency", book, id, at_path(event, "transaction.currency"), row.currency)
    found.same("wallet_opened_at", book, id, at_path(event, "@timestamp"), rfc3339(row.opened_at))
    found.same("wallet_label", book, id, books.LABEL, row.label)


def _check_house(session: Session, found: Findings) -> None:
    """A book that has one mark of the house's has them all."""
    of_house = sa.or_(
        book.c.id.startswith(books.HOUSE_PREFIX, autoescape=True),
        book.c.kind.in_(list(books.HouseBook)),
        book.c.owner_id == books.HOUSE,
    )
    rows = session.execute(
        sa.select(book, balance.c.state, balance.c.floor)
        .join_from(book, balance, balance.c.book_id == book.c.id)
        .where(of_house)
        .order_by(book.c.id)
    )
    wanted = (True, books.HOUSE, books.LABEL, None, BookState.OPEN.value, None)
    for row in rows:
        is_named = row.kind in list(books.HouseBook) and row.id == books.house_id(row.kind, row.currency)
        stands = (is_named, row.owner_id, row.label, row.closed_at, row.state, row.floor)
        found.same("house_book", book, row.id, wanted, stands)


def _check_references(session: Session, found: Findings) -> None:
    """A bank reference follows from its owner, and every owner of a wallet has one."""
    for rows in _references(session):
        for row in rows:
            found.same("bank_reference", reference_table, row.reference, bank_reference.of(row.owner_id), row.reference)
    has_one = sa.exists().where(reference_table.c.owner_id == book.c.owner_id)
    lost = sa.select(book.c.owner_id).where(book.c.kind == WALLET, ~has_one).distinct()
    for owner in session.scalars(lost):
        found.add("bank_reference_missing", reference_table, owner, expected="a reference", found="none")


def _references(session: Session) -> Iterator[Sequence[Any]]:
    query = sa.select(reference_table).order_by(reference_table.c.reference).limit(SLICE)
    rows: Sequence[Any] = session.execute(query).all()
    while rows:
        yield rows
        rows = session.execute(query.where(reference_table.c.reference > rows[-1].reference)).all()
