"""Tasks: what a playbook asks of people. A task is done when its form is complete; leaving one out needs a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import words
from app.kernel.access import (
    SOC_ACTION_APPROVE,
    SOC_ACTION_RUN,
    SOC_INCIDENT_READ,
    SOC_INCIDENT_WRITE,
    Actor,
    Permission,
)
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid, NotFound, SamePerson, WrongState
from ingest.events.incident import TaskDone, TaskSkipped
from ingest.log import outbox
from playbooks import action_rows, cases, notes, registry, step_rows, timeline
from playbooks.action_rows import Action
from playbooks.cases import Incident
from playbooks.form import Ask, Field, Type, Value
from playbooks.models import task
from playbooks.notes import Kind
from playbooks.parts import Parts
from playbooks.step_rows import StepState
from playbooks.timeline import Code

PAGE_MAX: Final = 200
ANSWER_CHARS_MAX: Final = 4_000
INTEGER_MAX: Final = 2**53 - 1
# How long a person has for a decision to which no playbook gave a time.
DECIDE_WITHIN: Final = timedelta(hours=1)
# What somebody of a role may do at least; the constants of roles belong to identity.
_PERMISSION_OF_ROLE: Final[Mapping[str, Permission]] = {
    "analyst": SOC_INCIDENT_WRITE,
    "incident_commander": SOC_ACTION_RUN,
}


class TaskState(StrEnum):
    """Where a task stands; `checking` waits for the second person."""

    OPEN = "open"
    CHECKING = "checking"
    DONE = "done"
    SKIPPED = "skipped"


_OPEN: Final = (TaskState.OPEN.value, TaskState.CHECKING.value)


class FormInvalid(Invalid):
    """The answer is missing or not of the kind the form asks for."""

    code = "form_invalid"


class ActionNotDone(Conflict):
    """This task is finished by its action, which was not done yet."""

    code = "action_not_done"


class AnswerContradicted(Conflict):
    """What the system knows contradicts this answer."""

    code = "answer_contradicted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as people read it."""

    id: str
    incident_id: str
    execution_id: str | None
    step: str | None
    text: str
    role: str
    fields: Mapping[str, Field]
    does: str | None
    params: Mapping[str, str]
    """Whom or what the action that finishes it is done to, or the answers are about; nothing where any will do."""
    facts: tuple[str, ...]
    contradicted_by: Mapping[str, str]
    other_than: str | None
    is_required: bool
    needs_second: bool
    state: TaskState
    opened_at: datetime
    due_at: datetime
    result: Mapping[str, Value]
    done_by: str | None
    second_by: str | None
    done_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.state in (TaskState.OPEN, TaskState.CHECKING)


def open_task(
    session: Session,
    case: Incident,
    asked: Ask,
    ctx: Context,
    *,
    execution_id: str | None = None,
    step: str | None = None,
    params: Mapping[str, str] | None = None,
) -> str:
    """Open a task and return its id; `params` are what its action is done to, with all variables filled in."""
    task_id, due_at = ctx.new_id("tsk"), ctx.at + asked.within
    session.execute(
        sa.insert(task).values(
            id=task_id,
            incident_id=case.id,
            execution_id=execution_id,
            step=step,
            text=asked.text,
            role=asked.role,
            form={name: [one.type.value, *one.choices] for name, one in asked.fields.items()},
            does=asked.does,
            params=dict(params or {}),
            facts=list(asked.facts),
            contradicted_by=dict(asked.contradicted_by),
            other_than=asked.other_than,
            is_required=asked.is_required,
            needs_second=asked.needs_second,
            state=TaskState.OPEN.value,
            opened_at=ctx.at,
            due_at=due_at,
            result={},
        )
    )
    timeline.add(
        session, case.id, Code.TASK_OPENED, ctx, ref=task_id, text=asked.text, role=asked.role, due=rfc3339(due_at)
    )
    return task_id


