"""One step of an execution under the lock of its incident: whether it is due, marking it, telling how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from ingest.events.incident import StepCompleted, StepFailed
from ingest.log import outbox
from playbooks import cases, timeline
from playbooks.cases import Incident
from playbooks.form import Ask, Call, Decide, Do, Playbook, Step, Value
from playbooks.models import step as step_table
from playbooks.step_rows import StepState
from playbooks.timeline import Code

ENDED: Final = (StepState.DONE, StepState.FAILED, StepState.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An execution under the lock of its incident, and the step that is due."""

    case: Incident
    execution: Any  # a row of `execution`
    book: Playbook
    step: Any  # a row of `step`

    @property
    def name(self) -> str:
        return str(self.step.step)

    @property
    def does(self) -> Step:
        return self.book.steps[self.name]

    @property
    def key(self) -> str:
        return f"{self.execution.id}|{self.name}"


def is_due(row: Any, at: datetime) -> bool:  # a row of `step`
    """Tell whether the executor has something to do with a step now."""
    match StepState(row.state):
        case StepState.READY:
            return True
        case StepState.RUNNING:
            return bool(row.wake_at is not None and row.wake_at <= at)
        case StepState.DONE | StepState.FAILED | StepState.SKIPPED:
            return not row.is_followed
        case StepState.PENDING | StepState.WAITING | StepState.NOT_REACHED:
            return False


def branch_of(does: Step, row: Any) -> str:
    """Return by which branch an ended step is left. A decision that a person left out goes the way of `else`."""
    if row.state == StepState.FAILED.value:
        return "failed"
    if isinstance(does, Decide):
        return str(row.out.get("branch", "else"))
    return "next"


def tell(session: Session, held: Held, does: Step, branch: str, ctx: Context) -> None:
    """Tell how a step ended; a task has told it by itself."""
    if isinstance(does, Ask):
        return
    told = cases.told(session, held.case)
    if branch == "failed":
        event_id = outbox.record(session, StepFailed(**told, step=held.name), ctx)
        why = held.step.why or "it did not say why."
        timeline.add(
            session,
            held.case.id,
            Code.STEP_FAILED,
            ctx,
            ref=held.execution.id,
            event_id=event_id,
            step=held.name,
            what=_what(does),
            why=why,
        )
        return
    event_id = outbox.record(session, StepCompleted(**told, step=held.name), ctx)
    if isinstance(does, Decide):
        is_so = branch == "then"
        because = "" if is_so else does.otherwise_because
        outcome = "yes" if is_so else "no"
        facts = {"outcome": outcome, "asks": does.asks, "condition": does.condition, "because": because}
        _note(session, held, Code.STEP_BRANCHED, event_id, ctx, **facts)
        return
    _note(session, held, Code.STEP_COMPLETED, event_id, ctx, what=_what(does))


def _what(does: Do | Decide | Call) -> str:
    """Return what a step does as the timeline names it: an action, a question, a playbook."""
    match does:
        case Do():
            return does.action
        case Decide():
            return does.asks
        case Call():
            return f"playbook {does.playbook}"


def _note(session: Session, held: Held, code: Code, event_id: str, ctx: Context, **facts: Any) -> None:
    timeline.add(session, held.case.id, code, ctx, ref=held.execution.id, event_id=event_id, step=held.name, **facts)


def mark(
    session: Session,
    held: Held,
    state: StepState,
    ctx: Context,
    *,
    out: Mapping[str, Value] | None = None,
    why: str | None = None,
) -> None:
    """Write where a step stands, what it brought, why it failed; its end is timed here."""
    ended = ctx.at if state in ENDED else None
    session.execute(
        this(held).values(
            state=state.value,
            started_at=held.step.started_at or ctx.at,
            ended_at=ended,
            out=dict(out or {}),
            why=why,
        )
    )


def this(held: Held) -> sa.Update:
    """Return the update of one step."""
    return sa.update(step_table).where(
        step_table.c.execution_id == held.execution.id,
        step_table.c.step == held.name,
    )
