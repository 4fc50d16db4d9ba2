"""Requests as they stood at a past instant: by their steps, and by what the events of these said of the clock."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.privacy.models import request, request_step
from compliance.privacy.request import Request, State
from ingest.events.envelope import at_path
from ingest.events.privacy import RequestPaused, RequestResumed
from ingest.log import read

AT_ONCE: Final = 500
LAST: Final = timedelta(microseconds=1)
"""By so much the last instant lies before one that is not seen any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Until when a request was to be answered, since when its clock stood if it did, and whether it had gone on."""

    due: date
    asked_at: datetime | None
    has_resumed: bool


def clocks(session: Session, request_ids: Collection[str], at: datetime) -> Mapping[str, Clock]:
    """Return how the clocks of requests stood, as the events of each by then say it.

    The row of a request knows its present day alone: extending and pausing write over it. Nothing is said of one
    whose events went with their month.
    """
    steps = [one for one in _steps(session, request_ids) if one.at <= at and one.event_id is not None]
    said = read.documents(session, [one.event_id for one in steps])
    found = dict[str, Clock]()
    for step in steps:
        document = said.get(step.event_id, {})
        day, kind = at_path(document, "onepay.request.due_at"), at_path(document, "event.action")
        if day is None:
            continue
        before = found.get(step.request_id)
        asked_at = before.asked_at if before else None
        if kind in (RequestPaused.kind, RequestResumed.kind):
            asked_at = step.at if kind == RequestPaused.kind else None
        has_resumed = kind == RequestResumed.kind or (before is not None and before.has_resumed)
        found[step.request_id] = Clock(due=date.fromisoformat(day), asked_at=asked_at, has_resumed=has_resumed)
    return found


def stood(session: Session, some: Sequence[Request], end: datetime) -> list[Request]:
    """Return requests as they stood before an instant; one of which no step came after it stands as it did."""
    steps = dict[str, list[Any]]()
    for step in _steps(session, [one.id for one in some]):
        steps.setdefault(step.request_id, []).append(step)
    moved = [one.id for one in some if any(step.at >= end for step in steps.get(one.id, ()))]
    known, extended = clocks(session, moved, end - LAST), _extended(session, moved, end)
    return [
        _stood(one, [step for step in steps[one.id] if step.at < end], known.get(one.id), one.id in extended, end)
        if one.id in moved
        else one
        for one in some
    ]


def _stood(found: Request, came: Sequence[Any], clock: Clock | None, is_extended: bool, end: datetime) -> Request:
    """Return a request by its steps until then; people are named who had taken one, no approval is."""
    states, people = {step.state for step in came}, {step.actor for step in came}
    answered, closed = (None if at is None or at >= end else at for at in (found.answered_at, found.closed_at))
    was = replace(
        found,
        state=State(came[-1].state) if came else found.state,
        is_verified=found.is_verified and states != {State.IDENTITY.value},
        is_extended=is_extended,
        is_incomplete=found.is_incomplete and State.IN_REVIEW.value in states,
        outcome=found.outcome if answered is not None else None,
        handled_by=found.handled_by if found.handled_by in people else None,
        approved_by=found.approved_by if found.approved_by in people else None,
        approval_id=None,
        not_before=None,
        answered_at=answered,
        closed_at=closed,
    )
    if clock is None:
        return was
    return replace(
        was,
        due=clock.due,
        # Each day ends as the present one does, but for the hour of a change of clocks between them.
        due_at=found.due_at + (clock.due - found.due),
        asked_at=clock.asked_at,
        paused_days=found.paused_days if clock.has_resumed else 0,
    )


def _extended(session: Session, request_ids: Collection[str], end: datetime) -> frozenset[str]:
    of = request.c
    query = sa.select(of.id).where(of.extended_at < end)
    return frozenset(id_ for some in _slices(request_ids) for id_ in session.scalars(query.where(of.id.in_(some))))


def _steps(session: Session, request_ids: Collection[str]) -> list[Any]:  # rows of `request_step`, oldest first
    of = request_step.c
    query = sa.select(of.request_id, of.state, of.at, of.actor, of.event_id).order_by(of.n)
    return [row for some in _slices(request_ids) for row in session.execute(query.where(of.request_id.in_(some)))]


def _slices(ids: Collection[str]) -> Iterator[Sequence[str]]:
    """Yield ids, as many at once as a statement takes."""
    ordered = sorted(ids)
    for first in range(0, len(ordered), AT_ONCE):
        yield ordered[first : first + AT_ONCE]
