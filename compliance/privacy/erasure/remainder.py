"""What an erasure had to leave, gone once nothing keeps it: a hold released, a balance paid out, a dispute closed.

What stays by the period of a class goes with a retention run of that class; here goes what somebody had to settle. It
becomes an erasure of its own, beside the first, with a certificate of its own (PRV-33), told while there is an address.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.db import Database
from compliance.catalog import retention
from compliance.privacy import intake, moving, requests, trouble
from compliance.privacy.erasure import execution, planning
from compliance.privacy.erasure.planning import GOES
from compliance.privacy.models import erasure_certificate, erasure_target, request
from compliance.privacy.parts import Privacy
from compliance.privacy.request import FOLLOWING, Kind, Request, State
from ingest.log import shredding
from ingest.log.shredding import Parts as Shredding


def begin(db: Database, ctx: Context, *, parts: Privacy, shreds: Shredding) -> list[str]:
    """Begin the erasure of what earlier ones left and nothing keeps any more; returns the ids of the new ones.

    One of which that fails is set aside, and says why; the others begin.
    """
    with db.read() as session:
        waiting = _left_something(session, ctx.at)
    begun: list[str] = []
    for first in waiting:
        with db.begin() as session:
            found, new = requests.locked(session, first), list[str]()
            follow = partial(_follow, session, found, new, ctx, parts, shreds)
            if moving.tried(session, found, trouble.COMPLETING, follow, ctx):
                begun += new
    return begun


def _follow(session: Session, first: Request, new: list[str], ctx: Context, parts: Privacy, shreds: Shredding) -> None:
    """Begin the erasure that completes a first one, and add its id to `new`; nothing is done while all is kept."""
    if _is_followed(session, first.id) or not _is_free(session, first, parts, shreds):
        return
    request_id = intake.follow(session, first, ctx, parts=parts)
    execution.begin(session, requests.get(session, request_id), ctx, parts=parts)
    new.append(request_id)


def _left_something(session: Session, at: datetime) -> Sequence[str]:
    """Return certified erasures that left what no class keeps, with none that follows and none set aside."""
    other = request.alias("other")
    followed = sa.exists().where(other.c.linked_to == request.c.id, other.c.channel == FOLLOWING)
    query = (
        sa.select(request.c.id)
        .join(erasure_certificate, erasure_certificate.c.request_id == request.c.id)
        .where(request.c.kind == Kind.ERASURE.value, request.c.state == State.CLOSED.value, moving.is_free(at))
        .where(sa.exists().where(_settled(request.c.id)), ~followed)
        .order_by(request.c.closed_at, request.c.id)
    )
    return list(session.scalars(query))


def _is_followed(session: Session, request_id: str) -> bool:
    of = request.c
    query = sa.select(of.id).where(of.linked_to == request_id, of.channel == FOLLOWING).limit(1)
    return session.execute(query).first() is not None


def _is_free(session: Session, first: Request, parts: Privacy, shreds: Shredding) -> bool:
    """Tell whether anything that the first erasure left would be erased by one of now."""
    of = erasure_target.c
    rows = session.execute(sa.select(of.store, of.ids).where(_settled(first.id))).all()
    left = {(row.store, id) for row in rows for id in row.ids}
    planned, classes = planning.plan(session, first.subject, parts=parts), set[str]()
    for source in parts.sources:
        free = [each for each in planned.targets[source.name] if each.action in GOES and (each.store, each.id) in left]
        if source.remaining(session, [each for each in free if each.action != "shred"]):
            return True
        classes |= {each.key_class for each in free if each.key_class is not None}
    with shreds.keys.db.read() as keys:
        return bool(shredding.remaining(keys, first.subject, classes))


def _settled(request_id: str | sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """What an erasure left for something that had to be settled, and not by the period of a class."""
    of = erasure_target.c
    return sa.and_(of.request_id == request_id, of.action == "keep", of.retention.not_in(sorted(retention.shipped())))
