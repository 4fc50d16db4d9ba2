"""The recurring work of retention: counting what is due each night, carrying out what was approved, looking for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from app.kernel.access import LOG_SEGMENT_PRUNE, PRIVACY_RUN_PROPOSE, service
from app.kernel.context import Context
from app.kernel.errors import OnePayError
from app.kernel.ids import Ids
from app.kernel.jobs import Job, guarded
from app.kernel.logs import logger
from compliance.retention import execute, policies, runs
from compliance.retention.binding import PeriodNotAgreed
from compliance.retention.holds import HoldNotAsPlaced
from compliance.retention.parts import Retention
from compliance.retention.runs import NothingDue, Run, RunOpen

_PLANNER: Final = service("retention", PRIVACY_RUN_PROPOSE)
_EXECUTOR: Final = service("retention", LOG_SEGMENT_PRUNE)
_READER: Final = service("retention-reader")
_PLANNED: Final = "runs planned"
_REFUSED: Final = "classes refused"
_NOT_COUNTED: Final = "classes not counted"
_log: Final = logger(__name__)


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
    """Count what is due of every class; one that cannot be counted waits for the next night, and no other with it."""
    with parts.log.db.begin() as session:
        runs.expire(session, ctx, parts=parts)
        classes = sorted(policies.in_force(session))
    done = Counter[str]()
    for class_ in classes:
        error = guarded(f"retention plan of {class_}", partial(_plan, class_, done, ctx, parts))
        done[_NOT_COUNTED] += error is not None
    return ", ".join(f"{count} {what}" for what, count in done.items() if count) or None


def _plan(class_: str, done: Counter[str], ctx: Context, parts: Retention) -> None:
    """Count what is due of a class; what the standing approval covers is approved by rule."""
    try:
        with parts.log.db.read() as session:  # nobody who pays waits for it
            made = runs.count(session, class_, ctx, parts=parts)
        with parts.log.db.begin() as session:
            run = runs.keep(session, made, ctx, parts=parts)
            if not run.facts["asks"]:
                runs.approve(session, run, "approved by rule: within the standing limit of the class", ctx)
        done[_PLANNED] += 1
    except (NothingDue, RunOpen):
        return
    except (PeriodNotAgreed, HoldNotAsPlaced) as error:
        # The page of retention and the control of Art. 5(2) say it, too, until somebody has mended it.
        _log.warning("nothing is planned", extra={"onepay__class": class_, "error__type": error.code})
        done[_REFUSED] += 1


def carry_on(ctx: Context, reading: Context, parts: Retention) -> str | None:
    """Carry out what was approved, and certify what is gone; a run that breaks off says so and stops no other."""
    db = parts.log.db
    with db.read() as session:
        waiting = runs.in_state(session, runs.APPROVED, runs.EXECUTING)
    broken = [_kept_going(run, partial(execute.carry_out, run, ctx, parts=parts), parts) for run in waiting]
    with db.read() as session:
        looking = runs.in_state(session, runs.VERIFYING)
    broken += [_kept_going(run, partial(execute.verify, run, reading, parts=parts), parts) for run in looking]
    if not broken:
        return None
    said = f"{len(broken)} runs carried on"
    return f"{said}, {sum(broken)} of them broke off" if any(broken) else said


def _kept_going(run: Run, call: Callable[[], object], parts: Retention) -> bool:
    """Carry one run on; returns whether it broke off, which stands in its row until it goes on."""
    error = guarded(f"retention run {run.id}", call)
    if error is None:
        return False
    said = f"broke off: {error}" if isinstance(error, OnePayError) else f"broke off: {type(error).__name__}"
    guarded(f"retention run {run.id}", partial(_note, run, said, parts))
    return True


def _note(run: Run, said: str, parts: Retention) -> None:
    with parts.log.db.begin() as session:
        for state in (runs.APPROVED, runs.EXECUTING, runs.VERIFYING):
            runs.move(session, run.id, (state,), state, why=said[: runs.WHY_MAX])
