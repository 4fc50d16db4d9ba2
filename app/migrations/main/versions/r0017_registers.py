"""Registers of the data protection officer: self-tests, breaches, processors; letters of a request."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.create_table(
        "compliance_activity_approval",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=True),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("approval_id", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
    )
    op.create_index("ix_compliance_activity_approval_approval_id", "compliance_activity_approval", ["approval_id"])
    op.create_index("ix_compliance_activity_approval_state", "compliance_activity_approval", ["state"])
    op.create_table(
        "compliance_breach",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("incident_ref", sa.Text(), nullable=True, unique=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("aware_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("nature", sa.Text(), nullable=True),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=True),
        sa.Column("records", sa.BigInteger(), nullable=True),
        sa.Column("consequences", sa.Text(), nullable=True),
        sa.Column("measures", sa.Text(), nullable=True),
        sa.Column("high_risk", sa.Boolean(), nullable=True),
        sa.Column("controller", sa.Text(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("reasons", sa.Text(), nullable=True),
        sa.Column("proposed_by", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("approval_id", sa.Text(), nullable=True),
        sa.Column("letters_exception", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("decision IN ('notify', 'no_notice')", name="compliance_breach_decision"),
        sa.CheckConstraint("decided_by IS NULL OR decided_by <> proposed_by", name="compliance_breach_two_people"),
        sa.CheckConstraint("aware_at <= recorded_at", name="compliance_breach_aware"),
    )
    op.create_index("ix_compliance_breach_approval_id", "compliance_breach", ["approval_id"])
    op.create_index("ix_compliance_breach_due_at", "compliance_breach", ["due_at"])
    op.create_index("ix_compliance_breach_state", "compliance_breach", ["state"])
    op.create_table(
        "compliance_breach_notice",
        sa.Column("breach_id", sa.Text(), primary_key=True),
        sa.Column("recipient", sa.Text(), primary_key=True),
        sa.Column("phase", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_by", sa.Text(), nullable=True),
        sa.Column("late_reason", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.CheckConstraint("recipient IN ('authority', 'people', 'controller')", name="compliance_breach_recipient"),
    )
    op.create_table(
        "compliance_breach_step",
        sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("breach_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
    )
    op.create_index("ix_compliance_breach_step_breach_id", "compliance_breach_step", ["breach_id"])
    op.create_table(
        "compliance_officer",
        sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("published", sa.Text(), nullable=False),
        sa.Column("reports_to", sa.Text(), nullable=False),
        sa.Column("independence", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "compliance_processor",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("does", sa.Text(), nullable=False),
        sa.Column("contract", sa.Text(), nullable=True),
        sa.Column("points", sa.JSON(), nullable=False),
        sa.Column("sub_processors", sa.JSON(), nullable=False),
        sa.Column("countries", sa.JSON(), nullable=False),
        sa.Column("transfer", sa.Text(), nullable=True),
        sa.Column("hosts", sa.JSON(), nullable=False),
        sa.Column("purposes", sa.JSON(), nullable=False),
        sa.Column("has_cards", sa.Boolean(), nullable=False),
        sa.Column("aoc_on", sa.Text(), nullable=True),
        sa.Column("aoc_until", sa.Text(), nullable=True),
        sa.Column("review_on", sa.Text(), nullable=False),
        sa.Column("reminded", sa.Integer(), nullable=True),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
    )
    op.create_table(
        "compliance_selftest_run",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("night", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("stores", sa.Integer(), nullable=False),
        sa.Column("planted", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.Column("held", sa.JSON(), nullable=False),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.CheckConstraint("result IN ('passed', 'failed')", name="compliance_selftest_result"),
    )
    op.create_index("ix_compliance_selftest_run_ended_at", "compliance_selftest_run", ["ended_at"])
    op.create_index("ix_compliance_selftest_run_night", "compliance_selftest_run", ["night"])
    op.create_table(
        "compliance_request_letter",
        sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_compliance_request_letter_request_id", "compliance_request_letter", ["request_id"])
    op.add_column("compliance_request", sa.Column("extended_at", sa.BigInteger(), nullable=True))
