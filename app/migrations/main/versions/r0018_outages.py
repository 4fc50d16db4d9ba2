"""What nothing wrote or read: cause, fix and incident of an interval, and by what it or a review was closed."""

from alembic import op

revision = "0018"
down_revision = "0017"
phase = "contract"
min_code = "0001"


def upgrade() -> None:
    for column in ("closed_by", "cause", "fix", "incident_ref"):
        op.drop_column("compliance_interval", column)
    op.drop_column("compliance_review", "closed_event_id")
