"""The tables of access reviews: campaigns, and what was said of each grant."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.db import UtcDateTime
from app.kernel.marks import personal, technical, written

metadata = sa.MetaData()
EVIDENCE = "evidence"
_T = technical(EVIDENCE)


def _staff(column: str) -> dict[str, object]:
    return personal("staff", column, retention=EVIDENCE, export="never", purposes=("claims",))


review = sa.Table(
    "compliance_review",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("opened_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("due_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("closed_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("event_id", sa.Text, nullable=False, info=_T),
    sa.Column("open", sa.Integer, nullable=True, unique=True, info=_T),
)
line = sa.Table(
    "compliance_review_line",
    metadata,
    sa.Column("review_id", sa.Text, primary_key=True, info=_T),
    sa.Column("source", sa.Text, primary_key=True, info=_T),
    sa.Column("grant_ref", sa.Text, primary_key=True, info=_T),
    sa.Column("holder", sa.Text, nullable=False, info=_staff("holder")),
    sa.Column("what", sa.Text, nullable=False, info=_T),
    sa.Column("giver", sa.Text, nullable=True, info=_staff("giver")),
    sa.Column("since", UtcDateTime, nullable=False, info=_T),
    sa.Column("last_use", UtcDateTime, nullable=True, info=_T),
    sa.Column("decision", sa.Text, nullable=True, info=_T),
    sa.Column("reason", sa.Text, nullable=True, info=written("decided_by", retention=EVIDENCE)),
    sa.Column("decided_by", sa.Text, nullable=True, info=_staff("decided_by")),
    sa.Column("decided_at", UtcDateTime, nullable=True, info=_T),
    sa.CheckConstraint("decided_by IS NULL OR decided_by <> holder", name="compliance_review_line_other"),
)
sa.Index("compliance_review_line_grant", line.c.source, line.c.grant_ref)
