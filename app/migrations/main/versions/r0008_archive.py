"""The log: archive and its segments, what was lawfully forgotten or held, runs of the monitor, witnesses."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    big = sa.BigInteger()
    op.create_table(
        "ingest_cursor",
        sa.Column("consumer", sa.Text(), primary_key=True),
        sa.Column("sequence", big, nullable=False),
        sa.Column("at", big, nullable=False),
    )
    op.create_table(
        "ingest_segment",
        sa.Column("path", sa.Text(), primary_key=True),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("first", big, nullable=False),
        sa.Column("last", big, nullable=False),
        sa.Column("count", big, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=True),
        sa.Column("at", big, nullable=False),
    )
    op.create_table(
        "ingest_forgotten",
        sa.Column("class", sa.Text(), primary_key=True),
        sa.Column("month", sa.Text(), primary_key=True),
        sa.Column("first", big, nullable=False),
        sa.Column("last", big, nullable=False),
        sa.Column("count", big, nullable=False),
        sa.Column("held", big, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("begun_at", big, nullable=False),
        sa.Column("ended_at", big, nullable=True),
    )
    op.create_table(
        "ingest_held",
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("hold", sa.Text(), primary_key=True),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
    )
    op.create_table(
        "ingest_monitor_run",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", big, nullable=False),
        sa.Column("lo", big, nullable=False),
        sa.Column("hi", big, nullable=False),
        sa.Column("compared", big, nullable=False),
        sa.Column("mismatches", sa.Integer(), nullable=False),
        sa.Column("size", big, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("checkpoint", big, nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
    )
    op.create_index("ingest_monitor_run_by_kind", "ingest_monitor_run", ["kind", "at"])
    op.create_table(
        "ingest_witness",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("rating", sa.Text(), nullable=False),
        sa.Column("size", big, nullable=False),
        sa.Column("at", big, nullable=True),
        sa.Column("missed_since", big, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
    )
