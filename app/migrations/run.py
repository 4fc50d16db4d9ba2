"""Bringing a database to the newest revision."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.kernel.db import BUSY_SECONDS, one_off_engine
from app.kernel.errors import SchemaMismatch

HISTORIES: Final = ("main", "keys")


def upgrade(url: str, history: str) -> None:
    """Run all revisions of a history that a database lacks; one transaction on PostgreSQL and on SQLite alike.

    Killed at any statement it leaves the database as it was, and the next call begins anew. Where nothing is lacking
    no revision is loaded.
    """
    engine = one_off_engine(url)
    if engine.dialect.name == "sqlite":
        _begin_ourselves(engine)
    try:
        with engine.connect() as connection:
            if _revision_on(connection, history) == _head(history):
                return
            connection.rollback()
            config = _config(history)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def check(url: str, history: str) -> None:
    """Raise `SchemaMismatch` naming both revisions unless the database stands at the head of this code."""
    _compare(revision(url, history), history)


def check_on(connection: sa.Connection, history: str) -> None:
    """Do as `check` on a connection that is there, for what asks again and again."""
    _compare(_revision_on(connection, history), history)


def revision(url: str, history: str) -> str | None:
    """Return the revision a database stands at, or None where it has none yet."""
    engine = one_off_engine(url)
    try:
        with engine.connect() as connection:
            return _revision_on(connection, history)
    finally:
        engine.dispose()


def _revision_on(connection: sa.Connection, history: str) -> str | None:
    found = MigrationContext.configure(connection, opts={"version_table": f"app_schema_{history}"})
    return found.get_current_revision()


@cache
def _head(history: str) -> str | None:
    """Return the newest revision of this code, which no process changes while it runs."""
    return ScriptDirectory.from_config(_config(history)).get_current_head()


def _compare(have: str | None, history: str) -> None:
    want = _head(history)
    if have != want:
        raise SchemaMismatch(f"The {history} database stands at revision {have or 'none'}, this code needs {want}.")


def _begin_ourselves(engine: sa.Engine) -> None:
    """SQLite undoes DDL like anything else, but its driver begins no transaction before DDL: so we do."""

    @sa.event.listens_for(engine, "connect")
    def leave_it_to_us(connection: Any, _record: object) -> None:  # a driver's connection has no common type
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _config(history: str) -> Config:
    assert history in HISTORIES
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / history))
    config.set_main_option("path_separator", "os")
    config.attributes["history"] = history
    return config
