"""Days as they stood at a past instant: of requests by the events of their steps, of breaches by their own steps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import parse_rfc3339
from compliance.privacy.models import request_step
from compliance.registers.models import breach_step
from ingest.events.envelope import at_path
from ingest.log import read

AT_ONCE: Final = 500


def dues(session: Session, request_ids: Collection[str], at: datetime) -> Mapping[str, date]:
    """Return until when requests were to be answered, as the newest event of each by then says it.

    The row of a request knows its present day alone: extending and pausing write over it. Nothing is said of one
    whose events went with their month.
    """
    of = request_step.c
    steps = [
        row
        for some in _slices(request_ids)
        for row in session.execute(
            sa.select(of.request_id, of.event_id)
            .where(of.request_id.in_(some), of.at <= at, of.event_id.is_not(None))
            .order_by(of.n)
        )
    ]
    said = _days(session, [row.event_id for row in steps])
    return {row.request_id: said[row.event_id] for row in steps if row.event_id in said}


def awareness(session: Session, breach_ids: Collection[str], at: datetime) -> Mapping[str, datetime]:
    """Return since when breaches were known, as it was written down by then; a correction keeps both instants."""
    of = breach_step.c
    rows = [
        row
        for some in _slices(breach_ids)
        for row in session.execute(
            sa.select(of.breach_id, of.after)
            .where(of.breach_id.in_(some), of.what.in_(("opened", "awareness")), of.at <= at, of.after.is_not(None))
            .order_by(of.n)
        )
    ]
    return {row.breach_id: parse_rfc3339(row.after) for row in rows}


def _slices(ids: Collection[str]) -> Iterator[Sequence[str]]:
    """Yield ids, as many at once as a statement takes."""
    ordered = sorted(ids)
    for first in range(0, len(ordered), AT_ONCE):
        yield ordered[first : first + AT_ONCE]


def _days(session: Session, event_ids: Collection[str]) -> Mapping[str, date]:
    """Return the day that each event names; an event that was recorded a moment ago waits for its number."""
    said = {
        id_: at_path(document, "onepay.request.due_at") for id_, document in read.documents(session, event_ids).items()
    }
    return {id_: date.fromisoformat(day) for id_, day in said.items() if day is not None}
