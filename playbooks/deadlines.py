"""The next deadlines: clocks, tasks, containment and approvals in one list, the nearest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import SOC_INCIDENT_READ, Actor
from playbooks import cases
from playbooks.action_rows import STANDING, ActionState
from playbooks.clocks import CONTAINMENT, ClockState
from playbooks.models import action, clock, incident, task
from playbooks.parts import Parts
from playbooks.tasks import TaskState

PAGE_MAX: Final = 200
_OPEN: Final = tuple(state.value for state in cases.OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Something that is due: what, of which incident, from when until when."""

    kind: str
    ref: str
    text: str
    incident_id: str
    incident_number: int
    incident_title: str
    severity: int
    started_at: datetime
    due_at: datetime


def next(session: Session, actor: Actor, *, parts: Parts, limit: int = 20) -> Sequence[Deadline]:
    """Return what is late or due next, drills left out: clocks, tasks, ends of containment, approvals."""
    actor.require(SOC_INCIDENT_READ)
    limit = min(limit, PAGE_MAX)
    found = [
        *_clocks(session, limit),
        *_tasks(session, limit),
        *_actions(session, parts.settings.approval_lasts, limit),
    ]
    return sorted(found, key=lambda one: (one.due_at, one.ref))[:limit]


def _clocks(session: Session, limit: int) -> Sequence[Deadline]:
    # A clock that is breached stays due, first of all, until somebody does what it asks for.
    unmet = (ClockState.RUNNING.value, ClockState.BREACHED.value)
    query = _of_incidents(clock).where(
        clock.c.state.in_(unmet), clock.c.kind != CONTAINMENT, incident.c.state.in_(_OPEN)
    )
    return [
        _deadline(row, kind="clock", text=row.kind, started_at=row.started_at, due_at=row.due_at)
        for row in session.execute(query.order_by(clock.c.due_at).limit(limit))
    ]


def _tasks(session: Session, limit: int) -> Sequence[Deadline]:
    query = _of_incidents(task).where(task.c.state.in_((TaskState.OPEN.value, TaskState.CHECKING.value)))
    return [
        _deadline(row, kind="task", text=row.text, started_at=row.opened_at, due_at=row.due_at)
        for row in session.execute(query.order_by(task.c.due_at).limit(limit))
    ]


def _actions(session: Session, approval_lasts: timedelta, limit: int) -> Sequence[Deadline]:
    standing = _of_incidents(action).where(
        action.c.state.in_([state.value for state in STANDING]), action.c.expires_at.is_not(None)
    )
    ends = [
        _deadline(row, kind="containment", text=row.name, started_at=row.done_at, due_at=row.expires_at)
        for row in session.execute(standing.order_by(action.c.expires_at).limit(limit))
    ]
    proposed = _of_incidents(action).where(action.c.state == ActionState.PROPOSED.value)
    approvals = [
        _deadline(
            row,
            kind="approval",
            text=row.name,
            started_at=row.requested_at,
            due_at=row.requested_at + approval_lasts,
        )
        for row in session.execute(proposed.order_by(action.c.requested_at).limit(limit))
    ]
    return [*ends, *approvals]


def _of_incidents(table: sa.Table) -> sa.Select[tuple[object, ...]]:
    return (
        sa.select(table, incident.c.number, incident.c.title, incident.c.severity.label("incident_severity"))
        .join(incident, incident.c.id == table.c.incident_id)
        .where(incident.c.synthetic.is_(None))
    )


def _deadline(
    row: sa.Row[tuple[object, ...]], *, kind: str, text: str, started_at: datetime, due_at: datetime
) -> Deadline:
    return Deadline(
        kind=kind,
        ref=row.id,
        text=text,
        incident_id=row.incident_id,
        incident_number=row.number,
        incident_title=row.title,
        severity=row.incident_severity,
        started_at=started_at,
        due_at=due_at,
    )
