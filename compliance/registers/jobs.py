"""The daily work of the registers: whoever wrote a processor down is told 30 and 7 days before its day, and on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.kernel.access import service
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.ids import Ids
from app.kernel.jobs import Job
from compliance.registers import processors

Remind = Callable[[Session, str, str, str, Context], None]
"""Port to identity: write to a member of staff, with title and text."""


def job(db: Database, ids: Ids, remind: Remind) -> Job:
    """Return the job with its pace."""

    def work(at: datetime) -> str | None:
        ctx = Context(actor=service("privacy.registers"), at=at, request_id=ids.new("run", at), ids=ids)
        with db.begin() as session:
            due = processors.reminders(session, at.date())
            for account, says in due:
                remind(session, account, "A processor is to be looked at", f"{says}.\n", ctx)
        return f"{len(due)} reminders" if due else None

    return Job(name="privacy.registers", every=timedelta(days=1), run=work)
