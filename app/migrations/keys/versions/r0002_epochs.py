"""Epochs: which keys wrap the subject keys, and which of them are gone."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.create_table(
        "ingest_epoch",
        sa.Column("epoch", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.Column("destroyed_at", sa.BigInteger(), nullable=True),
    )
    # What stands was wrapped under the first epoch, which began with the first key at the latest.
    op.execute(
        "INSERT INTO ingest_epoch (epoch, state, created_at) "
        "SELECT 1, 'current', coalesce(min(created_at), 0) FROM ingest_subject_key"
    )
    op.create_index("ingest_subject_key_by_epoch", "ingest_subject_key", ["epoch"])
