"""What two people decide about a run, bound to the root of its plan and the hash of its policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import PRIVACY_RUN_APPROVE, PRIVACY_RUN_PROPOSE
from app.kernel.approvals import ApprovalKind, Approvals, Payload, State
from app.kernel.context import Context
from compliance.retention import binding, models, policies, runs
from compliance.retention import plan as plans
from compliance.retention.parts import Retention
from compliance.retention.runs import Ending, Run

APPROVAL: Final = "privacy.run"
_THINGS: Final = "things"


def propose(session: Session, run_id: str, reason: str, ctx: Context, *, parts: Retention) -> str:
    """Ask two people to approve a planned run; returns the approval's id. Raises `PeriodNotAgreed`."""
    ctx.actor.require(PRIVACY_RUN_PROPOSE)
    run = runs.by_id(session, run_id)
    if run.state != runs.PLANNED:
        raise runs.RunNotPlanned
    binding.demand(session, policies.in_force(session)[run.class_])
    approval = parts.approvals.ask(
        session, APPROVAL, payload_of(run), ctx, object_id=run.id, reason=reason or "Due by its policy"
    )
    said = {"approval_id": approval, "proposed_by": ctx.actor.id, "proposed_at": ctx.at}
    runs.move(session, run.id, (runs.PLANNED,), runs.WAITING, **said)
    return approval


def kind(approvals: Approvals) -> ApprovalKind:
    """Return what two people decide about a run, bound to the root of its plan and the hash of its policy."""

    def decided(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        run = runs.by_id(session, str(payload["run"]))
        approvals.take(session, id, APPROVAL, _as_asked(payload_of(run), payload), ctx)
        runs.approve(session, run, "approved by two people", ctx)
        return "It is carried out within a minute"

    def closed(session: Session, id: str, state: State, ctx: Context) -> None:
        row = session.execute(sa.select(models.run).where(models.run.c.approval_id == id)).mappings().one_or_none()
        if row is not None:
            runs.abort(session, runs.of_row(row), Ending.of_approval(state), "", ctx)

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
    run = runs.of_row(row)
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
        _THINGS: things(run.total, stores_of([run])),
        "places": [f"{one['store']}: {one['count']} due, {one['held']} held" for one in run.facts["places"]],
        "conflicts": list(run.facts["conflicts"]),
        "asks": list(run.facts["asks"]),
        "planned_by": run.planned_by or "",
    }


def _as_asked(said: Mapping[str, Any], payload: Payload) -> Mapping[str, Any]:
    """Return what is approved in the form in which it was asked: the first ones did not say of what there are many."""
    return said if _THINGS in payload else {name: value for name, value in said.items() if name != _THINGS}


def _rendered(payload: Payload) -> list[str]:
    conflicts = ", ".join(payload["conflicts"]) or "none"
    goes = payload.get(_THINGS) or things(payload["total"], ())
    return [
        f"Of {payload['class']}, all that ended before {payload['before']}: {goes}.",
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
