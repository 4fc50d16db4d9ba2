"""The log: outbox, entries, tree, bodies, head, checkpoints and those who read them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
phase = "expand"
min_code = "0001"

SQLITE_TRIGGERS = """
CREATE TRIGGER ingest_entry_no_update BEFORE UPDATE ON ingest_entry
BEGIN SELECT RAISE(ABORT, 'ingest_entry is append-only'); END
;;
CREATE TRIGGER ingest_entry_no_delete BEFORE DELETE ON ingest_entry
BEGIN SELECT RAISE(ABORT, 'ingest_entry is append-only'); END
;;
CREATE TRIGGER ingest_node_no_update BEFORE UPDATE ON ingest_node
BEGIN SELECT RAISE(ABORT, 'ingest_node is append-only'); END
;;
CREATE TRIGGER ingest_node_no_delete BEFORE DELETE ON ingest_node
BEGIN SELECT RAISE(ABORT, 'ingest_node is append-only'); END
"""
POSTGRES_TRIGGERS = """
CREATE FUNCTION ingest_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$
;;
CREATE TRIGGER ingest_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ingest_entry
FOR EACH STATEMENT EXECUTE FUNCTION ingest_append_only()
;;
CREATE TRIGGER ingest_node_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ingest_node
FOR EACH STATEMENT EXECUTE FUNCTION ingest_append_only()
;;
ALTER TABLE ingest_outbox SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000)
"""


def upgrade() -> None:
    big = sa.BigInteger()
    op.create_table(
        "ingest_outbox",
        sa.Column("n", big.with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text(), nullable=False, unique=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("at", big, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "ingest_entry",
        sa.Column("sequence", big, sa.CheckConstraint("sequence >= 1"), primary_key=True, autoincrement=False),
        sa.Column("event_id", sa.Text(), nullable=False, unique=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("at", big, nullable=False),
        sa.Column("ingested", big, nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "ingest_node",
        sa.Column("level", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("idx", big, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "ingest_body",
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "ingest_head",
        sa.Column("id", sa.Integer(), sa.CheckConstraint("id = 1"), primary_key=True),
        sa.Column("size", big, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("last_ingested", big, nullable=True),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("fence", big, nullable=False),
        sa.Column("lease_until", big, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
    )
    op.create_table(
        "ingest_checkpoint",
        sa.Column("size", big, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", big, nullable=False),
    )
    op.create_table(
        "ingest_target",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("done", big, nullable=False),
        sa.Column("at", big, nullable=False),
        sa.Column("failing_since", big, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
    )
    op.create_table(
        "ingest_parked",
        sa.Column("target", sa.Text(), primary_key=True),
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", big, nullable=False),
        sa.Column("released_at", big, nullable=True),
    )
    op.create_table(
        "ingest_import",
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("next_line", big, nullable=False),
        sa.Column("lines", big, nullable=False),
        sa.Column("events", big, nullable=False),
        sa.Column("repeats", big, nullable=False),
        sa.Column("skipped", big, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
    )
    connection = op.get_bind()
    triggers = SQLITE_TRIGGERS if connection.dialect.name == "sqlite" else POSTGRES_TRIGGERS
    for statement in triggers.split("\n;;\n"):
        connection.exec_driver_sql(statement)
    # The empty tree: its root is the hash of nothing (RFC 6962 section 2.1).
    connection.execute(
        sa.text("INSERT INTO ingest_head (id, size, root, fence, state) VALUES (1, 0, :root, 0, 'ok')"),
        {"root": bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")},
    )
