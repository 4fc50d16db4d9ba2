"""Who holds a role: asked for by an administrator, given once another one agrees, ended or run out (SOD-1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import accounts, approval_rows, notices, roles, sessions
from app.identity.accounts import DutiesConflict, State, Terms
from app.identity.approvers import Lack
from app.identity.models import account, approval, role_grant
from app.identity.parts import Identity
from app.identity.signup import RoleUnknown
from app.kernel import approvals as kernel
from app.kernel import words
from app.kernel.access import IAM_ACCOUNT_READ, IAM_ROLE_ASK, IAM_ROLE_DECIDE, ActorKind
from app.kernel.approvals import ApprovalKind, Approvals, Payload
from app.kernel.clock import STAFF_ZONE, from_micros, micros
from app.kernel.context import Context
from app.kernel.errors import Conflict, Forbidden, NotFound, OnePayError, WrongState
from ingest.events.admin import RoleLapsed, RoleRefused, RoleRequested, RoleRevoked
from ingest.log import outbox
from ingest.log.subject_keys import SubjectErased

GRANT: Final = "role.grant"
REASON_MAX: Final = 200
BY_HAND: Final = "by_hand"
BY_REVIEW: Final = "by_review"
LAPSE_MAX: Final = 100


class _Refused(OnePayError):
    """A refusal that leaves `admin.role.refused`."""

    _event: RoleRefused

    def of(self, account_id: str, role: str) -> _Refused:
        """Say whose role was refused, for the log."""
        self._event = RoleRefused(target=account_id, target_roles=(role,), reason=self.code, about=(account_id,))
        return self

    def trace(self, session: Session, ctx: Context) -> None:
        """Record the refusal."""
        outbox.record(session, self._event, ctx)


class OwnRole(_Refused, Forbidden):
    """Nobody asks for, extends or ends a role of their own; another administrator has to."""

    code = "own_role"


class DutiesExclude(_Refused, DutiesConflict):
    """One person may not hold these two roles."""


class NoSecondApprover(_Refused, Conflict):
    """Too few people would be left to decide; give the role to somebody else first."""

    code = "no_second_approver"


class Book(Approvals, Protocol):
    """The port, with the question who would be left to decide."""

    def lacking(self, session: Session, at: datetime, *, without: Sequence[str] = ()) -> tuple[Lack, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role that somebody holds, or that is asked for (`approval_id` with no `id`)."""

    id: str | None
    role: str
    begun_at: datetime | None
    until: datetime | None
    period: tuple[datetime, datetime] | None
    given_by: str | None
    reason: str
    approval_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Somebody who holds two roles that exclude each other."""

    account_id: str
    pair: tuple[str, str]


def kinds(approvals: Approvals, *, parts: Identity) -> tuple[ApprovalKind, ...]:
    """Return the approval kinds of roles, for `compose`."""

    def run(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        return give(session, _read(payload), id, ctx, approvals=approvals, parts=parts)

    def closed(session: Session, id: str, state: kernel.State, ctx: Context) -> None:
        row = approval_rows.get(session, id)
        try:
            asked = _read(approval_rows.opened(row, parts=parts))
        except (kernel.ApprovalChanged, SubjectErased):
            return  # what it was about cannot be read any more; the approval's own event says that it is over
        refused = RoleRefused(
            target=asked.account_id,
            target_roles=(asked.role,),
            reason=state.value,
            about=(asked.account_id,),
        )
        outbox.record(session, refused, replace(ctx, approval_id=id))

    return (
        ApprovalKind(
            name=GRANT,
            title="Give a role",
            asks=IAM_ROLE_ASK,
            decides=IAM_ROLE_DECIDE,
            render=lambda payload: _lines(_read(payload)),
            run=run,
            excluded=lambda payload: frozenset({str(payload["account"])}),
            closed=closed,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    account_id: str
    role: str
    terms: Terms
    reason: str

    def payload(self) -> dict[str, Any]:
        """Return the exact content of the approval; instants as whole microseconds."""
        begin, end = self.terms.period or (None, None)
        return {
            "account": self.account_id,
            "role": self.role,
            "until": _micros(self.terms.until),
            "period_from": _micros(begin),
            "period_until": _micros(end),
            "reason": self.reason,
        }


def ask(
    session: Session,
    account_id: str,
    role: str,
    terms: Terms,
    reason: str,
    ctx: Context,
    *,
    approvals: Approvals,
) -> str:
    """Ask that a colleague gets a role, and return the approval's id; nothing is given before somebody else agrees.

    Raises `OwnRole`, `DutiesExclude`, `TermsInvalid`, `RoleUnknown`, `WrongState` or `NotFound`, and gives nothing.
    """
    ctx.actor.require(IAM_ROLE_ASK)
    if account_id == ctx.actor.id:
        raise OwnRole().of(account_id, role)
    asked = _Asked(account_id=account_id, role=role, terms=terms, reason=words.reason(reason, longest=REASON_MAX))
    _check(session, asked, ctx)
    id = approvals.ask(session, GRANT, asked.payload(), ctx, object_id=account_id, reason=asked.reason)
    if approvals.state_of(session, id).asked_at == ctx.at:  # else it was asked for before, and told then
        event = RoleRequested(target=account_id, target_roles=(role,), about=(account_id,))
        outbox.record(session, event, replace(ctx, approval_id=id))
    return id


def give(
    session: Session, asked: _Asked, approval_id: str, ctx: Context, *, approvals: Approvals, parts: Identity
) -> str:
    """Give a role that was approved; whoever gets it signs in anew, with it."""
    ctx.actor.require(IAM_ROLE_ASK)
    if asked.account_id == ctx.actor.id:
        raise OwnRole().of(asked.account_id, asked.role)
    found = accounts.held(session, asked.account_id)
    lapse(session, ctx)  # of before, if it is the same role
    _check(session, asked, ctx)
    approvals.take(session, approval_id, GRANT, asked.payload(), ctx)
    terms = replace(asked.terms, approval_id=approval_id)
    accounts.grant(session, asked.account_id, asked.role, asked.reason, ctx, terms=terms)
    _signed_out(session, asked.account_id, ctx)
    word = roles.WORD_OF_ROLE[asked.role].lower()
    text = f"Two administrators agreed that you hold a role at OnePay from now on: {word}.\nSign in again to use it.\n"
    if found.state is State.ACTIVE:  # whoever is invited has a letter that names the role
        notices.tell(session, asked.account_id, "You have a new role", text, "role_given", ctx, parts=parts)
    return "The role was given."


def end(
    session: Session,
    account_id: str,
    role: str,
    reason: str,
    ctx: Context,
    *,
    approvals: Book,
    through: str = BY_HAND,
) -> None:
    """End a role of a colleague at once: what they are signed in with ends too. The words are sealed under their key.

    Raises `OwnRole`, and `NoSecondApprover` where too few people would be left to decide something that enough could.
    """
    ctx.actor.require(IAM_ROLE_ASK)
    if account_id == ctx.actor.id:
        raise OwnRole().of(account_id, role)
    accounts.held(session, account_id)
    why = words.reason(reason, longest=REASON_MAX)
    _hold_all(session)
    before = {lack.kind for lack in approvals.lacking(session, ctx.at)}
    grant = role_grant.c.account_id == account_id, role_grant.c.role == role, role_grant.c.ended_at.is_(None)
    ended = session.execute(sa.update(role_grant).where(*grant).values(ended_at=ctx.at).returning(role_grant.c.id))
    if ended.one_or_none() is None:
        raise NotFound
    left = [lack.title for lack in approvals.lacking(session, ctx.at) if lack.kind not in before]
    if left:
        others = f" and {len(left) - 1} more" if len(left) > 1 else ""
        text = f"Too few people would be left to decide: {left[0]}{others}. Give the role to somebody else first."
        raise NoSecondApprover(text).of(account_id, role)
    event = RoleRevoked(target=account_id, target_roles=(role,), reason=through, why=why, about=(account_id,))
    outbox.record(session, event, ctx)
    _signed_out(session, account_id, ctx)


def lapse(session: Session, ctx: Context) -> int:
    """End the roles that have run out, with the event that says so, and return how many; they count no more already."""
    query = (
        sa.select(role_grant)
        .where(role_grant.c.until_at <= ctx.at, role_grant.c.ended_at.is_(None))
        .order_by(role_grant.c.id)
        .limit(LAPSE_MAX)
    )
    rows = session.execute(query).all()
    for row in rows:
        accounts.held(session, row.account_id)
        open_still = role_grant.c.id == row.id, role_grant.c.ended_at.is_(None)
        done = session.execute(
            sa.update(role_grant).where(*open_still).values(ended_at=row.until_at).returning(role_grant.c.id)
        )
        if done.one_or_none() is None:
            continue
        event = RoleLapsed(target=row.account_id, target_roles=(row.role,), about=(row.account_id,))
        outbox.record(session, event, ctx)
        _signed_out(session, row.account_id, ctx)
    return len(rows)


def is_of(payload: Payload, grant: Any) -> bool:  # a row of `role_grant`
    """Tell whether an approval's exact content is that of a grant as it stands."""
    period = (grant.period_from, grant.period_until) if grant.period_from is not None else None
    terms = Terms(until=grant.until_at, period=period)
    stands = _Asked(account_id=grant.account_id, role=grant.role, terms=terms, reason=grant.reason)
    return stands.payload() == dict(payload)


