"""Carrying a run out: batch by batch, each in its own transaction, holds asked again before each; then looked for.

What is removed is what stands in the approved plan, and of it only what is still due and not held. Killed at any
point, the same call goes on: a batch is removed and written down in one transaction, a unit of the log goes on itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto
from app.kernel.approvals import Verdict
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.errors import OnePayError, Unavailable
from app.kernel.logs import logger
from compliance.certificates import completes, demand_same
from compliance.contracts.personal import PersonalDataSource, Target
from compliance.retention import agreed, binding, decided, held_events, keeping, models, placing, policies, runs
from compliance.retention import holds as legal
from compliance.retention import plan as plans
from compliance.retention.holds import HoldNotAsPlaced
from compliance.retention.parts import Retention
from compliance.retention.runs import Ending, Run
from ingest.events.privacy import RetentionCertified, RetentionExecuted
from ingest.log import forgetting, forgotten, outbox, read, units
from ingest.log.forgetting import HoldTooLate, StillThere, UnitNotOver

HELD, NOT_DUE = "held", "not_due"
WAITS, DONE = "waits", "done"
LOOKS_MAX: Final = 3
"""So often a run is looked for, and done again where something is left, before it has failed."""
_log: Final = logger(__name__)


def carry_out(run: Run, ctx: Context, *, parts: Retention) -> str:
    """Carry an approved run on as far as it goes, and return the state it is in then."""
    db = parts.log.db
    with db.begin() as session:
        stale = _stale(session, run)
        if stale is not None:
            runs.abort(session, run, *stale, ctx)
            return runs.ABORTED
        runs.move(session, run.id, (runs.APPROVED,), runs.EXECUTING)
    for batch in _batches(run, parts):
        remove = _drop if batch["source"] == plans.LOG else _delete
        try:
            if not remove(run, batch, ctx, parts):
                return runs.EXECUTING
        except HoldNotAsPlaced as error:
            _later(run, error, f"{error.code}: {error}", parts)
            return runs.EXECUTING
    with db.begin() as session:
        if runs.move(session, run.id, (runs.EXECUTING,), runs.VERIFYING, executed_at=ctx.at):
            done = runs.by_id(session, run.id)
            outbox.record(session, runs.event_of(RetentionExecuted, run, done.done), ctx)
    return runs.VERIFYING


def verify(run: Run, ctx: Context, *, parts: Retention) -> str:
    """Look for what a run removed, as another reader, and certify that it is gone; else it is done again.

    What is still there, or not accounted for, when it was looked for the last time is no run that is certified.
    """
    db = parts.log.db
    with db.read() as session:
        there = left(session, run, parts=parts)
    if there:
        said = "; ".join(there.values())
        with db.begin() as session:
            if run.looked + 1 >= LOOKS_MAX:
                runs.fail(session, run, Ending.NOT_VERIFIED, said, ctx)
                return runs.FAILED
            why = f"still there: {said}"[: runs.WHY_MAX]
            runs.move(session, run.id, (runs.VERIFYING,), runs.EXECUTING, why=why, looked=run.looked + 1)
            of = models.target.c
            again = (of.run_id == run.id) & of.batch.in_(sorted(there))
            session.execute(sa.update(models.target).where(again).values(state=WAITS))
        return runs.EXECUTING
    with db.begin() as session:
        if runs.move(session, run.id, (runs.VERIFYING,), runs.CERTIFIED, certified_at=ctx.at, ended_at=ctx.at):
            _certify(session, runs.by_id(session, run.id), ctx, parts)
    return runs.CERTIFIED


def left(session: Session, run: Run, *, parts: Retention) -> Mapping[int, str]:
    """Return what is still there of a run and should not be, or is not accounted for, by batch: by looking."""
    found = {batch["batch"]: _left(session, run, batch, parts) for batch in _all(session, run)}
    return {number: said for number, said in found.items() if said is not None}


def _stale(session: Session, run: Run) -> tuple[Ending, str] | None:
    """Return why an approved run may not go on: its period is another or does not bind, its plan is not what was
    approved, or nobody decided on it, whatever the rows say."""
    policy = policies.in_force(session).get(run.class_)
    if policy is None or policy.hash != run.policy_hash:
        return Ending.POLICY_CHANGED, "another version is in force"
    told = agreed.told(session)
    says = binding.trouble(session, policy, told)
    if says is not None:
        return Ending.PERIOD_NOT_AGREED, f"version {policy.version} {says}"
    if not decided.is_approved(session, run, by_people=not binding.is_told(policy, told)):
        return Ending.NOT_DECIDED, "the log knows of nobody who approved this run"
    if decided.is_over(session, run):
        return Ending.NOT_DECIDED, "the log says that this run is over"
    leaves = [leaf for batch in _all(session, run) for leaf in batch["leaves"]]
    if plans.root_of(leaves) != run.root:
        return Ending.ROOT_MOVED, "the plan is not what was approved"
    return None


def _batches(run: Run, parts: Retention) -> list[Mapping[str, Any]]:
    with parts.log.db.read() as session:
        return [batch for batch in _all(session, run) if batch["state"] == WAITS]


def _all(session: Session, run: Run) -> list[Mapping[str, Any]]:
    table = models.target
    rows = session.execute(sa.select(table).where(table.c.run_id == run.id).order_by(table.c.batch)).mappings()
    return [dict(row) for row in rows]


def _later(run: Run, error: OnePayError, said: str, parts: Retention) -> None:
    """Say why a run goes on later."""
    where = {"onepay__run": run.id, "error__type": type(error).__name__}
    _log.warning("a retention run goes on later", extra=where)
    with parts.log.db.begin() as session:
        runs.move(session, run.id, (runs.EXECUTING,), runs.EXECUTING, why=said[: runs.WHY_MAX])


def _delete(run: Run, batch: Mapping[str, Any], ctx: Context, parts: Retention) -> bool:
    """Remove a batch of rows: those that are still due and not held, in one transaction with its count.

    Which rows stay, and why, is written down with it: all others are looked for.
    """
    source = _source(batch["source"], parts)
    with parts.log.db.begin() as session:
        holds = legal.standing(session)
        found = {
            target.leaf: target
            for target in source.still_due(session, run.class_, run.before, _targets(run, batch, _gone(batch)))
        }
        keeps = keeping.of(session, holds, parts.sources)
        held = keeping.leaves(session, source, list(found.values()), keeps)
        free = [target for leaf, target in sorted(found.items()) if leaf not in held]
        removed = sum(source.erase(session, free, ctx).values()) if free else 0
        kept = batch["kept"]
        if kept is None:
            # The first time, what is planned and no longer due ended otherwise, or its time runs anew.
            kept = {HELD: [], NOT_DUE: sorted(set(batch["leaves"]) - set(found))}
        _note(session, run, batch, removed, {**kept, HELD: sorted({*kept[HELD], *held})})
    return True


def _drop(run: Run, batch: Mapping[str, Any], ctx: Context, parts: Retention) -> bool:
    """Remove a unit of the log; False where a part of it does not answer now and the run goes on later.

    A month in which a hold was placed that stands is not what was planned: it stays until that is released.
    """
    class_, month = batch["store"].split("|")
    with parts.log.db.read() as session:
        removal = forgotten.removal(session, class_, month)
        unit = units.find(session, class_, month)
        cases = placing.told(session).told_in(unit) if unit is not None else []
    if removal is None and (unit is None or cases or plans.unit_leaf(unit) not in batch["leaves"]):
        with parts.log.db.begin() as session:
            runs.abort(session, run, Ending.ROOT_MOVED, f"{class_} {month} is not what was planned", ctx)
        return False
    try:
        # A hold that comes while the run goes keeps what is there: until the store has let go of the unit. If holds
        # cannot be looked for, nothing is removed.
        keep = held_events.keeping(parts.log.db, parts.log.store, class_)
        done = forgetting.drop(class_, month, keep, run.id, ctx, parts=parts.log)
    except (Unavailable, StillThere, UnitNotOver, HoldTooLate) as error:
        _later(run, error, str(error), parts)
        return False
    with parts.log.db.begin() as session:
        _note(session, run, batch, done.count - done.held, done.held)
    return True


def _note(
    session: Session,
    run: Run,
    batch: Mapping[str, Any],
    removed: int,
    kept: Mapping[str, Sequence[str]] | int,
) -> None:
    """Write down what a batch did, once; of a unit of the log how many events stay, of rows which and why."""
    table = models.target
    stays = {"held": kept} if isinstance(kept, int) else {"held": len(kept[HELD]), "kept": dict(kept)}
    done = session.execute(
        sa.update(table)
        .where(table.c.run_id == run.id, table.c.batch == batch["batch"], table.c.state == WAITS)
        .values(state=DONE, removed=removed if isinstance(kept, int) else table.c.removed + removed, **stays)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]  # an update has a row count
        return
    counts = session.execute(
        sa.select(sa.func.sum(table.c.removed), sa.func.sum(table.c.held)).where(table.c.run_id == run.id)
    ).one()
    session.execute(
        sa.update(models.run).where(models.run.c.id == run.id).values(done=counts[0] or 0, skipped=counts[1] or 0)
    )


def _left(session: Session, run: Run, batch: Mapping[str, Any], parts: Retention) -> str | None:
    """Return what is still there of a batch and should not be, or is not accounted for."""
    if batch["source"] == plans.LOG:
        class_, month = batch["store"].split("|")
        found = forgetting.remaining(session, class_, month, store=parts.log.store, archive=parts.log.archive)
        return None if found.is_gone else f"{class_} {month}: {found}"
    gone = _gone(batch)
    there = _source(batch["source"], parts).remaining(session, _targets(run, batch, gone))
    if there:
        return f"{there} of {len(gone)} rows of {batch['store']}"
    accounted = batch["removed"] + batch["held"] + len((batch["kept"] or {}).get(NOT_DUE, ()))
    if accounted != batch["count"]:
        return f"{accounted} of {batch['count']} rows of {batch['store']} are accounted for"
    return None


def _gone(batch: Mapping[str, Any]) -> list[str]:
    """Return the leaves of a batch that are to be gone: all but those that stay."""
    kept = batch["kept"] or {}
    return sorted(set(batch["leaves"]) - {leaf for leaves in kept.values() for leaf in leaves})


def _targets(run: Run, batch: Mapping[str, Any], leaves: Sequence[str]) -> list[Target]:
    """Return what the plan named, from its leaves."""
    found = []
    for leaf in leaves:
        store, _, rest = leaf.partition("|")
        id, category, action = rest.rsplit("|", 2)
        found.append(Target(store=store, id=id, subject="", category=category, action=action, retention=run.class_))
    return found


def _certify(session: Session, run: Run, ctx: Context, parts: Retention) -> None:
    certificate_id = ctx.new_id("crt")
    backups_end = policies.backups_end(session, run.executed_at or ctx.at)
    head = read.head(session)
    decided_by = _deciders(session, run, parts)
    body = {
        "certificate": certificate_id,
        "run": run.id,
        "class": run.class_,
        "policy_version": run.version,
        "policy_hash": run.policy_hash,
        "keep": run.facts["keep"],
        "ground": run.facts["ground"],
        "before": rfc3339(run.before),
        "plan_root": run.root,
        "planned": run.total,
        "removed": run.done,
        "kept_for_cases": run.skipped,
        "places": [
            {
                "store": one["store"],
                "removed": one["removed"],
                "held": one["held"],
                "no_longer_due": len((one["kept"] or {}).get(NOT_DUE, ())),
            }
            for one in _all(session, run)
        ],
        "conflicts": list(run.facts["conflicts"]),
        "approvers": len(decided_by),
        "decided_by": decided_by,
        "approved_by_rule": not decided_by,
        "executed_at": rfc3339(run.executed_at or ctx.at),
        "verified_at": rfc3339(ctx.at),
        "irrecoverable_not_before": rfc3339(backups_end),
        "why_not_before": "It rests on this: that backups end when they should, which is the operator's to see to.",
        "remains": "Entries, leaves and proofs of the log stay: they hold no body.",
        "backups": policies.backups_said(session),
        "log_size": head.size,
        "log_root": head.root.hex(),
    }
    sha256 = digest(body)
    event_id = outbox.record(session, runs.event_of(RetentionCertified, run, run.done, sha256=sha256), ctx)
    session.execute(
        sa.insert(models.certificate).values(
            id=certificate_id,
            run_id=run.id,
            body=body,
            sha256=sha256,
            irrecoverable_from=backups_end,
            event_id=event_id,
            at=ctx.at,
        )
    )


def _deciders(session: Session, run: Run, parts: Retention) -> list[str]:
    """Return in which role each who approved a run did so, as they were then; none where the standing rule did."""
    if run.approval_id is None:
        return []
    votes = parts.approvals.state_of(session, run.approval_id).votes
    roles = [parts.roles(session, who, at) for who, verdict, at in votes if verdict is Verdict.APPROVED]
    return [min(held, default="staff").replace("_", " ") for held in roles]


def certificate_of(session: Session, run_id: str) -> Mapping[str, Any] | None:
    """Return the certificate of a run, or None where there is none yet; raises `CertificateDiffers`."""
    table = models.certificate
    row = session.execute(sa.select(table).where(table.c.run_id == run_id)).mappings().one_or_none()
    if row is None:
        return None
    sha256 = digest(row["body"])
    stands = completes(RetentionCertified.kind, sha256, row["at"])
    demand_same(session, run_id, row["event_id"], stands, is_kept=row["sha256"] == sha256)
    return dict(row)


def digest(body: Mapping[str, Any]) -> str:
    """Return the hash of a certificate: of its canonical form."""
    return crypto.sha256(canonical.encode(body)).hex()


def _source(name: str, parts: Retention) -> PersonalDataSource:
    return next(source for source in parts.sources if source.name == name)
