"""Observations and the history of controls: about nobody, and kept as evidence for as long as that is."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.crypto import Secret
from compliance import models
from compliance.contracts.marked.owned import Ended
from compliance.contracts.tables import MarkedTables


def source(hashing: Secret) -> MarkedTables:
    """Return the tables of controls; the observation by which a probe stands now has not ended."""
    newest = sa.select(models.probe.c.observation_id).where(models.probe.c.observation_id.is_not(None))
    return MarkedTables(
        "compliance",
        models.metadata,
        hashing=hashing,
        ended={
            "compliance_observation": Ended(
                column="ended_at", retention="evidence", where=models.observation.c.id.not_in(newest)
            ),
            "compliance_interval": Ended(column="to_at", retention="evidence"),
        },
    )
