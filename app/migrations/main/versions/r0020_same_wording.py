"""Texts of consents that two people marked as the same."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
phase = "expand"
min_code = "0001"
TABLE = "compliance_consent_same"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("purpose", sa.Text, primary_key=True),
        sa.Column("before", sa.Text, primary_key=True),
        sa.Column("now", sa.Text, primary_key=True),
        sa.Column("approval_id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER {TABLE}_no_update BEFORE UPDATE ON {TABLE} "
            f"BEGIN SELECT RAISE(ABORT, '{TABLE} is never changed'); END"
        )
        return
    op.execute(
        f"CREATE TRIGGER {TABLE}_unchanged BEFORE UPDATE ON {TABLE} "
        "FOR EACH STATEMENT EXECUTE FUNCTION compliance_unchanged()"
    )
