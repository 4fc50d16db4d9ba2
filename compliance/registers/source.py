"""The registers as a source of personal data: what they say of staff, and when a breach or a processor has ended."""

from __future__ import annotations

from app.kernel.crypto import Secret
from compliance.contracts.tables import Ended, MarkedTables
from compliance.registers import models


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of the registers as a source of personal data."""
    return MarkedTables(
        "compliance.registers",
        models.metadata,
        hashing=hashing,
        ended={
            "compliance_breach": Ended(column="closed_at", retention=models.BREACH, key="breach_id"),
            "compliance_processor": Ended(column="ended_at", retention=models.EVIDENCE),
        },
        examples={"compliance_breach_notice.recipient": "authority"},
    )
