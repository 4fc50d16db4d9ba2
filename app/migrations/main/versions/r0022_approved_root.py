"""Of an erasure: the root of the plan that two people approved, and the way of its last letter to its certificate."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.add_column("compliance_request", sa.Column("approved_root", sa.Text(), nullable=True))
    op.add_column("compliance_request", sa.Column("certificate_hash", sa.LargeBinary(), nullable=True))
