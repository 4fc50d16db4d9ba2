"""Events are found by their kind without a look at each entry; a mended finding names its event, what stays its law."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
phase = "expand"
min_code = "0001"


def upgrade() -> None:
    op.create_index("ingest_entry_kind", "ingest_entry", ["kind", "at"])
    # What was mended before names no event that says so: it is said once more.
    op.execute("UPDATE compliance_finding SET fixed_on = NULL WHERE fixed_on IS NOT NULL")
    op.add_column("compliance_finding", sa.Column("fixed_event", sa.Text, nullable=True))
    op.add_column("compliance_finding", sa.Column("fixed_at", sa.BigInteger, nullable=True))
    op.add_column("compliance_request_item", sa.Column("law", sa.Text, nullable=True))
