"""How papers live: one version waits for a second person, one is in force, and those before stay as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import ids
from app.kernel.access import Actor
from app.kernel.approvals import State
from app.kernel.context import Context
from app.kernel.db import change_one
from app.kernel.errors import NotFound
from compliance.attest.parts import (
    EXPIRED,
    IN_FORCE,
    PROPOSED,
    REJECTED,
    SUPERSEDED,
    WITHDRAWN,
    Desk,
    PaperMoved,
    PaperOpen,
)
from ingest.events.compliance import PaperWithdrawn
from ingest.events.envelope import Event
from ingest.log import outbox

Where = sa.ColumnElement[bool]


def demand_none_waits(session: Session, table: sa.Table, of: Where) -> None:
    """Raise `PaperOpen` while another version waits for a second person."""
    if session.scalar(sa.select(table.c.id).where(of, table.c.state == PROPOSED)) is not None:
        raise PaperOpen


def following(session: Session, table: sa.Table, of: Where) -> int:
    """Return the number of the next version; raises `PaperOpen` while one waits."""
    demand_none_waits(session, table, of)
    return (session.scalar(sa.select(sa.func.max(table.c.version)).where(of)) or 0) + 1


def seen_by(actor: Actor, table: sa.Table, prefix: str, ends: sa.ColumnElement[Any]) -> tuple[Where, ...]:
    """Return the conditions of the papers that an actor sees: to an auditor those that stood in their period.

    What was proposed after it is not there yet; what waits or is in force is not over, even where its day passed.
    """
    if actor.period is None:
        return ()
    begin, end = actor.period
    # Ids are in the order of time.
    return (table.c.id < ids.derived(prefix, end, 0), table.c.state.in_((PROPOSED, IN_FORCE)) | (ends >= begin))


def row_of(session: Session, table: sa.Table, paper_id: str) -> Any:  # a row
    """Return a paper as it lies there; raises `NotFound`."""
    row = session.execute(sa.select(table).where(table.c.id == paper_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(object_id=paper_id)
    return row


def put_in_force(
    session: Session,
    table: sa.Table,
    paper_id: str,
    event: Event,
    ctx: Context,
    *,
    at: str,
    replaces: Where | None = None,
) -> None:
    """Put what waits in force, in place of the version before, and record it; `at` names the column of the instant.

    Raises `PaperMoved` where it waits no more.
    """
    if replaces is not None:
        before = sa.update(table).where(replaces, table.c.state.in_((IN_FORCE, EXPIRED)))
        session.execute(before.values(state=SUPERSEDED))
    event_id = outbox.record(session, event, ctx)
    waits = sa.update(table).where(table.c.id == paper_id, table.c.state == PROPOSED)
    change_one(session, waits.values(state=IN_FORCE, event_id=event_id, **{at: ctx.at}), otherwise=PaperMoved)


def take_back(
    session: Session, table: sa.Table, paper_id: str, withdrawn: PaperWithdrawn, ctx: Context, *, desk: Desk
) -> None:
    """Take a paper back, and what waits for a second person with it; raises `NotFound` or `PaperMoved`."""
    found = row_of(session, table, paper_id)
    if found["state"] == PROPOSED and found["approval_id"] is not None:
        desk.approvals.cancel(session, found["approval_id"], ctx)
    stands = sa.update(table).where(table.c.id == paper_id, table.c.state.in_((PROPOSED, IN_FORCE, EXPIRED)))
    change_one(session, stands.values(state=WITHDRAWN), otherwise=PaperMoved)
    if found["state"] != PROPOSED:  # else nobody signed anything
        outbox.record(session, withdrawn, ctx)


def rejecting(table: sa.Table) -> Callable[[Session, str, State, Context], None]:
    """Return what ends a paper that nobody agreed to, for its approval kind."""

    def closed(session: Session, id: str, state: State, ctx: Context) -> None:
        waits = sa.update(table).where(table.c.approval_id == id, table.c.state == PROPOSED)
        session.execute(waits.values(state=REJECTED))

    return closed
