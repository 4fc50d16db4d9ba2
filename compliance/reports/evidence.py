"""What is known of each control at the instant of a report: state, reason, and the newest evidence of its probes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import COMPLIANCE_CONTROL_READ, COMPLIANCE_EVIDENCE_READ, service
from compliance import models
from compliance.catalog.controls import Control
from compliance.engine import history, standing
from compliance.engine.history import Interval
from compliance.engine.rerun import Observation, number_of, of_rows
from compliance.engine.standing import Leg
from compliance.reports.parts import Making, Reports
from compliance.states import REASON_WORDS, Reason, State

_PART: Final = re.compile(r"(newest|drawn) [0-9,]+ of [0-9,]+")
READER = service("reports", COMPLIANCE_CONTROL_READ, COMPLIANCE_EVIDENCE_READ)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One control as a report tells it."""

    control: Control
    state: State
    reason: str
    since: datetime | None
    legs: Sequence[Leg]
    observations: Sequence[Observation]
    """The newest of each of its probes."""
    intervals: Sequence[Interval]
    in_place_since: datetime | None
    """When it was first in place, if ever."""

    @property
    def observed_at(self) -> datetime | None:
        """When the oldest of its probes looked last."""
        return min((one.ended_at for one in self.observations), default=None)

    @property
    def numbers(self) -> str:
        """Its evidence numbers."""
        return " ".join(one.number for one in self.observations)

    @property
    def population(self) -> int | None:
        """How many things its probes looked at; None where none looked."""
        return sum(one.counted for one in self.observations) if self.observations else None

    @property
    def violations(self) -> int | None:
        """How many of them violate it."""
        return sum(one.total for one in self.observations) if self.observations else None

    @property
    def owner(self) -> str:
        """The role that answers for it."""
        return self.control.owner_role.replace("_", " ")

    @property
    def methods(self) -> str:
        """The test methods that are supplied."""
        return ", ".join(self.control.legs)


def known(session: Session, making: Making, parts: Reports, framework: str | None = None) -> list[Known]:
    """Return every control, or those of a framework, in the order of the catalogue."""
    now = standing.all_of(session, making.as_of, parts.engine)
    past = history.as_of(session, READER, making.as_of, parts.engine.catalogue) if making.is_past else {}
    found = history.intervals(session, READER, making.since, making.as_of)
    seen, in_place = newest(session, making.as_of), history.first_in_place(session)
    since = {(row.framework, row.key): row.since for row in session.execute(sa.select(models.standing))}
    made = []
    for key, one in now.items():
        if framework not in (None, key[0]):
            continue
        mine = found.get(key, ())
        current = next((each for each in reversed(mine) if each.to_at is None or each.to_at >= making.as_of), None)
        observations = [seen[name] for name in one.control.probes if name in seen]
        state = past.get(key, one.state)
        reason = (current.reason if current else None) if making.is_past else one.reason
        if not all(each.is_as_sealed for each in observations):
            state, reason = State.NOT_EVALUABLE, Reason.NOT_AS_SEALED
        made.append(
            Known(
                control=one.control,
                state=state,
                reason=REASON_WORDS[Reason(reason)] if reason else "",
                since=current.from_at if making.is_past and current else since.get(key),
                legs=() if making.is_past else one.legs,
                observations=observations,
                intervals=mine,
                in_place_since=in_place.get(key),
            )
        )
    return made


def newest(session: Session, at: datetime) -> Mapping[str, Observation]:
    """Return the newest observation of each probe that had begun by an instant and has its number."""
    table = models.observation
    latest = (
        sa.select(table.c.probe, sa.func.max(table.c.ended_at).label("ended_at"))
        .where(table.c.ended_at <= at)
        .group_by(table.c.probe)
        .subquery()
    )
    rows = session.execute(
        sa.select(table)
        .join(latest, sa.and_(table.c.probe == latest.c.probe, table.c.ended_at == latest.c.ended_at))
        .order_by(table.c.probe, table.c.id)
    )
    return {one.probe: one for one in of_rows(session, rows)}


def within(session: Session, probe: str, since: datetime, until: datetime) -> list[Observation]:
    """Return the observations of a probe that touch a period, oldest first."""
    table = models.observation
    rows = session.execute(
        sa.select(table)
        .where(table.c.probe == probe, table.c.ended_at >= since, table.c.ended_at <= until)
        .order_by(table.c.ended_at, table.c.id)
    )
    return of_rows(session, rows)


def sampled(one: Observation) -> str:
    """Return what of the population a reading looked at: what violates, a part with its size, or all of it."""
    if one.violations:
        return " ".join(each["object_id"] for each in one.violations)
    if not one.counted:
        return "there was nothing to look at"
    said = [each for value in one.asked.values() for each in (value if isinstance(value, list) else [value])]
    parts = [each for each in said if isinstance(each, str) and _PART.match(each)]
    return "; ".join(parts) or "all of it"


def tested(one: Observation) -> str:
    """Return whether the probe was shown to see a violation."""
    words = {"caught": "saw the planted one", "missed": "did not see the planted one"}
    return words.get(one.canary or "", "was not tested with a planted one")


def number(one: Observation) -> str:
    """Return the evidence number as files name it."""
    return number_of(one.sequence) if one.sequence is not None else one.event_id