def held_by(session: Session, account_id: str, ctx: Context) -> list[Grant]:
    """Return the roles that somebody holds, the oldest first."""
    ctx.actor.require(IAM_ACCOUNT_READ)
    query = sa.select(role_grant).where(role_grant.c.account_id == account_id, accounts.is_held(ctx.at))
    return [
        Grant(
            id=row.id,
            role=row.role,
            begun_at=row.from_at,
            until=row.until_at,
            period=(row.period_from, row.period_until) if row.period_from is not None else None,
            given_by=row.given_by,
            reason=row.reason,
            approval_id=row.approval_id,
        )
        for row in session.execute(query.order_by(role_grant.c.from_at))
    ]


def asked_for(session: Session, account_id: str, ctx: Context, *, parts: Identity) -> list[Grant]:
    """Return the roles that are asked for somebody and not decided yet."""
    ctx.actor.require(IAM_ACCOUNT_READ)
    query = sa.select(approval).where(
        approval.c.kind == GRANT,
        approval.c.object_id == account_id,
        approval.c.state == kernel.State.REQUESTED.value,
        approval.c.expires_at > ctx.at,
    )
    found = []
    for row in session.execute(query.order_by(approval.c.id)):
        asked = _read(approval_rows.opened(row, parts=parts))
        found.append(
            Grant(
                id=None,
                role=asked.role,
                begun_at=None,
                until=asked.terms.until,
                period=asked.terms.period,
                given_by=row.requested_by,
                reason=asked.reason,
                approval_id=row.id,
            )
        )
    return found


