"""The recurring work of access reviews."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.kernel.access import service
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.ids import Ids
from app.kernel.jobs import Job
from compliance.reviews import campaigns
from compliance.reviews.campaigns import Sources


def jobs(db: Database, ids: Ids, sources: Sources) -> Sequence[Job]:
    """Return the jobs with their pace."""

    def run(at: datetime) -> str | None:
        ctx = Context(actor=service("compliance"), at=at, request_id=ids.new("run", at), ids=ids)
        with db.begin() as session:
            return campaigns.turn(session, ctx, sources=sources)

    return (Job(name="compliance.reviews", every=timedelta(days=1), run=run),)
