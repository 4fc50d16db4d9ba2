"""What became of incidents: cases, tasks, steps of playbooks, containment, clocks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from ingest.events.envelope import Event, EventClass, FieldType, Outcome, ecs


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvent(Event):
    """Something about one incident: how severe it is and where it stands after this."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    types: ClassVar[tuple[str, ...]] = ("change",)
    incident: str = ecs("onepay.incident.id")
    severity: int = ecs("onepay.incident.severity", FieldType.LONG)
    status: str = ecs("onepay.incident.status")
    playbook: str | None = ecs("onepay.incident.playbook", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEvent(IncidentEvent):
    """The case itself; where a finding caused it, which."""

    finding: str | None = ecs("onepay.finding.id", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOpened(CaseEvent):
    """A finding opened an incident."""

    kind: ClassVar[str] = "incident.case.opened"
    types: ClassVar[tuple[str, ...]] = ("creation",)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChanged(CaseEvent):
    """An incident changed: a finding joined it, its severity, owner or state moved; the reason says which."""

    kind: ClassVar[str] = "incident.case.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReopened(CaseEvent):
    """A person opened an ended incident again."""

    kind: ClassVar[str] = "incident.case.reopened"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseClosed(CaseEvent):
    """An incident was closed; the reason is its disposition."""

    kind: ClassVar[str] = "incident.case.closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvent(IncidentEvent):
    """A step of a playbook, or the task it became."""

    step: str | None = ecs("onepay.incident.step", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDone(StepEvent):
    """A person finished a task."""

    kind: ClassVar[str] = "incident.task.done"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSkipped(StepEvent):
    """A task was left out, with a reason kept in the case."""

    kind: ClassVar[str] = "incident.task.skipped"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCompleted(StepEvent):
    """A step of a playbook ended as it should."""

    kind: ClassVar[str] = "incident.step.completed"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed(StepEvent):
    """A step of a playbook failed; its failure branch goes on."""

    kind: ClassVar[str] = "incident.step.failed"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionEvent(StepEvent):
    """Containment of a target, and the action it reverts where it does."""

    action: str = ecs("onepay.incident.action")
    target: str = ecs("onepay.incident.target", about="behaviour")
    reverts: str | None = ecs("onepay.incident.reverts", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionProposed(ActionEvent):
    """Containment waits for a second person."""

    kind: ClassVar[str] = "incident.action.proposed"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionExecuted(ActionEvent):
    """Containment was done."""

    kind: ClassVar[str] = "incident.action.executed"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    strict: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionUndone(ActionEvent):
    """A person, or the playbook, took containment back."""

    kind: ClassVar[str] = "incident.action.undone"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionExpired(ActionEvent):
    """Containment came to its end by itself, or its approval lapsed."""

    kind: ClassVar[str] = "incident.action.expired"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRefused(ActionEvent):
    """Containment, its approval or its undoing was refused."""

    kind: ClassVar[str] = "incident.action.refused"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockEvent(IncidentEvent):
    """A clock of an incident and when it is due."""

    clock: str = ecs("onepay.incident.clock")
    due_at: datetime = ecs("onepay.incident.due_at", FieldType.DATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStarted(ClockEvent):
    """A clock began, or its end moved; the reason says why."""

    kind: ClassVar[str] = "incident.clock.started"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockMet(ClockEvent):
    """What a clock asked for was done."""

    kind: ClassVar[str] = "incident.clock.met"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockWarned(ClockEvent):
    """A part of a clock's time is gone; the reason says how many per cent."""

    kind: ClassVar[str] = "incident.clock.warned"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockBreached(ClockEvent):
    """A clock came to its end with its work undone."""

    kind: ClassVar[str] = "incident.clock.breached"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE


KINDS: tuple[type[Event], ...] = (
    CaseOpened,
    CaseChanged,
    CaseReopened,
    CaseClosed,
    TaskDone,
    TaskSkipped,
    StepCompleted,
    StepFailed,
    ActionProposed,
    ActionExecuted,
    ActionUndone,
    ActionExpired,
    ActionRefused,
    ClockStarted,
    ClockMet,
    ClockWarned,
    ClockBreached,
)
