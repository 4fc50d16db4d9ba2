"""The tables of what people sign: attestations, exceptions, risk analyses, baselines, files and what they show."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.db import UtcDateTime
from app.kernel.marks import personal, technical, written

metadata = sa.MetaData()
EVIDENCE = "evidence"
_T = technical(EVIDENCE)


def _staff(column: str) -> dict[str, object]:
    return personal("staff", column, retention=EVIDENCE, export="never", purposes=("claims",))


def _words(author: str) -> dict[str, object]:
    return written(author, retention=EVIDENCE)


def _one(name: str, table: sa.Table, *columns: sa.Column[str]) -> None:
    """Let one row be in force for some columns."""
    is_in_force = table.c.state == "in_force"
    sa.Index(name, *columns, unique=True, sqlite_where=is_in_force, postgresql_where=is_in_force)


attestation = sa.Table(
    "compliance_attestation",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("framework", sa.Text, nullable=False, info=_T),
    sa.Column("key", sa.Text, nullable=False, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("version", sa.Integer, nullable=False, info=_T),
    sa.Column("statement", sa.Text, nullable=False, info=_words("owner")),
    sa.Column("facts", sa.JSON, nullable=False, info=_words("owner")),
    sa.Column("files", sa.JSON, nullable=False, info=_T),
    sa.Column("owner", sa.Text, nullable=False, info=_staff("owner")),
    sa.Column("valid_from", UtcDateTime, nullable=False, info=_T),
    sa.Column("expires_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("signed_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("approval_id", sa.Text, nullable=True, index=True, info=_T),
    sa.Column("reminded", sa.Integer, nullable=True, info=_T),
    sa.Column("event_id", sa.Text, nullable=True, info=_T),
    sa.UniqueConstraint("framework", "key", "kind", "version", name="compliance_attestation_version"),
)
_one("compliance_attestation_one", attestation, attestation.c.framework, attestation.c.key, attestation.c.kind)
exception = sa.Table(
    "compliance_exception",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("framework", sa.Text, nullable=False, info=_T),
    sa.Column("key", sa.Text, nullable=False, info=_T),
    sa.Column("component", sa.Text, nullable=True, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("why", sa.Text, nullable=False, info=_words("proposed_by")),
    sa.Column("worksheet", sa.Text, nullable=True, info=_words("proposed_by")),
    sa.Column("proposed_by", sa.Text, nullable=False, info=_staff("proposed_by")),
    sa.Column("from_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("until_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("ended_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("approval_id", sa.Text, nullable=True, index=True, info=_T),
    sa.Column("reminded", sa.Integer, nullable=True, info=_T),
    sa.Column("event_id", sa.Text, nullable=True, info=_T),
)
sa.Index("compliance_exception_of", exception.c.framework, exception.c.key)
risk_analysis = sa.Table(
    "compliance_risk_analysis",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("requirement", sa.Text, nullable=False, info=_T),
    sa.Column("version", sa.Integer, nullable=False, info=_T),
    sa.Column("frequency", sa.Text, nullable=False, info=_T),
    sa.Column("body", sa.JSON, nullable=False, info=_words("proposed_by")),
    sa.Column("proposed_by", sa.Text, nullable=False, info=_staff("proposed_by")),
    sa.Column("approved_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("review_by", UtcDateTime, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("approval_id", sa.Text, nullable=True, index=True, info=_T),
    sa.Column("reminded", sa.Integer, nullable=True, info=_T),
    sa.Column("event_id", sa.Text, nullable=True, info=_T),
    sa.UniqueConstraint("requirement", "version", name="compliance_risk_analysis_version"),
)
_one("compliance_risk_analysis_one", risk_analysis, risk_analysis.c.requirement)
baseline = sa.Table(
    "compliance_baseline",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("name", sa.Text, nullable=False, info=_T),
    sa.Column("version", sa.Integer, nullable=False, info=_T),
    sa.Column("sha256", sa.Text, nullable=False, info=_T),
    sa.Column("body", sa.JSON, nullable=False, info=_T),
    sa.Column("proposed_by", sa.Text, nullable=False, info=_staff("proposed_by")),
    sa.Column("approved_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("approval_id", sa.Text, nullable=True, index=True, info=_T),
    sa.Column("event_id", sa.Text, nullable=True, info=_T),
    sa.UniqueConstraint("name", "version", name="compliance_baseline_version"),
)
_one("compliance_baseline_one", baseline, baseline.c.name)
evidence_file = sa.Table(
    "compliance_evidence_file",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True, info=_T),
    sa.Column("size", sa.BigInteger, nullable=False, info=_T),
    sa.Column("media_type", sa.Text, nullable=False, info=_T),
    sa.Column("name", sa.Text, nullable=False, info=_words("uploaded_by")),
    sa.Column("uploaded_by", sa.Text, nullable=False, info=_staff("uploaded_by")),
    sa.Column("uploaded_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("event_id", sa.Text, nullable=False, info=_T),
)
evidence_use = sa.Table(
    "compliance_evidence_use",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True, info=_T),
    sa.Column("framework", sa.Text, primary_key=True, info=_T),
    sa.Column("key", sa.Text, primary_key=True, info=_T),
    sa.Column("reason", sa.Text, nullable=True, info=_words("used_by")),
    sa.Column("used_by", sa.Text, nullable=False, info=_staff("used_by")),
    sa.Column("used_at", UtcDateTime, nullable=False, info=_T),
)
