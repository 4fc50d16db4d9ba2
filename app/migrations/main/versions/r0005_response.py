"""Response: incidents, timeline, tasks, clocks, playbook versions, executions, steps, actions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
phase = "expand"
min_code = "0001"

SQLITE_TRIGGERS = """
CREATE TRIGGER playbooks_timeline_no_update BEFORE UPDATE ON playbooks_timeline
BEGIN SELECT RAISE(ABORT, 'playbooks_timeline is append-only'); END
;;
CREATE TRIGGER playbooks_timeline_no_delete BEFORE DELETE ON playbooks_timeline
BEGIN SELECT RAISE(ABORT, 'playbooks_timeline is append-only'); END
;;
CREATE TRIGGER playbooks_timeline_no_replace BEFORE INSERT ON playbooks_timeline
BEGIN
  SELECT RAISE(ABORT, 'playbooks_timeline is append-only')
   WHERE EXISTS (SELECT 1 FROM playbooks_timeline WHERE n = NEW.n);
END
"""
POSTGRES_TRIGGERS = """
CREATE FUNCTION playbooks_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$
;;
CREATE TRIGGER playbooks_timeline_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON playbooks_timeline
FOR EACH STATEMENT EXECUTE FUNCTION playbooks_append_only()
"""


def upgrade() -> None:
    big, text, flag, json = sa.BigInteger(), sa.Text(), sa.Boolean(), sa.JSON()
    # Keys are compared byte by byte on PostgreSQL, as on SQLite: pages go on after an id.
    key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "playbooks_incident",
        sa.Column("id", key, primary_key=True),
        sa.Column("number", big, nullable=False, unique=True),
        sa.Column("title", text, nullable=False),
        sa.Column("reason", text, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("synthetic", text, nullable=True),
        sa.Column("owner", text, nullable=True),
        sa.Column("playbook", text, nullable=True),
        sa.Column("proposed_playbook", text, nullable=True),
        sa.Column("first_event_at", big, nullable=False),
        sa.Column("last_event_at", big, nullable=False),
        sa.Column("found_at", big, nullable=False),
        sa.Column("acknowledged_at", big, nullable=True),
        sa.Column("contained_at", big, nullable=True),
        sa.Column("recovered_at", big, nullable=True),
        sa.Column("closed_at", big, nullable=True),
        sa.Column("cause", text, nullable=True),
        sa.Column("fix", text, nullable=True),
        sa.Column("nothing_to_contain", text, nullable=True),
        sa.Column("disposition", text, nullable=True),
        sa.Column("close_proposed_by", text, nullable=True),
        sa.Column("follows", text, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
    )
    op.create_index("playbooks_incident_found", "playbooks_incident", ["found_at"])
    op.create_index("playbooks_incident_state", "playbooks_incident", ["state", "id"])
    op.create_table(
        "playbooks_numbering",
        sa.Column("id", sa.Integer(), sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
        sa.Column("last", big, nullable=False),
    )
    op.create_table(
        "playbooks_join_key",
        sa.Column("incident_id", key, primary_key=True),
        sa.Column("key", key, primary_key=True),
        sa.Column("is_open", flag, nullable=False),
        sa.Column("first_at", big, nullable=False),
        sa.Column("last_at", big, nullable=False),
    )
    op.create_index("playbooks_join_key_key", "playbooks_join_key", ["key"])
    op.create_index(
        "playbooks_join_key_open",
        "playbooks_join_key",
        ["key"],
        unique=True,
        sqlite_where=sa.text("is_open"),
        postgresql_where=sa.text("is_open"),
    )
    op.create_table(
        "playbooks_incident_alert",
        sa.Column("incident_id", key, primary_key=True),
        sa.Column("alert_id", key, primary_key=True),
        sa.Column("rule", text, nullable=False),
        sa.Column("rule_version", text, nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("revision", big, nullable=False),
        sa.Column("events", big, nullable=False),
        sa.Column("first_at", big, nullable=False),
        sa.Column("last_at", big, nullable=False),
        sa.Column("evidence", json, nullable=False),
        sa.Column("linked_at", big, nullable=False),
    )
    op.create_index("playbooks_incident_alert_alert", "playbooks_incident_alert", ["alert_id"])
    op.create_table(
        "playbooks_incident_entity",
        sa.Column("incident_id", key, primary_key=True),
        sa.Column("kind", text, primary_key=True),
        sa.Column("value", text, primary_key=True),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("is_key", flag, nullable=False),
    )
    op.create_index("playbooks_incident_entity_value", "playbooks_incident_entity", ["kind", "value"])
    op.create_table(
        "playbooks_timeline",
        sa.Column("n", big.with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("incident_id", key, nullable=False),
        sa.Column("code", text, nullable=False),
        sa.Column("at", big, nullable=False),
        sa.Column("recorded_at", big, nullable=False),
        sa.Column("actor", text, nullable=True),
        sa.Column("role", text, nullable=False),
        sa.Column("ref", text, nullable=True),
        sa.Column("event_id", text, nullable=True),
        sa.Column("params", json, nullable=False),
    )
    op.create_index("playbooks_timeline_incident", "playbooks_timeline", ["incident_id", "n"])
    op.create_table(
        "playbooks_comment",
        sa.Column("id", key, primary_key=True),
        sa.Column("incident_id", key, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("text", text, nullable=False),
        sa.Column("author", text, nullable=True),
        sa.Column("at", big, nullable=False),
    )
    op.create_table(
        "playbooks_task",
        sa.Column("id", key, primary_key=True),
        sa.Column("incident_id", key, nullable=False),
        sa.Column("execution_id", key, nullable=True),
        sa.Column("step", text, nullable=True),
        sa.Column("text", text, nullable=False),
        sa.Column("role", text, nullable=False),
        sa.Column("form", json, nullable=False),
        sa.Column("does", text, nullable=True),
        sa.Column("params", json, nullable=False),
        sa.Column("facts", json, nullable=False),
        sa.Column("contradicted_by", json, nullable=False),
        sa.Column("other_than", text, nullable=True),
        sa.Column("is_required", flag, nullable=False),
        sa.Column("needs_second", flag, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("opened_at", big, nullable=False),
        sa.Column("due_at", big, nullable=False),
        sa.Column("result", json, nullable=False),
        sa.Column("done_by", text, nullable=True),
        sa.Column("second_by", text, nullable=True),
        sa.Column("done_at", big, nullable=True),
        sa.UniqueConstraint("execution_id", "step", name="playbooks_task_step"),
        sa.CheckConstraint("second_by IS NULL OR second_by <> done_by", name="playbooks_task_two_people"),
    )
    op.create_index("playbooks_task_due", "playbooks_task", ["state", "due_at"])
    op.create_index("playbooks_task_incident", "playbooks_task", ["incident_id", "id"])
    op.create_table(
        "playbooks_clock",
        sa.Column("id", key, primary_key=True),
        sa.Column("incident_id", key, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("ref", text, nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("started_at", big, nullable=False),
        sa.Column("due_at", big, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("warned_percent", sa.Integer(), nullable=False),
        sa.Column("met_at", big, nullable=True),
        sa.UniqueConstraint("incident_id", "kind", "ref", name="playbooks_clock_one"),
    )
    op.create_index("playbooks_clock_due", "playbooks_clock", ["state", "due_at"])
    op.create_table(
        "playbooks_playbook_version",
        sa.Column("id", key, primary_key=True),
        sa.Column("slug", text, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content_hash", text, nullable=False),
        sa.Column("source", text, nullable=False),
        sa.Column("from_at", big, nullable=False),
        sa.UniqueConstraint("slug", "content_hash", name="playbooks_playbook_version_content"),
        sa.UniqueConstraint("slug", "number", name="playbooks_playbook_version_number"),
    )
    op.create_table(
        "playbooks_execution",
        sa.Column("id", key, primary_key=True),
        sa.Column("incident_id", key, nullable=False),
        sa.Column("version_id", text, nullable=False),
        sa.Column("mode", text, nullable=False),
        sa.Column("parent_id", text, nullable=True),
        sa.Column("parent_step", text, nullable=True),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("variables", json, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("started_at", big, nullable=False),
        sa.Column("ended_at", big, nullable=True),
    )
    op.create_index("playbooks_execution_incident", "playbooks_execution", ["incident_id", "id"])
    op.create_index("playbooks_execution_state", "playbooks_execution", ["state", "id"])
    op.create_table(
        "playbooks_step",
        sa.Column("execution_id", key, primary_key=True),
        sa.Column("step", text, primary_key=True),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("is_followed", flag, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("wake_at", big, nullable=True),
        sa.Column("started_at", big, nullable=True),
        sa.Column("ended_at", big, nullable=True),
        sa.Column("out", json, nullable=False),
        sa.Column("why", text, nullable=True),
    )
    op.create_index("playbooks_step_due", "playbooks_step", ["is_followed", "state", "execution_id"])
    op.create_table(
        "playbooks_command",
        sa.Column("key", key, primary_key=True),
        sa.Column("execution_id", key, nullable=False),
        sa.Column("step", text, nullable=False),
        sa.Column("action", text, nullable=False),
        sa.Column("params_hash", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("intended_at", big, nullable=False),
        sa.Column("done_at", big, nullable=True),
        sa.Column("result_ref", text, nullable=True),
    )
    op.create_table(
        "playbooks_action",
        sa.Column("id", key, primary_key=True),
        sa.Column("key", key, nullable=False, unique=True),
        sa.Column("incident_id", key, nullable=False),
        sa.Column("execution_id", key, nullable=True),
        sa.Column("step", text, nullable=True),
        sa.Column("name", text, nullable=False),
        sa.Column("target", text, nullable=False),
        sa.Column("params", json, nullable=False),
        sa.Column("params_hash", text, nullable=False),
        sa.Column("radius", json, nullable=False),
        sa.Column("radius_hash", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("requested_by", text, nullable=True),
        sa.Column("requested_at", big, nullable=False),
        sa.Column("approved_by", text, nullable=True),
        sa.Column("done_at", big, nullable=True),
        sa.Column("expires_at", big, nullable=True),
        sa.Column("prolonged_by", text, nullable=True),
        sa.Column("undone_by", text, nullable=True),
        sa.Column("undone_at", big, nullable=True),
        sa.Column("ref", text, nullable=True),
        sa.Column("refusal", text, nullable=True),
        sa.CheckConstraint("approved_by IS NULL OR approved_by <> requested_by", name="playbooks_action_two_people"),
    )
    op.create_index("playbooks_action_expires", "playbooks_action", ["state", "expires_at"])
    op.create_index("playbooks_action_incident", "playbooks_action", ["incident_id", "id"])
    connection = op.get_bind()
    triggers = SQLITE_TRIGGERS if connection.dialect.name == "sqlite" else POSTGRES_TRIGGERS
    for statement in triggers.split("\n;;\n"):
        connection.exec_driver_sql(statement)
    connection.execute(sa.text("INSERT INTO playbooks_numbering (id, last) VALUES (1, 0)"))
