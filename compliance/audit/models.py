"""What auditors ask of officers, and what these answer."""

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


request = sa.Table(
    "compliance_audit_request",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("auditor", sa.Text, nullable=True, info=_staff("auditor")),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("body", sa.Text, nullable=False, info=_words("auditor")),
    sa.Column("seed", sa.Text, nullable=True, info=_T),
    sa.Column("count", sa.Integer, nullable=True, info=_T),
    sa.Column("filter", sa.JSON, nullable=False, info=_T),
    sa.Column("period_from", UtcDateTime, nullable=False, info=_T),
    sa.Column("period_until", UtcDateTime, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, index=True, info=_T),
    sa.Column("asked_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("answer", sa.Text, nullable=True, info=_words("answered_by")),
    sa.Column("evidence", sa.JSON, nullable=False, info=_T),
    sa.Column("answered_by", sa.Text, nullable=True, info=_staff("answered_by")),
    sa.Column("answered_at", UtcDateTime, nullable=True, info=_T),
)
