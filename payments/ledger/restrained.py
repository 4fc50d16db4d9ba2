"""Wallets against what keeps them: their state, the restraints of their owner, and what the log tells of both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ingest.events.envelope import at_path
from ingest.events.transaction import WalletFrozen, WalletUnfrozen
from ingest.models import body as log_body
from ingest.models import entry as log_entry
from ingest.models import outbox as log_outbox
from payments.ledger.findings import Findings
from payments.ledger.model import BookState
from payments.models import balance, book, restraint

WALLET: Final = "wallet"
FLOOR_OF_WALLETS: Final = 0


def check(session: Session, found: Findings) -> None:
    """Compare every wallet: nobody's floor is lowered, nobody frees or freezes one behind the product's back."""
    stands = sa.exists().where(restraint.c.target == book.c.owner_id, restraint.c.released_at.is_(None))
    rows = session.execute(
        sa.select(book.c.id, book.c.closed_at, balance.c.state, balance.c.floor, stands.label("is_restrained"))
        .join_from(book, balance, balance.c.book_id == book.c.id)
        .where(book.c.kind == WALLET)
        .order_by(book.c.id)
    )
    told = _told(session)
    for row in rows:
        found.same("wallet_floor", balance, row.id, FLOOR_OF_WALLETS, row.floor)
        restrained = BookState.DEBIT_FROZEN if row.is_restrained else BookState.OPEN
        wanted = restrained if row.closed_at is None else BookState.CLOSED
        found.same("wallet_state", balance, row.id, wanted.value, row.state)
        if told is not None and row.closed_at is None:
            said = BookState.DEBIT_FROZEN if told.get(row.id) == WalletFrozen.kind else BookState.OPEN
            found.same("wallet_state_told", balance, row.id, said.value, row.state)


def _told(session: Session) -> Mapping[str, str] | None:
    """Return the newest of freezing and unfreezing that the log tells of each wallet; None where a body is gone."""
    kinds = (WalletFrozen.kind, WalletUnfrozen.kind)
    sequenced = (
        sa.select(log_entry.c.kind, log_body.c.body)
        .join_from(log_entry, log_body, log_body.c.sequence == log_entry.c.sequence, isouter=True)
        .where(log_entry.c.kind.in_(kinds))
        .order_by(log_entry.c.sequence)
    )
    waiting = (
        sa.select(log_outbox.c.kind, log_outbox.c.body).where(log_outbox.c.kind.in_(kinds)).order_by(log_outbox.c.n)
    )
    newest: dict[str, str] = {}
    for query in (sequenced, waiting):
        for row in session.execute(query):
            if row.body is None:
                return None
            newest[str(at_path(json.loads(row.body), "onepay.wallet.id"))] = row.kind
    return newest
