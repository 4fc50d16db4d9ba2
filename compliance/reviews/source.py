"""Access reviews as a source of personal data, and when a campaign has ended."""

from __future__ import annotations

from app.kernel.crypto import Secret
from compliance.contracts.marked.owned import Ended
from compliance.contracts.tables import MarkedTables
from compliance.reviews import models


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of reviews: a campaign goes with all that was said in it."""
    return MarkedTables(
        "compliance.reviews",
        models.metadata,
        hashing=hashing,
        ended={
            "compliance_review": Ended(
                column="closed_at", retention=models.EVIDENCE, children={"compliance_review_line": "review_id"}
            )
        },
    )
