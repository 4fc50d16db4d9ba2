"""Where controls stood at an instant of the past: by the intervals written down, and by what was kept until then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import Actor
from compliance import models
from compliance.catalog.controls import Catalogue, Control
from compliance.engine import history
from compliance.engine.history import Interval
from compliance.engine.standing import Leg, Standing
from compliance.states import Reason, State


def all_of(session: Session, actor: Actor, at: datetime, catalogue: Catalogue) -> dict[tuple[str, str], Standing]:
    """Return where every control stood at an instant, with the newest reading of each probe that was kept by then.

    Both are, to an auditor, those of their period.
    """
    found, seen = history.at_instant(session, actor, at), _kept(session, actor, at)
    return {key: _stood(control, found.get(key), seen) for key, control in catalogue.controls.items()}


def _stood(control: Control, written: Interval | None, seen: Mapping[str, Leg]) -> Standing:
    state = written.state if written is not None else State.NOT_EVALUABLE
    reason = Reason(written.reason) if written is not None and written.reason else None
    legs = [seen[name] for name in control.probes if name in seen]
    read = [leg.at for leg in legs if leg.at is not None]
    return Standing(
        control=control,
        state=state,
        reason=reason if written is not None else Reason.NOT_OBSERVED,
        legs=legs,
        observed_at=min(read) if read else None,
        turned_at=None,
    )


def _kept(session: Session, actor: Actor, at: datetime) -> Mapping[str, Leg]:
    """Return the newest reading of each probe that was kept by an instant."""
    at = history.before_now(actor, at) or at
    table = models.observation
    place = sa.func.row_number().over(partition_by=table.c.probe, order_by=(table.c.ended_at.desc(), table.c.id.desc()))
    of = table.c
    ranked = sa.select(of.id, of.probe, of.state, of.reason, of.ended_at, place.label("place")).where(of.ended_at <= at)
    if actor.period is not None:
        ranked = ranked.where(of.ended_at >= actor.period[0])
    newest = ranked.subquery()
    return {
        row.probe: Leg(
            name=row.probe,
            state=State(row.state),
            reason=Reason(row.reason) if row.reason else None,
            at=row.ended_at,
            observation_id=row.id,
        )
        for row in session.execute(sa.select(newest).where(newest.c.place == 1))
    }
