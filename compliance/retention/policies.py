"""Policies: how long each class is kept. What was shipped is version 1; a change is approved by a second person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical, crypto, words
from app.kernel.access import PRIVACY_POLICY_APPROVE, PRIVACY_POLICY_PROPOSE, PRIVACY_REQUEST_READ, Actor
from app.kernel.approvals import ApprovalKind, Approvals, Payload, State
from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid, NotFound
from compliance.catalog import retention as catalogue
from compliance.catalog.periods import Period, parse
from compliance.catalog.retention import RetentionClass
from compliance.retention import agreed, models
from ingest.events.compliance import DocumentApproved
from ingest.log import outbox

APPROVAL: Final = "privacy.policy"
BACKUP: Final = "backup"
REASON_MAX: Final = 500
GROUND_MIN: Final = 5
"""A ground is a law by its number, which is shorter than a reason."""
IN_FORCE, PROPOSED, SUPERSEDED, REJECTED = "in_force", "proposed", "superseded", "rejected"


class PolicyBelowFloor(Invalid):
    """The law asks for a longer time."""

    code = "policy_below_floor"


class PolicyAboveCeiling(Invalid):
    """The ground for which this is kept does not carry so far."""

    code = "policy_above_ceiling"


class PeriodUnknown(Invalid):
    """This is no length of time such as P13M, P90D or P5Y."""

    code = "period_unknown"


class PolicyMoved(Conflict):
    """Another version was proposed or came into force meanwhile."""

    code = "policy_moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long one class is kept: a version of the period, over what the catalogue says of the class."""

    of: RetentionClass
    version: int
    keep: Period
    ground: str
    hash: str
    in_force_at: datetime | None
    proposal: str | None = None

    @property
    def class_(self) -> str:
        return self.of.id

    @property
    def document(self) -> str:
        """How the event of its approval names it."""
        return f"retention.{self.of.id}"

    @property
    def is_shipped(self) -> bool:
        """Tell whether it is what the catalogue says, on which nobody had to decide."""
        return self.hash == _hash(self.of, 1, self.of.keep.text, self.of.ground)

    def before(self, at: datetime) -> datetime:
        """Return the instant before which what ended is due."""
        return self.keep.before(at)


def in_force(session: Session) -> Mapping[str, Policy]:
    """Return the policy of every class: the approved version, or what was shipped."""
    table = models.policy
    rows = session.execute(sa.select(table).where(table.c.state.in_((IN_FORCE, PROPOSED))))
    approved: dict[str, Any] = {}
    proposed: dict[str, str] = {}
    for row in rows.mappings():
        if row["state"] == IN_FORCE:
            approved[row["class"]] = row
        else:
            proposed[row["class"]] = row["id"]
    return {name: _policy(of, approved.get(name), proposed.get(name)) for name, of in catalogue.shipped().items()}


def kept(session: Session, actor: Actor | None = None) -> Mapping[str, RetentionClass]:
    """Return the classes as they are in force, for whoever says how long something is kept: nobody is told more.

    With an actor as they are `seen` by them.
    """
    found = in_force(session) if actor is None else seen(session, actor)
    return {name: replace(policy.of, keep=policy.keep, ground=policy.ground) for name, policy in found.items()}


def backups_end(session: Session, made: datetime) -> datetime:
    """Return when a backup made at an instant has ended by the policy in force of the class `backup`."""
    return in_force(session)[BACKUP].keep.after(made)


def backups_said(session: Session) -> str:
    """Return whose duty it is that backups end, and when: we make none and cannot look for any."""
    keep = in_force(session)[BACKUP].keep.in_words()
    return f"Backups are the operator's and end within {keep}; that they do is the operator's to see to."


def seen(session: Session, actor: Actor) -> Mapping[str, Policy]:
    """Return the policy of every class; an auditor's the one that was in force as their period ended."""
    actor.require(PRIVACY_REQUEST_READ)
    found = in_force(session)
    if actor.period is None:
        return found
    table = models.policy
    query = sa.select(table).where(table.c.in_force_at < actor.period[1]).order_by(table.c.in_force_at)
    then = {row["class"]: row for row in session.execute(query).mappings()}
    return {name: _policy(policy.of, then.get(name), None) for name, policy in found.items()}


def propose(
    session: Session, class_: str, keep: str, ground: str, reason: str, ctx: Context, *, approvals: Approvals
) -> str:
    """Propose another period for a class; returns the approval's id.

    Raises `NotFound`, `PeriodUnknown`, `PolicyBelowFloor`, `PolicyAboveCeiling`, and `PolicyMoved` while another
    proposal waits.
    """
    ctx.actor.require(PRIVACY_POLICY_PROPOSE)
    of = catalogue.shipped().get(class_)
    if of is None:
        raise NotFound(object_id=class_)
    period = _checked(of, keep)
    now = in_force(session)[class_]
    if now.proposal is not None:
        raise PolicyMoved
    version = _newest(session, now) + 1
    ground = words.checked(ground or of.ground, param="ground", shortest=GROUND_MIN, longest=REASON_MAX)
    reason = words.reason(reason, longest=REASON_MAX)
    policy_id = ctx.new_id("pol")
    session.execute(
        sa.insert(models.policy).values(
            id=policy_id,
            version=version,
            keep=period.text,
            ground=ground,
            reason=reason,
            hash=_hash(of, version, period.text, ground),
            state=PROPOSED,
            proposed_by=ctx.actor.id,
            proposed_at=ctx.at,
            **{"class": class_},
        )
    )
    approval = approvals.ask(session, APPROVAL, _payload(session, policy_id), ctx, object_id=policy_id, reason=reason)
    session.execute(sa.update(models.policy).where(models.policy.c.id == policy_id).values(approval_id=approval))
    return approval


