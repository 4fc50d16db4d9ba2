"""Whose a wallet is: its book against what the log told of its opening, and the reference that leads money to it."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ingest.events.envelope import at_path
from ingest.events.transaction import WalletOpened
from payments import bank_reference
from payments.books import WALLET
from payments.models import bank_reference as reference_table
from payments.models import book
from payments.verification import told
from payments.verification.findings import Findings


def check(session: Session, found: Findings) -> None:
    """Compare kind, owner and currency of every wallet with its opening, both ways, and every bank reference.

    Where the body of an opening is lawfully gone, that wallet is not compared, and whether one is untold is not known.
    """
    opened, is_whole = 0, True
    for openings in told.of_kinds(session, WalletOpened.kind):
        opened += len(openings)
        events = [json.loads(one.body) for one in openings if one.body is not None]
        is_whole = is_whole and len(events) == len(openings)
        ids = [str(at_path(event, "onepay.wallet.id")) for event in events]
        rows = {row.id: row for row in session.execute(sa.select(book).where(book.c.id.in_(ids)))}
        for id, event in zip(ids, events, strict=True):
            _check_wallet(id, event, rows.get(id), found)
    wallets = session.scalar(sa.select(sa.func.count()).where(book.c.kind == WALLET)) or 0
    if is_whole and wallets > opened:
        found.add("wallet_untold", book, "all wallets", expected=opened, found=wallets)
    _check_references(session, found)


def _check_wallet(id: str, event: Any, row: Any, found: Findings) -> None:
    if row is None:
        found.add("wallet_missing", book, id, expected="a wallet", found="none")
        return
    owner = next(iter(at_path(event, "onepay.subject.id") or ()), None)
    found.same("wallet_kind", book, id, WALLET, row.kind)
    found.same("wallet_owner", book, id, owner, row.owner_id)
    found.same("wallet_currency", book, id, at_path(event, "transaction.currency"), row.currency)


def _check_references(session: Session, found: Findings) -> None:
    """A bank reference follows from its owner, and every owner of a wallet has one."""
    for row in session.execute(sa.select(reference_table).order_by(reference_table.c.reference)):
        found.same("bank_reference", reference_table, row.reference, bank_reference.of(row.owner_id), row.reference)
    has_one = sa.exists().where(reference_table.c.owner_id == book.c.owner_id)
    lost = sa.select(book.c.owner_id).where(book.c.kind == WALLET, ~has_one).distinct()
    for owner in session.scalars(lost):
        found.add("bank_reference_missing", reference_table, owner, expected="a reference", found="none")
