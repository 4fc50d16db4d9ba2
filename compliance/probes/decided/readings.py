"""The newest readings of probes, which lie as they were sealed; those that are gone are missed as all that began."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from compliance import models
from compliance.contracts.probes import Look, Violation
from compliance.engine import sealed

COMPARED_MAX: Final = 2_000
"""So many of the newest readings are compared with their events: more than a day of them."""


def lying(look: Look) -> tuple[int, list[Violation]]:
    """Count the newest readings, and find those that were changed."""
    session, of = look.session, models.observation
    newest = sa.select(of).order_by(of.c.ended_at.desc(), of.c.id.desc()).limit(COMPARED_MAX)
    rows = [dict(row) for row in session.execute(newest).mappings()]
    intact = sealed.intact(session, rows)
    says, wrong = "does not lie as it was sealed", [row["id"] for row in rows if row["id"] not in intact]
    return len(rows), [Violation(component="readings", object_id=id, says=says) for id in wrong]
