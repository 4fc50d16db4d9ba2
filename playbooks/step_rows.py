"""The rows of steps as all of response knows them: where one stands, and ending one that waits."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.context import Context
from playbooks.models import step as step_table


class StepState(StrEnum):
    """Where a step stands; `waiting` is for a task, an approval or a called playbook."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_REACHED = "not_reached"


Ended = Literal[StepState.DONE, StepState.FAILED, StepState.SKIPPED]


def end_waiting(
    session: Session,
    execution_id: str | None,
    step: str | None,
    state: Ended,
    ctx: Context,
    *,
    out: Mapping[str, object] | None = None,
    why: str | None = None,
) -> None:
    """Say to the executor that a step which waited has ended; it follows in a transaction of its own.

    What belongs to no execution ends no step.
    """
    if execution_id is None:
        return
    session.execute(
        sa.update(step_table)
        .where(
            step_table.c.execution_id == execution_id,
            step_table.c.step == step,
            step_table.c.state == StepState.WAITING.value,
        )
        .values(state=state.value, out=dict(out or {}), ended_at=ctx.at, why=why)
    )
