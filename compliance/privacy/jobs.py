"""The recurring work of privacy: copies made, what was approved carried out, copies that expired destroyed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from app.kernel.access import Actor, service
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.ids import Ids
from app.kernel.jobs import Job, guarded
from compliance.privacy import delivery, packing
from compliance.privacy.parts import Privacy

TURNS: Final = 20
_ACTOR: Final[Actor] = service("privacy")


def jobs(db: Database, ids: Ids, parts: Privacy) -> Sequence[Job]:
    """Return the jobs with their pace."""

    def context(at: datetime) -> Context:
        return Context(actor=_ACTOR, at=at, request_id=ids.new("run", at), ids=ids)

    return (
        Job(name="privacy.execute", every=timedelta(seconds=10), run=lambda at: execute(db, context(at), parts)),
        Job(name="privacy.packages", every=timedelta(hours=1), run=lambda at: expire(db, context(at), parts)),
    )


def execute(db: Database, ctx: Context, parts: Privacy) -> str | None:
    """Make the copies that are due."""
    made = 0
    for _ in range(TURNS):
        with db.begin() as session:
            taken = packing.claim(session, ctx)
        if taken is None:
            break
        error = guarded("privacy.package", lambda: packing.make(db, taken, ctx, parts=parts))  # noqa: B023 - called at once
        if error is not None:
            with db.begin() as session:
                packing.fail(session, taken, error, ctx, parts=parts)
            continue
        made += 1
    return f"{made} copies" if made else None


def expire(db: Database, ctx: Context, parts: Privacy) -> str | None:
    """Destroy copies whose time is over."""
    with db.begin() as session:
        gone = delivery.expire(session, ctx, parts=parts)
    return f"{gone} copies destroyed" if gone else None