def finish(session: Session, task_id: str, values: Mapping[str, object], ctx: Context, *, parts: Parts) -> Task:
    """Finish a task with its form's answers; where two people are asked, the first answers and `confirm` ends it.

    Raises `FormInvalid` naming the field, `AnswerContradicted` where the system knows better, `ActionNotDone` for a
    task that an action finishes, and `WrongState` for one that is not open.
    """
    found, case = _held(session, task_id, ctx)
    _require_role(found, ctx.actor)
    if found.state is not TaskState.OPEN:
        raise WrongState(f"This task is {found.state.value} already.", object_id=task_id)
    if found.does is not None:
        raise ActionNotDone(
            f"{registry.named(found.does).title}: do it on this incident; the task is finished by it.",
            object_id=task_id,
        )
    _demand_other(session, found, ctx.actor)
    answers = checked(found.fields, values)
    _demand_uncontradicted(session, case, found, answers, ctx, parts)
    if found.needs_second:
        _write(session, found, state=TaskState.CHECKING.value, result=answers, done_by=ctx.actor.id)
        timeline.add(session, case.id, Code.TASK_CHECKED, ctx, ref=task_id, text=found.text)
        return by_id(session, task_id, ctx.actor)
    return _done(session, case, found, answers, ctx, done_by=ctx.actor.id)


def confirm(session: Session, task_id: str, ctx: Context, *, parts: Parts) -> Task:
    """End a task that somebody else answered; raises `SamePerson` for the one who did."""
    found, case = _held(session, task_id, ctx)
    _require_role(found, ctx.actor)
    if found.state is not TaskState.CHECKING:
        raise WrongState("Nobody waits for a confirmation of this task.", object_id=task_id)
    if found.done_by == ctx.actor.id:
        raise SamePerson
    _demand_uncontradicted(session, case, found, found.result, ctx, parts)
    return _done(session, case, found, found.result, ctx, done_by=found.done_by, second_by=ctx.actor.id)


def skip(session: Session, task_id: str, reason: str, ctx: Context) -> Task:
    """Leave a task out, with a reason; one that the playbook requires needs a commander."""
    found, case = _held(session, task_id, ctx)
    _require_role(found, ctx.actor)
    if found.is_required:
        ctx.actor.require(SOC_ACTION_APPROVE)
    if not found.is_open:
        raise WrongState(f"This task is {found.state.value} already.", object_id=task_id)
    text = words.checked(reason, param="reason")
    _leave_out(session, case, found, notes.keep(session, case.id, Kind.REASON, text, ctx), "person", ctx)
    return by_id(session, task_id, ctx.actor)


def finish_by_action(session: Session, case: Incident, done: Action, ctx: Context) -> None:
    """Finish the tasks of an incident that asked for what was done now: nobody types what the system knows."""
    query = sa.select(task).where(
        task.c.incident_id == case.id, task.c.does == done.name, task.c.state == TaskState.OPEN.value
    )
    for found in [_task(row) for row in session.execute(query)]:
        if _is_done_by(found, done):
            _done(session, case, found, {}, ctx, done_by=ctx.actor.id, by_action=done.id)


def leave_open_ones_out(
    session: Session, case: Incident, why: str, ctx: Context, *, execution_id: str | None = None
) -> None:
    """Leave out what is still open when an incident or an execution ends before its tasks."""
    query = sa.select(task).where(task.c.incident_id == case.id, task.c.state.in_(_OPEN))
    if execution_id is not None:
        query = query.where(task.c.execution_id == execution_id)
    for row in list(session.execute(query)):
        _leave_out(session, case, _task(row), None, why, ctx)


def by_id(session: Session, task_id: str, actor: Actor) -> Task:
    """Return a task; raises `NotFound`."""
    actor.require(SOC_INCIDENT_READ)
    return _by_id(session, task_id)


def of_incident(session: Session, incident_id: str) -> Sequence[Task]:
    """Return the tasks of an incident for its page, oldest first; of more than fit, the open ones and the newest."""
    is_over = sa.case((task.c.state.in_(_OPEN), 0), else_=1)
    query = sa.select(task).where(task.c.incident_id == incident_id)
    rows = session.execute(query.order_by(is_over, task.c.id.desc()).limit(PAGE_MAX))
    return sorted((_task(row) for row in rows), key=lambda one: one.id)


