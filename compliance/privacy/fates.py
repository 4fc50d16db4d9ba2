"""What became of the letters about a request: delivered, on their way, or given to nobody, for whoever answers for it.

A letter counts as written when it is queued; that the law's notice reached somebody is what is told here. It is noted
with the letter, as the message that took it ends long before the request does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from compliance.privacy.models import request_letter
from compliance.privacy.parts import Privacy
from compliance.privacy.request import Fate, Written

AT_ONCE: Final = 5_000
"""So many letters on their way a turn are looked after, the oldest first."""


def of_request(session: Session, request_id: str, at: datetime, *, parts: Privacy) -> Sequence[Written]:
    """Return what was written about a request, oldest first, with what became of it by now."""
    of = request_letter.c
    rows = session.execute(sa.select(request_letter).where(of.request_id == request_id).order_by(of.n)).all()
    ended = _ended(session, rows, at, parts)
    return [
        Written(title=row.title, at=row.sent_at, fate=Fate(row.fate) if row.fate else ended.get(row.n, Fate.WAITING))
        for row in rows
    ]


def settle(session: Session, ctx: Context, *, parts: Privacy) -> int:
    """Note with each letter on its way what became of it, once something did; returns how many were noted."""
    of = request_letter.c
    query = sa.select(request_letter).where(of.message_id.is_not(None), of.fate.is_(None)).order_by(of.n)
    ended = _ended(session, session.execute(query.limit(AT_ONCE)).all(), ctx.at, parts)
    for n, fate in ended.items():
        session.execute(sa.update(request_letter).where(of.n == n).values(fate=fate.value))
    return len(ended)


def _ended(session: Session, rows: Sequence[Any], at: datetime, parts: Privacy) -> dict[int, Fate]:
    """Return what became of those that are on their way no more; of whose message nobody knows, that."""
    open_ = {row.n: row.message_id for row in rows if row.fate is None}
    known = parts.people.fates(session, [id for id in open_.values() if id is not None], at)
    found = {n: Fate(known.get(id, Fate.UNKNOWN)) for n, id in open_.items()}
    return {n: fate for n, fate in found.items() if fate is not Fate.WAITING}
