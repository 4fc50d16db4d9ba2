"""Money: books, balances, the append-only ledger, holds, orders, handles, keys of repeated requests, restraints."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
phase = "expand"
min_code = "0001"

AMOUNT = "BETWEEN -9007199254740991 AND 9007199254740991"

# Entries come first, the header last: it refuses a set that is not balanced, and seals it. The look-ups of existing
# keys are there because INSERT OR REPLACE deletes without firing a trigger on DELETE.
SQLITE_TRIGGERS = """
CREATE TRIGGER payments_entry_no_update BEFORE UPDATE ON payments_entry
BEGIN SELECT RAISE(ABORT, 'payments_entry is append-only'); END
;;
CREATE TRIGGER payments_entry_no_delete BEFORE DELETE ON payments_entry
BEGIN SELECT RAISE(ABORT, 'payments_entry is append-only'); END
;;
CREATE TRIGGER payments_entry_sealed BEFORE INSERT ON payments_entry
BEGIN
  SELECT RAISE(ABORT, 'payments_entry: the transaction is sealed')
   WHERE EXISTS (SELECT 1 FROM payments_transaction WHERE id = NEW.transaction_id);
  SELECT RAISE(ABORT, 'payments_entry is append-only')
   WHERE EXISTS (SELECT 1 FROM payments_entry WHERE book_id = NEW.book_id AND version = NEW.version);
END
;;
CREATE TRIGGER payments_transaction_no_update BEFORE UPDATE ON payments_transaction
BEGIN SELECT RAISE(ABORT, 'payments_transaction is append-only'); END
;;
CREATE TRIGGER payments_transaction_no_delete BEFORE DELETE ON payments_transaction
BEGIN SELECT RAISE(ABORT, 'payments_transaction is append-only'); END
;;
CREATE TRIGGER payments_transaction_balanced BEFORE INSERT ON payments_transaction
BEGIN
  SELECT RAISE(ABORT, 'payments_transaction is append-only')
   WHERE EXISTS (SELECT 1 FROM payments_transaction WHERE id = NEW.id OR event_id = NEW.event_id);
  SELECT RAISE(ABORT, 'payments_transaction: no entries')
   WHERE NOT EXISTS (SELECT 1 FROM payments_entry WHERE transaction_id = NEW.id);
  SELECT RAISE(ABORT, 'payments_entry: does not sum to zero')
   WHERE EXISTS (
     SELECT 1 FROM payments_entry WHERE transaction_id = NEW.id GROUP BY currency HAVING sum(amount) <> 0
   );
END
"""
POSTGRES_TRIGGERS = """
CREATE FUNCTION payments_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$
;;
CREATE TRIGGER payments_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments_entry
FOR EACH STATEMENT EXECUTE FUNCTION payments_append_only()
;;
CREATE TRIGGER payments_transaction_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payments_transaction
FOR EACH STATEMENT EXECUTE FUNCTION payments_append_only()
;;
CREATE FUNCTION payments_zero_sum() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
  IF EXISTS (SELECT 1 FROM added GROUP BY transaction_id, currency HAVING sum(amount) <> 0) THEN
    RAISE EXCEPTION 'payments_entry: does not sum to zero' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$