def how_many(session: Session, incident_id: str) -> int:
    """Count the tasks of an incident."""
    return session.scalar(sa.select(sa.func.count()).where(task.c.incident_id == incident_id)) or 0


def is_any_open(session: Session, incident_id: str, *, that_contains: bool = False) -> bool:
    """Tell whether a task of an incident is open, or one that an action finishes."""
    query = sa.select(sa.literal(1)).where(task.c.incident_id == incident_id, task.c.state.in_(_OPEN))
    if that_contains:
        query = query.where(task.c.does.is_not(None))
    return session.scalar(query.limit(1)) is not None


def checked(fields: Mapping[str, Field], values: Mapping[str, object]) -> dict[str, Value]:
    """Return the answers of a form, each of its type; raises `FormInvalid` or `SecretInText` naming the field."""
    for name in values:
        if name not in fields:
            raise FormInvalid(f"The form does not ask for {name[:50]}.", param=name[:50])
    return {name: _answer(name, one, values.get(name)) for name, one in fields.items()}


def _answer(name: str, one: Field, value: object) -> Value:
    text = value.strip() if isinstance(value, str) else value
    if text is None or text == "":
        raise FormInvalid(f"{_called(name)} has no answer yet.", param=name)
    match one.type:
        case Type.BOOLEAN:
            if isinstance(text, bool):
                return text
            if text in ("true", "false"):
                return text == "true"
        case Type.INTEGER:
            if isinstance(text, str) and text.removeprefix("-").isdecimal() and len(text) <= 17:
                text = int(text)
            if isinstance(text, int) and not isinstance(text, bool) and abs(text) <= INTEGER_MAX:
                return text
        case Type.ACCOUNT:
            if isinstance(text, str) and text.startswith("acc_") and len(text) <= 100 and text.isprintable():
                return text
        case Type.TEXT | Type.ADDRESSES:
            if one.choices:
                if isinstance(text, str) and text in one.choices:
                    return text
            elif isinstance(text, str):
                return words.checked(text[: ANSWER_CHARS_MAX + 1], param=name, shortest=1)
    wanted = " or ".join(one.choices) if one.choices else one.type.value
    raise FormInvalid(f"{_called(name)} is not {wanted}.", param=name)


def _called(name: str) -> str:
    """Return what a form asks for as its label says it."""
    return name.replace("_", " ").capitalize()


def _is_done_by(found: Task, done: Action) -> bool:
    """Tell whether an action touched all that a task named; of addresses it may have touched more."""
    if not found.params:
        return True
    touched = done.kind.target_of(done.params).split(",")
    return set(done.kind.target_of(found.params).split(",")) <= set(touched)


def _held(session: Session, task_id: str, ctx: Context) -> tuple[Task, Incident]:
    """Return a task and its incident, under the incident's lock."""
    ctx.actor.require(SOC_INCIDENT_WRITE)
    case = cases.locked(session, _by_id(session, task_id).incident_id)
    cases.require_open(case)
    # Read again: somebody may have finished it while we waited for the lock.
    return _by_id(session, task_id), case


def _demand_other(session: Session, found: Task, actor: Actor) -> None:
    """Raise `SamePerson` for who answered the task that this one is asked about."""
    query = sa.select(task.c.done_by).where(task.c.execution_id == found.execution_id, task.c.step == found.other_than)
    if found.other_than is not None and session.scalar(query) == actor.id:
        raise SamePerson("You answered what this asks about; another person has to look at it.")


def _demand_uncontradicted(
    session: Session, case: Incident, found: Task, answers: Mapping[str, Value], ctx: Context, parts: Parts
) -> None:
    """Raise `AnswerContradicted` where an answer is not what is found at the account it is about.

    It is looked for from the incident's first event until its owner was given the account back, or now.
    """
    for name, answer in answers.items():
        probe = found.contradicted_by.get(str(answer))
        if probe is None:
            continue
        account_id = found.params["account"]
        until = action_rows.given_back_at(session, case.id, account_id) or ctx.at
        known = parts.contradictions[probe](session, account_id, case.first_event_at, until)
        if known is not None:
            raise AnswerContradicted(known, param=name, object_id=found.id)


