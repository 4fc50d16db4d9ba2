"""The row of an incident: what it is, reading it, and changing it under its lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.errors import Changed, NotFound, WrongState
from playbooks.models import incident, incident_entity

SUBJECTS_MAX: Final = 20
CRITICAL, HIGH, MEDIUM, LOW = 1, 2, 3, 4
SEVERITY_OF_LEVEL: Final[Mapping[str, int]] = {"critical": CRITICAL, "high": HIGH, "medium": MEDIUM, "low": LOW}


class State(StrEnum):
    """Where an incident stands, in order; `closed` is the short way out."""

    NEW = "new"
    TRIAGED = "triaged"
    CONTAINED = "contained"
    ERADICATED = "eradicated"
    RECOVERED = "recovered"
    CLOSED = "closed"


ENDED: Final = frozenset({State.RECOVERED, State.CLOSED})
BEFORE: Final[Mapping[State, State]] = {
    State.TRIAGED: State.NEW,
    State.CONTAINED: State.TRIAGED,
    State.ERADICATED: State.CONTAINED,
    State.RECOVERED: State.ERADICATED,
}
OPEN: Final = tuple(state for state in State if state not in ENDED)


class IncidentEnded(WrongState):
    """This incident has ended; reopen it first."""

    code = "incident_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident as people read it. `severity` counts from 1, critical, to 4, low."""

    id: str
    number: int
    title: str
    reason: str
    kind: str
    severity: int
    state: State
    synthetic: str | None
    owner: str | None
    playbook: str | None
    proposed_playbook: str | None
    first_event_at: datetime
    last_event_at: datetime
    found_at: datetime
    acknowledged_at: datetime | None
    contained_at: datetime | None
    recovered_at: datetime | None
    closed_at: datetime | None
    cause: str | None
    fix: str | None
    nothing_to_contain: str | None
    disposition: str | None
    close_proposed_by: str | None
    follows: str | None
    version: int

    @property
    def is_open(self) -> bool:
        return self.state not in ENDED

    @property
    def ended_at(self) -> datetime | None:
        return self.closed_at or self.recovered_at


def by_id(session: Session, incident_id: str) -> Incident:
    """Return an incident; raises `NotFound`."""
    row = session.execute(sa.select(incident).where(incident.c.id == incident_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such incident.")
    return of(row)


def exists(session: Session, incident_id: str) -> bool:
    """Tell whether there is an incident of this id."""
    return session.execute(sa.select(incident.c.id).where(incident.c.id == incident_id)).first() is not None


def locked(session: Session, incident_id: str, *, version: int | None = None) -> Incident:
    """Return an incident whose row is ours until the transaction ends.

    Every write to an incident, its tasks, steps and actions begins here, so they follow one another. Raises `Changed`
    where the version that somebody saw is not the newest.
    """
    query = sa.select(incident).where(incident.c.id == incident_id).with_for_update()
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFound("There is no such incident.")
    found = of(row)
    if version is not None and version != found.version:
        raise Changed(
            f"This incident changed in the meantime: it is {found.state.value} now, version {found.version}.",
            object_id=found.id,
        )
    return found


def locked_if_free(session: Session, incident_id: str) -> Incident | None:
    """Return an incident under its lock, or None while somebody else works on it: the lease of the executor."""
    query = sa.select(incident).where(incident.c.id == incident_id).with_for_update(skip_locked=True)
    row = session.execute(query).one_or_none()
    return None if row is None else of(row)


def require_open(case: Incident) -> None:
    """Raise `IncidentEnded` for an incident that has ended."""
    if not case.is_open:
        raise IncidentEnded(f"This incident is {case.state.value}; reopen it first.", object_id=case.id)


def change(session: Session, case: Incident, **values: Any) -> Incident:
    """Write values to an incident under its lock, as its next version."""
    values["version"] = case.version + 1
    row = session.execute(
        sa.update(incident).where(incident.c.id == case.id).values(values).returning(*incident.c)
    ).one()
    return of(row)


def told(session: Session, case: Incident) -> dict[str, Any]:
    """Return what every event of an incident says about it."""
    return {
        "about": subjects(session, case.id),
        "incident": case.id,
        "severity": case.severity,
        "status": case.state.value,
        "playbook": case.playbook,
    }


def subjects(session: Session, incident_id: str) -> tuple[str, ...]:
    """Return the accounts an incident is about."""
    query = (
        sa.select(incident_entity.c.value)
        .where(incident_entity.c.incident_id == incident_id, incident_entity.c.kind == "account")
        .order_by(incident_entity.c.is_key.desc(), incident_entity.c.value)
        .limit(SUBJECTS_MAX)
    )
    return tuple(session.execute(query).scalars())


def of(row: Any) -> Incident:  # a row of `incident`
    """Return the incident of a row."""
    return Incident(**{**row._mapping, "state": State(row.state)})
