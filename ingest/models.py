"""The tables of the log and of those who read it."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.db import UtcDateTime
from app.kernel.marks import Mark, technical

metadata = sa.MetaData()
keys_metadata = sa.MetaData()

_BODY = Mark(
    category="behaviour",
    subject="onepay.subject.id",
    retention="class",
    on_erase="keep_to_class_end",
    origin="observed",
    purposes=("security",),
).as_info()
_T = technical("governance")

outbox = sa.Table(
    "ingest_outbox",
    metadata,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True, info=_T),
    sa.Column("id", sa.Text, nullable=False, unique=True, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("class", sa.Text, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("salt", sa.LargeBinary, nullable=False, info=_T),
    sa.Column("body", sa.LargeBinary, nullable=False, info=_BODY),
)
entry = sa.Table(
    "ingest_entry",
    metadata,
    sa.Column(
        "sequence", sa.BigInteger, sa.CheckConstraint("sequence >= 1"), primary_key=True, autoincrement=False, info=_T
    ),
    sa.Column("event_id", sa.Text, nullable=False, unique=True, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("class", sa.Text, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("ingested", UtcDateTime, nullable=False, info=_T),
    sa.Column("commitment", sa.LargeBinary, nullable=False, info=_T),
)
sa.Index("ingest_entry_kind", entry.c.kind, entry.c.at)
node = sa.Table(
    "ingest_node",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False, info=_T),
    sa.Column("idx", sa.BigInteger, primary_key=True, autoincrement=False, info=_T),
    sa.Column("hash", sa.LargeBinary, nullable=False, info=_T),
)
body = sa.Table(
    "ingest_body",
    metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False, info=_T),
    sa.Column("class", sa.Text, nullable=False, info=_T),
    sa.Column("salt", sa.LargeBinary, nullable=False, info=_T),
    sa.Column("body", sa.LargeBinary, nullable=False, info=_BODY),
)
head = sa.Table(
    "ingest_head",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, info=_T),
    sa.Column("size", sa.BigInteger, nullable=False, info=_T),
    sa.Column("root", sa.LargeBinary, nullable=False, info=_T),
    sa.Column("last_ingested", UtcDateTime, nullable=True, info=_T),
    sa.Column("holder", sa.Text, nullable=True, info=_T),
    sa.Column("fence", sa.BigInteger, nullable=False, info=_T),
    sa.Column("lease_until", UtcDateTime, nullable=True, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
)
checkpoint = sa.Table(
    "ingest_checkpoint",
    metadata,
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False, info=_T),
    sa.Column("root", sa.LargeBinary, nullable=False, info=_T),
    sa.Column("note", sa.Text, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
)
target = sa.Table(
    "ingest_target",
    metadata,
    sa.Column("name", sa.Text, primary_key=True, info=_T),
    sa.Column("backend", sa.Text, nullable=False, info=_T),
    sa.Column("namespace", sa.Text, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("done", sa.BigInteger, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("failing_since", UtcDateTime, nullable=True, info=_T),
    sa.Column("error", sa.Text, nullable=True, info=_T),
)
parked = sa.Table(
    "ingest_parked",
    metadata,
    sa.Column("target", sa.Text, primary_key=True, info=_T),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False, info=_T),
    sa.Column("reason", sa.Text, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("released_at", UtcDateTime, nullable=True, info=_T),
)
imported = sa.Table(
    "ingest_import",
    metadata,
    sa.Column("source", sa.Text, primary_key=True, info=_T),
    sa.Column("sha256", sa.Text, primary_key=True, info=_T),
    sa.Column("next_line", sa.BigInteger, nullable=False, info=_T),
    sa.Column("lines", sa.BigInteger, nullable=False, info=_T),
    sa.Column("events", sa.BigInteger, nullable=False, info=_T),
    sa.Column("repeats", sa.BigInteger, nullable=False, info=_T),
    sa.Column("skipped", sa.BigInteger, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
)
cursor = sa.Table(
    "ingest_cursor",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True, info=_T),
    sa.Column("sequence", sa.BigInteger, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
)
segment = sa.Table(
    "ingest_segment",
    metadata,
    sa.Column("path", sa.Text, primary_key=True, info=_T),
    sa.Column("class", sa.Text, nullable=False, info=_T),
    sa.Column("month", sa.Text, nullable=False, info=_T),
    sa.Column("first", sa.BigInteger, nullable=False, info=_T),
    sa.Column("last", sa.BigInteger, nullable=False, info=_T),
    sa.Column("count", sa.BigInteger, nullable=False, info=_T),
    sa.Column("sha256", sa.Text, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("run", sa.Text, nullable=True, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
)
forgotten = sa.Table(
    "ingest_forgotten",
    metadata,
    sa.Column("class", sa.Text, primary_key=True, info=_T),
    sa.Column("month", sa.Text, primary_key=True, info=_T),
    sa.Column("first", sa.BigInteger, nullable=False, info=_T),
    sa.Column("last", sa.BigInteger, nullable=False, info=_T),
    sa.Column("count", sa.BigInteger, nullable=False, info=_T),
    sa.Column("held", sa.BigInteger, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("run", sa.Text, nullable=False, info=_T),
    sa.Column("begun_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("ended_at", UtcDateTime, nullable=True, info=_T),
)
held = sa.Table(
    "ingest_held",
    metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False, info=_T),
    sa.Column("hold", sa.Text, primary_key=True, info=_T),
    sa.Column("class", sa.Text, nullable=False, info=_T),
    sa.Column("month", sa.Text, nullable=False, info=_T),
)
monitor_run = sa.Table(
    "ingest_monitor_run",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("lo", sa.BigInteger, nullable=False, info=_T),
    sa.Column("hi", sa.BigInteger, nullable=False, info=_T),
    sa.Column("compared", sa.BigInteger, nullable=False, info=_T),
    sa.Column("mismatches", sa.Integer, nullable=False, info=_T),
    sa.Column("size", sa.BigInteger, nullable=False, info=_T),
    sa.Column("root", sa.LargeBinary, nullable=False, info=_T),
    sa.Column("checkpoint", sa.BigInteger, nullable=False, info=_T),
    sa.Column("findings", sa.JSON, nullable=False, info=_T),
    sa.Index("ingest_monitor_run_by_kind", "kind", "at"),
)
witness = sa.Table(
    "ingest_witness",
    metadata,
    sa.Column("name", sa.Text, primary_key=True, info=_T),
    sa.Column("rating", sa.Text, nullable=False, info=_T),
    sa.Column("size", sa.BigInteger, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=True, info=_T),
    sa.Column("missed_since", UtcDateTime, nullable=True, info=_T),
    sa.Column("error", sa.Text, nullable=True, info=_T),
)
subject_key = sa.Table(
    "ingest_subject_key",
    keys_metadata,
    sa.Column("subject", sa.Text, primary_key=True, info=_T),
    sa.Column("class", sa.Text, primary_key=True, info=_T),
    sa.Column("epoch", sa.Integer, nullable=False, info=_T),
    sa.Column("wrapped", sa.LargeBinary, nullable=True, info=_T),
    sa.Column("created_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("destroyed_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("why", sa.Text, nullable=True, info=_T),
    sa.Index("ingest_subject_key_by_epoch", "epoch"),
)
epoch = sa.Table(
    "ingest_epoch",
    keys_metadata,
    sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("fingerprint", sa.Text, nullable=True, info=_T),
    sa.Column("created_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("retired_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("destroyed_at", UtcDateTime, nullable=True, info=_T),
)