def _require_role(found: Task, actor: Actor) -> None:
    actor.require(_PERMISSION_OF_ROLE[found.role])


def _done(
    session: Session,
    case: Incident,
    found: Task,
    answers: Mapping[str, Value],
    ctx: Context,
    *,
    done_by: str | None,
    second_by: str | None = None,
    by_action: str | None = None,
) -> Task:
    _write(
        session,
        found,
        state=TaskState.DONE.value,
        result=dict(answers),
        done_by=done_by,
        second_by=second_by,
        done_at=ctx.at,
    )
    texts = [name for name, one in found.fields.items() if one.type is Type.TEXT and not one.choices]
    case = _write_facts(session, case, found, answers, ctx)
    event_id = outbox.record(session, TaskDone(**cases.told(session, case), step=found.step), ctx)
    # People's own words stay in the task and its facts; the timeline keeps what was chosen.
    shown = [
        f"{name.replace('_', ' ')}: {_shown(value, found.fields[name])}"
        for name, value in answers.items()
        if name not in texts
    ]
    timeline.add(
        session,
        case.id,
        Code.TASK_DONE,
        ctx,
        ref=found.id,
        event_id=event_id,
        text=found.text,
        result=f"({', '.join(shown)})" if shown else "",
        by_action=by_action,
    )
    step_rows.end_waiting(session, found.execution_id, found.step, StepState.DONE, ctx, out=answers)
    return _by_id(session, found.id)


def _write_facts(session: Session, case: Incident, found: Task, answers: Mapping[str, Value], ctx: Context) -> Incident:
    for fact in found.facts:
        kind = Kind(fact)
        text = str(answers[fact])
        comment_id = notes.keep(session, case.id, kind, text, ctx)
        timeline.add(session, case.id, Code.FACT_WRITTEN, ctx, ref=comment_id, fact=fact)
        if kind in (Kind.CAUSE, Kind.FIX):
            case = cases.change(session, case, **{fact: text})
    return case


def _leave_out(session: Session, case: Incident, found: Task, comment_id: str | None, why: str, ctx: Context) -> None:
    _write(session, found, state=TaskState.SKIPPED.value, done_by=ctx.actor.id, second_by=None, done_at=ctx.at)
    event_id = outbox.record(session, TaskSkipped(**cases.told(session, case), step=found.step, reason=why), ctx)
    timeline.add(session, case.id, Code.TASK_SKIPPED, ctx, ref=comment_id, event_id=event_id, text=found.text, why=why)
    step_rows.end_waiting(session, found.execution_id, found.step, StepState.SKIPPED, ctx)


def _write(session: Session, found: Task, **values: object) -> None:
    session.execute(sa.update(task).where(task.c.id == found.id).values(values))


def _shown(value: Value, asked: Field) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).replace("_", " ") if asked.choices else str(value)


def _by_id(session: Session, task_id: str) -> Task:
    row = session.execute(sa.select(task).where(task.c.id == task_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such task.")
    return _task(row)


def _task(row: Any) -> Task:  # a row of `task`
    return Task(
        id=row.id,
        incident_id=row.incident_id,
        execution_id=row.execution_id,
        step=row.step,
        text=row.text,
        role=row.role,
        fields={name: Field(type=Type(kind), choices=tuple(choices)) for name, (kind, *choices) in row.form.items()},
        does=row.does,
        params=row.params,
        facts=tuple(row.facts),
        contradicted_by=row.contradicted_by,
        other_than=row.other_than,
        is_required=row.is_required,
        needs_second=row.needs_second,
        state=TaskState(row.state),
        opened_at=row.opened_at,
        due_at=row.due_at,
        result=row.result,
        done_by=row.done_by,
        second_by=row.second_by,
        done_at=row.done_at,
    )
