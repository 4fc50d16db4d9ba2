"""One open run of retention a class: what two planned in the same moment is left to the first of them."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
phase = "expand"
min_code = "0001"
OPEN = sa.text("state IN ('planned', 'waiting', 'approved', 'executing', 'verifying')")


def upgrade() -> None:
    op.execute(
        "UPDATE compliance_retention_run SET state = 'aborted', why = 'another run of the class was under way' "
        f"WHERE {OPEN.text} AND EXISTS (SELECT 1 FROM compliance_retention_run o WHERE o.class = "
        "compliance_retention_run.class AND o.state IN ('planned', 'waiting', 'approved', 'executing', 'verifying') "
        "AND (o.planned_at < compliance_retention_run.planned_at "
        "OR (o.planned_at = compliance_retention_run.planned_at AND o.id < compliance_retention_run.id)))"
    )
    op.create_index(
        "compliance_retention_run_one",
        "compliance_retention_run",
        ["class"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
