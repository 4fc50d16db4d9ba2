"""What detection holds about people: alerts that name them."""

from __future__ import annotations

from app.kernel.crypto import Secret
from compliance.contracts.tables import MarkedTables
from detectors import models


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of detection as a source of personal data."""
    return MarkedTables("detectors", models.metadata, hashing=hashing)