def kind(approvals: Approvals) -> ApprovalKind:
    """Return what a second person decides about a policy."""

    def run(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        return _put_in_force(session, str(payload["policy"]), id, ctx, approvals)

    def closed(session: Session, id: str, state: State, ctx: Context) -> None:
        session.execute(
            sa.update(models.policy)
            .where(models.policy.c.approval_id == id, models.policy.c.state == PROPOSED)
            .values(state=REJECTED)
        )

    return ApprovalKind(
        name=APPROVAL,
        title="Put a retention period in force",
        asks=PRIVACY_POLICY_PROPOSE,
        decides=PRIVACY_POLICY_APPROVE,
        render=_rendered,
        run=run,
        closed=closed,
    )


def _rendered(payload: Payload) -> list[str]:
    return [
        f"Class {payload['class']}, version {payload['version']}: keep {payload['keep_words']} ({payload['keep']}).",
        f"Until now: {payload['until_now']}.",
        f"This becomes due though it was not: what ended from {payload['before']}. The first run counts it."
        if payload.get("before")
        else "Nothing becomes due that was not.",
        f"Ground: {payload['ground']}.",
        "The first run of a version always asks two people.",
    ]


def _put_in_force(session: Session, policy_id: str, approval: str, ctx: Context, approvals: Approvals) -> str:
    payload = _payload(session, policy_id)
    approvals.take(session, approval, APPROVAL, payload, ctx)
    table = models.policy
    session.execute(
        sa.update(table).where(table.c["class"] == payload["class"], table.c.state == IN_FORCE).values(state=SUPERSEDED)
    )
    done = session.execute(
        sa.update(table)
        .where(table.c.id == policy_id, table.c.state == PROPOSED)
        .values(state=IN_FORCE, in_force_at=ctx.at)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]  # an update has a row count
        raise PolicyMoved
    now = in_force(session)[payload["class"]]
    outbox.record(session, DocumentApproved(document=now.document, version=now.version, sha256=now.hash), ctx)
    return f"{payload['class']} is kept {payload['keep_words']}"


def _payload(session: Session, policy_id: str) -> dict[str, Any]:
    row = session.execute(sa.select(models.policy).where(models.policy.c.id == policy_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(object_id=policy_id)
    now, keep = in_force(session)[row["class"]], parse(row["keep"])
    return {
        "policy": policy_id,
        "class": row["class"],
        "version": row["version"],
        "keep": row["keep"],
        "keep_words": keep.in_words(),
        "until_now": f"{now.keep.in_words()} ({now.keep.text}), version {now.version}",
        "before": _newly_due(now, keep, row["proposed_at"]),
        "ground": row["ground"],
        "hash": row["hash"],
    }


def _newly_due(now: Policy, keep: Period, at: datetime) -> str | None:
    """Return from when to when lies what a shorter period makes due that was not yet, as a proposal was made."""
    begin, end = now.keep.before(at), keep.before(at)
    return f"{begin:%-d %B %Y} to {end:%-d %B %Y}" if begin < end else None


def history(session: Session, class_: str, actor: Actor) -> list[Mapping[str, Any]]:
    """Return every version of a class, newest first; an auditor's as far as their period."""
    actor.require(PRIVACY_REQUEST_READ)
    table = models.policy
    query = sa.select(table).where(table.c["class"] == class_).order_by(table.c.version.desc())
    if actor.period is not None:
        query = query.where(table.c.proposed_at < actor.period[1])
    rows = session.execute(query)
    return [dict(row) for row in rows.mappings()]


def _checked(of: RetentionClass, keep: str) -> Period:
    try:
        period = parse(keep.strip().upper())
    except ValueError as error:
        raise PeriodUnknown(param="keep") from error
    if of.floor is not None and of.floor.exceeds(period):
        raise PolicyBelowFloor(f"{of.id} is kept for {of.floor.in_words()} at the least: {of.ground}.", param="keep")
    if of.ceiling is not None and period.exceeds(of.ceiling):
        raise PolicyAboveCeiling(f"{of.id} is kept for {of.ceiling.in_words()} at the most: {of.ground}.", param="keep")
    if period.is_nothing and not of.keep.is_nothing:
        raise PeriodUnknown("That is no time at all: everything of the class would be due at once.", param="keep")
    return period


def _newest(session: Session, now: Policy) -> int:
    """Return the newest version there ever was of a class: of its rows, and of what the log says was agreed to."""
    table = models.policy
    newest = session.scalar(sa.select(sa.func.max(table.c.version)).where(table.c["class"] == now.class_))
    told = agreed.told(session).newest.get(now.document)
    return max(int(newest or 1), told.version if told is not None else 1)


def _policy(of: RetentionClass, row: Any, proposal: str | None) -> Policy:
    if row is None:
        return Policy(
            of=of,
            version=1,
            keep=of.keep,
            ground=of.ground,
            hash=_hash(of, 1, of.keep.text, of.ground),
            in_force_at=None,
            proposal=proposal,
        )
    return Policy(
        of=of,
        version=row["version"],
        keep=parse(row["keep"]),
        ground=row["ground"],
        hash=_hash(of, row["version"], row["keep"], row["ground"]),
        in_force_at=row["in_force_at"],
        proposal=proposal,
    )


def _hash(of: RetentionClass, version: int, keep: str, ground: str) -> str:
    document = {
        "class": of.id,
        "anchor": of.anchor,
        "then": of.then,
        "version": version,
        "keep": keep,
        "ground": ground,
    }
    return crypto.sha256(canonical.encode(document)).hex()
