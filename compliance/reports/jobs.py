"""The recurring work of reports: one at a time, the oldest first; and exports that are not kept for long."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from app.kernel.access import service
from app.kernel.context import Context
from app.kernel.ids import Ids
from app.kernel.jobs import Job
from compliance.reports import runs
from compliance.reports.parts import Reports

EVERY: Final = timedelta(seconds=5)
HOURLY: Final = timedelta(hours=1)
_MAKER: Final = service("reports")


def jobs(ids: Ids, parts: Reports) -> Sequence[Job]:
    """Return the jobs with their pace."""

    def context(at: datetime) -> Context:
        return Context(actor=_MAKER, at=at, request_id=ids.new("run", at), ids=ids)

    return (
        Job(name="compliance.reports", every=EVERY, run=lambda at: runs.carry_on(context(at), parts=parts)),
        Job(name="compliance.exports", every=HOURLY, run=lambda at: runs.retire_exports(context(at), parts=parts)),
    )
