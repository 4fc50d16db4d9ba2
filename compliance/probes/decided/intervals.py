"""The history of controls: each interval stands from when until when, in which state, the events of its changes say.

Compared is what began since the newest month of such events that lawfully ended: from there on each change has its
body. A first interval of which nothing could be known yet has no event, and ends with the first change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import parse_rfc3339
from compliance import models
from compliance.contracts.probes import Look, Violation
from compliance.retention import decided
from compliance.states import State
from ingest.events.compliance import ControlChanged
from ingest.events.envelope import at_path
from ingest.log import forgotten, read
from ingest.store.columns import month_end

CONTROL: Final = "onepay.control.id"
_EVER: Final = datetime.min.replace(tzinfo=UTC)


class _Interval(NamedTuple):
    """What an interval says of its control."""

    from_at: datetime
    to_at: datetime | None
    state: str
    reason: str | None


def written(look: Look) -> tuple[int, list[Violation]]:
    """Count the intervals, and find the controls whose history is not the one that the log was told."""
    kept, told = _kept(look.session), _told(look.session)
    since = _compared_since(look.session)
    wrong, missed = dict[str, str](), dict[str, list[_Interval]]()
    for control in sorted(kept.keys() | told.keys()):
        look.deadline.check()
        mine, said = kept.get(control, ()), told.get(control, ())
        untold = [one for one in mine if one.from_at >= since and one not in said and not _is_first(one, mine, said)]
        gone = [one for one in said if one.from_at >= since and one not in mine]
        if untold:
            wrong[control] = f"says what no event says of {_on(untold[0])}"
        elif gone:
            missed[control] = gone
    # Who asks is told of retention only where something is missed: mostly nothing is.
    until = decided.ended_until(look.session).get(models.EVIDENCE, _EVER) if missed else _EVER
    for control, gone in missed.items():
        kept_for = [one for one in gone if one.to_at is None or one.to_at >= until]
        if kept_for:
            wrong[control] = f"lacks what began on {_on(kept_for[0])}"
    violations = [Violation(component="intervals", object_id=control, says=says) for control, says in wrong.items()]
    return sum(map(len, kept.values())), violations


def _on(one: _Interval) -> str:
    return f"{one.from_at:%Y-%m-%d %H:%M:%S}Z"


def _is_first(one: _Interval, mine: Sequence[_Interval], said: Sequence[_Interval]) -> bool:
    """Tell whether it is the one before all changes, of which nothing is told."""
    begin = said[0].from_at if said else None
    return one is mine[0] and one.state == State.NOT_EVALUABLE and one.to_at == begin


def _kept(session: Session) -> Mapping[str, Sequence[_Interval]]:
    of, found = models.interval.c, defaultdict[str, list[_Interval]](list)
    for row in session.execute(sa.select(models.interval).order_by(of.from_at, of.to_at.is_(None), of.to_at, of.id)):
        one = _Interval(from_at=row.from_at, to_at=row.to_at, state=row.state, reason=row.reason)
        found[f"{row.framework} {row.key}"].append(one)
    return found


def _told(session: Session) -> Mapping[str, Sequence[_Interval]]:
    """Return the intervals of each control as its changes say them, each until the next one."""
    found = defaultdict[str, list[_Interval]](list)
    for said in read.documents_of(session, ControlChanged.kind):
        one = _Interval(
            from_at=parse_rfc3339(str(at_path(said, "onepay.control.since"))),
            to_at=None,
            state=str(at_path(said, "onepay.control.state")),
            reason=at_path(said, "event.reason"),
        )
        mine = found[str(at_path(said, CONTROL))]
        if mine:
            mine[-1] = mine[-1]._replace(to_at=one.from_at)
        mine.append(one)
    return found


def _compared_since(session: Session) -> datetime:
    """Return from when on each change still has its body, where retention removed some."""
    class_ = ControlChanged.event_class.value
    return max((month_end(one.month) for one in forgotten.removals(session) if one.class_ == class_), default=_EVER)
