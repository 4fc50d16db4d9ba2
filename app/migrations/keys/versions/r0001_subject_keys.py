"""Subject keys: one a person and retention class, wrapped."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.create_table(
        "ingest_subject_key",
        sa.Column("subject", sa.Text(), primary_key=True),
        sa.Column("class", sa.Text(), primary_key=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("destroyed_at", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
    )
