"""The tables of controls: what probes last saw, readings that are kept, states with their intervals."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.db import UtcDateTime
from app.kernel.marks import technical

metadata = sa.MetaData()
EVIDENCE = "evidence"
_T = technical(EVIDENCE)

probe = sa.Table(
    "compliance_probe",
    metadata,
    sa.Column("name", sa.Text, primary_key=True, info=_T),
    sa.Column("code_hash", sa.Text, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("reason", sa.Text, nullable=True, info=_T),
    sa.Column("sealed_hi", sa.BigInteger, nullable=False, info=_T),
    sa.Column("sealed_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("observed_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("observation_id", sa.Text, nullable=True, info=_T),
    sa.Column("canary", sa.Text, nullable=True, info=_T),
    sa.Column("canary_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("due_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("taken_until", UtcDateTime, nullable=True, info=_T),
)
observation = sa.Table(
    "compliance_observation",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("probe", sa.Text, nullable=False, info=_T),
    sa.Column("code_hash", sa.Text, nullable=False, info=_T),
    sa.Column("build", sa.Text, nullable=False, info=_T),
    sa.Column("host", sa.Text, nullable=False, info=_T),
    sa.Column("controls", sa.JSON, nullable=False, info=_T),
    sa.Column("asked", sa.JSON, nullable=False, info=_T),
    sa.Column("lo", sa.BigInteger, nullable=False, info=_T),
    sa.Column("hi", sa.BigInteger, nullable=False, info=_T),
    sa.Column("started_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("ended_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("reason", sa.Text, nullable=True, info=_T),
    sa.Column("population", sa.JSON, nullable=False, info=_T),
    sa.Column("violations", sa.JSON, nullable=False, info=_T),
    sa.Column("total", sa.BigInteger, nullable=False, info=_T),
    sa.Column("canary", sa.Text, nullable=True, info=_T),
    sa.Column("canary_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("sha256", sa.Text, nullable=False, info=_T),
    sa.Column("event_id", sa.Text, nullable=False, unique=True, info=_T),
)
sa.Index("compliance_observation_probe", observation.c.probe, observation.c.ended_at)
standing = sa.Table(
    "compliance_standing",
    metadata,
    sa.Column("framework", sa.Text, primary_key=True, info=_T),
    sa.Column("key", sa.Text, primary_key=True, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("reason", sa.Text, nullable=True, info=_T),
    sa.Column("since", UtcDateTime, nullable=False, info=_T),
    sa.Column("was_in_place", sa.Boolean, nullable=False, info=_T),
    sa.Column("failed_since", UtcDateTime, nullable=True, info=_T),
)
interval = sa.Table(
    "compliance_interval",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("framework", sa.Text, nullable=False, info=_T),
    sa.Column("key", sa.Text, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("reason", sa.Text, nullable=True, info=_T),
    sa.Column("from_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("to_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("opened_by", sa.Text, nullable=True, info=_T),
    sa.CheckConstraint("to_at IS NULL OR to_at >= from_at", name="compliance_interval_order"),
)
sa.Index(
    "compliance_interval_one_open",
    interval.c.framework,
    interval.c.key,
    unique=True,
    sqlite_where=interval.c.to_at.is_(None),
    postgresql_where=interval.c.to_at.is_(None),
)
sa.Index("compliance_interval_of", interval.c.framework, interval.c.key, interval.c.from_at)
