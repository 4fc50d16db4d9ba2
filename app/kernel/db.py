"""The database: one transaction a unit of work, on SQLite or PostgreSQL."""

from __future__ import annotations

import select
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool
from sqlalchemy.types import TypeDecorator

from app.kernel.clock import from_micros, micros
from app.kernel.errors import Unavailable

BUSY_SECONDS: Final = 10
POOL_SIZE: Final = 24
TRUSTED_SECONDS: Final = 30
# Plans made once on empty tables must stay index plans; see docs/decisions.md and payments.
_POSTING_OPTIONS: Final = (
    "-c plan_cache_mode=force_generic_plan -c jit=off -c enable_seqscan=off -c enable_hashjoin=off "
    "-c enable_mergejoin=off -c lock_timeout=2000 -c statement_timeout=15000"
)
_OPTIONS: Final = "-c lock_timeout=4000 -c statement_timeout=30000 -c timezone=UTC"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC instant, kept as microseconds since 1970: the same integer on both databases."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        assert value.tzinfo is not None, "a naive instant never reaches the database"
        return micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_micros(value)


class DatabaseBusy(Unavailable):
    """The database is busy; please try again shortly."""


def is_deadlock(error: BaseException) -> bool:
    """Tell whether a transaction was ended as two waited for each other: it changed nothing, and may be tried again.

    PostgreSQL says so by its SQLSTATE (40P01, or 40001 where it could not be put in order); SQLite has one writer.
    """
    cause = getattr(error.__cause__, "orig", error.__cause__)
    return getattr(cause, "sqlstate", None) in ("40P01", "40001")


class StorageFull(Unavailable):
    """There is no room left to write; nothing was changed. Please try again later."""

    code = "storage_full"


class NotForGood(Unavailable):
    """This database cannot write over what it deletes; nothing was deleted."""

    code = "not_for_good"


class Database:
    """Opens transactions; the only thing that commits.

    `info` is laid into each session (`session.info`), so that the log knows its keys without globals.
    `committed` is called after a commit of a session in which something asked for it by `wake_after`.
    """

    def __init__(self, url: str, *, info: Mapping[str, object] | None = None) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.info = dict(info or {})
        self.committed: list[Callable[[], None]] = []
        self._writer = threading.Lock()
        self.engine = _sqlite(url) if self.is_sqlite else _postgres(url, _OPTIONS)
        self._reading = self.engine.execution_options(onepay_read=True)
        self._posting = self.engine if self.is_sqlite else _postgres(url, _POSTING_OPTIONS)

    @contextmanager
    def begin(self, *, posting: bool = False) -> Iterator[Session]:
        """Open the transaction of one unit of work; leaving it commits, an exception rolls back.

        `posting` takes a connection tuned for the ledger. On SQLite writers queue here, fairly and bounded, instead of
        colliding in the file lock; raises `DatabaseBusy` when the queue takes longer than `BUSY_SECONDS`.
        """
        with self._turn(), Session(self._posting if posting else self.engine, expire_on_commit=False) as session:
            session.info.update(self.info)
            with _translated():
                try:
                    yield session
                    session.commit()
                except BaseException:
                    session.rollback()
                    raise
        if session.info.get("wake"):
            for call in self.committed:
                call()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a transaction that sees one state and changes nothing."""
        with _translated(), Session(self._reading, expire_on_commit=False) as session:
            session.info.update(self.info)
            if not self.is_sqlite:
                session.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            try:
                yield session
            finally:
                session.rollback()

    def one(self, statement: sa.Executable, values: Mapping[str, object]) -> sa.Row[Any] | None:
        """Return a prepared statement's one row, or None, in a transaction of its own, at half the cost of `read`."""
        with _translated(), self._reading.connect() as connection:
            return connection.execute(statement, values).one_or_none()

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()
        self._posting.dispose()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        if not self._writer.acquire(timeout=BUSY_SECONDS):
            raise DatabaseBusy(retry_after=1)
        try:
            yield
        finally:
            self._writer.release()


