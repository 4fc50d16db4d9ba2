"""A run of retention names the event that lets it be carried out; one approved before is planned and asked anew."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.add_column("compliance_retention_run", sa.Column("approved_event", sa.Text, nullable=True))
