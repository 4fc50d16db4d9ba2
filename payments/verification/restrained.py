"""Wallets against what keeps them: their state, the restraints of their owner, and what the log tells of both."""

from __future__ import annotations

import json
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ingest.events.envelope import at_path
from ingest.events.transaction import WalletFrozen, WalletUnfrozen
from payments import books
from payments.ledger.model import BookState
from payments.models import balance, book, restraint
from payments.verification import told
from payments.verification.findings import Findings


def check(session: Session, found: Findings) -> None:
    """Compare every wallet: nobody's floor is lowered, nobody frees or freezes one behind the product's back."""
    stands = sa.exists().where(restraint.c.target == book.c.owner_id, restraint.c.released_at.is_(None))
    rows = session.execute(
        sa.select(book.c.id, book.c.closed_at, balance.c.state, balance.c.floor, stands.label("is_restrained"))
        .join_from(book, balance, balance.c.book_id == book.c.id)
        .where(book.c.kind == books.WALLET)
        .order_by(book.c.id)
    )
    newest = _newest(session)
    for row in rows:
        found.same("wallet_floor", balance, row.id, books.FLOOR_OF_WALLETS, row.floor)
        restrained = BookState.DEBIT_FROZEN if row.is_restrained else BookState.OPEN
        wanted = restrained if row.closed_at is None else BookState.CLOSED
        found.same("wallet_state", balance, row.id, wanted.value, row.state)
        if newest is not None and row.closed_at is None:
            said = BookState.DEBIT_FROZEN if newest.get(row.id) == WalletFrozen.kind else BookState.OPEN
            found.same("wallet_state_told", balance, row.id, said.value, row.state)


def _newest(session: Session) -> Mapping[str, str] | None:
    """Return the newest of freezing and unfreezing that the log tells of each wallet; None where a body is gone."""
    newest: dict[str, str] = {}
    for events in told.of_kinds(session, WalletFrozen.kind, WalletUnfrozen.kind):
        for one in events:
            if one.body is None:
                return None
            newest[str(at_path(json.loads(one.body), "onepay.wallet.id"))] = one.kind
    return newest
