"""Readings of probes: each that the log was told of is kept until its time is over; the newest lie as they were."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from compliance import models
from compliance.contracts.probes import Look, Violation
from compliance.engine import sealed
from compliance.retention import decided
from ingest import models as log
from ingest.events.compliance import ProbeObserved

COMPARED_MAX: Final = 2_000
"""So many of the newest readings are compared with their events: more than a day of them."""
_NAMED_MAX: Final = 200


def kept(look: Look) -> tuple[int, list[Violation]]:
    """Count the readings, and find those that are gone although nobody let them be removed, or that were changed."""
    session, of, entry = look.session, models.observation, log.entry.c
    count = session.scalar(sa.select(sa.func.count()).select_from(log.entry).where(entry.kind == ProbeObserved.kind))
    query = (
        sa.select(entry.event_id)
        .outerjoin(of, of.c.event_id == entry.event_id)
        .where(entry.kind == ProbeObserved.kind, of.c.id.is_(None))
        .order_by(entry.sequence.desc())
        .limit(_NAMED_MAX)
    )
    gone = session.scalars(query).all()
    # Who asks is told of retention only where something is missed.
    until = decided.ended_until(session).get(models.EVIDENCE) if gone else None
    if until is not None:
        gone = session.scalars(query.where(entry.at >= until)).all()
    wrong = dict.fromkeys(gone, "is told of a reading, and is gone")
    look.deadline.check()
    newest = sa.select(of).order_by(of.c.ended_at.desc(), of.c.id.desc()).limit(COMPARED_MAX)
    rows = [dict(row) for row in session.execute(newest).mappings()]
    intact = sealed.intact(session, rows)
    wrong |= {row["id"]: "does not lie as it was sealed" for row in rows if row["id"] not in intact}
    return count or 0, [Violation(component="readings", object_id=id, says=says) for id, says in wrong.items()]
