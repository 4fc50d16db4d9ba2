"""Sessions: opaque tokens, kept as digests, idle and absolute ends, dead at once when the account's epoch rises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import accounts, roles
from app.identity.accounts import State
from app.identity.models import account, role_grant
from app.identity.models import session as table
from app.identity.policy import SecurityPolicy
from app.kernel import crypto
from app.kernel.access import Acr, Actor, ActorKind
from app.kernel.clock import micros
from app.kernel.context import Context
from app.kernel.errors import NotFound, SignInRequired
from ingest.events.auth import SessionEnded, SessionStarted
from ingest.log import outbox

LIST_MAX: Final = 50
SWEEP_MAX: Final = 500
_TOUCH_MARGIN: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session that began: the token is told here and nowhere else."""

    id: str
    token: str
    csrf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A session found by its token, with the actor it stands for; `ended` says why it cannot be used any more."""

    session_id: str
    actor: Actor
    csrf: str
    idle_seconds: int
    seen_at: datetime
    ended: str | None
    device_id: str | None = None

    def is_worth_touching(self, at: datetime) -> bool:
        """Tell whether the last use was long enough ago to write a new one."""
        return at - self.seen_at >= _TOUCH_MARGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A session as its owner or an administrator sees it."""

    id: str
    agent: str
    ip: str | None
    factor: str | None
    created_at: datetime
    seen_at: datetime
    is_current: bool


def begin(
    session: Session,
    account_id: str,
    kind: ActorKind,
    acr: Acr,
    factor: str | None,
    device_id: str | None,
    ctx: Context,
    *,
    policy: SecurityPolicy,
) -> NewSession:
    """Open a session; the oldest beyond the allowed number ends as superseded (SES-5)."""
    held = accounts.roles_of(session, account_id, ctx.at)
    idle, absolute, most = _limits(kind, held, policy)
    _make_room(session, account_id, kind, most, ctx)
    token, csrf, session_id = crypto.token(), crypto.token(), ctx.new_id("ses")
    epoch = session.execute(sa.select(account.c.epoch).where(account.c.id == account_id)).scalar_one()
    session.execute(
        sa.insert(table).values(
            id=session_id,
            token_hash=crypto.sha256(token.encode()),
            account_id=account_id,
            surface=kind.value,
            epoch=epoch,
            acr=acr.value,
            factor=factor,
            csrf=csrf,
            created_at=ctx.at,
            proved_at=ctx.at,
            seen_at=ctx.at,
            idle_seconds=idle,
            expires_at=ctx.at + timedelta(seconds=absolute),
            device_id=device_id,
            ip=ctx.source.ip,
            agent=agent_of(ctx),
        )
    )
    outbox.record(session, SessionStarted(account=account_id, session=session_id, about=(account_id,)), ctx)
    return NewSession(id=session_id, token=token, csrf=csrf)


def resolve(session: Session, token: str, at: datetime) -> Live | None:
    """Return what a token stands for, read anew from rows: session, account state, epoch and roles in one statement."""
    grants = (
        sa.select(role_grant.c.role)
        .where(role_grant.c.account_id == account.c.id, accounts.is_held(at))
        .correlate(account)
    )
    period = (
        sa.select(role_grant.c.period_from, role_grant.c.period_until)
        .where(role_grant.c.account_id == account.c.id, role_grant.c.role == roles.AUDITOR, accounts.is_held(at))
        .correlate(account)
    )
    row = session.execute(
        sa.select(
            table,
            account.c.state,
            account.c.kind,
            account.c.epoch.label("account_epoch"),
            sa.select(sa.func.coalesce(_joined(session, grants.subquery().c.role), ""))
            .scalar_subquery()
            .label("roles"),
            period.with_only_columns(role_grant.c.period_from).scalar_subquery().label("period_from"),
            period.with_only_columns(role_grant.c.period_until).scalar_subquery().label("period_until"),
        )
        .join(account, account.c.id == table.c.account_id)
        .where(table.c.token_hash == crypto.sha256(token.encode()))
    ).one_or_none()
    if row is None:
        return None
    held = frozenset(row.roles.split(",")) - {""}
    actor = Actor(
        id=row.account_id,
        kind=ActorKind(row.kind),
        roles=held,
        permissions=roles.permissions_of(held),
        acr=Acr(row.acr),
        authenticated_at=row.proved_at,
        session_id=row.id,
        period=(row.period_from, row.period_until) if row.period_from is not None else None,
    )
    return Live(
        session_id=row.id,
        actor=actor,
        csrf=row.csrf,
        idle_seconds=row.idle_seconds,
        seen_at=row.seen_at,
        ended=_ended(row, at),
        device_id=row.device_id,
    )


