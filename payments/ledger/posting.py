"""Posting: the only writer of entries and balances."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from app.kernel.clock import micros
from app.kernel.context import Context
from app.kernel.db import dialect_of, wake_after
from ingest.log import outbox
from payments.ledger.fold import fold
from payments.ledger.model import Operation, Outcome, Stamp, TransactionRow, wanted
from payments.ledger.postgres import PostgresLedger
from payments.ledger.sqlite import SqliteLedger
from payments.ledger.store import Beside, LedgerStore

POSTED: Final = "ledger_posted"
STORES: Final[dict[str, LedgerStore]] = {"postgresql": PostgresLedger(), "sqlite": SqliteLedger()}


class PostedTwice(RuntimeError):
    """A unit of work posts once: two posts would lock in two orders."""


def post(
    session: Session, operations: Sequence[Operation], ctx: Context, *, also: Sequence[Beside] = ()
) -> tuple[Outcome, ...]:
    """Apply operations in order and write what was accepted, each with its event; refusals are outcomes.

    `also` are rows of other tables that share the fate of their operation. A session posts once (`PostedTwice`).
    """
    if session.info.get(POSTED):
        raise PostedTwice
    session.info[POSTED] = True
    store = STORES[dialect_of(session)]
    asked = tuple(operations)
    state = store.load(session, wanted(asked), lock=True)
    _, rows, outcomes = fold(state, asked, _stamp(ctx))
    if rows.transactions:
        store.write(session, rows, _events(session, asked, rows.transactions, ctx), _accepted(also, rows.transactions))
        wake_after(session)
    return outcomes


def preview(session: Session, operations: Sequence[Operation], ctx: Context) -> tuple[Outcome, ...]:
    """Return what `post` would answer now: the same fold on rows that are not locked; nothing is written."""
    asked = tuple(operations)
    state = STORES[dialect_of(session)].load(session, wanted(asked), lock=False)
    return fold(state, asked, _stamp(ctx))[2]


def _stamp(ctx: Context) -> Stamp:
    return Stamp(at=micros(ctx.at), actor_id=ctx.actor.id, request_id=ctx.request_id)


def _events(
    session: Session, operations: Sequence[Operation], transactions: Sequence[TransactionRow], ctx: Context
) -> list[dict[str, Any]]:
    """Render the event of each transaction, which carries the hash the ledger holds, with what was found in it."""
    by_id = {operation.id: operation for operation in operations}
    rendered = []
    for row in transactions:
        told = dataclasses.replace(by_id[row.id].event, ledger_transaction=row.id, ledger_hash=row.hash.hex())
        rendered.append(outbox.row_of(session, told, ctx, row.event_id))
    return outbox.flat(rendered) if any("found" in row for row in rendered) else rendered


def _accepted(also: Sequence[Beside], transactions: Sequence[TransactionRow]) -> list[Beside]:
    accepted = {row.id for row in transactions}
    return [beside for beside in also if beside.operation_id in accepted]
