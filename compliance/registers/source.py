"""The registers as a source of personal data: what they say of staff, and when a breach or a processor has ended."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from app.kernel.crypto import Secret
from compliance.contracts.marked.owned import Ended, replaced_at
from compliance.contracts.tables import MarkedTables
from compliance.registers import models

_PARTS: Final = {"compliance_breach_step": "breach_id", "compliance_breach_notice": "breach_id"}


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of the registers as a source of personal data."""
    return MarkedTables(
        "compliance.registers",
        models.metadata,
        hashing=hashing,
        ended={
            "compliance_breach": Ended(column="closed_at", retention=models.BREACH, children=_PARTS),
            "compliance_processor": Ended(column="ended_at", retention=models.EVIDENCE),
            "compliance_officer": Ended(
                column=replaced_at(models.officer, (), "from_at", order="n"), retention=models.EVIDENCE
            ),
            "compliance_activity_approval": Ended(
                column=sa.case(
                    (models.activity_approval.c.state == "rejected", models.activity_approval.c.proposed_at),
                    else_=replaced_at(models.activity_approval, (), "approved_at"),
                ),
                retention=models.EVIDENCE,
                where=models.activity_approval.c.state.in_(("superseded", "rejected")),
            ),
            "compliance_selftest_run": Ended(column="ended_at", retention=models.EVIDENCE),
        },
        examples={
            "compliance_breach_notice.recipient": "authority",
            "compliance_processor.review_on": "2026-01-02",
            "compliance_processor.aoc_on": None,
            "compliance_processor.aoc_until": None,
        },
    )