def demand_live(session: Session, session_id: str, *, beside: str | None = None) -> None:
    """Hold the account of a session, or raise `SignInRequired` unless it is still what a request was let in with.

    `beside` is the account that is acted upon: both are held in one order, whoever of two acts upon the other.
    Called before all else in the transaction of an act: what locks the account or ends its sessions holds the account
    as well, so it waits for the commit, or came first and nothing is done. Acts of one account come in turn.
    """
    mine = sa.select(table.c.account_id).where(table.c.id == session_id).scalar_subquery()
    # Exclusive, as a shared lock that two acts of one account hold lets neither of them change the account.
    held = sa.select(account.c.id).where((account.c.id == mine) | (account.c.id == beside)).order_by(account.c.id)
    session.execute(held.with_for_update(key_share=True)).all()
    # Read after the wait for the lock: what the first statement saw of the session may be from before.
    still = (
        sa.select(table.c.id)
        .join(account, account.c.id == table.c.account_id)
        .where(
            table.c.id == session_id,
            table.c.ended_at.is_(None),
            account.c.state == State.ACTIVE.value,
            account.c.epoch == table.c.epoch,
        )
    )
    if session.execute(still).one_or_none() is None:
        raise SignInRequired


def touch(session: Session, session_id: str, at: datetime) -> None:
    """Note a use of a session; passive routes never do."""
    session.execute(sa.update(table).where(table.c.id == session_id, table.c.ended_at.is_(None)).values(seen_at=at))


def renew(session: Session, session_id: str, acr: Acr, factor: str, ctx: Context) -> NewSession:
    """Give a session a new token, CSRF secret and proof time; the old token is dead (SES-2)."""
    token, csrf = crypto.token(), crypto.token()
    session.execute(
        sa.update(table)
        .where(table.c.id == session_id, table.c.ended_at.is_(None))
        .values(
            token_hash=crypto.sha256(token.encode()),
            csrf=csrf,
            acr=acr.value,
            factor=factor,
            proved_at=ctx.at,
            seen_at=ctx.at,
        )
    )
    return NewSession(id=session_id, token=token, csrf=csrf)


def end(session: Session, session_id: str, reason: str, ctx: Context) -> bool:
    """End one session; false if it had ended before."""
    row = session.execute(
        sa.update(table)
        .where(table.c.id == session_id, table.c.ended_at.is_(None))
        .values(ended_at=ctx.at, end_reason=reason)
        .returning(table.c.account_id)
    ).one_or_none()
    if row is None:
        return False
    event = SessionEnded(
        account=row.account_id, session=session_id, reason=reason, by=ctx.actor.id, about=(row.account_id,)
    )
    outbox.record(session, event, ctx)
    return True


def end_all(session: Session, account_id: str, reason: str, ctx: Context, *, but: str | None = None) -> int:
    """End all sessions of an account, all but one where that is wanted, and return how many ended.

    The account is locked first, as by whoever changes its state: the other way round two could wait for each other.
    """
    accounts.held(session, account_id)
    query = (
        sa.select(table.c.id).where(table.c.account_id == account_id, table.c.ended_at.is_(None)).order_by(table.c.id)
    )
    found = [row for row in session.execute(query).scalars() if row != but]
    return sum(end(session, session_id, reason, ctx) for session_id in found)


def list_of(session: Session, account_id: str, current: str | None, at: datetime) -> Sequence[Listed]:
    """Return the live sessions of an account, the most recently used first."""
    rows = session.execute(
        sa.select(table, account.c.epoch.label("account_epoch"), account.c.state)
        .join(account, account.c.id == table.c.account_id)
        .where(table.c.account_id == account_id, table.c.ended_at.is_(None))
        .order_by(table.c.seen_at.desc())
        .limit(LIST_MAX)
    )
    return [
        Listed(
            id=row.id,
            agent=row.agent or "Unknown program",
            ip=row.ip,
            factor=row.factor,
            created_at=row.created_at,
            seen_at=row.seen_at,
            is_current=row.id == current,
        )
        for row in rows
        if _ended(row, at) is None
    ]


