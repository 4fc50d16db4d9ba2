"""The tables of retention: versions of policies, holds, runs with what they remove, certificates."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.db import UtcDateTime
from app.kernel.marks import personal, technical, written

metadata = sa.MetaData()
GOVERNANCE = "governance"
_T = technical(GOVERNANCE)


def _staff(column: str) -> dict[str, object]:
    return personal(
        "staff", column, retention=GOVERNANCE, on_erase="keep_to_class_end", export="never", purposes=("claims",)
    )


def _words(author: str) -> dict[str, object]:
    return written(author, retention=GOVERNANCE)


policy = sa.Table(
    "compliance_retention_policy",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("class", sa.Text, nullable=False, info=_T),
    sa.Column("version", sa.Integer, nullable=False, info=_T),
    sa.Column("keep", sa.Text, nullable=False, info=_T),
    sa.Column("ground", sa.Text, nullable=False, info=_words("proposed_by")),
    sa.Column("reason", sa.Text, nullable=False, info=_words("proposed_by")),
    sa.Column("hash", sa.Text, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("proposed_by", sa.Text, nullable=True, info=_staff("proposed_by")),
    sa.Column("proposed_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("approval_id", sa.Text, nullable=True, info=_T),
    sa.Column("in_force_at", UtcDateTime, nullable=True, info=_T),
    sa.UniqueConstraint("class", "version", name="compliance_retention_policy_version"),
)
sa.Index(
    "compliance_retention_policy_one",
    policy.c["class"],
    unique=True,
    sqlite_where=policy.c.state == "in_force",
    postgresql_where=policy.c.state == "in_force",
)
hold = sa.Table(
    "compliance_hold",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("case", sa.Text, nullable=False, unique=True, info=_T),
    sa.Column("reason", sa.Text, nullable=False, info=_words("placed_by")),
    sa.Column("authority", sa.Text, nullable=False, info=_words("placed_by")),
    sa.Column("review_on", sa.Text, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("placed_by", sa.Text, nullable=True, info=_staff("placed_by")),
    sa.Column("placed_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("approval_id", sa.Text, nullable=True, info=_T),
    sa.Column("released_at", UtcDateTime, nullable=True, info=_T),
)
hold_item = sa.Table(
    "compliance_hold_item",
    metadata,
    sa.Column("hold_id", sa.Text, primary_key=True, info=_T),
    sa.Column("kind", sa.Text, primary_key=True, info=_T),
    sa.Column(
        "value",
        sa.Text,
        primary_key=True,
        info=personal(
            "account.id",
            "value",
            retention=GOVERNANCE,
            on_erase="keep_to_class_end",
            export="never",
            purposes=("claims",),
        ),
    ),
)
run = sa.Table(
    "compliance_retention_run",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("class", sa.Text, nullable=False, info=_T),
    sa.Column("version", sa.Integer, nullable=False, info=_T),
    sa.Column("policy_hash", sa.Text, nullable=False, info=_T),
    sa.Column("before", UtcDateTime, nullable=False, info=_T),
    sa.Column("root", sa.Text, nullable=False, info=_T),
    sa.Column("facts", sa.JSON, nullable=False, info=_T),
    sa.Column("total", sa.BigInteger, nullable=False, info=_T),
    sa.Column("done", sa.BigInteger, nullable=False, info=_T),
    sa.Column("skipped", sa.BigInteger, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, index=True, info=_T),
    sa.Column("why", sa.Text, nullable=True, info=_T),
    sa.Column("planned_by", sa.Text, nullable=True, info=_staff("planned_by")),
    sa.Column("planned_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("proposed_by", sa.Text, nullable=True, info=_staff("proposed_by")),
    sa.Column("proposed_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("approval_id", sa.Text, nullable=True, info=_T),
    sa.Column("approved_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("approved_event", sa.Text, nullable=True, info=_T),
    sa.Column("executed_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("certified_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("ended_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("looked", sa.Integer, nullable=False, server_default="0", info=_T),
)
is_open = run.c.state.in_(("planned", "waiting", "approved", "executing", "verifying"))
sa.Index("compliance_retention_run_one", run.c["class"], unique=True, sqlite_where=is_open, postgresql_where=is_open)
target = sa.Table(
    "compliance_retention_target",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True, info=_T),
    sa.Column("batch", sa.Integer, primary_key=True, autoincrement=False, info=_T),
    sa.Column("source", sa.Text, nullable=False, info=_T),
    sa.Column("store", sa.Text, nullable=False, info=_T),
    sa.Column("count", sa.BigInteger, nullable=False, info=_T),
    sa.Column("leaves", sa.JSON, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("removed", sa.BigInteger, nullable=False, info=_T),
    sa.Column("held", sa.BigInteger, nullable=False, info=_T),
    sa.Column("kept", sa.JSON, nullable=True, info=_T),
)
certificate = sa.Table(
    "compliance_certificate",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("run_id", sa.Text, nullable=False, unique=True, info=_T),
    sa.Column("body", sa.JSON, nullable=False, info=_T),
    sa.Column("sha256", sa.Text, nullable=False, info=_T),
    sa.Column("irrecoverable_from", UtcDateTime, nullable=False, info=_T),
    sa.Column("event_id", sa.Text, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
)
