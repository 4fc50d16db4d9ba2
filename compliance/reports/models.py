"""The tables of long work somebody asked for: reports, exports, verifications with their progress and files."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.db import UtcDateTime
from app.kernel.marks import personal, technical

metadata = sa.MetaData()
EVIDENCE = "evidence"
_T = technical(EVIDENCE)

report = sa.Table(
    "compliance_report",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("kind", sa.Text, nullable=False, index=True, info=_T),
    sa.Column("params", sa.JSON, nullable=False, info=_T),
    sa.Column("since", UtcDateTime, nullable=False, info=_T),
    sa.Column("as_of", UtcDateTime, nullable=False, info=_T),
    sa.Column(
        "asked_by",
        sa.Text,
        nullable=True,
        info=personal(
            "staff",
            "asked_by",
            retention=EVIDENCE,
            on_erase="keep_to_class_end",
            export="never",
            purposes=("claims",),
        ),
    ),
    sa.Column("asked_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, index=True, info=_T),
    sa.Column("done", sa.BigInteger, nullable=False, info=_T),
    sa.Column("total", sa.BigInteger, nullable=False, info=_T),
    sa.Column("tries", sa.Integer, nullable=False, info=_T),
    sa.Column("taken_until", UtcDateTime, nullable=True, info=_T),
    sa.Column("finished_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("note", sa.Text, nullable=True, info=_T),
    sa.Column("size", sa.BigInteger, nullable=True, info=_T),
    sa.Column("root", sa.Text, nullable=True, info=_T),
    sa.Column("approval_id", sa.Text, nullable=True, info=_T),
)
file = sa.Table(
    "compliance_report_file",
    metadata,
    sa.Column("report_id", sa.Text, primary_key=True, info=_T),
    sa.Column("name", sa.Text, primary_key=True, info=_T),
    sa.Column("sha256", sa.Text, nullable=False, info=_T),
    sa.Column("bytes", sa.BigInteger, nullable=False, info=_T),
)
