"""The ledger on SQLite: one writer, so locks are the transaction itself (BEGIN IMMEDIATE)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from app.kernel.clock import micros
from payments.ledger.model import Balance, Hold, Rows, State, Wanted
from payments.ledger.store import Beside, PostingRaced

BALANCE: Final = (
    "SELECT book_id, currency, state, posted, held, floor, ceiling, version, last_at, forced"
    " FROM payments_balance WHERE book_id = ?"
)
HOLD: Final = (
    "SELECT id, book_id, beneficiary_id, amount, captured, released, state, expires_at, object_id"
    " FROM payments_hold WHERE id = ?"
)
REFERENCE: Final = "SELECT object_id FROM payments_transaction WHERE owner_id = ? AND kind = ? AND reference = ?"
REVERSED: Final = "SELECT id FROM payments_transaction WHERE reverses_id = ?"
CHANGE_BALANCE: Final = (
    "UPDATE payments_balance SET posted = ?, held = ?, version = ?, last_at = ?, forced = ? WHERE book_id = ?"
)
PUT_HOLD: Final = (
    "INSERT INTO payments_hold VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
    " SET captured = excluded.captured, released = excluded.released, state = excluded.state"
)
ADD_ENTRY: Final = "INSERT INTO payments_entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
ADD_TRANSACTION: Final = "INSERT INTO payments_transaction VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ADD_EVENT: Final = "INSERT INTO ingest_outbox (id, kind, class, at, salt, body) VALUES (?, ?, ?, ?, ?, ?)"


class SqliteLedger:
    """Keeps `LedgerStore` on a connection of the standard library's driver."""

    def load(self, session: Session, wanted: Wanted, *, lock: bool) -> State:
        """Return the rows wanted; the transaction holds the write lock already, or only looks."""
        with _driver(session) as connection:
            holds = {row[0]: Hold._make(row) for id in wanted.holds if (row := _one(connection, HOLD, (id,)))}
            books = {row[0]: Balance._make(row) for id in wanted.books if (row := _one(connection, BALANCE, (id,)))}
            references = {key: row[0] for key in wanted.references if (row := _one(connection, REFERENCE, key))}
            reversed_ = {id: row[0] for id in wanted.reverses if (row := _one(connection, REVERSED, (id,)))}
        return State(books=books, holds=holds, references=references, reversed=reversed_)

    def write(
        self, session: Session, rows: Rows, events: Sequence[Mapping[str, Any]], besides: Sequence[Beside]
    ) -> None:
        """Write entries before their headers: the header's trigger checks and seals them."""
        with _driver(session) as connection:
            connection.executemany(
                CHANGE_BALANCE, [(b.posted, b.held, b.version, b.last_at, b.forced, b.book_id) for b in rows.balances]
            )
            if rows.holds:
                connection.executemany(PUT_HOLD, rows.holds)
            connection.executemany(ADD_ENTRY, rows.entries)
            connection.executemany(ADD_TRANSACTION, rows.transactions)
            connection.executemany(
                ADD_EVENT, [(e["id"], e["kind"], e["class"], micros(e["at"]), e["salt"], e["body"]) for e in events]
            )
            for table, group in groupby(besides, key=lambda beside: beside.table):
                connection.executemany(_insert(table), [tuple(b.row[c.name] for c in table.columns) for b in group])


@cache
def _insert(table: sa.Table) -> str:
    return str(sa.insert(table).compile(dialect=sqlite.dialect(paramstyle="qmark")))


def _one(connection: sqlite3.Connection, statement: str, parameters: Sequence[str]) -> tuple[Any, ...] | None:
    row: tuple[Any, ...] | None = connection.execute(statement, parameters).fetchone()
    return row


@contextmanager
def _driver(session: Session) -> Iterator[sqlite3.Connection]:
    connection = session.connection().connection.driver_connection
    assert isinstance(connection, sqlite3.Connection)
    try:
        yield connection
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
            raise PostingRaced from error
        raise
