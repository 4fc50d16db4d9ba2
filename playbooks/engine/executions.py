"""Executions of playbooks as rows: starting one with its version pinned, stopping it, reading how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import ActorKind
from app.kernel.context import Context
from app.kernel.db import insert_once
from playbooks import actions, tasks, timeline
from playbooks.cases import Incident
from playbooks.engine import load, steps
from playbooks.form import END, Ask, Call, Decide, Do, Playbook, Step, Value, targets
from playbooks.models import execution, incident_entity, playbook_version
from playbooks.models import step as step_table
from playbooks.parts import Parts
from playbooks.step_rows import StepState
from playbooks.timeline import Code

EXECUTIONS_MAX: Final = 50
SOURCES_MAX: Final = 500


class ExecutionState(StrEnum):
    """Where an execution stands."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


class Mode(StrEnum):
    """Whether actions act, or are recorded alone."""

    LIVE = "live"
    DRILL = "drill"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStanding:
    """A step of an execution as people read it: its kind, what it says, where it stands."""

    name: str
    kind: str
    text: str
    role: str | None
    state: StepState
    why: str | None
    out: Mapping[str, Value]
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A playbook that runs, or ran, for an incident."""

    id: str
    incident_id: str
    playbook: str
    title: str
    number: int
    mode: Mode
    parent_id: str | None
    state: ExecutionState
    started_at: datetime
    ended_at: datetime | None
    variables: Mapping[str, Value]
    steps: Sequence[StepStanding]


def start(
    session: Session,
    case: Incident,
    slug: str,
    ctx: Context,
    *,
    parts: Parts,
    given: Mapping[str, Value] | None = None,
    parent: tuple[str, str, int] | None = None,
) -> str | None:
    """Start a playbook for an incident under its lock, at the version that stands now; None where there is none.

    `parent` is the execution and step that called it, and how deep. Nothing is done here: the executor takes the first
    step within its next turn.
    """
    book = parts.library.get(slug)
    if book is None:
        timeline.add(session, case.id, Code.PLAYBOOK_MISSING, ctx, playbook=slug)
        return None
    version_id, number = _pinned(session, book, ctx)
    execution_id = ctx.new_id("exe")
    session.execute(
        sa.insert(execution).values(
            id=execution_id,
            incident_id=case.id,
            version_id=version_id,
            mode=(Mode.LIVE if case.synthetic is None else Mode.DRILL).value,
            parent_id=parent[0] if parent else None,
            parent_step=parent[1] if parent else None,
            depth=parent[2] if parent else 0,
            variables=facts(session, case) | dict(given or {}),
            state=ExecutionState.RUNNING.value,
            started_at=ctx.at,
            started_by=_starter(session, ctx, parent),
        )
    )
    rows = [
        {
            "execution_id": execution_id,
            "step": name,
            "place": place,
            "state": (StepState.READY if name == book.entry else StepState.PENDING).value,
            "is_followed": False,
            "attempt": 0,
            "failures": 0,
            "out": {},
        }
        for place, name in enumerate(book.steps)
    ]
    session.execute(sa.insert(step_table), rows)
    timeline.add(session, case.id, Code.PLAYBOOK_STARTED, ctx, ref=execution_id, playbook=slug, number=number)
    return execution_id


def _starter(session: Session, ctx: Context, parent: tuple[str, str, int] | None) -> str | None:
    """Return the person who started a playbook, or the one that called it; None where a finding did."""
    if parent is not None:
        return session.scalar(sa.select(execution.c.started_by).where(execution.c.id == parent[0]))
    return None if ctx.actor.kind is ActorKind.SERVICE else ctx.actor.id


def stop(session: Session, case: Incident, ctx: Context, *, why: str, comment_id: str | None = None) -> int:
    """Stop every playbook of an incident under its lock and leave its open tasks out; returns how many ran."""
    running = session.execute(
        sa.select(execution.c.id, playbook_version.c.slug)
        .join_from(execution, playbook_version, playbook_version.c.id == execution.c.version_id)
        .where(execution.c.incident_id == case.id, execution.c.state == ExecutionState.RUNNING.value)
        .order_by(execution.c.id)
    ).all()
    for row in running:
        tasks.leave_open_ones_out(session, case, why, ctx, execution_id=row.id)
        actions.turn_down_waiting(session, case, ctx, code=why, why="The playbook was stopped.", execution_id=row.id)
        end(session, row.id, ExecutionState.STOPPED, ctx)
        timeline.add(session, case.id, Code.PLAYBOOK_STOPPED, ctx, ref=comment_id or row.id, playbook=row.slug)
    return len(running)


def end(session: Session, execution_id: str, state: ExecutionState, ctx: Context) -> None:
    """End an execution; steps that no way led to say so."""
    session.execute(
        sa.update(execution).where(execution.c.id == execution_id).values(state=state.value, ended_at=ctx.at)
    )
    session.execute(
        sa.update(step_table)
        .where(
            step_table.c.execution_id == execution_id,
            step_table.c.state.in_([state.value for state in _UNENDED]),
        )
        .values(state=StepState.NOT_REACHED.value, is_followed=True)
    )


def facts(session: Session, case: Incident) -> dict[str, Value]:
    """Return what an execution is given of its incident; a fact that is not known stays unset beside its claim."""
    by_kind: dict[str, list[Any]] = {"account": [], "address": [], "identifier": []}
    rows = session.execute(
        sa.select(incident_entity)
        .where(
            incident_entity.c.incident_id == case.id, incident_entity.c.kind.in_(("account", "address", "identifier"))
        )
        .order_by(incident_entity.c.value)
        .limit(SOURCES_MAX)
    ).all()
    for row in rows:
        by_kind[row.kind].append(row)
    account = _account(by_kind)
    sources = [row.value for row in by_kind["address"]]
    found: dict[str, Value] = {
        "severity": case.severity,
        "has_account": account is not None,
        "has_sources": bool(sources),
    }
    if account is not None:
        found["account"] = account
    if sources:
        found["source_ips"] = sources
    return found


def of_incident(session: Session, incident_id: str) -> Sequence[Execution]:
    """Return the executions of an incident with their steps, oldest first."""
    rows = session.execute(
        sa.select(execution, playbook_version.c.slug, playbook_version.c.number, playbook_version.c.source)
        .join_from(execution, playbook_version, playbook_version.c.id == execution.c.version_id)
        .where(execution.c.incident_id == incident_id)
        .order_by(execution.c.id)
        .limit(EXECUTIONS_MAX)
    ).all()
    found: dict[str, list[Any]] = {row.id: [] for row in rows}
    query = sa.select(step_table).where(step_table.c.execution_id.in_(list(found)))
    for row in session.execute(query.order_by(step_table.c.execution_id, step_table.c.place)):
        found[row.execution_id].append(row)
    return [_execution(row, found[row.id]) for row in rows]


def book_of(session: Session, version_id: str) -> Playbook:
    """Return the pinned version of a playbook, as it was when its execution started."""
    row = session.execute(sa.select(playbook_version).where(playbook_version.c.id == version_id)).one()
    return load.parse(row.source, row.slug)


def has_running(session: Session, incident_id: str) -> bool:
    """Tell whether a playbook of the incident still runs."""
    query = sa.select(sa.func.count()).where(
        execution.c.incident_id == incident_id, execution.c.state == ExecutionState.RUNNING.value
    )
    return bool(session.scalar(query))


_UNENDED: Final = (StepState.PENDING, StepState.READY, StepState.RUNNING, StepState.WAITING)


def _pinned(session: Session, book: Playbook, ctx: Context) -> tuple[str, int]:
    known = sa.select(playbook_version.c.id, playbook_version.c.number).where(
        playbook_version.c.slug == book.slug, playbook_version.c.content_hash == book.content_hash
    )
    row = session.execute(known).one_or_none()
    while row is None:
        latest = sa.select(sa.func.max(playbook_version.c.number)).where(playbook_version.c.slug == book.slug)
        values = {
            "id": ctx.new_id("pbv"),
            "slug": book.slug,
            "number": (session.scalar(latest) or 0) + 1,
            "content_hash": book.content_hash,
            "source": book.source,
            "from_at": ctx.at,
        }
        # Another worker may have been first, with this content or with this number: read again.
        insert_once(session, playbook_version, values)
        row = session.execute(known).one_or_none()
    return row.id, row.number


def _account(by_kind: Mapping[str, Sequence[Any]]) -> str | None:
    """Return whose incident it is: the account it is keyed by, or the one its identifier belongs to."""
    keyed = [row.value for row in by_kind["account"] if row.is_key]
    if keyed:
        return str(keyed[0])
    accounts = [row.value for row in by_kind["account"]]
    is_of_identifier = any(row.is_key for row in by_kind["identifier"])
    return str(accounts[0]) if is_of_identifier and len(accounts) == 1 else None


def _execution(row: Any, rows: Sequence[Any]) -> Execution:
    book = load.parse(row.source, row.slug)
    ways = _ways(book, rows) if row.state == ExecutionState.RUNNING.value else frozenset(book.steps)
    return Execution(
        id=row.id,
        incident_id=row.incident_id,
        playbook=row.slug,
        title=book.title,
        number=row.number,
        mode=Mode(row.mode),
        parent_id=row.parent_id,
        state=ExecutionState(row.state),
        started_at=row.started_at,
        ended_at=row.ended_at,
        variables=row.variables,
        steps=[_standing(one, book.steps[one.step], may_come=one.step in ways) for one in rows],
    )


def _ways(book: Playbook, rows: Sequence[Any]) -> frozenset[str]:
    """Return the steps that a running playbook is at or may still come to: no way that a decision left is of them."""
    found: set[str] = set()
    waiting = [row.step for row in rows if row.state != StepState.PENDING.value and not row.is_followed]
    left_by = {row.step: steps.branch_of(book.steps[row.step], row) for row in rows if row.state in steps.ENDED}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            ways = targets(book.steps[name])
            taken = [ways[left_by[name]]] if name in left_by else list(ways.values())
            waiting += [target for target in taken if target != END]
    return frozenset(found)


def _standing(row: Any, step: Step, *, may_come: bool) -> StepStanding:
    """Return a step as people read it; what no way leads to any more says so before its playbook ends."""
    kind, text, role = _described(step)
    state = StepState(row.state)
    return StepStanding(
        name=row.step,
        kind=kind,
        text=text,
        role=role,
        state=state if may_come or state is not StepState.PENDING else StepState.NOT_REACHED,
        why=row.why,
        out=row.out,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def _described(step: Step) -> tuple[str, str, str | None]:
    match step:
        case Do():
            return "action", step.action, None
        case Ask():
            return "task", step.text, step.role
        case Decide():
            return "if", step.asks, None
        case Call():
            return "playbook", step.playbook, None
