"""Scans as a source of personal data, and when one has ended: no finding of it is open any more."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.crypto import Secret
from compliance.contracts.marked.owned import Ended
from compliance.contracts.tables import MarkedTables
from compliance.scans import models


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of scans; the time of one runs from when it was entered, a finding that is open keeps it."""
    finding = models.finding.c
    is_open = sa.exists().where(finding.scan_id == models.scan.c.id, finding.fixed_on.is_(None))
    return MarkedTables(
        "compliance.scans",
        models.metadata,
        hashing=hashing,
        ended={
            "compliance_scan": Ended(
                column="entered_at",
                retention=models.EVIDENCE,
                children={"compliance_finding": "scan_id"},
                where=~is_open.correlate(models.scan),
            )
        },
    )
