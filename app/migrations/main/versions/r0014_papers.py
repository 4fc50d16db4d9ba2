"""What people sign: attestations, exceptions, risk analyses, baselines; files as evidence."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.create_table(
        "compliance_attestation",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("framework", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.BigInteger(), nullable=True),
        sa.Column("approval_id", sa.Text(), nullable=True),
        sa.Column("reminded", sa.Integer(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.UniqueConstraint("framework", "key", "kind", "version", name="compliance_attestation_version"),
    )
    op.create_index(
        "compliance_attestation_one",
        "compliance_attestation",
        ["framework", "key", "kind"],
        unique=True,
        sqlite_where=sa.text("state = 'in_force'"),
        postgresql_where=sa.text("state = 'in_force'"),
    )
    op.create_index("ix_compliance_attestation_approval_id", "compliance_attestation", ["approval_id"])
    op.create_table(
        "compliance_exception",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("framework", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("component", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("worksheet", sa.Text(), nullable=True),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=True),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("approval_id", sa.Text(), nullable=True),
        sa.Column("reminded", sa.Integer(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
    )
    op.create_index("compliance_exception_of", "compliance_exception", ["framework", "key"])
    op.create_index("ix_compliance_exception_approval_id", "compliance_exception", ["approval_id"])
    op.create_table(
        "compliance_risk_analysis",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("requirement", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("frequency", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("review_by", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.Text(), nullable=True),
        sa.Column("reminded", sa.Integer(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.UniqueConstraint("requirement", "version", name="compliance_risk_analysis_version"),
    )
    op.create_index(
        "compliance_risk_analysis_one",
        "compliance_risk_analysis",
        ["requirement"],
        unique=True,
        sqlite_where=sa.text("state = 'in_force'"),
        postgresql_where=sa.text("state = 'in_force'"),
    )
    op.create_index("ix_compliance_risk_analysis_approval_id", "compliance_risk_analysis", ["approval_id"])
    op.create_table(
        "compliance_baseline",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.UniqueConstraint("name", "version", name="compliance_baseline_version"),
    )
    op.create_index(
        "compliance_baseline_one",
        "compliance_baseline",
        ["name"],
        unique=True,
        sqlite_where=sa.text("state = 'in_force'"),
        postgresql_where=sa.text("state = 'in_force'"),
    )
    op.create_index("ix_compliance_baseline_approval_id", "compliance_baseline", ["approval_id"])
    op.create_table(
        "compliance_evidence_file",
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uploaded_by", sa.Text(), nullable=False),
        sa.Column("uploaded_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
    )
    op.create_table(
        "compliance_evidence_use",
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("framework", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("used_by", sa.Text(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
    )
