"""An overlay on SQLite: rows that are planted stand in temporary tables over the true ones, and no writer waits.

SQLite has one writer: whoever holds its lock while a probe reads makes every payment wait for the reading. So what is
planted goes to the connection's own temporary tables. A table that is written to is covered by a temporary view of the
same name: the true rows without those that were changed or taken away, and those that stand instead of them. Names
are looked up there first. Nothing of it is in the file, and all of it ends with the transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import ORMExecuteState, Session

from app.kernel.db import Database

_GONE: Final = "fence_gone"
_NEW: Final = "fence_new"
_LEAVE: Final = "INSERT OR IGNORE INTO {gone} VALUES ({old}); DELETE FROM {new} WHERE {its};"
_STATEMENTS: Final = (
    "CREATE TEMP TABLE {new} AS SELECT {columns} FROM main.{name} WHERE 0",
    "CREATE TEMP TABLE {gone} ({keys}, PRIMARY KEY ({keys}))",
    "CREATE TEMP VIEW {name} AS SELECT {columns} FROM main.{name} AS the"
    " WHERE NOT EXISTS (SELECT 1 FROM temp.{gone} AS gone WHERE {same}) UNION ALL SELECT {columns} FROM temp.{new}",
    "CREATE TEMP TRIGGER {inserts} INSTEAD OF INSERT ON {name} BEGIN INSERT INTO {new} VALUES ({given}); END",
    "CREATE TEMP TRIGGER {updates} INSTEAD OF UPDATE ON {name} BEGIN {leave} INSERT INTO {new} VALUES ({given}); END",
    "CREATE TEMP TRIGGER {deletes} INSTEAD OF DELETE ON {name} BEGIN {leave} END",
)


@contextmanager
def opened(db: Database) -> Iterator[Session]:
    """Open a session that sees one state of the database, and over it what it writes itself; nobody waits for it."""
    with db.read() as session:
        covered: set[str] = set()

        def cover(state: ORMExecuteState) -> None:
            table = getattr(state.statement, "table", None)
            is_write = isinstance(state.statement, sa.Insert | sa.Update | sa.Delete)
            if is_write and isinstance(table, sa.Table) and table.name not in covered:
                covered.add(table.name)
                _cover(session, table)

        sa.event.listen(session, "do_orm_execute", cover)
        yield session


def _cover(session: Session, table: sa.Table) -> None:
    quote = session.get_bind().dialect.identifier_preparer.quote
    keys = [quote(column.name) for column in table.primary_key.columns]
    columns = [quote(column.name) for column in table.columns]
    said = {
        "name": quote(table.name),
        "new": quote(f"{_NEW}_{table.name}"),
        "gone": quote(f"{_GONE}_{table.name}"),
        "inserts": quote(f"fence_insert_{table.name}"),
        "updates": quote(f"fence_update_{table.name}"),
        "deletes": quote(f"fence_delete_{table.name}"),
        "columns": ", ".join(columns),
        "keys": ", ".join(keys),
        "same": " AND ".join(f"gone.{key} = the.{key}" for key in keys),
        "its": " AND ".join(f"{key} = OLD.{key}" for key in keys),
        "old": ", ".join(f"OLD.{key}" for key in keys),
        "given": ", ".join(f"NEW.{column}" for column in columns),
    }
    said["leave"] = _LEAVE.format_map(said)
    for statement in _STATEMENTS:
        session.connection().exec_driver_sql(statement.format_map(said))
