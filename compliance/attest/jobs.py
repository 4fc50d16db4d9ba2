"""The recurring work of signed papers: what ended is written down, and who answers for it is told before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import service
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.ids import Ids
from app.kernel.jobs import Job
from compliance.attest import exceptions, models
from compliance.attest.parts import EXPIRED, IN_FORCE, Desk

DAYS: Final = (30, 7, 0)
"""So many days before its end the owner of a paper is told."""


def jobs(db: Database, ids: Ids, desk: Desk) -> Sequence[Job]:
    """Return the jobs with their pace."""

    def run(at: datetime) -> str | None:
        ctx = Context(actor=service("compliance"), at=at, request_id=ids.new("run", at), ids=ids)
        with db.begin() as session:
            return expire(session, ctx, desk=desk)

    return (Job(name="compliance.expiries", every=timedelta(hours=1), run=run),)


def expire(session: Session, ctx: Context, *, desk: Desk) -> str | None:
    """Tell the owners of what ends soon, and write down what ended."""
    told = sum(
        (
            _remind(session, models.attestation, "owner", "expires_at", "An attestation", ctx, desk),
            _remind(session, models.exception, "proposed_by", "until_at", "An exception", ctx, desk),
            _remind(session, models.risk_analysis, "proposed_by", "review_by", "A risk analysis", ctx, desk),
        )
    )
    table = models.attestation
    session.execute(
        sa.update(table).where(table.c.state == IN_FORCE, table.c.expires_at <= ctx.at).values(state=EXPIRED)
    )
    ended = exceptions.expire(session, ctx)
    return f"{told} reminders, {ended} exceptions ended" if told or ended else None


def _remind(session: Session, table: sa.Table, owner: str, end: str, what: str, ctx: Context, desk: Desk) -> int:
    count = 0
    soon = ctx.at + timedelta(days=max(DAYS))
    for row in session.execute(
        sa.select(table).where(table.c.state == IN_FORCE, table.c[end] <= soon).order_by(table.c.id)
    ).mappings():
        left = max(row[end] - ctx.at, timedelta(0))
        step = min(days for days in DAYS if left <= timedelta(days=days))
        if row["reminded"] is not None and row["reminded"] <= step:
            continue
        about = _about(row, desk)
        says = f"{what} for {about} {'has ended' if step == 0 else 'ends'} on {row[end]:%Y-%m-%d}"
        text = f"{says}.\n\nSign it anew, or let it go: open Tasks in the compliance console.\n"
        desk.remind(session, row[owner], says, text, ctx)
        session.execute(sa.update(table).where(table.c.id == row["id"]).values(reminded=step))
        count += 1
    return count


def _about(row: Any, desk: Desk) -> str:
    if "requirement" in row:
        return f"PCI DSS {row['requirement']}"
    found = desk.catalogue.controls.get((row["framework"], row["key"]))
    return found.name if found is not None else str(row["key"])
