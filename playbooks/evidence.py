"""What response shows of itself: that somebody takes up each incident in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation, WhenEmpty
from playbooks.cases import State
from playbooks.models import incident

TAKEN_UP_MAX: Final = timedelta(hours=24)
_IS_REAL: Final = incident.c.synthetic.is_(None)


def probes() -> tuple[Probe, ...]:
    """Return the probe of response."""
    return (
        Probe(
            name="response.taken_up",
            kind=Kind.STATE,
            asks="Incidents; wrong is one that is still new, and nobody's, after a day.",
            read=_taken_up,
            plant=_plant_forgotten,
            empty_means=WhenEmpty.NOT_APPLICABLE,
        ),
    )


def _taken_up(look: Look) -> Reading:
    count = look.session.scalar(sa.select(sa.func.count()).select_from(incident).where(_IS_REAL)) or 0
    forgotten = sa.and_(
        _IS_REAL,
        incident.c.state == State.NEW.value,
        incident.c.acknowledged_at.is_(None),
        incident.c.found_at < look.at - TAKEN_UP_MAX,
    )
    query = sa.select(incident.c.id, incident.c.found_at).where(forgotten).order_by(incident.c.found_at)
    wrong = [
        Violation(component="incidents", object_id=row.id, says=f"nobody's since {row.found_at:%Y-%m-%d %H:%M}")
        for row in look.session.execute(query)
    ]
    return Reading(population={"incidents": count}, violations=wrong, asked={"taken_up_hours": 24})


def _plant_forgotten(look: Look) -> str:
    id_ = look.ctx.new_id("inc")
    then = look.at - TAKEN_UP_MAX - timedelta(hours=1)
    last = look.session.scalar(sa.select(sa.func.max(incident.c.number))) or 0
    look.session.execute(
        sa.insert(incident).values(
            id=id_,
            number=last + 1,
            title="planted",
            reason="planted",
            kind="planted",
            severity=3,
            state=State.NEW.value,
            first_event_at=then,
            last_event_at=then,
            found_at=then,
            version=1,
        )
    )
    return id_
