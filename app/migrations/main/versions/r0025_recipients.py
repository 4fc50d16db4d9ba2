"""Notices to those who have data from us: asked what they hold, told what was corrected, erased or restricted."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.create_table(
        "compliance_recipient_notice",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("processor_id", sa.Text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_on", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("says", sa.Text(), nullable=True),
        sa.CheckConstraint("answer IN ('receipt', 'impossible')", name="compliance_recipient_notice_answer"),
        sa.CheckConstraint("(answer IS NULL) = (answered_at IS NULL)", name="compliance_recipient_notice_answered"),
        sa.CheckConstraint(
            "answer IS NULL OR answer <> 'receipt' OR reference IS NOT NULL",
            name="compliance_recipient_notice_receipt",
        ),
        sa.UniqueConstraint("request_id", "processor_id", "turn", name="compliance_recipient_notice_once"),
    )
    op.create_index("ix_compliance_recipient_notice_due_at", "compliance_recipient_notice", ["due_at"])
