"""The ledger on PostgreSQL: sorted row locks in one trip, everything that was made in another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg import errors
from psycopg.pq import TransactionStatus
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.kernel.clock import micros
from app.kernel.db import UtcDateTime
from ingest.models import outbox
from payments import models
from payments.ledger import arrays
from payments.ledger.model import Balance, Hold, ReferenceKey, Rows, State, Wanted
from payments.ledger.store import Beside, PostingRaced

LOOK_AT_BALANCES: Final = (
    "SELECT book_id, currency, state, posted, held, floor, ceiling, version, last_at, forced"
    " FROM payments_balance WHERE book_id = ANY($1) ORDER BY book_id"
)
LOCK_BALANCES: Final = (
    "SELECT book_id, currency, state, posted, held, floor, ceiling, version, last_at, forced"
    " FROM payments_balance WHERE book_id = ANY($1) ORDER BY book_id FOR UPDATE"
)
LOOK_AT_HOLDS: Final = (
    "SELECT id, book_id, beneficiary_id, amount, captured, released, state, expires_at, object_id"
    " FROM payments_hold WHERE id = ANY($1) ORDER BY id"
)
LOCK_HOLDS: Final = (
    "SELECT id, book_id, beneficiary_id, amount, captured, released, state, expires_at, object_id"
    " FROM payments_hold WHERE id = ANY($1) ORDER BY id FOR UPDATE"
)
REFERENCES: Final = (
    "SELECT t.owner_id, t.kind, t.reference, t.object_id FROM unnest($1, $2, $3) AS n (owner_id, kind, reference)"
    " JOIN payments_transaction t ON t.owner_id = n.owner_id AND t.kind = n.kind AND t.reference = n.reference"
)
REVERSED: Final = "SELECT reverses_id, id FROM payments_transaction WHERE reverses_id = ANY($1)"
READY: Final = "onepay_arrays"


class PostgresLedger:
    """Keeps `LedgerStore` on a psycopg connection. READ COMMITTED suffices: all that decides is read under its lock."""

    def load(self, session: Session, wanted: Wanted, *, lock: bool) -> State:
        """Return the rows wanted in one trip, locked holds first, then balances; what must be unique is read last."""
        asked: list[tuple[str, tuple[bytes, ...]]] = []
        if wanted.holds:
            asked.append((LOCK_HOLDS if lock else LOOK_AT_HOLDS, (arrays.texts(wanted.holds),)))
        asked.append((LOCK_BALANCES if lock else LOOK_AT_BALANCES, (arrays.texts(wanted.books),)))
        if wanted.references:
            asked.append((REFERENCES, tuple(arrays.texts(part) for part in zip(*wanted.references, strict=True))))
        if wanted.reverses:
            asked.append((REVERSED, (arrays.texts(wanted.reverses),)))
        with driver(session) as connection:
            found = iter(_answers(connection, asked))
        holds = {row[0]: Hold._make(row) for row in next(found)} if wanted.holds else {}
        books = {row[0]: Balance._make(row) for row in next(found)}
        references: dict[ReferenceKey, str] = (
            {(row[0], row[1], row[2]): row[3] for row in next(found)} if wanted.references else {}
        )
        reversed_ = {row[0]: row[1] for row in next(found)} if wanted.reverses else {}
        return State(books=books, holds=holds, references=references, reversed=reversed_)

    def write(
        self, session: Session, rows: Rows, events: Sequence[Mapping[str, Any]], besides: Sequence[Beside]
    ) -> None:
        """Write all in one statement: the entries in one INSERT, so that the zero-sum trigger sees them together."""
        columns = _packed(models.balance, rows.balances)
        columns |= _packed(models.entry, rows.entries)
        columns |= _packed(models.transaction, rows.transactions)
        columns |= _packed(
            outbox, [(e["id"], e["kind"], e["class"], micros(e["at"]), e["salt"], e["body"]) for e in events]
        )
        if rows.holds:
            columns |= _packed(models.hold, rows.holds)
        by_table: dict[sa.Table, list[Mapping[str, Any]]] = {}
        for beside in besides:
            by_table.setdefault(beside.table, []).append(beside.row)
        for table, values in by_table.items():
            columns |= _packed(table, [[row[column.name] for column in table.columns] for row in values])
        statement, order = write_statement(bool(rows.holds), tuple(by_table))
        with driver(session) as connection:
            _execute(connection, statement, [columns[name] for name in order])


def _execute(
    connection: psycopg.Connection[Any], statement: str, columns: Sequence[bytes]
) -> psycopg.RawCursor[tuple[Any, ...]]:
    """Run a statement as it stands: its parameters are numbered, so nothing looks for them in it."""
    return psycopg.RawCursor(connection).execute(statement, columns, prepare=True, binary=True)


def _answers(
    connection: psycopg.Connection[Any], asked: Sequence[tuple[str, tuple[bytes, ...]]]
) -> list[list[tuple[Any, ...]]]:
    if len(asked) == 1 and connection.info.transaction_status is TransactionStatus.INTRANS:
        return [_execute(connection, *asked[0]).fetchall()]
    # One trip for all, and for the BEGIN that the driver sends before the first.
    with connection.pipeline():
        cursors = [_execute(connection, *each) for each in asked]
    return [cursor.fetchall() for cursor in cursors]


@cache
def write_statement(with_holds: bool, tables: tuple[sa.Table, ...]) -> tuple[str, tuple[str, ...]]:
    """Return one INSERT of the events, with all else as data-modifying CTEs beside it, and its parameters in order."""
    written: list[sa.Insert | sa.Update] = [
        _change_balances(),
        *([_put_holds()] if with_holds else []),
        _insert(models.entry),
        _insert(models.transaction),
        *(_insert(table) for table in tables),
    ]
    whole = _insert(outbox)
    for number, part in enumerate(written):
        whole = whole.add_cte(part.cte(f"part_{number}"))
    compiled = whole.compile(dialect=postgresql.psycopg.dialect(paramstyle="numeric_dollar"))  # type: ignore[no-untyped-call]  # untyped there
    return str(compiled), tuple(compiled.positiontup or ())


def _insert(table: sa.Table) -> postgresql.Insert:
    columns = _written(table)
    rows = sa.select(*(_unnested(column) for column in columns))
    return postgresql.insert(table).from_select([column.name for column in columns], rows, include_defaults=False)


def _written(table: sa.Table) -> list[sa.Column[Any]]:
    # A column the database fills (the outbox's number) is left out.
    return [column for column in table.columns if column.autoincrement is not True]


def _put_holds() -> postgresql.Insert:
    whole = _insert(models.hold)
    changed = {name: whole.excluded[name] for name in ("captured", "released", "state")}
    return whole.on_conflict_do_update(index_elements=["id"], set_=changed)


def _change_balances() -> sa.Update:
    names = ("posted", "held", "version", "last_at", "forced")
    table = models.balance
    # All columns are sent, as the rows are whole; what an operation cannot change is not written.
    new = sa.select(*(_unnested(column) for column in table.columns)).subquery("new")
    return sa.update(table).where(table.c.book_id == new.c.book_id).values({name: new.c[name] for name in names})


def _unnested(column: sa.Column[Any]) -> sa.Label[Any]:
    array = sa.bindparam(_name(column), type_=postgresql.ARRAY(_plain(column)))
    return sa.func.unnest(array).label(column.name)


def _name(column: sa.Column[Any]) -> str:
    return f"{column.table.name}_{column.name}"


def _plain(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    return sa.BigInteger() if isinstance(column.type, UtcDateTime) else column.type


@cache
def _packers(table: sa.Table) -> tuple[tuple[str, Callable[[Iterable[Any]], bytes]], ...]:
    """Return the name of the parameter and the packing of each column that is written."""
    return tuple((_name(column), _packer(_plain(column))) for column in _written(table))


def _packed(table: sa.Table, rows: Sequence[Sequence[Any]]) -> dict[str, bytes]:
    """Return the packed arrays of rows whose fields stand in the order of the table's columns."""
    columns = zip(*rows, strict=True)
    return {name: pack(values) for (name, pack), values in zip(_packers(table), columns, strict=True)}


def _packer(type_: sa.types.TypeEngine[Any]) -> Callable[[Iterable[Any]], bytes]:
    match type_:
        case sa.BigInteger():
            return arrays.integers
        case sa.Text():
            return arrays.texts
        case _:
            return arrays.blobs


@contextmanager
def driver(session: Session) -> Iterator[psycopg.Connection[Any]]:
    """Give the session's own connection of the driver, and tell a race by its class."""
    held = session.connection().connection
    connection = held.driver_connection
    assert isinstance(connection, psycopg.Connection)
    if READY not in held.info:
        arrays.register(connection)
        held.info[READY] = True
    try:
        yield connection
    except (errors.UniqueViolation, errors.DeadlockDetected, errors.SerializationFailure) as error:
        raise PostingRaced from error
