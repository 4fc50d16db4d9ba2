"""Taking a kept file of a report away: it is compared with its hash, and that it left is an event."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.kernel.context import Context
from compliance import taking
from compliance.reports import runs
from compliance.reports.parts import Reports

VIEW = "report"


def take(session: Session, report_id: str, name: str, ctx: Context, *, parts: Reports) -> bytes:
    """Return a file of a report or an export, and record that it was taken; raises `NotFound` or `FileGone`."""
    data = runs.read(session, report_id, name, ctx.actor, parts=parts)
    taking.record(session, VIEW, name, data, ctx)
    return data