def excluded_held(session: Session, at: datetime) -> list[Held]:
    """Return everybody who holds two roles that exclude each other, whoever gave them and however (SOD-1)."""
    query = (
        sa.select(role_grant.c.account_id, role_grant.c.role)
        .join(account, account.c.id == role_grant.c.account_id)
        .where(accounts.is_held(at), account.c.state != State.CLOSED.value)
        .order_by(role_grant.c.account_id)
    )
    held: dict[str, set[str]] = {}
    for row in session.execute(query):
        held.setdefault(row.account_id, set()).add(row.role)
    return [
        Held(account_id=account_id, pair=(min(pair), max(pair)))
        for account_id, those in held.items()
        for pair in sorted(roles.excluded_in(frozenset(those)), key=sorted)
    ]


def _check(session: Session, asked: _Asked, ctx: Context) -> None:
    """Raise what keeps a role from being given now; said when it is asked for and again when it is given."""
    if asked.role not in roles.STAFF_ROLES:
        raise RoleUnknown(param="role")
    found = accounts.get(session, asked.account_id)
    if found.kind is not ActorKind.STAFF:
        raise RoleUnknown("Only members of staff hold this role.", param="role")
    if found.state not in (State.ACTIVE, State.INVITED):
        raise WrongState("The account is off; enable it first.")
    accounts.check_terms(asked.role, asked.terms, ctx.at)
    held = accounts.roles_of(session, asked.account_id, ctx.at)
    if asked.role in held:
        raise WrongState("They hold this role already.")
    if roles.excluded_in(held | {asked.role}) - roles.excluded_in(held):
        raise DutiesExclude().of(asked.account_id, asked.role)


def _hold_all(session: Session) -> None:
    """Hold the roles of all staff: two who end roles at once would each count who the other one sends away."""
    live = role_grant.c.role.in_(roles.STAFF_ROLES), role_grant.c.ended_at.is_(None)
    session.execute(sa.select(role_grant.c.id).where(*live).order_by(role_grant.c.id).with_for_update()).all()


def _signed_out(session: Session, account_id: str, ctx: Context) -> None:
    sessions.end_all(session, account_id, "revoked", ctx)
    accounts.raise_epoch(session, account_id)


def _read(payload: Mapping[str, Any]) -> _Asked:
    begin, end = _instant(payload["period_from"]), _instant(payload["period_until"])
    terms = Terms(until=_instant(payload["until"]), period=(begin, end) if begin and end else None)
    return _Asked(account_id=payload["account"], role=payload["role"], terms=terms, reason=payload["reason"])


def _lines(asked: _Asked) -> list[str]:
    word = roles.WORD_OF_ROLE.get(asked.role, asked.role)
    lines = [f"{asked.account_id} becomes {word.lower()}.", "They get every permission of that role."]
    if asked.terms.until is not None:
        lines.append(f"It ends by itself on {_day(asked.terms.until)}.")
    else:
        lines.append("It has no end of its own.")
    if asked.terms.period is not None:
        begin, end = asked.terms.period
        lines.append(f"They may look at what happened from {_day(begin)} until {_day(end)}.")
    return [*lines, "Their sessions end; they sign in again with the role."]


def _day(at: datetime) -> str:
    local = at.astimezone(STAFF_ZONE)
    return f"{local.day} {local:%B %Y, %H:%M} {STAFF_ZONE.key}"


def _micros(at: datetime | None) -> int | None:
    return None if at is None else micros(at)


def _instant(value: int | None) -> datetime | None:
    return None if value is None else from_micros(value)
