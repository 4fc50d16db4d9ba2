"""Restraints: what containment or an operator keeps somebody's money from doing, until it is released."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from payments.models import restraint

HOLD_OUTGOING: Final = "wallet.hold_outgoing"
REPORTED: Final = "owner_disowned"
"""Why money is held that its owner holds by a report: the decision that ends a hold after it ends this one, too."""
STANDS: Final = timedelta(hours=24)
"""Until when a hold is meant to stand, unless it was said otherwise: that informs, and people alone end the hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restraint:
    """One restraint of one person; it stands until it is released, whatever `until` says."""

    id: str
    target: str
    until: datetime
    reason: str
    at: datetime
    released_at: datetime | None


def place(session: Session, *, target: str, until: datetime, reason: str, key: str, ctx: Context) -> str:
    """Insert a restraint and return its id; the caller has looked that the key is new."""
    id = ctx.new_id("rst")
    session.execute(
        sa.insert(restraint).values(
            id=id, kind=HOLD_OUTGOING, target=target, until=until, reason=reason, key=key, by_id=ctx.actor.id, at=ctx.at
        )
    )
    return id


def release(session: Session, id: str, key: str, ctx: Context) -> bool:
    """End a restraint, and with it what the person's own reports hold; returns False where it has ended already."""
    standing = restraint.c.released_at.is_(None)
    ended = sa.update(restraint).values(released_at=ctx.at, released_by_id=ctx.actor.id)
    own = ended.where(restraint.c.id == id, standing).values(release_key=key).returning(restraint.c.target)
    target = session.scalar(own)
    if target is None:
        return False
    session.execute(ended.where(restraint.c.target == target, restraint.c.reason == REPORTED, standing))
    return True


def by_id(session: Session, id: str) -> Restraint | None:
    """Return a restraint."""
    return _one(session, restraint.c.id == id)


def by_key(session: Session, key: str) -> Restraint | None:
    """Return the restraint that was placed with a key."""
    return _one(session, restraint.c.key == key)


def standing(session: Session, target: str, *, reason: str | None = None) -> Restraint | None:
    """Return the latest restraint that keeps a person's money in, if any; by choice of one reason alone."""
    query = sa.select(restraint).where(
        restraint.c.target == target, restraint.c.kind == HOLD_OUTGOING, restraint.c.released_at.is_(None)
    )
    if reason is not None:
        query = query.where(restraint.c.reason == reason)
    row = session.execute(query.order_by(restraint.c.at.desc(), restraint.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _restraint(row)


def _one(session: Session, where: sa.ColumnElement[bool]) -> Restraint | None:
    row = session.execute(sa.select(restraint).where(where)).one_or_none()
    return None if row is None else _restraint(row)


def _restraint(row: sa.Row[tuple[object, ...]]) -> Restraint:
    return Restraint(
        id=row.id,
        target=row.target,
        until=row.until,
        reason=row.reason,
        at=row.at,
        released_at=row.released_at,
    )
