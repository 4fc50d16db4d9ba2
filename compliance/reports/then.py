"""Since when breaches were known, as it was written down by a past instant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import parse_rfc3339
from compliance.registers.models import breach_step

AT_ONCE: Final = 500


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