def wake_after(session: Session) -> None:
    """Ask that the listeners of the database are called once this transaction has committed."""
    session.info["wake"] = True


def dialect_of(session: Session) -> str:
    """Return `sqlite` or `postgresql`."""
    return session.get_bind().dialect.name


def delete_for_good(session: Session) -> None:
    """Let SQLite write zeros over what this connection deletes, for good; PostgreSQL leaves that to its vacuum.

    Raises `NotForGood` where SQLite does not: then nothing is deleted that was to be gone.
    """
    if dialect_of(session) != "sqlite":
        return
    if session.connection().exec_driver_sql("PRAGMA secure_delete = ON").scalar_one() != 1:
        raise NotForGood


def insert_once(session: Session, table: sa.Table, *rows: Mapping[str, object]) -> int:
    """Insert rows, leaving out those whose key exists already; returns how many were new."""
    if not rows:
        return 0
    make = sqlite.insert if dialect_of(session) == "sqlite" else postgresql.insert
    insert = make(table).values([dict(row) for row in rows]).on_conflict_do_nothing()
    # Without the option an INSERT counts -1 on PostgreSQL.
    done = session.execute(insert, execution_options={"preserve_rowcount": True})
    return int(done.rowcount)  # type: ignore[attr-defined]  # an INSERT answers with a cursor result


def changed(session: Session, statement: sa.Update | sa.Delete) -> int:
    """Carry out a change and return how many rows it met."""
    done = session.execute(statement, execution_options={"preserve_rowcount": True})
    return int(done.rowcount)  # type: ignore[attr-defined]  # a change answers with a cursor result


def change_one(session: Session, statement: sa.Update, *, otherwise: Exception | type[Exception]) -> None:
    """Change the one row that is still as it was read; raise `otherwise` where it is not, for somebody was faster."""
    if changed(session, statement) != 1:
        raise otherwise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sa.exc.TimeoutError as error:  # every connection of the pool is taken
        raise DatabaseBusy(retry_after=1) from error
    except (sa.exc.OperationalError, sqlite3.OperationalError, psycopg.OperationalError) as error:
        cause = getattr(error, "orig", error)
        match getattr(cause, "sqlite_errorname", "") or getattr(cause, "sqlstate", ""):
            # SQLite reports a wrong statement in the same class as a locked file; that is a defect, not a wait.
            case "SQLITE_ERROR":
                raise
            case "SQLITE_FULL" | psycopg.errors.DiskFull.sqlstate:
                raise StorageFull(retry_after=60) from error
        raise DatabaseBusy(retry_after=1) from error


def _sqlite(url: str) -> Engine:
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # a driver's connection has no common type
        # The driver's own transaction handling would begin late and deferred; ours is explicit.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_SECONDS * 1000}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("onepay_read")
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _postgres(url: str, options: str) -> Engine:
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        connect_args={"connect_timeout": 5, "options": options, "prepare_threshold": 1},
    )

    @sa.event.listens_for(engine, "checkin")
    def lay_down(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def take_up(connection: psycopg.Connection[Any], record: ConnectionPoolEntry, _fairy: object) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is not None and not _is_alive(connection, time.monotonic() - idle_since):
            # The pool gives up all connections of before and makes a new one.
            raise sa.exc.InvalidatePoolError

    return engine


def _is_alive(connection: psycopg.Connection[Any], idle_seconds: float) -> bool:
    """Tell whether a pooled connection still stands, without a trip to the server where that is certain.

    A server that leaves says so: only a connection whose socket has something to read, or that lay for long, is asked.
    """
    try:
        if idle_seconds < TRUSTED_SECONDS and _is_silent(connection.fileno()):
            return True
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.OperationalError:
        return False
    return True


def _is_silent(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)


def one_off_engine(url: str) -> Engine:
    """Return an engine without a pool, for migrations and tools that come and go."""
    return sa.create_engine(url, poolclass=NullPool)