;;
CREATE TRIGGER payments_entry_zero_sum AFTER INSERT ON payments_entry REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION payments_zero_sum()
;;
ALTER TABLE payments_balance
SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000)
;;
ALTER TABLE payments_idempotency SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000)
"""


def upgrade() -> None:
    # STRICT tables of SQLite know INTEGER alone; PostgreSQL compares keys byte by byte, as SQLite does.
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    text, blob = sa.Text(), sa.LargeBinary()
    strict = {"sqlite_strict": True, "sqlite_with_rowid": False}

    op.create_table(
        "payments_book",
        sa.Column("id", key, primary_key=True),
        sa.Column("kind", text, nullable=False),
        sa.Column("owner_id", key, nullable=False),
        sa.Column("currency", text, nullable=False),
        sa.Column("label", text, nullable=False),
        sa.Column("opened_at", big, nullable=False),
        sa.Column("closed_at", big, nullable=True),
        sa.UniqueConstraint("owner_id", "kind", "currency", "label", name="payments_book_one"),
        **strict,
    )
    op.create_table(
        "payments_balance",
        sa.Column("book_id", key, primary_key=True),
        sa.Column("currency", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("posted", big, nullable=False),
        sa.Column("held", big, nullable=False),
        sa.Column("floor", big, nullable=True),
        sa.Column("ceiling", big, nullable=True),
        sa.Column("version", big, nullable=False),
        sa.Column("last_at", big, nullable=False),
        sa.Column("forced", big, nullable=False),
        sa.CheckConstraint("posted - held >= floor OR forced = 1", name="payments_balance_floor"),
        sa.CheckConstraint("held >= 0", name="payments_balance_held"),
        sa.CheckConstraint(f"posted {AMOUNT} AND held {AMOUNT}", name="payments_balance_size"),
        sa.CheckConstraint("forced IN (0, 1)", name="payments_balance_forced"),
        sa.CheckConstraint("version >= 0", name="payments_balance_version"),
        sa.CheckConstraint("state IN ('open', 'debit_frozen', 'frozen', 'closed')", name="payments_balance_state"),
        sa.CheckConstraint("state <> 'closed' OR (posted = 0 AND held = 0)", name="payments_balance_closed"),
        **strict,
    )
    op.create_table(
        "payments_transaction",
        sa.Column("id", key, primary_key=True),
        sa.Column("kind", text, nullable=False),
        sa.Column("object_id", key, nullable=False),
        sa.Column("owner_id", key, nullable=False),
        sa.Column("reference", key, nullable=True),
        sa.Column("reverses_id", key, nullable=True),
        sa.Column("at", big, nullable=False),
        sa.Column("effective_on", big, nullable=False),
        sa.Column("actor_id", text, nullable=True),
        sa.Column("request_id", text, nullable=False),
        sa.Column("hash", blob, nullable=False),
        sa.Column("event_id", key, nullable=False),
        sa.CheckConstraint("length(hash) = 32", name="payments_transaction_hash"),
        sa.UniqueConstraint("event_id", name="payments_transaction_event"),
        **strict,
    )
    op.create_index(
        "payments_transaction_reference",
        "payments_transaction",
        ["owner_id", "kind", "reference"],
        unique=True,
        sqlite_where=sa.text("reference IS NOT NULL"),
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_index(
        "payments_transaction_reverses",
        "payments_transaction",
        ["reverses_id"],
        unique=True,
        sqlite_where=sa.text("reverses_id IS NOT NULL"),
        postgresql_where=sa.text("reverses_id IS NOT NULL"),
    )
    op.create_table(
        "payments_entry",
        sa.Column("book_id", key, primary_key=True),
        sa.Column("version", big, primary_key=True, autoincrement=False),
        sa.Column("transaction_id", key, nullable=False),
        sa.Column("currency", text, nullable=False),
        sa.Column("amount", big, nullable=False),
        sa.Column("held_delta", big, nullable=False),
        sa.Column("balance_after", big, nullable=False),
        sa.Column("held_after", big, nullable=False),
        sa.Column("effective_on", big, nullable=False),
        sa.CheckConstraint("amount <> 0 OR held_delta <> 0", name="payments_entry_moves"),
        sa.CheckConstraint(f"amount {AMOUNT} AND balance_after {AMOUNT}", name="payments_entry_size"),
        sa.CheckConstraint("version >= 1", name="payments_entry_version"),
        **strict,
    )
    op.create_index("payments_entry_transaction", "payments_entry", ["transaction_id"])
    op.create_table(
        "payments_hold",
        sa.Column("id", key, primary_key=True),
        sa.Column("book_id", key, nullable=False),
        sa.Column("beneficiary_id", key, nullable=True),
        sa.Column("amount", big, nullable=False),
        sa.Column("captured", big, nullable=False),
        sa.Column("released", big, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("expires_at", big, nullable=False),
        sa.Column("object_id", key, nullable=False),
        sa.CheckConstraint("amount > 0 AND captured >= 0 AND released >= 0", name="payments_hold_signs"),
        sa.CheckConstraint("captured + released <= amount", name="payments_hold_total"),
        sa.CheckConstraint("state IN ('open', 'closed', 'expired')", name="payments_hold_state"),
        sa.CheckConstraint("state = 'open' OR captured + released = amount", name="payments_hold_ended"),
        **strict,
    )
    op.create_index(
        "payments_hold_open",
        "payments_hold",
        ["book_id", "expires_at"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "payments_idempotency",
        sa.Column("scope", key, primary_key=True),
        sa.Column("key", key, primary_key=True),
        sa.Column("route", text, nullable=False),
        sa.Column("fingerprint", blob, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("status", big, nullable=False),
        sa.Column("body", blob, nullable=False),
        sa.Column("object_id", key, nullable=True),
        sa.Column("expires_at", big, nullable=False),
        sa.CheckConstraint("length(fingerprint) = 32", name="payments_idempotency_fingerprint"),
        sa.CheckConstraint("length(body) <= 262144", name="payments_idempotency_size"),
        sa.CheckConstraint("state IN ('staged', 'done')", name="payments_idempotency_state"),
        **strict,
    )
    op.create_index("payments_idempotency_expiry", "payments_idempotency", ["expires_at"])
    op.create_table(
        "payments_transfer",
        sa.Column("id", key, primary_key=True),
        sa.Column("owner_id", key, nullable=False),
        sa.Column("source", key, nullable=False),
        sa.Column("target", key, nullable=False),
        sa.Column("payee", text, nullable=False),
        sa.Column("amount", big, nullable=False),
        sa.Column("currency", text, nullable=False),
        sa.Column("fee", big, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("reason", text, nullable=True),
        sa.Column("version", big, nullable=False),
        sa.Column("reference", text, nullable=True),
        sa.Column("signed_ct", blob, nullable=False),
        sa.Column("signed_hash", blob, nullable=False),
        sa.Column("at", big, nullable=False),
        sa.CheckConstraint("amount > 0 AND fee >= 0", name="payments_transfer_amount"),
        sa.CheckConstraint("source <> target", name="payments_transfer_two"),
        sa.CheckConstraint("length(signed_hash) = 32", name="payments_transfer_signed"),
        sa.CheckConstraint("state IN ('settled', 'refused')", name="payments_transfer_state"),
        sa.CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="payments_transfer_reason"),
        **strict,
    )
    op.create_index("payments_transfer_owner", "payments_transfer", ["owner_id", "id"])
    op.create_table(
        "payments_handle",
        sa.Column("name", key, primary_key=True),
        sa.Column("owner_id", key, nullable=False),
        sa.Column("claimed_at", big, nullable=False),
        sa.Column("released_at", big, nullable=True),
        **strict,
    )
    op.create_index(
        "payments_handle_owner",
        "payments_handle",
        ["owner_id"],
        unique=True,
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "payments_bank_reference",
        sa.Column("reference", key, primary_key=True),
        sa.Column("owner_id", key, nullable=False, unique=True),
        **strict,
    )
    op.create_table(
        "payments_topup",
        sa.Column("id", key, primary_key=True),
        sa.Column("owner_id", key, nullable=False),
        sa.Column("book_id", key, nullable=False),
        sa.Column("line", key, nullable=False, unique=True),
        sa.Column("amount", big, nullable=False),
        sa.Column("currency", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("version", big, nullable=False),
        sa.Column("at", big, nullable=False),
        sa.CheckConstraint("amount > 0", name="payments_topup_amount"),
        sa.CheckConstraint("state IN ('settled')", name="payments_topup_state"),
        **strict,
    )
    op.create_index("payments_topup_owner", "payments_topup", ["owner_id", "id"])
    op.create_table(
        "payments_restraint",
        sa.Column("id", key, primary_key=True),
        sa.Column("kind", text, nullable=False),
        sa.Column("target", key, nullable=False),
        sa.Column("until", big, nullable=False),
        sa.Column("reason", text, nullable=False),
        sa.Column("key", key, nullable=False, unique=True),
        sa.Column("by_id", text, nullable=True),
        sa.Column("at", big, nullable=False),
        sa.Column("released_at", big, nullable=True),
        sa.Column("released_by_id", text, nullable=True),
        sa.Column("release_key", key, nullable=True, unique=True),
        sa.CheckConstraint("kind IN ('wallet.hold_outgoing')", name="payments_restraint_kind"),
        **strict,
    )
    op.create_index(
        "payments_restraint_open",
        "payments_restraint",
        ["target", "kind"],
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )
    connection = op.get_bind()
    triggers = SQLITE_TRIGGERS if connection.dialect.name == "sqlite" else POSTGRES_TRIGGERS
    for statement in triggers.split("\n;;\n"):
        connection.exec_driver_sql(statement)
