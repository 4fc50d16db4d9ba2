"""What detection holds about people: alerts that name them."""

from __future__ import annotations

from app.kernel.crypto import Secret
from compliance.contracts.marked.owned import Ended
from compliance.contracts.tables import MarkedTables
from detectors import models


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of detection as a source of personal data."""
    return MarkedTables(
        "detectors",
        models.metadata,
        hashing=hashing,
        ended={
            "detectors_alert": Ended(
                column="closed_at",
                retention="incident",
                children={"detectors_alert_event": "alert_id", "detectors_alert_revision": "alert_id"},
            )
        },
    )
