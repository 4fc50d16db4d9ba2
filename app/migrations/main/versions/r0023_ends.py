"""When an alert was closed; and a timeline goes with its incident, by nobody before it."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
phase = "expand"
min_code = "0001"

# Alerts that were closed before are taken to have ended as they were last written about.
_CLOSED = """
UPDATE detectors_alert SET closed_at = coalesce(
  (SELECT max(r.at) FROM detectors_alert_revision r WHERE r.alert_id = detectors_alert.id), found_at)
WHERE state IN ('closed', 'merged')
"""
_SQLITE = """
CREATE TRIGGER playbooks_timeline_no_delete BEFORE DELETE ON playbooks_timeline
WHEN EXISTS (SELECT 1 FROM playbooks_incident WHERE id = OLD.incident_id)
BEGIN SELECT RAISE(ABORT, 'playbooks_timeline is append-only'); END
"""
_POSTGRES = (
    "DROP TRIGGER playbooks_timeline_append_only ON playbooks_timeline",
    """
    CREATE TRIGGER playbooks_timeline_append_only BEFORE UPDATE OR TRUNCATE ON playbooks_timeline
    FOR EACH STATEMENT EXECUTE FUNCTION playbooks_append_only()
    """,
    """
    CREATE FUNCTION playbooks_with_its_incident() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF EXISTS (SELECT 1 FROM playbooks_incident WHERE id = OLD.incident_id) THEN
        RAISE EXCEPTION 'playbooks_timeline is append-only' USING ERRCODE = 'integrity_constraint_violation';
      END IF;
      RETURN OLD;
    END $$
    """,
    """
    CREATE TRIGGER playbooks_timeline_no_delete BEFORE DELETE ON playbooks_timeline
    FOR EACH ROW EXECUTE FUNCTION playbooks_with_its_incident()
    """,
)


def upgrade() -> None:
    op.add_column("detectors_alert", sa.Column("closed_at", sa.BigInteger(), nullable=True))
    op.execute(_CLOSED)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER playbooks_timeline_no_delete")
        op.execute(_SQLITE)
        return
    for statement in _POSTGRES:
        op.get_bind().exec_driver_sql(statement)
