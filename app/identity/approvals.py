"""Approvals kept: asked for with the exact payload, decided by somebody else who is sure, done once (APR-1, APR-2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import approval_rows as rows
from app.identity import approvers, notices
from app.identity.approvers import Lack
from app.identity.models import approval, approval_vote
from app.identity.parts import Identity
from app.kernel import approvals as kernel
from app.kernel import words
from app.kernel.access import IAM_APPROVAL_READ, Acr, Actor, ActorKind
from app.kernel.approvals import ApprovalKind, Payload, Standing, State, Verdict
from app.kernel.context import Context, Source
from app.kernel.db import insert_once
from app.kernel.errors import Conflict, Forbidden, NotFound, OnePayError, SamePerson, Traced, Unavailable
from app.kernel.jobs import guarded_alone
from ingest.events.access import DataRead
from ingest.events.admin import (
    ApprovalDecided,
    ApprovalEvent,
    ApprovalExecuted,
    ApprovalExpired,
    ApprovalRefused,
    ApprovalRequested,
)
from ingest.events.envelope import Outcome as Outcomes
from ingest.log import outbox
from ingest.log.subject_keys import SubjectErased

REASON_MAX: Final = 300
RESULT_MAX: Final = 200
EXPIRE_MAX: Final = 100
_OVER: Final = (State.EXECUTED, State.FAILED)


class _Refusal(OnePayError):
    """A refusal that leaves its event."""

    _event: ApprovalRefused
    _approval: str

    def of(self, row: Any, why: str) -> _Refusal:  # a row of `approval`
        """Say which approval was refused, and why, for the log."""
        self._event = ApprovalRefused(
            action=row.kind, payload_hash=row.digest, reason=why, about=(row.subject_id,) if row.subject_id else ()
        )
        self._approval = self.object_id = row.id
        return self

    def trace(self, session: Session, ctx: Context) -> None:
        """Record the refusal."""
        outbox.record(session, self._event, replace(ctx, approval_id=self._approval))


class OwnApproval(_Refusal, SamePerson):
    """You asked for this; somebody else has to decide."""


class AboutThemselves(_Refusal, SamePerson):
    """This concerns you; somebody else has to decide."""


class MayNotDecide(_Refusal, Forbidden):
    """You may not do this."""


class Lapsed(_Refusal, kernel.ApprovalExpired):
    """The approval has lapsed; ask again."""


class Differs(_Refusal, kernel.ApprovalChanged):
    """What was approved is not what would be done; ask again."""


class Used(_Refusal, kernel.ApprovalUsed):
    """This approval was used already."""


class Closed(_Refusal, kernel.ApprovalClosed):
    """This is decided already, or was withdrawn."""


class Missing(_Refusal, kernel.ApprovalMissing):
    """Another person has to approve this first."""


class RequesterLost(_Refusal, Conflict):
    """Whoever asked for this may not ask for it any more."""

    code = "requester_lost"


class AlreadyAsked(Conflict):
    """Somebody else asked for exactly this already; it waits for a decision."""

    code = "already_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a vote. A run that was refused has failed, with its error; the vote stands all the same."""

    state: State
    result: str | None = None
    error: OnePayError | None = None
    is_repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An approval as somebody sees it: `lines` is None where the content is not for them or was erased.

    `summary`, in lists, is the first of them; what is about a person is read only where it is opened, and recorded.
    """

    standing: Standing
    kind: ApprovalKind
    lines: Sequence[str] | None
    is_own: bool
    may_decide: bool
    is_erased: bool = False
    summary: str | None = None
    became: str | None = None
    """How that stands now which a yes set going, where it is not done by the yes."""


class ApprovalBook:
    """Keeps approvals of the declared kinds; the port `Approvals` of the kernel, and what pages and jobs call."""

    def __init__(self, parts: Identity) -> None:
        self._parts = parts
        self._kinds: dict[str, ApprovalKind] = {}

    @property
    def kinds(self) -> tuple[ApprovalKind, ...]:
        return tuple(self._kinds.values())

    def declare(self, *kinds: ApprovalKind) -> None:
        """Add kinds of their owners; done by `compose`, before anything is asked for."""
        for kind in kinds:
            assert kind.name not in self._kinds, f"the kind {kind.name} is declared twice"
            assert kind.quorum >= 1, f"the kind {kind.name} needs somebody"
            self._kinds[kind.name] = kind

    def ask(
        self,
        session: Session,
        kind: str,
        payload: Payload,
        ctx: Context,
        *,
        object_id: str | None = None,
        reason: str = "",
        subject: str | None = None,
    ) -> str:
        """Ask for a second person, and return the approval's id; see the port.

        Raises `AlreadyAsked` where somebody else asked for the same and it is open.
        """
        declared = self._kinds[kind]
        ctx.actor.require(declared.asks)
        approval_id, digest = ctx.new_id("apr"), kernel.digest(kind, payload)
        declared.render(payload)  # what cannot be shown is not asked for
        self._expire(session, sa.and_(approval.c.kind == kind, approval.c.digest == digest), ctx)
        row = {
            "id": approval_id,
            "kind": kind,
            "payload_ct": rows.sealed(payload, approval_id, ctx.actor.own_id, subject, parts=self._parts),
            "subject_id": subject,
            "digest": digest,
            "object_id": object_id,
            "requested_by": ctx.actor.own_id,
            "reason": words.reason(reason, longest=REASON_MAX) if reason else "",
            "state": State.REQUESTED.value,
            "asked_at": ctx.at,
            "expires_at": ctx.at + declared.ttl,
        }
        if not insert_once(session, approval, row):
            return self._open_twin(session, kind, digest, ctx)
        self._record(session, ApprovalRequested, rows.get(session, approval_id), ctx)
        self._tell(session, declared, payload, approval_id, ctx)
        return approval_id

    def decide(self, session: Session, id: str, verdict: Verdict, reason: str, ctx: Context) -> Outcome:
        """Say yes or no as somebody else, with a proof of a moment ago; the deciding yes does what was asked for.

        The same verdict of the same person again changes nothing. A refusal leaves its event (`Traced`).
        """
        row = rows.get(session, id, held=True)
        kind, deciding = self._kinds[row.kind], ctx.actor
        if deciding.kind is not ActorKind.STAFF or not deciding.may(kind.decides):
            text = f"This needs the permission {kind.decides}."
            raise MayNotDecide(text, permission=kind.decides.name).of(row, "permission")
        said = next((vote for vote in rows.votes_of(session, [id]).get(id, ()) if vote.account_id == deciding.id), None)
        if said is not None and said.verdict == verdict.value:
            return Outcome(state=State(row.state), result=row.result, is_repeat=True)
        self._demand_other(row, kind, deciding)
        self._demand_open(row, ctx)
        if said is not None:
            raise Closed("You have decided this already.").of(row, "decided")
        deciding.require_fresh(Acr.MFA, self._parts.policy.approval_proof, ctx.at)
        why = words.reason(reason, longest=REASON_MAX) if reason or verdict is Verdict.REJECTED else ""
        if verdict is Verdict.REJECTED:
            return self._reject(session, row, kind, why, ctx)
        return self._approve(session, row, kind, why, ctx)

    def take(self, session: Session, id: str | None, kind: str, payload: Payload, ctx: Context) -> None:
        """Use an approval up; see the port."""
        if id is None:
            raise kernel.ApprovalMissing
        try:
            row = rows.get(session, id, held=True)
        except NotFound as error:
            raise kernel.ApprovalMissing from error
        if row.kind != kind or row.digest != kernel.digest(kind, payload):
            raise Differs().of(row, "changed")
        if row.requested_by != ctx.actor.id:
            raise Missing("This was approved for somebody else.").of(row, "other_requester")
        match State(row.state):
            case State.REQUESTED:
                raise Missing().of(row, "undecided")
            case State.APPROVED if ctx.at >= row.expires_at:
                raise Lapsed().of(row, "expired")
            case State.APPROVED:
                pass
            case State.EXECUTED | State.FAILED:
                raise Used().of(row, "used")
            case state:
                raise Closed().of(row, state.value)
        if not rows.move(session, id, State.APPROVED, State.EXECUTED, executed_at=ctx.at):
            raise Used().of(row, "used")
        self._record(session, ApprovalExecuted, row, ctx)

    def withdraw(self, session: Session, id: str, ctx: Context) -> None:
        """Take back what one asked for, while nobody has decided; once more changes nothing."""
        row = rows.get(session, id, held=True)
        if row.requested_by != ctx.actor.own_id:
            raise NotFound
        if State(row.state) is State.WITHDRAWN:
            return
        self._demand_open(row, ctx)
        rows.move(session, id, State.REQUESTED, State.WITHDRAWN, decided_at=ctx.at)
        self._record(session, ApprovalDecided, row, ctx, decision=State.WITHDRAWN.value)
        self._kinds[row.kind].closed(session, id, State.WITHDRAWN, ctx)

    def cancel(self, session: Session, id: str, ctx: Context) -> bool:
        """End what waits because what it is about is over; see the port."""
        row = rows.get(session, id, held=True)
        if not rows.move(session, id, State.REQUESTED, State.WITHDRAWN, decided_at=ctx.at):
            return False
        self._record(session, ApprovalDecided, row, ctx, decision=State.WITHDRAWN.value)
        return True

    def expire(self, session: Session, ctx: Context) -> int:
        """End what nobody decided, or used, in time; return how many."""
        return self._expire(session, sa.true(), ctx)

    def state_of(self, session: Session, id: str) -> Standing:
        """Return how an approval stands, demanding nothing; see the port."""
        return rows.standings(session, [rows.get(session, id)])[0]

    def pending_for(self, session: Session, actor: Actor, at: datetime) -> list[Shown]:
        """Return what somebody may decide now, the first to lapse first, without its content."""
        mine = [kind.name for kind in self.kinds if actor.may(kind.decides)]
        query = sa.select(approval).where(
            approval.c.kind.in_(mine),
            approval.c.state == State.REQUESTED.value,
            approval.c.expires_at > at,
            approval.c.requested_by != actor.own_id,
        )
        found = session.execute(query.order_by(approval.c.expires_at, approval.c.id).limit(rows.LIST_MAX)).all()
        shown = [self._shown(row, standing, actor, at) for row, standing in self._with(session, found)]
        return [one for one in shown if one.may_decide]

    def own_of(self, session: Session, actor: Actor, at: datetime) -> list[Shown]:
        """Return what somebody asked for, the newest first."""
        query = sa.select(approval).where(approval.c.requested_by == actor.own_id)
        return self._listed(session, query, actor, at)

    def others_for(self, session: Session, actor: Actor, at: datetime) -> list[Shown]:
        """Return the rest that somebody may see, open or over, the newest first."""
        query = sa.select(approval).where(approval.c.requested_by != actor.own_id)
        if not actor.may(IAM_APPROVAL_READ):
            query = query.where(approval.c.kind.in_([kind.name for kind in self.kinds if _may_see(kind, actor)]))
        return [one for one in self._listed(session, query, actor, at) if not one.may_decide]

    def show(self, session: Session, id: str, ctx: Context) -> Shown:
        """Return one approval with what will run, recorded as a reading; one not for the actor is `NotFound`."""
        row = rows.get(session, id)
        kind, actor = self._kinds[row.kind], ctx.actor
        if not (_may_see(kind, actor) or actor.may(IAM_APPROVAL_READ) or row.requested_by == actor.own_id):
            raise NotFound
        shown = self._shown(row, rows.standings(session, [row])[0], actor, ctx.at)
        if kind.became is not None and shown.standing.state is State.EXECUTED:
            shown = replace(shown, became=kind.became(session, id))
        if not (_may_see(kind, actor) or shown.is_own):
            return shown
        try:
            lines = kind.render(rows.opened(row, parts=self._parts))
        except SubjectErased:
            return replace(shown, is_erased=True, may_decide=False)
        if row.subject_id is not None:
            outbox.record(session, DataRead(view="approval", count=1, about=(row.subject_id,)), ctx)
        return replace(shown, lines=tuple(lines))

    def concerns(self, actor: Actor) -> bool:
        """Tell whether approvals are anything to somebody: they may ask for some, decide some, or see all."""
        return actor.may(IAM_APPROVAL_READ) or any(_is_of(kind, actor) for kind in self.kinds)

    def lacking(self, session: Session, at: datetime, *, without: Sequence[str] = ()) -> tuple[Lack, ...]:
        """Return the kinds that too few people could decide, also as it would be `without` some (APR-3)."""
        return approvers.lacking(session, self.kinds, at, without=without)

    def _tell(self, session: Session, kind: ApprovalKind, payload: Payload, id: str, ctx: Context) -> None:
        """Write to everybody who may decide; the letter says of what kind it is, never what it holds."""
        text = (
            f"Something waits for a second pair of eyes: {kind.title.lower()}.\n"
            f"Read what it is, and approve or refuse it: {self._parts.public_url}/approvals/{id}\n"
        )
        deciding = approvers.eligible(session, kind, ctx.at) - kind.excluded(payload) - {ctx.actor.own_id}
        for account_id in sorted(deciding):
            subject = "Something waits for your approval"
            notices.tell(session, account_id, subject, text, "approval_asked", ctx, parts=self._parts)

    def _reject(self, session: Session, row: Any, kind: ApprovalKind, why: str, ctx: Context) -> Outcome:
        self._vote(session, row, Verdict.REJECTED, why, ctx)
        rows.move(session, row.id, State.REQUESTED, State.REJECTED, decided_at=ctx.at)
        kind.closed(session, row.id, State.REJECTED, ctx)
        return Outcome(state=State.REJECTED)

    def _approve(self, session: Session, row: Any, kind: ApprovalKind, why: str, ctx: Context) -> Outcome:
        try:
            payload = rows.opened(row, parts=self._parts)
        except kernel.ApprovalChanged as error:
            raise Differs().of(row, "changed") from error
        requester = approvers.acting_for(session, row.requested_by, kind, ctx.at)
        if requester is None:
            raise RequesterLost().of(row, "requester_lost")
        self._vote(session, row, Verdict.APPROVED, why, ctx)
        if self._count(session, row, kind, ctx) < kind.quorum:
            return Outcome(state=State.REQUESTED)
        rows.move(session, row.id, State.REQUESTED, State.APPROVED, decided_at=ctx.at)
        if kind.run is None:
            return Outcome(state=State.APPROVED)
        # As the requester, who is not where the decision came from.
        own = replace(ctx, actor=requester, source=Source(), approval_id=row.id)
        try:
            with session.begin_nested():
                result = (kind.run(session, payload, row.id, own) or "")[:RESULT_MAX] or None
        except Unavailable:
            raise
        except OnePayError as error:
            return self._failed(session, row, kind, error, own)
        if rows.move(session, row.id, State.APPROVED, State.EXECUTED, executed_at=ctx.at):  # the service took none
            self._record(session, ApprovalExecuted, row, own)
        session.execute(sa.update(approval).where(approval.c.id == row.id).values(result=result))
        return Outcome(state=State.EXECUTED, result=result)

    def _failed(self, session: Session, row: Any, kind: ApprovalKind, error: OnePayError, own: Context) -> Outcome:
        if isinstance(error, Traced):
            error.trace(session, own)
        rows.move(session, row.id, State.APPROVED, State.FAILED, result=f"{error} ({error.code})"[:RESULT_MAX])
        self._record(session, ApprovalExecuted, row, own, reason=error.code)
        kind.closed(session, row.id, State.FAILED, own)
        return Outcome(state=State.FAILED, result=error.code, error=error)

    def _vote(self, session: Session, row: Any, verdict: Verdict, why: str, ctx: Context) -> None:
        vote = {
            "approval_id": row.id,
            "account_id": ctx.actor.own_id,
            "verdict": verdict.value,
            "reason": why,
            "at": ctx.at,
            "session_id": ctx.actor.session_id,
        }
        if not insert_once(session, approval_vote, vote):
            raise Closed("You have decided this already.").of(row, "decided")
        self._record(session, ApprovalDecided, row, ctx, decision=verdict.value)

    def _count(self, session: Session, row: Any, kind: ApprovalKind, ctx: Context) -> int:
        """Count who said yes, as the log has it, and may still say so; whoever lost it meanwhile is told in the log."""
        said = rows.agreed(session, [row.id]).get(row.id, frozenset())
        still = said & approvers.eligible(session, kind, ctx.at)
        for _ in said - still:
            self._record(session, ApprovalRefused, row, ctx, reason="approver_lost")
        return len(still)

    def _demand_other(self, row: Any, kind: ApprovalKind, deciding: Actor) -> None:
        if row.requested_by == deciding.id:
            raise OwnApproval().of(row, "same_person")
        try:
            excluded = kind.excluded(rows.opened(row, parts=self._parts))
        except kernel.ApprovalChanged as error:
            raise Differs().of(row, "changed") from error
        if deciding.id in excluded:
            raise AboutThemselves().of(row, "same_person")

    @staticmethod
    def _demand_open(row: Any, ctx: Context) -> None:
        state = State(row.state)
        if state in _OVER or state is State.APPROVED:
            raise Used().of(row, "used")
        if state is State.EXPIRED or (state is State.REQUESTED and ctx.at >= row.expires_at):
            raise Lapsed().of(row, "expired")
        if state is not State.REQUESTED:
            raise Closed().of(row, state.value)

    def _open_twin(self, session: Session, kind: str, digest: str, ctx: Context) -> str:
        query = sa.select(approval.c.id, approval.c.requested_by).where(
            approval.c.kind == kind, approval.c.digest == digest, approval.c.state == State.REQUESTED.value
        )
        twin = session.execute(query).one_or_none()
        if twin is None:
            raise Unavailable(retry_after=1)  # it was decided at this instant: asked again, it is a new one
        if twin.requested_by != ctx.actor.id:
            raise AlreadyAsked(object_id=twin.id)
        return str(twin.id)

    def _expire(self, session: Session, which: sa.ColumnElement[bool], ctx: Context) -> int:
        query = (
            sa.select(approval)
            .where(
                approval.c.state.in_((State.REQUESTED.value, State.APPROVED.value)),
                approval.c.expires_at <= ctx.at,
                which,
            )
            .order_by(approval.c.id)
            .limit(EXPIRE_MAX)
            .with_for_update(skip_locked=True)  # what somebody decides at this instant waits for the next time
        )
        # One that cannot end now, as what it is about refuses, holds up no other.
        errors = [
            guarded_alone(session, f"end of an approval of {row.kind}", partial(self._lapse, session, row, ctx))
            for row in session.execute(query).all()
        ]
        return errors.count(None)

    def _lapse(self, session: Session, row: Any, ctx: Context) -> None:
        rows.move(session, row.id, State(row.state), State.EXPIRED)
        self._record(session, ApprovalExpired, row, ctx)
        if row.kind in self._kinds:
            self._kinds[row.kind].closed(session, row.id, State.EXPIRED, ctx)

    def _listed(self, session: Session, query: Any, actor: Actor, at: datetime) -> list[Shown]:
        known = query.where(approval.c.kind.in_(list(self._kinds)))
        found = session.execute(known.order_by(approval.c.id.desc()).limit(rows.LIST_MAX)).all()
        return [self._shown(row, standing, actor, at) for row, standing in self._with(session, found)]

    @staticmethod
    def _with(session: Session, found: Sequence[Any]) -> list[tuple[Any, Standing]]:
        return list(zip(found, rows.standings(session, found), strict=True))

    def _shown(self, row: Any, standing: Standing, actor: Actor, at: datetime) -> Shown:
        kind = self._kinds[row.kind]
        return Shown(
            standing=standing,
            kind=kind,
            lines=None,
            is_own=row.requested_by == actor.id,
            may_decide=standing.is_open(at) and self._may(row, standing, kind, actor),
            summary=self._summary(row, kind, actor),
        )

    def _summary(self, row: Any, kind: ApprovalKind, actor: Actor) -> str | None:
        if row.subject_id is not None or not (_is_of(kind, actor) or row.requested_by == actor.id):
            return None
        try:
            return next(iter(kind.render(rows.opened(row, parts=self._parts))), None)
        except kernel.ApprovalChanged:
            return None

    def _may(self, row: Any, standing: Standing, kind: ApprovalKind, actor: Actor) -> bool:
        if not actor.may(kind.decides) or actor.id in {voter for voter, _, _ in standing.votes}:
            return False
        try:
            self._demand_other(row, kind, actor)
        except (OnePayError, SubjectErased):
            return False
        return True

    @staticmethod
    def _record(
        session: Session,
        event: type[ApprovalEvent],
        row: Any,
        ctx: Context,
        *,
        decision: str | None = None,
        reason: str | None = None,
    ) -> None:
        outcome = None
        if event is ApprovalExecuted:
            outcome = Outcomes.FAILURE if reason else Outcomes.SUCCESS
        made = event(
            action=row.kind,
            payload_hash=row.digest,
            decision=decision,
            reason=reason,
            outcome=outcome,
            about=(row.subject_id,) if row.subject_id else (),
        )
        outbox.record(session, made, replace(ctx, approval_id=row.id))


def _is_of(kind: ApprovalKind, actor: Actor) -> bool:
    return actor.may(kind.asks) or actor.may(kind.decides)


def _may_see(kind: ApprovalKind, actor: Actor) -> bool:
    """Tell whether somebody sees what others asked for: an auditor, who is bound to a period, only what they decide."""
    return actor.may(kind.decides) or (actor.period is None and actor.may(kind.asks))
