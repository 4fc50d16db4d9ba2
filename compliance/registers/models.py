"""The tables of the registers: self-tests, breaches and notices, processors, the officer, approved registers."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from app.kernel.db import UtcDateTime
from app.kernel.marks import NOBODY, personal, technical, written

metadata = sa.MetaData()
EVIDENCE: Final = "evidence"
BREACH: Final = "breach"
_T = technical(EVIDENCE)
_B = technical(BREACH)
_CONTACT = personal(
    "contact", NOBODY, retention=EVIDENCE, on_erase="keep_to_class_end", export="never", purposes=("rights",)
)


def _staff(column: str, class_: str = EVIDENCE) -> dict[str, object]:
    return personal("staff", column, retention=class_, export="never", purposes=("rights",))


def _words(author: str, class_: str = EVIDENCE) -> dict[str, object]:
    return written(author, retention=class_, purposes=("rights",))


def _counted() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column("n", kind, primary_key=True, autoincrement=True, info=_T)


selftest_run = sa.Table(
    "compliance_selftest_run",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("night", sa.Text, nullable=False, index=True, info=_T),
    sa.Column("subject", sa.Text, nullable=False, info=_T),
    sa.Column("started_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("ended_at", UtcDateTime, nullable=False, index=True, info=_T),
    sa.Column("stores", sa.Integer, nullable=False, info=_T),
    sa.Column("planted", sa.Integer, nullable=False, info=_T),
    sa.Column("found", sa.Integer, nullable=False, info=_T),
    sa.Column("left", sa.Integer, nullable=False, info=_T),
    sa.Column("held", sa.JSON, nullable=False, info=_T),
    sa.Column("problems", sa.JSON, nullable=False, info=_T),
    sa.Column("result", sa.Text, nullable=False, info=_T),
    sa.Column("event_id", sa.Text, nullable=False, info=_T),
    sa.CheckConstraint("result IN ('passed', 'failed')", name="compliance_selftest_result"),
)
breach = sa.Table(
    "compliance_breach",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_B),
    sa.Column("incident_ref", sa.Text, nullable=True, unique=True, info=_B),
    sa.Column("title", sa.Text, nullable=False, info=_words("recorded_by", BREACH)),
    sa.Column("aware_at", UtcDateTime, nullable=False, info=_B),
    sa.Column("due_at", UtcDateTime, nullable=False, index=True, info=_B),
    sa.Column("hours", sa.Integer, nullable=False, info=_B),
    sa.Column("recorded_at", UtcDateTime, nullable=False, info=_B),
    sa.Column("recorded_by", sa.Text, nullable=True, info=_staff("recorded_by", BREACH)),
    sa.Column("state", sa.Text, nullable=False, index=True, info=_B),
    sa.Column("nature", sa.Text, nullable=True, info=_words("recorded_by", BREACH)),
    sa.Column("categories", sa.JSON, nullable=False, info=_B),
    sa.Column("people", sa.BigInteger, nullable=True, info=_B),
    sa.Column("records", sa.BigInteger, nullable=True, info=_B),
    sa.Column("consequences", sa.Text, nullable=True, info=_words("recorded_by", BREACH)),
    sa.Column("measures", sa.Text, nullable=True, info=_words("recorded_by", BREACH)),
    sa.Column("high_risk", sa.Boolean, nullable=True, info=_B),
    sa.Column("controller", sa.Text, nullable=True, info=_words("recorded_by", BREACH)),
    sa.Column("decision", sa.Text, nullable=True, info=_B),
    sa.Column("reasons", sa.Text, nullable=True, info=_words("proposed_by", BREACH)),
    sa.Column("proposed_by", sa.Text, nullable=True, info=_staff("proposed_by", BREACH)),
    sa.Column("decided_by", sa.Text, nullable=True, info=_staff("decided_by", BREACH)),
    sa.Column("decided_at", UtcDateTime, nullable=True, info=_B),
    sa.Column("approval_id", sa.Text, nullable=True, index=True, info=_B),
    sa.Column("letters_exception", sa.Text, nullable=True, info=_words("recorded_by", BREACH)),
    sa.Column("closed_at", UtcDateTime, nullable=True, info=_B),
    sa.CheckConstraint("decision IN ('notify', 'no_notice')", name="compliance_breach_decision"),
    sa.CheckConstraint("aware_at <= recorded_at", name="compliance_breach_aware"),
    sa.CheckConstraint("decided_by IS NULL OR decided_by <> proposed_by", name="compliance_breach_two_people"),
)
breach_step = sa.Table(
    "compliance_breach_step",
    metadata,
    sa.Column(
        "n",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
        info=_B,
    ),
    sa.Column("breach_id", sa.Text, nullable=False, index=True, info=_B),
    sa.Column("at", UtcDateTime, nullable=False, info=_B),
    sa.Column("actor", sa.Text, nullable=True, info=_staff("actor", BREACH)),
    sa.Column("what", sa.Text, nullable=False, info=_B),
    sa.Column("before", sa.Text, nullable=True, info=_words("actor", BREACH)),
    sa.Column("after", sa.Text, nullable=True, info=_words("actor", BREACH)),
    sa.Column("reason", sa.Text, nullable=True, info=_words("actor", BREACH)),
    sa.Column("event_id", sa.Text, nullable=True, info=_B),
)
breach_notice = sa.Table(
    "compliance_breach_notice",
    metadata,
    sa.Column("breach_id", sa.Text, primary_key=True, info=_B),
    sa.Column("recipient", sa.Text, primary_key=True, info=_B),
    sa.Column("phase", sa.Integer, primary_key=True, autoincrement=False, info=_B),
    sa.Column("text", sa.Text, nullable=False, info=_words("sent_by", BREACH)),
    sa.Column("sha256", sa.Text, nullable=False, info=_B),
    sa.Column("reference", sa.Text, nullable=True, info=_words("sent_by", BREACH)),
    sa.Column("sent_at", UtcDateTime, nullable=False, info=_B),
    sa.Column("sent_by", sa.Text, nullable=True, info=_staff("sent_by", BREACH)),
    sa.Column("late_reason", sa.Text, nullable=True, info=_words("sent_by", BREACH)),
    sa.Column("event_id", sa.Text, nullable=False, info=_B),
    sa.CheckConstraint("recipient IN ('authority', 'people', 'controller')", name="compliance_breach_recipient"),
)
processor = sa.Table(
    "compliance_processor",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("name", sa.Text, nullable=False, info=_T),
    sa.Column("does", sa.Text, nullable=False, info=_words("changed_by")),
    sa.Column("contract", sa.Text, nullable=True, info=_words("changed_by")),
    sa.Column("points", sa.JSON, nullable=False, info=_T),
    sa.Column("sub_processors", sa.JSON, nullable=False, info=_T),
    sa.Column("countries", sa.JSON, nullable=False, info=_T),
    sa.Column("transfer", sa.Text, nullable=True, info=_words("changed_by")),
    sa.Column("hosts", sa.JSON, nullable=False, info=_T),
    sa.Column("purposes", sa.JSON, nullable=False, info=_T),
    sa.Column("has_cards", sa.Boolean, nullable=False, info=_T),
    sa.Column("aoc_on", sa.Text, nullable=True, info=_T),
    sa.Column("aoc_until", sa.Text, nullable=True, info=_T),
    sa.Column("review_on", sa.Text, nullable=False, info=_T),
    sa.Column("reminded", sa.Integer, nullable=True, info=_T),
    sa.Column("changed_by", sa.Text, nullable=True, info=_staff("changed_by")),
    sa.Column("changed_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("ended_at", UtcDateTime, nullable=True, info=_T),
)
sa.Index(
    "compliance_processor_one_name",
    processor.c.name,
    unique=True,
    sqlite_where=processor.c.ended_at.is_(None),
    postgresql_where=processor.c.ended_at.is_(None),
)
officer = sa.Table(
    "compliance_officer",
    metadata,
    _counted(),
    sa.Column("contact", sa.Text, nullable=False, info=_CONTACT),
    sa.Column("published", sa.Text, nullable=False, info=_words("changed_by")),
    sa.Column("reports_to", sa.Text, nullable=False, info=_words("changed_by")),
    sa.Column("independence", sa.Text, nullable=False, info=_words("changed_by")),
    sa.Column("changed_by", sa.Text, nullable=True, info=_staff("changed_by")),
    sa.Column("from_at", UtcDateTime, nullable=False, info=_T),
)
activity_approval = sa.Table(
    "compliance_activity_approval",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("sha256", sa.Text, nullable=False, info=_T),
    sa.Column("body", sa.Text, nullable=False, info=_T),
    sa.Column("reason", sa.Text, nullable=False, info=_words("proposed_by")),
    sa.Column("state", sa.Text, nullable=False, index=True, info=_T),
    sa.Column("proposed_by", sa.Text, nullable=True, info=_staff("proposed_by")),
    sa.Column("proposed_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("approval_id", sa.Text, nullable=True, index=True, info=_T),
    sa.Column("approved_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("event_id", sa.Text, nullable=True, info=_T),
)
