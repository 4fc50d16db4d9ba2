"""What became of a letter about a request of a person: the message that took it, and where that ended."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.add_column("compliance_request_letter", sa.Column("message_id", sa.Text(), nullable=True))
    op.add_column("compliance_request_letter", sa.Column("fate", sa.Text(), nullable=True))
