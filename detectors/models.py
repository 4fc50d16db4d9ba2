"""The tables of detection: versions, cursors, coverage, alerts with their evidence and revisions."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.db import UtcDateTime
from app.kernel.marks import personal, technical

metadata = sa.MetaData()
_T = technical("governance")


def _about(export: str) -> dict[str, object]:
    return personal(
        "behaviour",
        "entities*",
        retention="incident",
        origin="derived",
        on_erase="keep_to_class_end",
        export=export,
        purposes=("security",),
    )


version = sa.Table(
    "detectors_version",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("slug", sa.Text, nullable=False, info=_T),
    sa.Column("number", sa.Integer, nullable=False, info=_T),
    sa.Column("title", sa.Text, nullable=False, info=_T),
    sa.Column("techniques", sa.JSON, nullable=False, info=_T),
    sa.Column("content_hash", sa.Text, nullable=False, info=_T),
    sa.Column("source", sa.Text, nullable=False, info=_T),
    sa.Column("origin", sa.Text, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("from_at", UtcDateTime, nullable=False, info=_T),
    sa.UniqueConstraint("slug", "number", name="detectors_version_number"),
)
cursor = sa.Table(
    "detectors_cursor",
    metadata,
    sa.Column("version_id", sa.Text, primary_key=True, info=_T),
    sa.Column("mode", sa.Text, primary_key=True, info=_T),
    sa.Column("sequence", sa.BigInteger, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("since", UtcDateTime, nullable=False, info=_T),
    sa.Column("tries", sa.Integer, nullable=False, info=_T),
    sa.Column("next_try_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("error", sa.Text, nullable=True, info=_T),
    sa.Column("ran_at", UtcDateTime, nullable=True, info=_T),
)
coverage = sa.Table(
    "detectors_coverage",
    metadata,
    sa.Column("version_id", sa.Text, primary_key=True, info=_T),
    sa.Column("lo", sa.BigInteger, primary_key=True, autoincrement=False, info=_T),
    sa.Column("hi", sa.BigInteger, nullable=False, info=_T),
    sa.Column("present", sa.BigInteger, nullable=False, info=_T),
    sa.Column("dropped", sa.BigInteger, nullable=False, info=_T),
)
alert = sa.Table(
    "detectors_alert",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("slug", sa.Text, nullable=False, info=_T),
    sa.Column("version_id", sa.Text, nullable=False, info=_T),
    sa.Column("group_hash", sa.Text, nullable=False, info=_T),
    sa.Column("group", sa.JSON, nullable=False, info=_about("masked")),
    sa.Column("entities", sa.JSON, nullable=False, info=_about("masked")),
    sa.Column("synthetic", sa.Text, nullable=True, info=_T),
    sa.Column("first_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("last_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("as_of_sequence", sa.BigInteger, nullable=False, info=_T),
    sa.Column("events", sa.Integer, nullable=False, info=_T),
    sa.Column("peak", sa.BigInteger, nullable=False, info=_T),
    sa.Column("closed_peak", sa.BigInteger, nullable=True, info=_T),
    sa.Column("level", sa.Text, nullable=False, info=_T),
    sa.Column("revision", sa.Integer, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("verdict", sa.Text, nullable=True, info=_T),
    sa.Column(
        "verdict_reason",
        sa.Text,
        nullable=True,
        info=personal(
            "free_text", "closed_by", retention="governance", on_erase="keep_to_class_end", purposes=("security",)
        ),
    ),
    sa.Column("closed_by", sa.Text, nullable=True, info=personal("staff", "closed_by", retention="governance")),
    sa.Column("closed_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("incident_ref", sa.Text, nullable=True, info=_T),
    sa.Column("merged_into", sa.Text, nullable=True, info=_T),
    sa.Column("found_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("reason", sa.Text, nullable=False, info=_about("never")),
)
sa.Index("detectors_alert_group", alert.c.slug, alert.c.group_hash, alert.c.last_at)
sa.Index("detectors_alert_open", alert.c.state, alert.c.id)
sa.Index("detectors_alert_incident", alert.c.incident_ref)
alert_event = sa.Table(
    "detectors_alert_event",
    metadata,
    sa.Column("alert_id", sa.Text, primary_key=True, info=_T),
    sa.Column("event_id", sa.Text, primary_key=True, info=_T),
    sa.Column("sequence", sa.BigInteger, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("role", sa.Text, nullable=False, info=_T),
)
sa.Index("detectors_alert_event_event", alert_event.c.event_id)
alert_revision = sa.Table(
    "detectors_alert_revision",
    metadata,
    sa.Column("alert_id", sa.Text, primary_key=True, info=_T),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("hi", sa.BigInteger, nullable=False, info=_T),
    sa.Column("added", sa.Integer, nullable=False, info=_T),
)
