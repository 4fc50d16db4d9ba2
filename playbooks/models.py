"""The tables of response: incidents, what they are about, their timeline, tasks, clocks, playbooks and actions."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.db import UtcDateTime
from app.kernel.marks import personal, technical, written

metadata = sa.MetaData()
_T = technical("governance")
_ENTITY = "playbooks_incident_entity.incident_id:value"


def _about(subject: str, *, export: str = "never") -> dict[str, object]:
    """Mark what a case says of the people it is about: an investigation is not laid open to them row by row."""
    return personal(
        "behaviour",
        subject,
        retention="incident",
        origin="derived",
        on_erase="keep_to_class_end",
        export=export,
        purposes=("security",),
    )


def _text(author: str) -> dict[str, object]:
    return written(author, retention="incident", purposes=("security",))


def _staff(column: str) -> dict[str, object]:
    return personal("staff", column, retention="incident", export="never", purposes=("security",))


_OF_INCIDENT = _about(f"incident_id>{_ENTITY}")


incident = sa.Table(
    "playbooks_incident",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("number", sa.BigInteger, nullable=False, unique=True, info=_T),
    sa.Column("title", sa.Text, nullable=False, info=_text("owner")),
    sa.Column("reason", sa.Text, nullable=False, info=_about(f"id>{_ENTITY}")),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("severity", sa.Integer, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("synthetic", sa.Text, nullable=True, info=_T),
    sa.Column("owner", sa.Text, nullable=True, info=_staff("owner")),
    sa.Column("playbook", sa.Text, nullable=True, info=_T),
    sa.Column("proposed_playbook", sa.Text, nullable=True, info=_T),
    sa.Column("first_event_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("last_event_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("found_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("acknowledged_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("contained_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("recovered_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("closed_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("cause", sa.Text, nullable=True, info=_text("owner")),
    sa.Column("fix", sa.Text, nullable=True, info=_text("owner")),
    sa.Column("nothing_to_contain", sa.Text, nullable=True, info=_text("owner")),
    sa.Column("disposition", sa.Text, nullable=True, info=_T),
    sa.Column("close_proposed_by", sa.Text, nullable=True, info=_staff("close_proposed_by")),
    sa.Column("follows", sa.Text, nullable=True, info=_T),
    sa.Column("version", sa.Integer, nullable=False, info=_T),
)
sa.Index("playbooks_incident_state", incident.c.state, incident.c.id)
sa.Index("playbooks_incident_found", incident.c.found_at)
numbering = sa.Table(
    "playbooks_numbering",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False, info=_T),
    sa.Column("last", sa.BigInteger, nullable=False, info=_T),
)
join_key = sa.Table(
    "playbooks_join_key",
    metadata,
    sa.Column("incident_id", sa.Text, primary_key=True, info=_T),
    sa.Column("key", sa.Text, primary_key=True, info=_OF_INCIDENT),
    sa.Column("is_open", sa.Boolean, nullable=False, info=_T),
    sa.Column("first_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("last_at", UtcDateTime, nullable=False, info=_T),
)
sa.Index(
    "playbooks_join_key_open",
    join_key.c.key,
    unique=True,
    sqlite_where=join_key.c.is_open,
    postgresql_where=join_key.c.is_open,
)
sa.Index("playbooks_join_key_key", join_key.c.key)
incident_alert = sa.Table(
    "playbooks_incident_alert",
    metadata,
    sa.Column("incident_id", sa.Text, primary_key=True, info=_T),
    sa.Column("alert_id", sa.Text, primary_key=True, info=_T),
    sa.Column("rule", sa.Text, nullable=False, info=_T),
    sa.Column("rule_version", sa.Text, nullable=False, info=_T),
    sa.Column("severity", sa.Integer, nullable=False, info=_T),
    sa.Column("revision", sa.BigInteger, nullable=False, info=_T),
    sa.Column("events", sa.BigInteger, nullable=False, info=_T),
    sa.Column("first_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("last_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("evidence", sa.JSON, nullable=False, info=_T),
    sa.Column("linked_at", UtcDateTime, nullable=False, info=_T),
)
sa.Index("playbooks_incident_alert_alert", incident_alert.c.alert_id)
incident_entity = sa.Table(
    "playbooks_incident_entity",
    metadata,
    sa.Column("incident_id", sa.Text, primary_key=True, info=_T),
    sa.Column("kind", sa.Text, primary_key=True, info=_T),
    sa.Column("value", sa.Text, primary_key=True, info=_about("value", export="masked")),
    sa.Column("weight", sa.Integer, nullable=False, info=_T),
    sa.Column("is_key", sa.Boolean, nullable=False, info=_T),
)
sa.Index("playbooks_incident_entity_value", incident_entity.c.kind, incident_entity.c.value)
timeline = sa.Table(
    "playbooks_timeline",
    metadata,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True, info=_T),
    sa.Column("incident_id", sa.Text, nullable=False, info=_T),
    sa.Column("code", sa.Text, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("recorded_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("actor", sa.Text, nullable=True, info=_staff("actor")),
    sa.Column("role", sa.Text, nullable=False, info=_T),
    sa.Column("ref", sa.Text, nullable=True, info=_T),
    sa.Column("event_id", sa.Text, nullable=True, info=_T),
    sa.Column("params", sa.JSON, nullable=False, info=_OF_INCIDENT),
)
sa.Index("playbooks_timeline_incident", timeline.c.incident_id, timeline.c.n)
comment = sa.Table(
    "playbooks_comment",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("incident_id", sa.Text, nullable=False, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("text", sa.Text, nullable=False, info=_text("author")),
    sa.Column("author", sa.Text, nullable=True, info=_staff("author")),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
)
task = sa.Table(
    "playbooks_task",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("incident_id", sa.Text, nullable=False, info=_T),
    sa.Column("execution_id", sa.Text, nullable=True, info=_T),
    sa.Column("step", sa.Text, nullable=True, info=_T),
    sa.Column("text", sa.Text, nullable=False, info=_T),
    sa.Column("role", sa.Text, nullable=False, info=_T),
    sa.Column("form", sa.JSON, nullable=False, info=_T),
    sa.Column("does", sa.Text, nullable=True, info=_T),
    sa.Column("params", sa.JSON, nullable=False, info=_OF_INCIDENT),
    sa.Column("facts", sa.JSON, nullable=False, info=_T),
    sa.Column("contradicted_by", sa.JSON, nullable=False, info=_T),
    sa.Column("other_than", sa.Text, nullable=True, info=_T),
    sa.Column("is_required", sa.Boolean, nullable=False, info=_T),
    sa.Column("needs_second", sa.Boolean, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("opened_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("due_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("result", sa.JSON, nullable=False, info=_text("done_by")),
    sa.Column("done_by", sa.Text, nullable=True, info=_staff("done_by")),
    sa.Column("second_by", sa.Text, nullable=True, info=_staff("second_by")),
    sa.Column("done_at", UtcDateTime, nullable=True, info=_T),
    sa.CheckConstraint("second_by IS NULL OR second_by <> done_by", name="playbooks_task_two_people"),
    sa.UniqueConstraint("execution_id", "step", name="playbooks_task_step"),
)
sa.Index("playbooks_task_incident", task.c.incident_id, task.c.id)
sa.Index("playbooks_task_due", task.c.state, task.c.due_at)
clock = sa.Table(
    "playbooks_clock",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("incident_id", sa.Text, nullable=False, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("ref", sa.Text, nullable=False, info=_T),
    sa.Column("rules_version", sa.Integer, nullable=False, info=_T),
    sa.Column("started_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("due_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("warned_percent", sa.Integer, nullable=False, info=_T),
    sa.Column("met_at", UtcDateTime, nullable=True, info=_T),
    sa.UniqueConstraint("incident_id", "kind", "ref", name="playbooks_clock_one"),
)
sa.Index("playbooks_clock_due", clock.c.state, clock.c.due_at)
playbook_version = sa.Table(
    "playbooks_playbook_version",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("slug", sa.Text, nullable=False, info=_T),
    sa.Column("number", sa.Integer, nullable=False, info=_T),
    sa.Column("content_hash", sa.Text, nullable=False, info=_T),
    sa.Column("source", sa.Text, nullable=False, info=_T),
    sa.Column("from_at", UtcDateTime, nullable=False, info=_T),
    sa.UniqueConstraint("slug", "number", name="playbooks_playbook_version_number"),
    sa.UniqueConstraint("slug", "content_hash", name="playbooks_playbook_version_content"),
)
execution = sa.Table(
    "playbooks_execution",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("incident_id", sa.Text, nullable=False, info=_T),
    sa.Column("version_id", sa.Text, nullable=False, info=_T),
    sa.Column("mode", sa.Text, nullable=False, info=_T),
    sa.Column("parent_id", sa.Text, nullable=True, info=_T),
    sa.Column("parent_step", sa.Text, nullable=True, info=_T),
    sa.Column("depth", sa.Integer, nullable=False, info=_T),
    sa.Column("variables", sa.JSON, nullable=False, info=_OF_INCIDENT),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("started_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("ended_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("started_by", sa.Text, nullable=True, info=_staff("started_by")),
)
sa.Index("playbooks_execution_incident", execution.c.incident_id, execution.c.id)
sa.Index("playbooks_execution_state", execution.c.state, execution.c.id)
step = sa.Table(
    "playbooks_step",
    metadata,
    sa.Column("execution_id", sa.Text, primary_key=True, info=_T),
    sa.Column("step", sa.Text, primary_key=True, info=_T),
    sa.Column("place", sa.Integer, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("is_followed", sa.Boolean, nullable=False, info=_T),
    sa.Column("attempt", sa.Integer, nullable=False, info=_T),
    sa.Column("failures", sa.Integer, nullable=False, info=_T),
    sa.Column("wake_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("started_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("ended_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("out", sa.JSON, nullable=False, info=_about(f"execution_id>playbooks_execution.incident_id>{_ENTITY}")),
    sa.Column("why", sa.Text, nullable=True, info=_T),
)
sa.Index("playbooks_step_due", step.c.is_followed, step.c.state, step.c.execution_id)
command = sa.Table(
    "playbooks_command",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, info=_T),
    sa.Column("execution_id", sa.Text, nullable=False, info=_T),
    sa.Column("step", sa.Text, nullable=False, info=_T),
    sa.Column("action", sa.Text, nullable=False, info=_T),
    sa.Column("params_hash", sa.Text, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("intended_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("done_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("result_ref", sa.Text, nullable=True, info=_T),
)
action = sa.Table(
    "playbooks_action",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("key", sa.Text, nullable=False, unique=True, info=_T),
    sa.Column("incident_id", sa.Text, nullable=False, info=_T),
    sa.Column("execution_id", sa.Text, nullable=True, info=_T),
    sa.Column("step", sa.Text, nullable=True, info=_T),
    sa.Column("name", sa.Text, nullable=False, info=_T),
    sa.Column("target", sa.Text, nullable=False, info=_OF_INCIDENT),
    sa.Column("params", sa.JSON, nullable=False, info=_OF_INCIDENT),
    sa.Column("params_hash", sa.Text, nullable=False, info=_T),
    sa.Column("radius", sa.JSON, nullable=False, info=_OF_INCIDENT),
    sa.Column("radius_hash", sa.Text, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("requested_by", sa.Text, nullable=True, info=_staff("requested_by")),
    sa.Column("requested_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("approved_by", sa.Text, nullable=True, info=_staff("approved_by")),
    sa.Column("done_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("expires_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("prolonged_by", sa.Text, nullable=True, info=_staff("prolonged_by")),
    sa.Column("undone_by", sa.Text, nullable=True, info=_staff("undone_by")),
    sa.Column("undone_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("ref", sa.Text, nullable=True, info=_T),
    sa.Column("refusal", sa.Text, nullable=True, info=_T),
    sa.CheckConstraint("approved_by IS NULL OR approved_by <> requested_by", name="playbooks_action_two_people"),
)
sa.Index("playbooks_action_incident", action.c.incident_id, action.c.id)
sa.Index("playbooks_action_expires", action.c.state, action.c.expires_at)
