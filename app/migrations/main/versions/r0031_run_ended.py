"""When a run of retention was proposed and when it ended, for whoever is shown how it stood between."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
phase = "expand"
min_code = "0001"

_PROPOSED = """
UPDATE compliance_retention_run
SET proposed_at = (SELECT a.asked_at FROM app_approval a WHERE a.id = compliance_retention_run.approval_id)
WHERE approval_id IS NOT NULL
"""
# When others ended is not known any more.
_ENDED = """
UPDATE compliance_retention_run SET ended_at = coalesce(certified_at, executed_at)
WHERE state IN ('certified', 'aborted', 'failed', 'expired')
"""


def upgrade() -> None:
    for name in ("proposed_at", "ended_at"):
        op.add_column("compliance_retention_run", sa.Column(name, sa.BigInteger(), nullable=True))
    op.execute(_PROPOSED)
    op.execute(_ENDED)