def count_by_account(session: Session, account_ids: Sequence[str], at: datetime) -> Mapping[str, int]:
    """Count the live sessions of each of some accounts; one that has none is left out."""
    rows = session.execute(
        sa.select(table, account.c.epoch.label("account_epoch"), account.c.state)
        .join(account, account.c.id == table.c.account_id)
        .where(table.c.account_id.in_(account_ids), table.c.ended_at.is_(None))
    )
    return Counter(row.account_id for row in rows if _ended(row, at) is None)


def began_since(session: Session, account_id: str, since: datetime, ctx: Context) -> bool:
    """Tell whether a session of this account began lately from where and with what this request comes."""
    query = sa.select(table.c.id).where(
        table.c.account_id == account_id,
        table.c.created_at >= since,
        table.c.ip == ctx.source.ip,
        table.c.agent == agent_of(ctx),
        table.c.ended_at.is_(None),
    )
    return session.execute(query.limit(1)).first() is not None


def end_own(session: Session, account_id: str, session_id: str, reason: str, ctx: Context) -> None:
    """End a session of this account; another's or an unknown one is `NotFound`."""
    accounts.held(session, account_id)
    owner = session.execute(sa.select(table.c.account_id).where(table.c.id == session_id)).scalar_one_or_none()
    if owner != account_id or not end(session, session_id, reason, ctx):
        raise NotFound


def sweep(session: Session, ctx: Context, *, limit: int = SWEEP_MAX) -> int:
    """End what has passed its idle or absolute time, with the event that says so."""
    idle_until = sa.type_coerce(table.c.seen_at, sa.BigInteger) + table.c.idle_seconds * 1_000_000
    over = sa.or_(table.c.expires_at <= ctx.at, idle_until <= micros(ctx.at))
    rows = session.execute(
        sa.select(table.c.id, table.c.expires_at)
        .where(table.c.ended_at.is_(None), over)
        .order_by(table.c.id)
        .limit(limit)
        # It holds no account: what somebody else is ending waits for the next time.
        .with_for_update(skip_locked=True)
    ).all()
    return sum(end(session, row.id, "absolute" if row.expires_at <= ctx.at else "idle", ctx) for row in rows)


def agent_of(ctx: Context) -> str:
    """Return the program and system of a request in words."""
    source = ctx.source
    program = source.user_agent_name or "Unknown program"
    return f"{program} on {source.os_name}" if source.os_name else program


def _make_room(session: Session, account_id: str, kind: ActorKind, most: int, ctx: Context) -> None:
    query = (
        sa.select(table.c.id)
        .where(table.c.account_id == account_id, table.c.surface == kind.value, table.c.ended_at.is_(None))
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .offset(most - 1)
    )
    for session_id in sorted(session.execute(query).scalars()):
        end(session, session_id, "superseded", ctx)


def _limits(kind: ActorKind, held: frozenset[str], policy: SecurityPolicy) -> tuple[int, int, int]:
    if kind is ActorKind.CUSTOMER:
        return policy.idle_customer_seconds, policy.absolute_customer_seconds, policy.sessions_customer
    if roles.ADMINISTRATOR in held:
        return policy.idle_administrator_seconds, policy.absolute_administrator_seconds, policy.sessions_administrator
    return policy.idle_staff_seconds, policy.absolute_staff_seconds, policy.sessions_staff


def _joined(session: Session, column: Any) -> Any:  # an SQL expression
    if session.get_bind().dialect.name == "sqlite":
        return sa.func.group_concat(column, ",")
    return sa.func.string_agg(column, ",")


def _ended(row: Any, at: datetime) -> str | None:  # a row of session and account
    if row.ended_at is not None:
        return str(row.end_reason)
    if row.epoch != row.account_epoch or row.state != State.ACTIVE:
        return "revoked"
    if row.expires_at <= at:
        return "absolute"
    if row.seen_at + timedelta(seconds=row.idle_seconds) <= at:
        return "idle"
    return None
