"""The executor: takes playbooks forward, one step a transaction; a kill between any two loses and doubles nothing.

An automatic step is first intended and committed, then done in one transaction with the row that says so. All we do
lies in our own database, so after a crash `intended` means not done, and it is done again under the same key. The lock
of the incident's row is the lease: two executors never work on one incident at once, and a killed one lets go by dying.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, assert_never

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto
from app.kernel.clock import Clock
from app.kernel.containment import BadParameter, ContainmentRefused
from app.kernel.context import Context
from app.kernel.db import Database, insert_once
from app.kernel.errors import Unavailable
from app.kernel.ids import Ids
from app.kernel.jobs import guarded
from playbooks import acting, action_rows, actions, cases, registry, step_rows, tasks, timeline
from playbooks.action_rows import ActionState
from playbooks.engine import conditions, executions, steps, values
from playbooks.engine.conditions import Undecided
from playbooks.engine.executions import ExecutionState
from playbooks.engine.own import OWN
from playbooks.engine.steps import Held
from playbooks.form import END, Ask, Call, Decide, Do, Field, Playbook, Type, targets
from playbooks.models import command, execution
from playbooks.models import step as step_table
from playbooks.parts import Parts
from playbooks.registry import UnknownAction
from playbooks.step_rows import StepState
from playbooks.timeline import Code

TURNS_MAX: Final = 1_000
INTENDED, DONE, FAILED = "intended", "done", "failed"


class Executor:
    """Carries playbooks out. Several may run; each finds what is due in the rows, nothing lives in memory."""

    def __init__(self, db: Database, clock: Clock, ids: Ids, parts: Parts) -> None:
        self._db, self._clock, self._ids, self._parts = db, clock, ids, parts
        self._books: dict[str, Playbook] = {}

    def run(self) -> str | None:
        """Take every due execution as far as it goes without people, and return a note.

        Each step is told at its own time: what follows something in the timeline never stands before it.
        """
        turns = 0
        while due := self._due(self._clock.now()):
            before = turns
            for execution_id, incident_id in due:
                taken: list[int] = []
                guarded("playbooks.execute", lambda: taken.append(self._advance(execution_id, incident_id)))  # noqa: B023 - called at once
                turns += sum(taken)
            if turns == before or turns > TURNS_MAX:
                break
        return f"{turns} steps" if turns else None

    def _due(self, at: datetime) -> list[tuple[str, str]]:
        is_due = sa.or_(
            step_table.c.state.in_([state.value for state in (StepState.READY, *steps.ENDED)]),
            sa.and_(step_table.c.state == StepState.RUNNING.value, step_table.c.wake_at <= at),
        )
        query = (
            sa.select(execution.c.id, execution.c.incident_id)
            .join_from(step_table, execution, execution.c.id == step_table.c.execution_id)
            .where(step_table.c.is_followed.is_(False), is_due, execution.c.state == ExecutionState.RUNNING.value)
            .distinct()
            .order_by(execution.c.id)
            .limit(self._parts.settings.executions_a_run_max)
        )
        with self._db.read() as session:
            return [(row.id, row.incident_id) for row in session.execute(query)]

    def _advance(self, execution_id: str, incident_id: str) -> int:
        turns = 0
        while turns < TURNS_MAX and self._turn(execution_id, incident_id):
            turns += 1
        return turns

    def _turn(self, execution_id: str, incident_id: str) -> bool:
        """Handle the one step that is due; returns whether there was one."""
        at = self._clock.now()
        ctx = Context(actor=acting.SERVICE, at=at, request_id=self._ids.new("run", at), ids=self._ids)
        with self._db.begin() as session:
            held = self._hold(session, execution_id, incident_id, at)
            if held is None:
                return False
            attempt = self._take(session, held, ctx)
        if attempt is None:
            return True
        error = guarded("playbooks.execute", lambda: self._act(execution_id, incident_id, attempt, ctx))
        if error is not None:
            # What is away or busy for a moment is no failure of the action: it is tried until it can be done.
            is_failure = not isinstance(error, Unavailable)
            seconds = error.retry_after or 0 if isinstance(error, Unavailable) else 0
            least = timedelta(seconds=seconds)
            self._rest(execution_id, incident_id, attempt, ctx, is_failure=is_failure, least=least)
        return error is None

    def _hold(self, session: Session, execution_id: str, incident_id: str, at: datetime) -> Held | None:
        case = cases.locked_if_free(session, incident_id)
        if case is None:
            return None
        row = session.execute(sa.select(execution).where(execution.c.id == execution_id)).one()
        if row.state != ExecutionState.RUNNING.value:
            return None
        rows = session.execute(
            sa.select(step_table).where(step_table.c.execution_id == execution_id).order_by(step_table.c.place)
        ).all()
        due = next((one for one in rows if steps.is_due(one, at)), None)
        return None if due is None else Held(case=case, execution=row, book=self._book(session, row), step=due)

    def _take(self, session: Session, held: Held, ctx: Context) -> tuple[str, int] | None:
        """Do what a due step needs that is no action; for an action, intend it and return step and attempt."""
        if held.step.state in [state.value for state in steps.ENDED]:
            self._follow(session, held, ctx)
            return None
        does = held.does
        match does:
            case Do():
                return self._intend(session, held, does, ctx)
            case Ask():
                self._ask(session, held, does, ctx)
            case Decide():
                self._decide(session, held, does, ctx)
            case Call():
                self._call(session, held, does, ctx)
            case _:
                assert_never(does)
        return None

    def _ask(self, session: Session, held: Held, does: Ask, ctx: Context) -> None:
        params: Mapping[str, str] = {}
        if does.params:
            try:
                params = values.resolved(does.params, held.execution.variables)
                if does.does is not None:
                    params = registry.checked(registry.named(does.does), params)
            except (Undecided, BadParameter) as error:
                why = f"{error} is not known" if isinstance(error, Undecided) else str(error).removesuffix(".")
                text = f"{does.text} {why}, so no action finishes this task: say by hand that it is done."
                does = replace(does, does=None, contradicted_by={}, text=text)
        tasks.open_task(session, held.case, does, ctx, execution_id=held.execution.id, step=held.name, params=params)
        steps.mark(session, held, StepState.WAITING, ctx)
        if does.does is not None:
            # A commander may have been faster than the playbook.
            for done in action_rows.standing(session, held.case.id, name=does.does):
                tasks.finish_by_action(session, held.case, done, ctx)

    def _intend(self, session: Session, held: Held, does: Do, ctx: Context) -> tuple[str, int] | None:
        if held.step.failures >= self._parts.settings.failures_max:
            self._failed(session, held, does, "failures", f"It raised {held.step.failures} times.", ctx)
            return None
        # A process that dies before the act is done leaves this time behind, after which another takes it up. That is
        # no failure of the action, so it may happen any number of times.
        attempt = held.step.attempt + 1
        session.execute(
            steps.this(held).values(
                state=StepState.RUNNING.value,
                attempt=attempt,
                wake_at=ctx.at + self._parts.settings.action_takes_max,
                started_at=held.step.started_at or ctx.at,
            )
        )
        params = canonical.encode(dict(does.params))
        intended = {
            "key": held.key,
            "execution_id": held.execution.id,
            "step": held.name,
            "action": does.action,
            "params_hash": crypto.sha256(params).hex(),
            "state": INTENDED,
            "intended_at": ctx.at,
        }
        insert_once(session, command, intended)
        return held.name, attempt

    def _act(self, execution_id: str, incident_id: str, intended: tuple[str, int], ctx: Context) -> None:
        """Do an intended action and say so in the same transaction, unless somebody else has taken the step since."""
        with self._db.begin() as session:
            held = self._still(session, execution_id, incident_id, intended)
            if held is not None:
                self._do(session, held, ctx)

    def _still(self, session: Session, execution_id: str, incident_id: str, intended: tuple[str, int]) -> Held | None:
        """Return the step that was intended, under the lock, if it is still ours."""
        name, attempt = intended
        case = cases.locked(session, incident_id)
        row = session.execute(sa.select(execution).where(execution.c.id == execution_id)).one()
        where = (step_table.c.execution_id == execution_id) & (step_table.c.step == name)
        one = session.execute(sa.select(step_table).where(where)).one()
        is_ours = one.state == StepState.RUNNING.value and one.attempt == attempt
        if row.state != ExecutionState.RUNNING.value or not is_ours:
            return None
        return Held(case=case, execution=row, book=self._book(session, row), step=one)

    def _rest(
        self,
        execution_id: str,
        incident_id: str,
        intended: tuple[str, int],
        ctx: Context,
        *,
        is_failure: bool,
        least: timedelta,
    ) -> None:
        """Let an action rest that raised, longer with each failure of its own; its transaction changed nothing."""
        with self._db.begin() as session:
            held = self._still(session, execution_id, incident_id, intended)
            if held is not None:
                failures = held.step.failures + is_failure
                rest = max(timedelta(seconds=2**failures), least)
                session.execute(steps.this(held).values(failures=failures, wake_at=ctx.at + rest))

    def _do(self, session: Session, held: Held, ctx: Context) -> None:
        does = held.does
        assert isinstance(does, Do), "only actions are intended"
        try:
            params = values.resolved(does.params, held.execution.variables)
            ref = self._done(session, held, does, params, ctx)
        except (BadParameter, ContainmentRefused, UnknownAction) as error:
            self._failed(session, held, does, error.code, str(error), ctx)
        except Undecided as error:
            self._failed(session, held, does, "variable_unset", f"{error} is not known.", ctx)
        else:
            if ref is None:
                steps.mark(session, held, StepState.WAITING, ctx)
                return
            session.execute(
                sa.update(command).where(command.c.key == held.key).values(state=DONE, done_at=ctx.at, result_ref=ref)
            )
            steps.mark(session, held, StepState.DONE, ctx)
            self._follow(session, self._again(session, held), ctx)

    def _done(self, session: Session, held: Held, does: Do, params: Mapping[str, str], ctx: Context) -> str | None:
        """Return the reference of what was done, or None where it waits for a second person."""
        own = OWN.get(does.action)
        if own is not None:
            own(session, held.case, params, ctx, self._parts)
            return held.key
        with session.begin_nested():
            action = actions.act_for_step(
                session,
                held.case,
                does.action,
                params,
                ctx,
                parts=self._parts,
                key=held.key,
                execution_id=held.execution.id,
                step=held.name,
                asked_by=held.execution.started_by,
            )
        return None if action.state is ActionState.PROPOSED else action.id

    def _failed(self, session: Session, held: Held, does: Do, code: str, why: str, ctx: Context) -> None:
        session.execute(sa.update(command).where(command.c.key == held.key).values(state=FAILED, done_at=ctx.at))
        actions.tell_refusal(session, held.case, does.action, _shown(does, held), held.name, code, why, ctx)
        steps.mark(session, held, StepState.FAILED, ctx, why=why)
        self._follow(session, self._again(session, held), ctx)

    def _decide(self, session: Session, held: Held, does: Decide, ctx: Context) -> None:
        try:
            is_so = conditions.evaluate(conditions.parse(does.condition), held.execution.variables)
        except Undecided as error:
            if does.failed is not None:
                why = f"{error} is not known."
                steps.mark(session, held, StepState.FAILED, ctx, why=why)
                self._follow(session, self._again(session, held), ctx)
                return
            asked = Ask(
                text=f"Nobody answered it, so decide by hand: {does.asks}",
                role=held.book.owner,
                within=tasks.DECIDE_WITHIN,
                fields={"branch": Field(type=Type.TEXT, choices=("then", "else"))},
                next=does.then,
            )
            tasks.open_task(session, held.case, asked, ctx, execution_id=held.execution.id, step=held.name)
            steps.mark(session, held, StepState.WAITING, ctx)
            return
        steps.mark(session, held, StepState.DONE, ctx, out={"branch": "then" if is_so else "else"})
        self._follow(session, self._again(session, held), ctx)

    def _call(self, session: Session, held: Held, does: Call, ctx: Context) -> None:
        try:
            given = values.given(does.given, held.execution.variables)
        except Undecided as error:
            steps.mark(session, held, StepState.SKIPPED, ctx, why=f"{error} is not known.")
            return
        parent = (held.execution.id, held.name, held.execution.depth + 1)
        child = executions.start(session, held.case, does.playbook, ctx, parts=self._parts, given=given, parent=parent)
        if child is None:
            steps.mark(session, held, StepState.SKIPPED, ctx, why=f"The playbook {does.playbook} does not stand here.")
            return
        steps.mark(session, held, StepState.WAITING, ctx)

    def _follow(self, session: Session, held: Held, ctx: Context) -> None:
        """Go on after a step that ended: keep what it brought, tell it, make the next one ready or end."""
        does, row = held.does, held.step
        branch = steps.branch_of(does, row)
        if isinstance(does, Ask) and row.out:
            variables = {**held.execution.variables, **row.out}
            session.execute(sa.update(execution).where(execution.c.id == held.execution.id).values(variables=variables))
        session.execute(steps.this(held).values(is_followed=True))
        steps.tell(session, held, does, branch, ctx)
        target = targets(does)[branch]
        if target == END:
            self._end(session, held, ctx)
            return
        session.execute(
            sa.update(step_table)
            .where(
                step_table.c.execution_id == held.execution.id,
                step_table.c.step == target,
                step_table.c.state == StepState.PENDING.value,
            )
            .values(state=StepState.READY.value)
        )

    def _end(self, session: Session, held: Held, ctx: Context) -> None:
        executions.end(session, held.execution.id, ExecutionState.DONE, ctx)
        timeline.add(session, held.case.id, Code.PLAYBOOK_ENDED, ctx, ref=held.execution.id, playbook=held.book.slug)
        step_rows.end_waiting(session, held.execution.parent_id, held.execution.parent_step, StepState.DONE, ctx)

    def _again(self, session: Session, held: Held) -> Held:
        where = (step_table.c.execution_id == held.execution.id) & (step_table.c.step == held.name)
        row = session.execute(sa.select(step_table).where(where)).one()
        return Held(case=held.case, execution=held.execution, book=held.book, step=row)

    def _book(self, session: Session, row: Any) -> Playbook:
        if row.version_id not in self._books:
            self._books[row.version_id] = executions.book_of(session, row.version_id)
        return self._books[row.version_id]


def _shown(does: Do, held: Held) -> dict[str, str]:
    """Return the parameters of a step that failed, as far as they are known."""
    try:
        return values.resolved(does.params, held.execution.variables)
    except Undecided:
        return {}
