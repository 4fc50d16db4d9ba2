"""Controls: what probes last saw, readings that are kept, states with their intervals."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
phase = "expand"
min_code = "0001"

FIXED_ON_SQLITE = """
CREATE TRIGGER compliance_observation_no_update BEFORE UPDATE ON compliance_observation
BEGIN SELECT RAISE(ABORT, 'an observation never changes'); END
"""
FIXED_ON_POSTGRES = """
CREATE FUNCTION compliance_fixed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'an observation never changes'; END $$
;;
CREATE TRIGGER compliance_observation_fixed BEFORE UPDATE ON compliance_observation
FOR EACH ROW EXECUTE FUNCTION compliance_fixed()
"""


def upgrade() -> None:
    op.create_table(
        "compliance_probe",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("sealed_hi", sa.BigInteger(), nullable=False),
        sa.Column("sealed_at", sa.BigInteger(), nullable=True),
        sa.Column("observed_at", sa.BigInteger(), nullable=True),
        sa.Column("observation_id", sa.Text(), nullable=True),
        sa.Column("canary", sa.Text(), nullable=True),
        sa.Column("canary_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("taken_until", sa.BigInteger(), nullable=True),
    )
    op.create_table(
        "compliance_observation",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("probe", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("controls", sa.JSON(), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("lo", sa.BigInteger(), nullable=False),
        sa.Column("hi", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("population", sa.JSON(), nullable=False),
        sa.Column("violations", sa.JSON(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("canary", sa.Text(), nullable=True),
        sa.Column("canary_at", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False, unique=True),
    )
    op.create_index("compliance_observation_probe", "compliance_observation", ["probe", "ended_at"])
    op.create_table(
        "compliance_standing",
        sa.Column("framework", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("was_in_place", sa.Boolean(), nullable=False),
        sa.Column("failed_since", sa.BigInteger(), nullable=True),
    )
    op.create_table(
        "compliance_interval",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("framework", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("to_at", sa.BigInteger(), nullable=True),
        sa.Column("opened_by", sa.Text(), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("fix", sa.Text(), nullable=True),
        sa.Column("incident_ref", sa.Text(), nullable=True),
        sa.CheckConstraint("to_at IS NULL OR to_at >= from_at", name="compliance_interval_order"),
    )
    op.create_index(
        "compliance_interval_one_open",
        "compliance_interval",
        ["framework", "key"],
        unique=True,
        sqlite_where=sa.text("to_at IS NULL"),
        postgresql_where=sa.text("to_at IS NULL"),
    )
    op.create_index("compliance_interval_of", "compliance_interval", ["framework", "key", "from_at"])
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in (FIXED_ON_SQLITE if is_sqlite else FIXED_ON_POSTGRES).split("\n;;\n"):
        op.execute(sa.text(statement))
