"""The ledger on PostgreSQL: sorted row locks in one trip, everything that was made in another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg import errors
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.kernel.clock import micros
from app.kernel.db import DatabaseBusy, UtcDateTime
from ingest.models import outbox
from payments import models
from payments.ledger import arrays
from payments.ledger.model import Balance, Hold, ReferenceKey, Rows, State, Wanted
from payments.ledger.store import Beside, PostingRaced

LOOK_AT_BALANCES: Final = (
    "SELECT book_id, currency, state, posted, held, floor, ceiling, version, last_at, forced"
    " FROM payments_balance WHERE book_id = ANY(%s) ORDER BY book_id"
)
LOCK_BALANCES: Final = (
    "SELECT book_id, currency, state, posted, held, floor, ceiling, version, last_at, forced"
    " FROM payments_balance WHERE book_id = ANY(%s) ORDER BY book_id FOR UPDATE"
)
LOOK_AT_HOLDS: Final = (
    "SELECT id, book_id, beneficiary_id, amount, captured, released, state, expires_at, object_id"
    " FROM payments_hold WHERE id = ANY(%s) ORDER BY id"
)
LOCK_HOLDS: Final = (
    "SELECT id, book_id, beneficiary_id, amount, captured, released, state, expires_at, object_id"
    " FROM payments_hold WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
)
REFERENCES: Final = (
    "SELECT t.owner_id, t.kind, t.reference, t.object_id FROM unnest(%s, %s, %s) AS n (owner_id, kind, reference)"
    " JOIN payments_transaction t ON t.owner_id = n.owner_id AND t.kind = n.kind AND t.reference = n.reference"
)
REVERSED: Final = "SELECT reverses_id, id FROM payments_transaction WHERE reverses_id = ANY(%s)"
READY: Final = "onepay_arrays"


class PostgresLedger:
    """Keeps `LedgerStore` on a psycopg connection. READ COMMITTED suffices: all that decides is read under its lock."""

    def load(self, session: Session, wanted: Wanted, *, lock: bool) -> State:
        """Return the rows wanted in one trip, locked holds first, then balances; what must be unique is read last."""
        answers: list[psycopg.Cursor[tuple[Any, ...]]] = []
        with _driver(session) as connection, connection.pipeline():

            def ask(statement: str, *parameters: bytes) -> None:
                answers.append(connection.cursor(binary=True).execute(statement, parameters, prepare=True))

            if wanted.holds:
                ask(LOCK_HOLDS if lock else LOOK_AT_HOLDS, arrays.texts(wanted.holds))
            ask(LOCK_BALANCES if lock else LOOK_AT_BALANCES, arrays.texts(wanted.books))
            if wanted.references:
                ask(REFERENCES, *(arrays.texts(part) for part in zip(*wanted.references, strict=True)))
            if wanted.reverses:
                ask(REVERSED, arrays.texts(wanted.reverses))
        found = iter([answer.fetchall() for answer in answers])
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
        columns = _packed_rows(models.entry, rows.entries) | _packed_rows(models.transaction, rows.transactions)
        columns |= _packed(
            models.balance,
            {
                "book_id": [b.book_id for b in rows.balances],
                "posted": [b.posted for b in rows.balances],
                "held": [b.held for b in rows.balances],
                "version": [b.version for b in rows.balances],
                "last_at": [b.last_at for b in rows.balances],
                "forced": [b.forced for b in rows.balances],
            },
        )
        columns |= _packed(
            outbox,
            {
                "id": [event["id"] for event in events],
                "kind": [event["kind"] for event in events],
                "class": [event["class"] for event in events],
                "at": [micros(event["at"]) for event in events],
                "salt": [event["salt"] for event in events],
                "body": [event["body"] for event in events],
            },
        )
        if rows.holds:
            columns |= _packed_rows(models.hold, rows.holds)
        by_table: dict[sa.Table, list[Mapping[str, Any]]] = {}
        for beside in besides:
            by_table.setdefault(beside.table, []).append(beside.row)
        for table, values in by_table.items():
            columns |= _packed(table, {c.name: [row[c.name] for row in values] for c in table.columns})
        statement = _write_statement(bool(rows.holds), tuple(by_table))
        with _driver(session) as connection:
            connection.cursor(binary=True).execute(statement, columns, prepare=True)


@cache
def _write_statement(with_holds: bool, tables: tuple[sa.Table, ...]) -> str:
    """Return one INSERT of the events, with everything else as data-modifying CTEs beside it."""
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
    return str(whole.compile(dialect=postgresql.psycopg.dialect()))  # type: ignore[no-untyped-call]  # untyped there


def _insert(table: sa.Table) -> postgresql.Insert:
    # A column the database fills (the outbox's number) is left out.
    columns = [column for column in table.columns if column.autoincrement is not True]
    return postgresql.insert(table).from_select(
        [column.name for column in columns],
        sa.select(*(_unnested(column) for column in columns)),
        include_defaults=False,
    )


def _put_holds() -> postgresql.Insert:
    whole = _insert(models.hold)
    changed = {name: whole.excluded[name] for name in ("captured", "released", "state")}
    return whole.on_conflict_do_update(index_elements=["id"], set_=changed)


def _change_balances() -> sa.Update:
    names = ("posted", "held", "version", "last_at", "forced")
    table = models.balance
    new = sa.select(*(_unnested(table.c[name]) for name in ("book_id", *names))).subquery("new")
    return sa.update(table).where(table.c.book_id == new.c.book_id).values({name: new.c[name] for name in names})


def _unnested(column: sa.Column[Any]) -> sa.Label[Any]:
    array = sa.bindparam(_name(column), type_=postgresql.ARRAY(_plain(column)))
    return sa.func.unnest(array).label(column.name)


def _name(column: sa.Column[Any]) -> str:
    return f"{column.table.name}_{column.name}"


def _plain(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    return sa.BigInteger() if isinstance(column.type, UtcDateTime) else column.type


def _packed(table: sa.Table, values: Mapping[str, Sequence[Any]]) -> dict[str, bytes]:
    """Return the packed arrays of a table's columns by the names of their parameters."""
    return {_name(table.c[name]): _packer(_plain(table.c[name]))(column) for name, column in values.items()}


def _packed_rows(table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> dict[str, bytes]:
    """Return the packed arrays of rows whose fields stand in the order of the table's columns."""
    names = [column.name for column in table.columns]
    return _packed(table, dict(zip(names, zip(*rows, strict=True), strict=True)))


def _packer(type_: sa.types.TypeEngine[Any]) -> Callable[[Iterable[Any]], bytes]:
    match type_:
        case sa.BigInteger():
            return arrays.integers
        case sa.Text():
            return arrays.texts
        case _:
            return arrays.blobs


@contextmanager
def _driver(session: Session) -> Iterator[psycopg.Connection[Any]]:
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
    except psycopg.OperationalError as error:
        raise DatabaseBusy(retry_after=1) from error
