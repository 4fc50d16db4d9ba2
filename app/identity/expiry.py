"""What identity keeps no longer than it serves, and which no class of retention is about: links, sign-ins, counters."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity.models import attempts, link, login
from app.identity.policy import SecurityPolicy
from app.kernel.context import Context

# Of each table at one time, so that a run never holds the database for long; the next one goes on.
ROWS_MAX: Final = 1_000


def purge(session: Session, ctx: Context, *, policy: SecurityPolicy, limit: int = ROWS_MAX) -> int:
    """Delete what is over and kept long enough, at most `limit` rows of each table, and return how many went.

    Sessions, letters and devices have periods that two people agree to, and holds: runs of retention end them. What
    still counts is never deleted: a lock that stands, a link that opens. The secret of a removed factor goes at once,
    where it is removed; who removed it and why stays.
    """
    over = (
        (link, link.c.expires_at <= ctx.at - timedelta(days=policy.links_kept_days)),
        (login, login.c.expires_at <= ctx.at - timedelta(days=policy.logins_kept_days)),
        (attempts, _counts_no_more(ctx, policy)),
    )
    return sum(_delete(session, table, condition, limit) for table, condition in over)


def _counts_no_more(ctx: Context, policy: SecurityPolicy) -> sa.ColumnElement[bool]:
    # An account keeps its failures until it is signed in to (LCK-4); after a day they bar nothing that the lock of
    # the fifth would not: four guesses a day are fewer than five in each half hour.
    return sa.and_(
        attempts.c.first_at <= ctx.at - timedelta(days=policy.attempts_kept_days),
        sa.or_(attempts.c.locked_until.is_(None), attempts.c.locked_until <= ctx.at),
        sa.or_(attempts.c.not_before.is_(None), attempts.c.not_before <= ctx.at),
    )


def _delete(session: Session, table: sa.Table, condition: sa.ColumnElement[bool], limit: int) -> int:
    keys = list(table.primary_key.columns)
    rows = session.execute(sa.select(*keys).where(condition).limit(limit)).all()
    if rows:
        # Said again, since a lock that began in between still counts.
        session.execute(sa.delete(table).where(sa.tuple_(*keys).in_([tuple(row) for row in rows]), condition))
    return len(rows)
