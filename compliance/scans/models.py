"""The tables of scans: each one, the components it looked at, and its findings."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.db import UtcDateTime
from app.kernel.marks import personal, technical, written

metadata = sa.MetaData()
EVIDENCE = "evidence"
_T = technical(EVIDENCE)
_OF_SCAN = written("scan_id>compliance_scan.entered_by", retention=EVIDENCE)

scan = sa.Table(
    "compliance_scan",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("performed_on", sa.Text, nullable=False, info=_T),
    sa.Column("scanner", sa.Text, nullable=False, info=written("entered_by", retention=EVIDENCE)),
    sa.Column("authenticated", sa.Boolean, nullable=False, info=_T),
    sa.Column("components", sa.JSON, nullable=False, info=_T),
    sa.Column("passed", sa.JSON, nullable=False, info=_T),
    sa.Column("rescan_of", sa.Text, nullable=True, info=_T),
    sa.Column("sha256", sa.Text, nullable=True, info=_T),
    sa.Column(
        "entered_by",
        sa.Text,
        nullable=False,
        info=personal("staff", "entered_by", retention=EVIDENCE, export="never", purposes=("claims",)),
    ),
    sa.Column("entered_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("event_id", sa.Text, nullable=False, info=_T),
)
sa.Index("compliance_scan_of", scan.c.kind, scan.c.performed_on)
finding = sa.Table(
    "compliance_finding",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("scan_id", sa.Text, nullable=False, index=True, info=_T),
    sa.Column("severity", sa.Text, nullable=False, info=_T),
    sa.Column("component", sa.Text, nullable=False, info=_T),
    sa.Column("says", sa.Text, nullable=False, info=_OF_SCAN),
    sa.Column("opened_on", sa.Text, nullable=False, info=_T),
    sa.Column("fixed_on", sa.Text, nullable=True, info=_T),
    sa.Column("fixed_at", UtcDateTime, nullable=True, info=_T),
    sa.Column("fixed_event", sa.Text, nullable=True, info=_T),
)
