"""Whose a wallet is: its book against what the log told of its opening, and the reference that leads money to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ingest.events.envelope import at_path
from ingest.events.transaction import WalletOpened
from ingest.models import body as log_body
from ingest.models import entry as log_entry
from ingest.models import outbox as log_outbox
from payments import bank_reference
from payments.ledger.findings import Findings
from payments.ledger.restrained import WALLET
from payments.models import bank_reference as reference_table
from payments.models import book

SLICE: Final = 1_000


def check(session: Session, found: Findings) -> None:
    """Compare kind, owner and currency of every wallet with its opening, both ways, and every bank reference.

    Where the body of an opening is lawfully gone, that wallet is not compared, and whether one is untold is not known.
    """
    told, is_whole = 0, True
    for bodies in _openings(session):
        told += len(bodies)
        events = [json.loads(body) for body in bodies if body is not None]
        is_whole = is_whole and len(events) == len(bodies)
        ids = [str(at_path(event, "onepay.wallet.id")) for event in events]
        rows = {row.id: row for row in session.execute(sa.select(book).where(book.c.id.in_(ids)))}
        for id, event in zip(ids, events, strict=True):
            _check_wallet(id, event, rows.get(id), found)
    wallets = session.scalar(sa.select(sa.func.count()).where(book.c.kind == WALLET)) or 0
    if is_whole and wallets > told:
        found.add("wallet_untold", book, "all wallets", expected=told, found=wallets)
    _check_references(session, found)


def _check_wallet(id: str, event: Any, row: Any, found: Findings) -> None:
    if row is None:
        found.add("wallet_missing", book, id, expected="a wallet", found="none")
        return
    owner = next(iter(at_path(event, "onepay.subject.id") or ()), None)
    found.same("wallet_kind", book, id, WALLET, row.kind)
    found.same("wallet_owner", book, id, owner, row.owner_id)
    found.same("wallet_currency", book, id, at_path(event, "transaction.currency"), row.currency)


def _openings(session: Session) -> Iterator[Sequence[bytes | None]]:
    """Yield the bodies of the events that opened wallets, numbered ones and those that wait, in slices."""
    query = (
        sa.select(log_entry.c.sequence, log_body.c.body)
        .join_from(log_entry, log_body, log_body.c.sequence == log_entry.c.sequence, isouter=True)
        .where(log_entry.c.kind == WalletOpened.kind)
        .order_by(log_entry.c.sequence)
        .limit(SLICE)
    )
    rows = session.execute(query).all()
    while rows:
        yield [row.body for row in rows]
        rows = session.execute(query.where(log_entry.c.sequence > rows[-1].sequence)).all()
    waiting = session.scalars(sa.select(log_outbox.c.body).where(log_outbox.c.kind == WalletOpened.kind))
    yield from waiting.partitions(SLICE)


def _check_references(session: Session, found: Findings) -> None:
    """A bank reference follows from its owner, and every owner of a wallet has one."""
    for row in session.execute(sa.select(reference_table).order_by(reference_table.c.reference)):
        found.same("bank_reference", reference_table, row.reference, bank_reference.of(row.owner_id), row.reference)
    has_one = sa.exists().where(reference_table.c.owner_id == book.c.owner_id)
    lost = sa.select(book.c.owner_id).where(book.c.kind == WALLET, ~has_one).distinct()
    for owner in session.scalars(lost):
        found.add("bank_reference_missing", reference_table, owner, expected="a reference", found="none")
