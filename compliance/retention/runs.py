"""Runs: planned by anybody or by the clock, approved by two, carried out by a job, looked for by another reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REQUEST_READ, PRIVACY_RUN_APPROVE, PRIVACY_RUN_PROPOSE, Actor
from app.kernel.approvals import ApprovalKind, Approvals, Payload, State
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.errors import Conflict, NotFound
from compliance.retention import agreed, binding, models, policies
from compliance.retention import plan as plans
from compliance.retention.parts import Retention
from compliance.retention.plan import Plan
from compliance.told import instant
from ingest.events.envelope import at_path
from ingest.events.privacy import (
    RetentionAborted,
    RetentionApproved,
    RetentionCertified,
    RetentionEvent,
    RetentionPlanned,
)
from ingest.log import outbox, read
from ingest.store.placing import CLASSES

APPROVAL: Final = "privacy.run"
PLANNED, WAITING, APPROVED = "planned", "waiting", "approved"
EXECUTING, VERIFYING, CERTIFIED = "executing", "verifying", "certified"
ABORTED, FAILED, EXPIRED = "aborted", "failed", "expired"
OPEN: Final = (PLANNED, WAITING, APPROVED, EXECUTING, VERIFYING)
_POLICY, _HASH, _COUNT = "onepay.retention.policy", "onepay.retention.policy_hash", "onepay.retention.count"
LIST_MAX: Final = 100
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
    approval_id: str | None
    approved_at: datetime | None
    approved_event: str | None
    executed_at: datetime | None
    certified_at: datetime | None
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


def propose(session: Session, run_id: str, reason: str, ctx: Context, *, parts: Retention) -> str:
    """Ask two people to approve a planned run; returns the approval's id. Raises `PeriodNotAgreed`."""
    ctx.actor.require(PRIVACY_RUN_PROPOSE)
    run = by_id(session, run_id)
    if run.state != PLANNED:
        raise RunNotPlanned
    binding.demand(session, policies.in_force(session)[run.class_])
    approval = parts.approvals.ask(
        session, APPROVAL, payload_of(run), ctx, object_id=run.id, reason=reason or "Due by its policy"
    )
    _move(session, run.id, (PLANNED,), WAITING, approval_id=approval, proposed_by=ctx.actor.id)
    return approval


def abort(session: Session, run: Run, reason: Ending, why: str, ctx: Context) -> None:
    """End a run that may not go on; what was removed stays removed and is told."""
    _end(session, run, ABORTED, reason, why, ctx)


def fail(session: Session, run: Run, reason: Ending, why: str, ctx: Context) -> None:
    """End a run that did not do what it was to do: no certificate is given, and what is due is planned anew."""
    _end(session, run, FAILED, reason, why, ctx)


def _end(session: Session, run: Run, state: str, reason: Ending, why: str, ctx: Context) -> None:
    said = f"{reason.in_words}: {why}" if why else reason.in_words
    if _move(session, run.id, OPEN, state, why=said[:WHY_MAX]):
        count = by_id(session, run.id).done
        outbox.record(session, event_of(RetentionAborted, run, count, reason=reason.value), ctx)


def approve(session: Session, run: Run, why: str, ctx: Context) -> None:
    """Let a run be carried out; raises `PeriodNotAgreed`."""
    binding.demand(session, policies.in_force(session)[run.class_])
    if _move(session, run.id, (PLANNED, WAITING), APPROVED, approved_at=ctx.at, why=why):
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


