"""What fails again and again at a request of a person: since when, at which step, with which code."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.create_table(
        "compliance_request_trouble",
        sa.Column("request_id", sa.Text(), primary_key=True),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
    )
