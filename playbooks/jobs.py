"""The recurring work of response: carrying playbooks out, turning clocks, ending what lapses."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.kernel.clock import Clock
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.ids import Ids
from app.kernel.jobs import Job, guarded
from playbooks import acting, action_rows, cases, clocks, tasks, undoing
from playbooks.clocks import CONTAINMENT
from playbooks.engine.execute import Executor
from playbooks.form import Ask
from playbooks.parts import Parts


def jobs(db: Database, clock: Clock, ids: Ids, parts: Parts) -> tuple[Job, ...]:
    """Return the jobs of response with their pace."""
    executor = Executor(db, clock, ids, parts)
    return (
        Job(name="playbooks.execute", every=timedelta(seconds=2), run=lambda at: executor.run()),
        Job(name="playbooks.clocks", every=timedelta(seconds=15), run=lambda at: turn_clocks(db, ids, at)),
        Job(name="playbooks.expire", every=timedelta(seconds=30), run=lambda at: expire(db, ids, parts, at)),
    )


def turn_clocks(db: Database, ids: Ids, at: datetime) -> str | None:
    """Let every running clock say what it has to say now, each in a transaction of its own."""
    with db.read() as session:
        due = [one for one in clocks.running(session) if clocks.is_due(one, at)]
    for one in due:
        guarded("playbooks.clocks", lambda: _turn(db, ids, one, at))  # noqa: B023 - called at once
    return f"{len(due)} clocks" if due else None


def expire(db: Database, ids: Ids, parts: Parts, at: datetime) -> str | None:
    """End containment and proposals whose time is over, each in a transaction of its own."""
    with db.read() as session:
        due = action_rows.expiring(session, at, parts=parts)
    for action_id in due:
        guarded("playbooks.expire", lambda: _expire(db, ids, parts, action_id, at))  # noqa: B023 - called at once
    return f"{len(due)} actions" if due else None


def _turn(db: Database, ids: Ids, one: clocks.Clock, at: datetime) -> None:
    ctx = _context(ids, at)
    with db.begin() as session:
        case = cases.locked(session, one.incident_id)
        breached = clocks.turn(session, case, one.id, ctx)
        if breached is not None and breached.kind == CONTAINMENT and case.is_open:
            found = action_rows.by_ref(session, breached.ref)
            tasks.open_task(session, case, _prolong_or_undo(found, breached), ctx)


def _expire(db: Database, ids: Ids, parts: Parts, action_id: str, at: datetime) -> None:
    with db.begin() as session:
        undoing.expire(session, action_id, _context(ids, at), parts=parts)


def _prolong_or_undo(found: action_rows.Action, breached: clocks.Clock) -> Ask:
    return Ask(
        text=f"{found.kind.title} ({found.target}) stands since {breached.started_at:%Y-%m-%d %H:%M} UTC: undo it, or "
        "let another person than the one who did it prolong it.",
        role="incident_commander",
        within=tasks.DECIDE_WITHIN,
        is_required=False,
        next="done",
    )


def _context(ids: Ids, at: datetime) -> Context:
    return Context(actor=acting.SERVICE, at=at, request_id=ids.new("run", at), ids=ids)
