"""The recurring work of retention: counting what is due each night, carrying out what was approved, looking for it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from app.kernel.access import LOG_SEGMENT_PRUNE, PRIVACY_RUN_PROPOSE, service
from app.kernel.context import Context
from app.kernel.ids import Ids
from app.kernel.jobs import Job
from compliance.retention import execute, policies, runs
from compliance.retention.parts import Retention
from compliance.retention.runs import NothingDue, RunOpen

_PLANNER: Final = service("retention", PRIVACY_RUN_PROPOSE)
_EXECUTOR: Final = service("retention", LOG_SEGMENT_PRUNE)
_READER: Final = service("retention-reader")


def jobs(ids: Ids, parts: Retention) -> Sequence[Job]:
    """Return the jobs with their pace."""

    def context(at: datetime, actor: object) -> Context:
        return Context(actor=actor, at=at, request_id=ids.new("run", at), ids=ids)  # type: ignore[arg-type]  # our services

    return (
        Job(name="retention.plan", every=timedelta(days=1), run=lambda at: plan_all(context(at, _PLANNER), parts)),
        Job(
            name="retention.execute",
            every=timedelta(seconds=10),
            run=lambda at: carry_on(context(at, _EXECUTOR), context(at, _READER), parts),
        ),
    )


def plan_all(ctx: Context, parts: Retention) -> str | None:
    """Count what is due of every class; what the standing approval covers is approved by rule."""
    planned = 0
    db = parts.log.db
    with db.begin() as session:
        runs.expire(session, ctx, parts=parts)
        classes = sorted(policies.in_force(session))
    for class_ in classes:
        with suppress(NothingDue, RunOpen), db.begin() as session:
            run = runs.plan(session, class_, ctx, parts=parts)
            if not run.facts["asks"]:
                runs.approve(session, run, "approved by rule: within the standing limit of the class", ctx)
            planned += 1
    return f"{planned} runs planned" if planned else None


def carry_on(ctx: Context, reading: Context, parts: Retention) -> str | None:
    """Carry out what was approved, and certify what is gone."""
    db = parts.log.db
    with db.read() as session:
        waiting = runs.in_state(session, runs.APPROVED, runs.EXECUTING)
    for run in waiting:
        execute.carry_out(run, ctx, parts=parts)
    with db.read() as session:
        looking = runs.in_state(session, runs.VERIFYING)
    for run in looking:
        execute.verify(run, reading, parts=parts)
    done = len(waiting) + len(looking)
    return f"{done} runs carried on" if done else None
