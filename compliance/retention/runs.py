"""Runs: planned by anybody or by the clock, let be carried out, moved on and ended; what one is and how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_RUN_PROPOSE
from app.kernel.approvals import State
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.errors import Conflict, NotFound
from compliance.retention import asking, binding, models, policies
from compliance.retention import plan as plans
from compliance.retention.parts import Retention
from compliance.retention.plan import Plan
from ingest.events.privacy import RetentionAborted, RetentionApproved, RetentionEvent, RetentionPlanned
from ingest.log import outbox

PLANNED, WAITING, APPROVED = "planned", "waiting", "approved"
EXECUTING, VERIFYING, CERTIFIED = "executing", "verifying", "certified"
ABORTED, FAILED, EXPIRED = "aborted", "failed", "expired"
OPEN: Final = (PLANNED, WAITING, APPROVED, EXECUTING, VERIFYING)
WHY_MAX: Final = 300

_Event = TypeVar("_Event", bound=RetentionEvent)


class Ending(StrEnum):
    """Why a run ended without a certificate, as its event tells it."""

    POLICY_CHANGED = "policy_changed"
    ROOT_MOVED = "root_moved"
    NOT_VERIFIED = "not_verified"
    REJECTED = "approval_rejected"
    WITHDRAWN = "approval_withdrawn"
    LAPSED = "approval_expired"
    BROKEN = "approval_failed"
    NOT_DECIDED = "not_decided"
    PERIOD_NOT_AGREED = "period_not_agreed"

    @property
    def in_words(self) -> str:
        return self.value.replace("_", " ")

    @classmethod
    def of_approval(cls, state: State) -> Ending:
        """Return why a run ended whose approval ended."""
        return cls(f"approval_{state.value}")


class NothingDue(Conflict):
    """Nothing of this class is due."""

    code = "nothing_due"


class RunOpen(Conflict):
    """A run of this class is under way; one follows the other."""

    code = "run_open"


class RunNotPlanned(Conflict):
    """This run was proposed already, or is over."""

    code = "run_not_planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as it stands. `facts` hold its places, conflicts, and why people are asked."""

    id: str
    class_: str
    version: int
    policy_hash: str
    before: datetime
    root: str
    facts: Mapping[str, Any]
    total: int
    done: int
    skipped: int
    state: str
    why: str | None
    planned_by: str | None
    planned_at: datetime
    proposed_by: str | None
    proposed_at: datetime | None
    approval_id: str | None
    approved_at: datetime | None
    approved_event: str | None
    executed_at: datetime | None
    certified_at: datetime | None
    ended_at: datetime | None
    looked: int
    """How often another reader looked for what it removed, and found some."""

    @property
    def policy(self) -> str:
        """The policy it is by, as events name it."""
        return f"{self.class_} v{self.version}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


def count(session: Session, class_: str, ctx: Context, *, parts: Retention) -> Plan:
    """Count what is due of a class, changing nothing.

    Raises `NotFound`, `NothingDue`, `RunOpen`, and `PeriodNotAgreed` or `HoldNotAsPlaced` where nothing may be removed.

    It looks at all of a class, so it belongs into a transaction that only reads; what comes of it, `keep` writes down.
    """
    ctx.actor.require(PRIVACY_RUN_PROPOSE)
    policy = policies.in_force(session).get(class_)
    if policy is None:
        raise NotFound(object_id=class_)
    binding.demand(session, policy)
    _demand_no_other(session, class_)
    made = plans.make(session, policy, ctx.at, parts=parts)
    if not made.batches or made.total == 0:
        raise NothingDue
    return made


def abort(session: Session, run: Run, reason: Ending, why: str, ctx: Context) -> None:
    """End a run that may not go on; what was removed stays removed and is told."""
    _end(session, run, ABORTED, reason, why, ctx)


def fail(session: Session, run: Run, reason: Ending, why: str, ctx: Context) -> None:
    """End a run that did not do what it was to do: no certificate is given, and what is due is planned anew."""
    _end(session, run, FAILED, reason, why, ctx)


def _end(session: Session, run: Run, state: str, reason: Ending, why: str, ctx: Context) -> None:
    said = f"{reason.in_words}: {why}" if why else reason.in_words
    if move(session, run.id, OPEN, state, why=said[:WHY_MAX], ended_at=ctx.at):
        count = by_id(session, run.id).done
        outbox.record(session, event_of(RetentionAborted, run, count, reason=reason.value), ctx)


