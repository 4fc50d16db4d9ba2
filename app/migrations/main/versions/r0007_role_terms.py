"""Roles: who agreed to a grant, and the period that an auditor may look at."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.add_column("app_role_grant", sa.Column("approval_id", sa.Text(), nullable=True))
    op.add_column("app_role_grant", sa.Column("period_from", sa.BigInteger(), nullable=True))
    op.add_column("app_role_grant", sa.Column("period_until", sa.BigInteger(), nullable=True))
