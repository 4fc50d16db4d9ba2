"""Access reviews: campaigns and their lines."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.create_table(
        "compliance_review",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("closed_event_id", sa.Text(), nullable=True),
        sa.Column("open", sa.Integer(), nullable=True, unique=True),
    )
    op.create_table(
        "compliance_review_line",
        sa.Column("review_id", sa.Text(), primary_key=True),
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("grant_ref", sa.Text(), primary_key=True),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("giver", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("last_use", sa.BigInteger(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("decided_by IS NULL OR decided_by <> holder", name="compliance_review_line_other"),
    )
    op.create_index("compliance_review_line_grant", "compliance_review_line", ["source", "grant_ref"])