def kind(approvals: Approvals) -> ApprovalKind:
    """Return what two people decide about a run, bound to the root of its plan and the hash of its policy."""

    def decided(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        run = by_id(session, str(payload["run"]))
        approvals.take(session, id, APPROVAL, payload_of(run), ctx)
        approve(session, run, "approved by two people", ctx)
        return "It is carried out within a minute"

    def closed(session: Session, id: str, state: State, ctx: Context) -> None:
        row = session.execute(sa.select(models.run).where(models.run.c.approval_id == id)).mappings().one_or_none()
        if row is not None:
            abort(session, _run(row), Ending.of_approval(state), "", ctx)

    return ApprovalKind(
        name=APPROVAL,
        title="Remove what is due",
        asks=PRIVACY_RUN_PROPOSE,
        decides=PRIVACY_RUN_APPROVE,
        render=_rendered,
        run=decided,
        follows="The removal then begins within a minute, and nothing of it comes back.",
        became=_stands,
        quorum=2,
        ttl=timedelta(hours=72),
        excluded=lambda payload: frozenset({payload["planned_by"]} - {""}),
        closed=closed,
    )


def _stands(session: Session, id: str) -> str | None:
    """Return how a run stands that two people agreed to, by its approval."""
    row = session.execute(sa.select(models.run).where(models.run.c.approval_id == id)).mappings().one_or_none()
    if row is None:
        return None
    run = _run(row)
    match run.state:
        case "certified":
            kept = f"{run.skipped} kept for cases" if run.skipped else "none kept for a case"
            return f"{things(run.done, stores_of([run]))} gone, {kept}; certified on {run.certified_at:%-d %B %Y}."
        case "aborted" | "failed":
            return f"It ended without a certificate, with {things(run.done, stores_of([run]))} gone: {run.why}"
        case "approved":
            return "It begins within a minute."
        case _:
            return f"It goes on: {things(run.done, stores_of([run]))} of {run.total} gone."


def payload_of(run: Run) -> dict[str, Any]:
    """Return exactly what is approved."""
    return {
        "run": run.id,
        "class": run.class_,
        "version": run.version,
        "policy_hash": run.policy_hash,
        "before": f"{run.before:%Y-%m-%d %H:%M} UTC",
        "root": run.root,
        "total": run.total,
        "places": [f"{one['store']}: {one['count']} due, {one['held']} held" for one in run.facts["places"]],
        "conflicts": list(run.facts["conflicts"]),
        "asks": list(run.facts["asks"]),
        "planned_by": run.planned_by or "",
    }


def _due(payload: Payload) -> list[str]:
    """Return the stores of which an approval says that something is due."""
    places = [str(place).rpartition(": ") for place in payload["places"]]
    return [store for store, _, counts in places if not counts.startswith("0 due")]


def _rendered(payload: Payload) -> list[str]:
    conflicts = ", ".join(payload["conflicts"]) or "none"
    return [
        f"Of {payload['class']}, all that ended before {payload['before']}: {things(payload['total'], _due(payload))}.",
        *payload["places"],
        f"Kept for cases: {conflicts}.",
        *(f"People are asked because {why}." for why in payload["asks"]),
        f"Root of the plan {payload['root'][:16]}…; it is removed for good.",
    ]


def things(count: int, stores: Iterable[str]) -> str:
    """Return a count of what goes from some stores as rows, as events, or as both."""
    are_events = {store.startswith(f"{plans.LOG} ") for store in stores}
    if len(are_events) == 1:
        noun = "event" if are_events == {True} else "row"
        return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
    return "1 row or event" if count == 1 else f"{count:,} rows and events"


def stores_of(some: Iterable[Run]) -> list[str]:
    """Return the stores from which runs remove something, or would."""
    return [str(one["store"]) for run in some for one in run.facts["places"] if one["count"]]


def by_id(session: Session, run_id: str) -> Run:
    """Return one run; raises `NotFound`."""
    row = session.execute(sa.select(models.run).where(models.run.c.id == run_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(object_id=run_id)
    return _run(row)


def listed(session: Session, actor: Actor, *, limit: int = LIST_MAX) -> list[Run]:
    """Return the newest runs, an auditor's those of their period, as they stood at its end."""
    actor.require(PRIVACY_REQUEST_READ)
    query = sa.select(models.run).order_by(models.run.c.planned_at.desc(), models.run.c.id.desc()).limit(limit)
    found = [_run(row) for row in session.execute(query.where(_seen(actor))).mappings()]
    return found if actor.period is None else [_stood(one, actor.period[1]) for one in found]


def _stood(run: Run, end: datetime) -> Run:
    """Return a run as it stood before an instant; how far it had come by then is known of its steps alone."""
    steps = ("approved_at", "executed_at", "certified_at")
    came = {name: at for name in steps if (at := getattr(run, name)) is not None and at < end}
    if len(came) == sum(getattr(run, name) is not None for name in steps):
        return run
    state = VERIFYING if "executed_at" in came else APPROVED if "approved_at" in came else PLANNED
    known = {"state": state, "why": run.why if "approved_at" in came else None, **dict.fromkeys(steps), **came}
    return replace(run, **known, done=run.done if "executed_at" in came else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What all runs come to: due by open plans, gone by class with certificate, and how many are under way."""

    due: int
    gone: Mapping[str, int]
    going: int


def totals(session: Session, actor: Actor) -> Totals:
    """Return what all runs come to; counted by the database, but for an auditor, whose runs are of the past."""
    actor.require(PRIVACY_REQUEST_READ)
    of = models.run.c
    if actor.period is not None:
        count = session.scalar(sa.select(sa.func.count()).select_from(models.run)) or 0
        summed = [(one.class_, one.state, one.total, one.done, 1) for one in listed(session, actor, limit=count)]
    else:
        query = sa.select(of["class"], of.state, sa.func.sum(of.total), sa.func.sum(of.done), sa.func.count())
        summed = [tuple(row) for row in session.execute(query.group_by(of["class"], of.state))]
    due, going, gone = 0, 0, Counter[str]()
    for class_, state, total, done, times in summed:
        due += int(total) if state in (PLANNED, WAITING) else 0
        going += times if state in (APPROVED, EXECUTING, VERIFYING) else 0
        if state == CERTIFIED:
            gone[class_] += int(done)
    return Totals(due=due, gone=gone, going=going)


def _seen(actor: Actor) -> sa.ColumnElement[bool]:
    """What an actor sees of runs: those that were planned or under way in the period of an auditor."""
    if actor.period is None:
        return sa.true()
    of, (begin, end) = models.run.c, actor.period
    return (of.planned_at < end) & (sa.func.coalesce(of.certified_at, of.executed_at, of.planned_at) >= begin)


def in_state(session: Session, *states: str) -> list[Run]:
    """Return the runs in some states, oldest first."""
    query = sa.select(models.run).where(models.run.c.state.in_(states)).order_by(models.run.c.planned_at)
    return [_run(row) for row in session.execute(query).mappings()]


def approved(session: Session) -> list[Run]:
    """Return the runs that were let be carried out, however they ended, oldest first."""
    query = sa.select(models.run).where(models.run.c.approved_at.is_not(None)).order_by(models.run.c.planned_at)
    return [_run(row) for row in session.execute(query).mappings()]


def expire(session: Session, ctx: Context, *, parts: Retention) -> int:
    """Let plans that nobody proposed in time lapse: what is due is counted anew."""
    count = 0
    for run in in_state(session, PLANNED):
        if ctx.at - run.planned_at > parts.settings.plan_valid:
            count += 1
            if run.planned_by is not None:
                _move(session, run.id, (PLANNED,), EXPIRED, why="nobody proposed it in time")
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
    asks = _asks(session, made, ctx.at, parts)
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


def _asks(session: Session, made: Plan, at: datetime, parts: Retention) -> list[str]:
    """Return why people have to be asked; empty where the standing approval of the class covers the run."""
    policy, since = made.policy, at - timedelta(days=parts.settings.median_days)
    # Rows decide nothing: what was done before is what the log says.
    said = read.documents_of(session, RetentionCertified.kind)
    done = [one for one in said if str(at_path(one, _POLICY)).rpartition(" v")[0] == policy.class_]
    reasons = []
    if not any(at_path(one, _HASH) == policy.hash for one in done):
        reasons.append(f"it is the first run of version {policy.version}, which keeps {policy.keep.in_words()}")
    if not binding.is_told(policy, agreed.told(session)):
        reasons.append("the log says no more who agreed to its period; agree to it again, and no run asks for this")
    # What was held whole tells nothing of what is usual.
    lately = [count for one in done if instant(one) >= since and (count := int(str(at_path(one, _COUNT))))]
    usual = int(median(lately)) if lately else None
    if usual is not None and made.total > parts.settings.jump * usual:
        reasons.append(f"{made.total} are more than twice the {usual} of a usual run")
    if policy.class_ in CLASSES:
        reasons.append("a month of the log goes for good")
    elif made.total > parts.settings.standing_rows:
        reasons.append(f"{made.total} are above the standing limit of {parts.settings.standing_rows}")
    return reasons


def _demand_no_other(session: Session, class_: str) -> None:
    table = models.run
    query = sa.select(table.c.id).where(table.c["class"] == class_, table.c.state.in_(OPEN))
    if session.execute(query).first() is not None:
        raise RunOpen


def _move(session: Session, run_id: str, before: Sequence[str], after: str, **values: Any) -> int:
    table = models.run
    done = session.execute(
        sa.update(table).where(table.c.id == run_id, table.c.state.in_(before)).values(state=after, **values)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]  # an update has a row count


def move(session: Session, run_id: str, before: Sequence[str], after: str, **values: Any) -> bool:
    """Move a run on, by compare-and-set."""
    return _move(session, run_id, before, after, **values) == 1


def _run(row: Any) -> Run:  # a row of `run`, by name
    values = dict(row)
    return Run(class_=values.pop("class"), **values)
