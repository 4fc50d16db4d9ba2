"""Scans: each one, and what it found."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.create_table(
        "compliance_scan",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("performed_on", sa.Text(), nullable=False),
        sa.Column("scanner", sa.Text(), nullable=False),
        sa.Column("authenticated", sa.Boolean(), nullable=False),
        sa.Column("components", sa.JSON(), nullable=False),
        sa.Column("passed", sa.JSON(), nullable=False),
        sa.Column("rescan_of", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("entered_by", sa.Text(), nullable=False),
        sa.Column("entered_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
    )
    op.create_index("compliance_scan_of", "compliance_scan", ["kind", "performed_on"])
    op.create_table(
        "compliance_finding",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("scan_id", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("says", sa.Text(), nullable=False),
        sa.Column("opened_on", sa.Text(), nullable=False),
        sa.Column("fixed_on", sa.Text(), nullable=True),
    )
    op.create_index("ix_compliance_finding_scan_id", "compliance_finding", ["scan_id"])
