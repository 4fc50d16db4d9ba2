"""The root that was approved stands in its event; nothing read it from the row."""

from alembic import op

revision = "0033"
down_revision = "0032"
phase = "contract"
min_code = "0001"


def upgrade() -> None:
    op.drop_column("compliance_request", "approved_root")
