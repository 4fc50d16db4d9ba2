"""What detection shows of itself: that every rule reads what there is, and that people look at what it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import SOC_RULE_READ, service
from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation
from detectors import runner
from detectors.models import alert
from detectors.runner import FAILING, RuleStanding, Runner
from detectors.settings import DetectorSettings

TRIAGE_MAX: Final = timedelta(hours=24)
LATE: Final = timedelta(seconds=DetectorSettings().lag_seconds_max)
_READER: Final = service("evidence", SOC_RULE_READ)


def probes(made: Runner) -> tuple[Probe, ...]:
    """Return the probes of detection."""

    def standings(session: Session, look: Look) -> Sequence[RuleStanding]:
        return runner.standings(session, made.rules, _READER, look.at)

    return (
        Probe(
            name="detectors.reviewed",
            kind=Kind.STATE,
            asks="Rules and open alerts; wrong is a late rule, a gap, or an alert of no incident unjudged for a day.",
            read=partial(_reviewed, standings=standings),
            plant=_plant_forgotten,
        ),
    )


def _reviewed(look: Look, *, standings: Callable[[Session, Look], Sequence[RuleStanding]]) -> Reading:
    found = standings(look.session, look)
    wrong = [
        Violation(component="rules", object_id=one.rule.slug, says=says)
        for one in found
        if (says := _trouble(one, look)) is not None
    ]
    is_open = sa.and_(alert.c.state == "open", alert.c.incident_ref.is_(None))
    waiting = look.session.execute(sa.select(alert.c.id, alert.c.found_at).where(is_open)).all()
    judged = look.session.execute(sa.select(sa.func.count()).select_from(alert)).scalar_one()
    wrong += [
        Violation(component="alerts", object_id=row.id, says=f"open and unjudged since {row.found_at:%Y-%m-%d %H:%M}")
        for row in waiting
        if look.at - row.found_at > TRIAGE_MAX
    ]
    return Reading(
        population={"rules": len(found), "alerts": judged},
        violations=wrong,
        asked={"triage_hours": 24, "late_seconds": int(LATE.total_seconds())},
    )


def _trouble(one: RuleStanding, look: Look) -> str | None:
    if one.state == FAILING:
        return f"fails since {one.since:%Y-%m-%d %H:%M} ({one.error})"
    if one.lag > 0 and look.at - (one.ran_at or one.since) > LATE:
        return f"{one.lag} events behind, last run {one.ran_at or one.since:%Y-%m-%d %H:%M}"
    at = 0
    for lo, hi in one.covered:
        if lo != at:
            return f"has not read {at} to {lo}"
        at = hi
    return None if at == one.sequence else f"has not read {at} to {one.sequence}"


def _plant_forgotten(look: Look) -> str:
    id_ = look.ctx.new_id("alr")
    then = look.at - TRIAGE_MAX - timedelta(hours=1)
    look.session.execute(
        sa.insert(alert).values(
            id=id_,
            slug="planted",
            version_id="planted",
            group_hash="planted",
            group={},
            entities={},
            first_at=then,
            last_at=then,
            as_of_sequence=0,
            events=1,
            peak=1,
            level="low",
            revision=1,
            state="open",
            found_at=then,
            reason="planted",
        )
    )
    return id_
