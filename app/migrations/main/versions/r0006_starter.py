"""Response: who started a playbook by hand, so that they do not approve what it asks for."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.add_column("playbooks_execution", sa.Column("started_by", sa.Text(), nullable=True))
