"""What auditors ask as a source of personal data, and when it has ended."""

from __future__ import annotations

from app.kernel.crypto import Secret
from compliance.audit import models
from compliance.contracts.marked.owned import Ended
from compliance.contracts.tables import MarkedTables


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of the audit: a request ends as it is answered."""
    return MarkedTables(
        "compliance.audit",
        models.metadata,
        hashing=hashing,
        ended={"compliance_audit_request": Ended(column="answered_at", retention=models.GOVERNANCE)},
    )
