"""What response holds about people: incidents that name them, and what staff wrote."""

from __future__ import annotations

from app.kernel.crypto import Secret
from compliance.contracts.tables import Ended, MarkedTables
from playbooks import models


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of response as a source of personal data."""
    return MarkedTables(
        "playbooks",
        models.metadata,
        hashing=hashing,
        ended={"playbooks_incident": Ended(column="closed_at", retention="incident", key="incident_id")},
    )
