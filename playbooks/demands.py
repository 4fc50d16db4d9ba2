"""What each state of an incident demands before it is reached, as codes and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.errors import Conflict
from playbooks import action_rows, tasks
from playbooks.action_rows import Action
from playbooks.cases import Incident, State
from playbooks.engine import executions
from playbooks.models import execution as execution_table
from playbooks.models import step as step_table
from playbooks.step_rows import StepState

NAMED_MAX: Final = 20


class NotReady(Conflict):
    """The incident does not meet yet what this state demands."""

    code = "not_ready"

    def __init__(self, demands: Sequence[Demand]) -> None:
        super().__init__(" ".join(demand.text for demand in demands))
        self.demands = tuple(demands)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One thing that is missing for a state, as code and sentence."""

    code: str
    text: str


def of_state(session: Session, case: Incident, to_state: State, *, is_confirmed: bool = False) -> Sequence[Demand]:
    """Return what an incident still lacks for a state, as code and sentence."""
    match to_state:
        case State.TRIAGED:
            return _missing(
                (case.owner is not None, "owner", "Somebody must take it."),
                (is_confirmed, "confirmed", "Confirm severity, kind and playbook."),
            )
        case State.CONTAINED:
            is_contained = case.nothing_to_contain is not None or action_rows.has_contained(session, case.id)
            return _missing(
                (not _containing(session, case.id), "steps", "Containment steps are still open."),
                (is_contained, "containment", "Contain it, or say why there is nothing to contain."),
            )
        case State.ERADICATED:
            return _missing((case.cause is not None, "cause", "Write down the cause."))
        case State.RECOVERED:
            kept = named([one for one in action_rows.standing(session, case.id) if one.prolonged_by is None])
            is_open = tasks.is_any_open(session, case.id)
            return _missing(
                (case.fix is not None, "fix", "Write down what mended it."),
                (not kept, "actions", f"Undo, or let another person prolong: {kept}."),
                (not is_open, "tasks", "Tasks are still open."),
                (not executions.has_running(session, case.id), "playbook", "The playbook still runs."),
            )
        case State.NEW | State.CLOSED:
            return ()


def named(standing: Sequence[Action]) -> str:
    """Return actions as people call them, with whom each touches; of many, the first and how many more there are."""
    words = [f"{one.kind.title} ({one.target})" for one in standing[:NAMED_MAX]]
    return ", ".join([*words, *([f"and {len(standing) - NAMED_MAX} more"] if len(standing) > NAMED_MAX else [])])


def _missing(*checks: tuple[bool, str, str]) -> Sequence[Demand]:
    return [Demand(code=code, text=text) for is_met, code, text in checks if not is_met]


def _containing(session: Session, incident_id: str) -> bool:
    """Tell whether a step or task that contains was reached and has not ended."""
    if tasks.is_any_open(session, incident_id, that_contains=True):
        return True
    if next(action_rows.proposed(session, incident_id), None) is not None:
        return True
    under_way = (
        sa.select(sa.func.count())
        .select_from(step_table)
        .join(execution_table, execution_table.c.id == step_table.c.execution_id)
        .where(
            execution_table.c.incident_id == incident_id,
            execution_table.c.state == executions.ExecutionState.RUNNING.value,
            step_table.c.state.in_((StepState.READY.value, StepState.RUNNING.value)),
        )
    )
    return bool(session.scalar(under_way))
