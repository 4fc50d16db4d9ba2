"""Runs of retention: how often one was looked for, and which rows of a batch stay and why."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.add_column("compliance_retention_run", sa.Column("looked", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("compliance_retention_target", sa.Column("kept", sa.JSON(), nullable=True))
