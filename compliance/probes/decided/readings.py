"""Readings of probes: the newest lie as they were sealed, and none that the log says was made is gone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import ids
from compliance import models
from compliance.contracts.probes import Look, Violation
from compliance.engine import sealed
from compliance.retention import decided
from ingest import models as log
from ingest.events.compliance import ProbeObserved

PROBE: Final = "papers.decided"
"""The probe whose own readings name what is gone."""
COMPARED_MAX: Final = 2_000
"""So many of the newest readings are compared with their events: more than a day of them."""
SPAN: Final = timedelta(days=31)
"""Readings of so many days are looked for at a time."""
TURN: Final = timedelta(minutes=10)
"""How long one span of the older readings has its turn: a few readings of this probe."""
GONE: Final = "began as the log says, and is gone"
GONE_MAX: Final = 200


def lying(look: Look) -> tuple[int, list[Violation]]:
    """Count the newest readings, and find those that were changed.

    Ids begin with the instant a reading was made at, so their order is that of time, by the same clock as all its
    instants: one that was ahead, and was set back, keeps others out of the newest until it is reached again.
    """
    session, of = look.session, models.observation
    rows = [dict(row) for row in session.execute(sa.select(of).order_by(of.c.id.desc()).limit(COMPARED_MAX)).mappings()]
    intact = sealed.intact(session, rows)
    says, wrong = "does not lie as it was sealed", [row["id"] for row in rows if row["id"] not in intact]
    return len(rows), [Violation(component="readings", object_id=id, says=says) for id in wrong]


def gone(look: Look) -> tuple[int, dict[str, datetime]]:
    """Count the readings that the log says were made, and return when those were that have no row, by their event.

    There are too many to look for each of them every time. A deleted one makes the rows fewer than the events, whatever
    its age, and then all are looked for. A row with an invented event would make up for it in that count. So the newest
    are looked for each time, the older ones in turn, all of them within some hours, and once more those that the newest
    reading of this probe named.
    """
    session, of = look.session, log.entry.c
    count, since = _count(session), look.at - SPAN
    if _rows(session) < count:
        until = decided.ended_until(session).get(models.EVIDENCE)
        if until is None:
            return count, _without_rows(session)
        if _rows(session, until) < _count(session, of.at >= _whole(until)):
            return count, _without_rows(session, of.at >= until)
    found = _without_rows(session, of.at >= since)
    look.deadline.check()
    if (turn := _turn(session, look.at, since)) is not None:
        found |= _without_rows(session, of.at >= turn, of.at < turn + SPAN)
    if named := _named(session):
        found |= _without_rows(session, of.event_id.in_(named))
    return count, found


def _count(session: Session, *those: sa.ColumnElement[bool]) -> int:
    """Return how many readings the log says were made."""
    of = log.entry.c
    return session.scalar(sa.select(sa.func.count()).where(of.kind == ProbeObserved.kind, *those)) or 0


def _rows(session: Session, since: datetime | None = None) -> int:
    """Return how many readings there are, or how many of those that were made since an instant, by their ids."""
    of, count = models.observation.c, sa.select(sa.func.count()).select_from(models.observation)
    mine = count if since is None else count.where(of.id >= ids.derived("obs", _whole(since), 0))
    return session.scalar(mine) or 0


def _whole(at: datetime) -> datetime:
    """Return the first whole millisecond from an instant on: ids tell no less apart."""
    return at + timedelta(microseconds=-at.microsecond % 1_000)


def _turn(session: Session, at: datetime, before: datetime) -> datetime | None:
    """Return from when on those before an instant have their turn now; None where there are none."""
    of = log.entry.c
    first = session.scalar(sa.select(of.at).where(of.kind == ProbeObserved.kind).order_by(of.at).limit(1))
    if first is None or first >= before:
        return None
    spans: int = -((first - before) // SPAN)
    turn: int = int(at.timestamp()) // int(TURN.total_seconds()) % spans
    return before - SPAN * (turn + 1)


def _named(session: Session) -> list[str]:
    """Return which events the newest reading of this probe named as those of what is gone."""
    of = models.observation.c
    query = sa.select(of.violations).where(of.probe == PROBE).order_by(of.ended_at.desc()).limit(1)
    return [str(one["object_id"]) for one in session.scalar(query) or () if one["says"] == GONE]


def _without_rows(session: Session, *those: sa.ColumnElement[bool]) -> dict[str, datetime]:
    """Return when some readings were that have no row, the newest of them, by their event."""
    of, row = log.entry.c, models.observation
    query = (
        sa.select(of.event_id, of.at)
        .where(of.kind == ProbeObserved.kind, *those, ~sa.exists().where(row.c.event_id == of.event_id))
        .order_by(of.at.desc())
        .limit(GONE_MAX)
    )
    return {one.event_id: one.at for one in session.execute(query)}