def approve(session: Session, run: Run, why: str, ctx: Context) -> None:
    """Let a run be carried out; raises `PeriodNotAgreed`."""
    binding.demand(session, policies.in_force(session)[run.class_])
    if move(session, run.id, (PLANNED, WAITING), APPROVED, approved_at=ctx.at, why=why):
        table, event_id = models.run, outbox.record(session, event_of(RetentionApproved, run, run.total), ctx)
        session.execute(sa.update(table).where(table.c.id == run.id).values(approved_event=event_id))


def event_of(kind: type[_Event], run: Run, count: int, **more: Any) -> _Event:
    """Return an event of a run, by which all that it rests on is known: how far it goes, by which period, its plan."""
    return kind(
        run=run.id,
        policy=run.policy,
        policy_hash=run.policy_hash,
        before=rfc3339(run.before),
        plan_root=run.root,
        count=count,
        **more,
    )


def by_id(session: Session, run_id: str) -> Run:
    """Return one run; raises `NotFound`."""
    row = session.execute(sa.select(models.run).where(models.run.c.id == run_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(object_id=run_id)
    return of_row(row)


def in_state(session: Session, *states: str) -> list[Run]:
    """Return the runs in some states, oldest first."""
    query = sa.select(models.run).where(models.run.c.state.in_(states)).order_by(models.run.c.planned_at)
    return [of_row(row) for row in session.execute(query).mappings()]


def approved(session: Session) -> list[Run]:
    """Return the runs that were let be carried out, however they ended, oldest first."""
    query = sa.select(models.run).where(models.run.c.approved_at.is_not(None)).order_by(models.run.c.planned_at)
    return [of_row(row) for row in session.execute(query).mappings()]


def expire(session: Session, ctx: Context, *, parts: Retention) -> int:
    """Let plans that nobody proposed in time lapse: what is due is counted anew."""
    count = 0
    for run in in_state(session, PLANNED):
        if ctx.at - run.planned_at > parts.settings.plan_valid:
            count += 1
            if run.planned_by is not None:
                move(session, run.id, (PLANNED,), EXPIRED, why="nobody proposed it in time", ended_at=ctx.at)
                continue
            # What the clock counted is counted anew; the log keeps that it was planned.
            session.execute(sa.delete(models.target).where(models.target.c.run_id == run.id))
            session.execute(sa.delete(models.run).where(models.run.c.id == run.id))
    return count


def keep(session: Session, made: Plan, ctx: Context, *, parts: Retention) -> Run:
    """Keep what was counted as a run; raises `RunOpen` where somebody was faster.

    A period or a hold that changed since ends or shortens the run as it is carried out.
    """
    ctx.actor.require(PRIVACY_RUN_PROPOSE)
    run_id = ctx.new_id("ret")
    policy = made.policy
    asks = asking.reasons(session, made, ctx.at, parts)
    row = {
        "id": run_id,
        "class": policy.class_,
        "version": policy.version,
        "policy_hash": policy.hash,
        "before": made.before,
        "root": made.root,
        "facts": {
            "places": [place.document() for place in made.places],
            "conflicts": list(made.conflicts),
            "asks": asks,
            "ground": policy.ground,
            "keep": policy.keep.in_words(),
        },
        "total": made.total,
        "done": 0,
        "skipped": 0,
        "state": PLANNED,
        "planned_by": ctx.actor.id if not (ctx.actor.id or "").startswith("svc_") else None,
        "planned_at": ctx.at,
    }
    try:
        session.execute(sa.insert(models.run).values(row))
    except sa.exc.IntegrityError as error:  # somebody else planned one since we looked
        raise RunOpen from error
    session.execute(
        sa.insert(models.target),
        [
            {
                "run_id": run_id,
                "batch": number,
                "source": batch.source,
                "store": batch.store,
                "count": batch.count,
                "leaves": list(batch.leaves),
                "state": "waits",
                "removed": 0,
                "held": 0,
            }
            for number, batch in enumerate(made.batches)
        ],
    )
    run = by_id(session, run_id)
    outbox.record(session, event_of(RetentionPlanned, run, run.total), ctx)
    return run


def _demand_no_other(session: Session, class_: str) -> None:
    table = models.run
    query = sa.select(table.c.id).where(table.c["class"] == class_, table.c.state.in_(OPEN))
    if session.execute(query).first() is not None:
        raise RunOpen


def move(session: Session, run_id: str, before: Sequence[str], after: str, **values: Any) -> bool:
    """Move a run on, by compare-and-set."""
    table = models.run
    done = session.execute(
        sa.update(table).where(table.c.id == run_id, table.c.state.in_(before)).values(state=after, **values)
    )
    return bool(done.rowcount == 1)  # type: ignore[attr-defined]  # an update has a row count


def of_row(row: Any) -> Run:  # a row of `run`, by name
    """Return a run from its row."""
    values = dict(row)
    return Run(class_=values.pop("class"), **values)
