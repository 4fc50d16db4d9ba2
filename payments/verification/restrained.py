"""Wallets against what keeps them: their state, the restraints of their owner, and what the log tells of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import rfc3339
from ingest.events.envelope import at_path
from ingest.events.transaction import WalletFrozen, WalletUnfrozen
from payments import books, restraints
from payments.ledger.model import BookState
from payments.models import balance, book, restraint
from payments.verification import told
from payments.verification.findings import Findings
from payments.verification.tally import Tally

SLICE: Final = 10_000


def check(session: Session, found: Findings) -> None:
    """Compare every wallet: nobody's floor is lowered, nobody frees or freezes one behind the product's back.

    Freezing and unfreezing follow each other in a wallet, so what is told and not ended must be what stands frozen. The
    restraints that events name are compared with them; one that moved no wallet is named by none.
    """
    tally = Tally()
    is_whole = _check_told(session, found, tally)
    for wallets in _wallets(session):
        for row in wallets:
            _check_wallet(row, found)
            if row.closed_at is None and row.state == BookState.DEBIT_FROZEN:
                tally.stands(row.id)
    if is_whole and not tally.agrees:
        _name_untold(session, found)


def _check_wallet(row: Any, found: Findings) -> None:
    found.same("wallet_floor", balance, row.id, books.FLOOR_OF_WALLETS, row.floor)
    restrained = BookState.DEBIT_FROZEN if row.is_restrained else BookState.OPEN
    wanted = restrained if row.closed_at is None else BookState.CLOSED
    found.same("wallet_state", balance, row.id, wanted.value, row.state)


def _check_told(session: Session, found: Findings, tally: Tally) -> bool:
    """Compare the restraints that events name, and count the wallets; returns False where a body is gone or damaged."""
    is_whole = True
    for events in told.of_kinds(session, WalletFrozen.kind, WalletUnfrozen.kind):
        readable = told.documents(events, found)
        is_whole = is_whole and len(readable) == len(events)
        ids = {told.id_of(event, "onepay.restraint.id") for _, event in readable}
        rows = {row.id: row for row in session.execute(sa.select(restraint).where(restraint.c.id.in_(ids)))}
        for kind, event in readable:
            is_frozen = kind == WalletFrozen.kind
            tally.told(_wallet_of(event), 1 if is_frozen else -1)
            id = told.id_of(event, "onepay.restraint.id")
            row = rows.get(id)
            if row is None:
                found.add("restraint_missing", restraint, id, expected="a restraint", found="none")
            elif is_frozen:
                _check_placed(row, event, found)
            else:
                _check_released(row, event, found)
    return is_whole


def _check_placed(row: Any, event: Mapping[str, Any], found: Findings) -> None:
    until = at_path(event, "onepay.transaction.until")
    wanted = (restraints.HOLD_OUTGOING, told.owner_of(event), at_path(event, "event.reason"), until)
    found.same("restraint_told", restraint, row.id, wanted, (row.kind, row.target, row.reason, rfc3339(row.until)))
    # A wallet that opens held tells of its own beginning, not of that of the restraint.
    if at_path(event, "onepay.object.version") is None:
        by = (at_path(event, "@timestamp"), at_path(event, "user.id"))
        found.same("restraint_placed", restraint, row.id, by, (rfc3339(row.at), row.by_id))


def _check_released(row: Any, event: Mapping[str, Any], found: Findings) -> None:
    by = (told.owner_of(event), at_path(event, "@timestamp"), at_path(event, "user.id"))
    at = None if row.released_at is None else rfc3339(row.released_at)
    found.same("restraint_released", restraint, row.id, by, (row.target, at, row.released_by_id))


def _name_untold(session: Session, found: Findings) -> None:
    """Read the events once more for each slice of wallets; only where something differs."""
    for wallets in _wallets(session):
        newest = dict.fromkeys((row.id for row in wallets), WalletUnfrozen.kind)
        for events in told.of_kinds(session, WalletFrozen.kind, WalletUnfrozen.kind):
            for kind, event in told.documents(events, found):
                id = _wallet_of(event)
                if id in newest:
                    newest[id] = kind
        for row in wallets:
            if row.closed_at is None:
                said = BookState.DEBIT_FROZEN if newest[row.id] == WalletFrozen.kind else BookState.OPEN
                found.same("wallet_state_told", balance, row.id, said.value, row.state)


def _wallet_of(event: Mapping[str, Any]) -> str:
    return told.id_of(event, "onepay.wallet.id")


def _wallets(session: Session) -> Iterator[Sequence[Any]]:
    standing = sa.exists().where(
        restraint.c.target == book.c.owner_id,
        restraint.c.kind == restraints.HOLD_OUTGOING,
        restraint.c.released_at.is_(None),
    )
    query = (
        sa.select(book.c.id, book.c.closed_at, balance.c.state, balance.c.floor, standing.label("is_restrained"))
        .join_from(book, balance, balance.c.book_id == book.c.id)
        .where(book.c.kind == books.WALLET)
        .order_by(book.c.id)
        .limit(SLICE)
    )
    rows: Sequence[Any] = session.execute(query).all()
    while rows:
        yield rows
        rows = session.execute(query.where(book.c.id > rows[-1].id)).all()
