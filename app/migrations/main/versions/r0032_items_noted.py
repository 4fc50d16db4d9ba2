"""When what was found for a request of a person was noted, for whoever is shown how it stood before."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.add_column("compliance_request_item", sa.Column("noted_at", sa.BigInteger(), nullable=True))
