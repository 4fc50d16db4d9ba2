"""The sequencer's statements, few a batch: SQLite by `executemany`, PostgreSQL by arrays.

Texts and tuples of plain integers and bytes, because this is the hot path; all others read the log through `read.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from sqlalchemy.engine import Connection


class HeadRow(NamedTuple):
    """The head as it lies in its row; instants in microseconds."""

    size: int
    root: bytes
    last_ingested: int | None
    holder: str | None
    fence: int
    lease_until: int | None
    state: str


class Waiting(NamedTuple):
    """A committed row without a sequence."""

    n: int
    id: str
    kind: str
    class_: str
    at: int
    salt: bytes
    body: bytes


EntryRow = tuple[int, str, str, str, int, int, bytes]
BodyRow = tuple[int, str, bytes, bytes]
NodeRow = tuple[int, int, bytes]


class Statements(Protocol):
    """What the sequencer asks of a database inside its one transaction."""

    @property
    def batch_max(self) -> int:
        """The most rows that one transaction takes."""
        ...

    def lock_head(self, connection: Connection) -> HeadRow:
        """Take the one writer's lock and return the head."""
        ...

    def waiting(self, connection: Connection, limit: int) -> list[Waiting]:
        """Return committed rows without a sequence, in insertion order."""
        ...

    def known(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        """Return those event ids that the log has already."""
        ...

    def append(
        self, connection: Connection, entries: Sequence[EntryRow], bodies: Sequence[BodyRow], nodes: Sequence[NodeRow]
    ) -> None:
        """Insert what a batch made."""
        ...

    def remove(self, connection: Connection, ns: Sequence[int]) -> int:
        """Delete exactly these outbox rows and return how many there were."""
        ...

    def move_head(self, connection: Connection, head: HeadRow) -> None:
        """Write the head."""
        ...


class SqliteStatements:
    """For SQLite, whose `BEGIN IMMEDIATE` already holds the one writer's lock."""

    # Small, because it shares the write lock with payments.
    batch_max: Final = 200

    def lock_head(self, connection: Connection) -> HeadRow:
        return HeadRow(*connection.exec_driver_sql(_HEAD).one())

    def waiting(self, connection: Connection, limit: int) -> list[Waiting]:
        rows = connection.exec_driver_sql(
            "SELECT n, id, kind, class, at, salt, body FROM ingest_outbox ORDER BY n LIMIT ?", (limit,)
        )
        return [Waiting(*row) for row in rows]

    def known(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        rows = connection.exec_driver_sql(
            "SELECT event_id FROM ingest_entry WHERE event_id IN (SELECT value FROM json_each(?))", (json.dumps(ids),)
        )
        return set(rows.scalars())

    def append(
        self, connection: Connection, entries: Sequence[EntryRow], bodies: Sequence[BodyRow], nodes: Sequence[NodeRow]
    ) -> None:
        connection.exec_driver_sql(
            "INSERT INTO ingest_entry (sequence, event_id, kind, class, at, ingested, commitment)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            list(entries),
        )
        connection.exec_driver_sql(
            "INSERT INTO ingest_body (sequence, class, salt, body) VALUES (?, ?, ?, ?)", list(bodies)
        )
        connection.exec_driver_sql("INSERT INTO ingest_node (level, idx, hash) VALUES (?, ?, ?)", list(nodes))

    def remove(self, connection: Connection, ns: Sequence[int]) -> int:
        done = connection.exec_driver_sql(
            "DELETE FROM ingest_outbox WHERE n IN (SELECT value FROM json_each(?))", (json.dumps(ns),)
        )
        return done.rowcount

    def move_head(self, connection: Connection, head: HeadRow) -> None:
        connection.exec_driver_sql(
            "UPDATE ingest_head SET size = ?, root = ?, last_ingested = ?, holder = ?, fence = ?, lease_until = ?,"
            " state = ? WHERE id = 1",
            tuple(head),
        )


class PostgresStatements:
    """For PostgreSQL, under READ COMMITTED: what is read after the lock is what stands."""

    batch_max: Final = 1_000

    def lock_head(self, connection: Connection) -> HeadRow:
        return HeadRow(*connection.exec_driver_sql(_HEAD_LOCKED).one())

    def waiting(self, connection: Connection, limit: int) -> list[Waiting]:
        rows = connection.exec_driver_sql(
            "SELECT n, id, kind, class, at, salt, body FROM ingest_outbox ORDER BY n LIMIT %s", (limit,)
        )
        return [Waiting(*row) for row in rows]

    def known(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        rows = connection.exec_driver_sql(
            "SELECT event_id FROM ingest_entry WHERE event_id = ANY(%s::text[])", (list(ids),)
        )
        return set(rows.scalars())

    def append(
        self, connection: Connection, entries: Sequence[EntryRow], bodies: Sequence[BodyRow], nodes: Sequence[NodeRow]
    ) -> None:
        connection.exec_driver_sql(
            "INSERT INTO ingest_entry (sequence, event_id, kind, class, at, ingested, commitment) SELECT * FROM unnest("
            "%s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bytea[])",
            tuple(map(list, zip(*entries, strict=True))),
        )
        connection.exec_driver_sql(
            "INSERT INTO ingest_body (sequence, class, salt, body)"
            " SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bytea[], %s::bytea[])",
            tuple(map(list, zip(*bodies, strict=True))),
        )
        connection.exec_driver_sql(
            "INSERT INTO ingest_node (level, idx, hash) SELECT * FROM unnest(%s::integer[], %s::bigint[], %s::bytea[])",
            tuple(map(list, zip(*nodes, strict=True))),
        )

    def remove(self, connection: Connection, ns: Sequence[int]) -> int:
        done = connection.exec_driver_sql("DELETE FROM ingest_outbox WHERE n = ANY(%s::bigint[])", (list(ns),))
        return done.rowcount

    def move_head(self, connection: Connection, head: HeadRow) -> None:
        connection.exec_driver_sql(
            "UPDATE ingest_head SET size = %s, root = %s, last_ingested = %s, holder = %s, fence = %s,"
            " lease_until = %s, state = %s WHERE id = 1",
            tuple(head),
        )


_HEAD: Final = "SELECT size, root, last_ingested, holder, fence, lease_until, state FROM ingest_head WHERE id = 1"
_HEAD_LOCKED: Final = (
    "SELECT size, root, last_ingested, holder, fence, lease_until, state FROM ingest_head WHERE id = 1 FOR UPDATE"
)
