"""Runs as somebody is shown them: to an auditor those of their period, as they stood at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_REQUEST_READ, Actor
from compliance.retention import models
from compliance.retention.runs import (
    APPROVED,
    CERTIFIED,
    EXECUTING,
    OPEN,
    PLANNED,
    VERIFYING,
    WAITING,
    Run,
    of_row,
)

LIST_MAX: Final = 100


def listed(session: Session, actor: Actor, *, limit: int = LIST_MAX) -> list[Run]:
    """Return the newest runs, an auditor's those of their period, as they stood at its end."""
    actor.require(PRIVACY_REQUEST_READ)
    query = sa.select(models.run).order_by(models.run.c.planned_at.desc(), models.run.c.id.desc()).limit(limit)
    found = [of_row(row) for row in session.execute(query.where(_seen(actor))).mappings()]
    return found if actor.period is None else [_stood(one, actor.period[1]) for one in found]


def _stood(run: Run, end: datetime) -> Run:
    """Return a run as it stood before an instant; how far it had come by then is known of its steps alone."""
    if run.ended_at is not None and run.ended_at < end:
        return run
    proposed, approved, executed = (
        at if at is not None and at < end else None for at in (run.proposed_at, run.approved_at, run.executed_at)
    )
    return replace(
        run,
        state=VERIFYING if executed else APPROVED if approved else WAITING if proposed else PLANNED,
        done=run.done if executed else 0,
        skipped=run.skipped if executed else 0,
        looked=0,
        why=None,
        proposed_by=run.proposed_by if proposed else None,
        proposed_at=proposed,
        approval_id=run.approval_id if proposed else None,
        approved_at=approved,
        approved_event=run.approved_event if approved else None,
        executed_at=executed,
        certified_at=None,
        ended_at=None,
    )


def _seen(actor: Actor) -> sa.ColumnElement[bool]:
    """What an actor sees of runs: those that were planned or under way in the period of an auditor.

    Of one that ended before its end was written down, the last step is what is known.
    """
    if actor.period is None:
        return sa.true()
    of, (begin, end) = models.run.c, actor.period
    last = sa.func.coalesce(of.ended_at, of.executed_at, of.approved_at, of.proposed_at, of.planned_at)
    return (of.planned_at < end) & (of.state.in_(OPEN) | (last >= begin))


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
