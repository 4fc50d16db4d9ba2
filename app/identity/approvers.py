"""Who may decide: the people behind each kind of approval, read anew from rows whenever it matters (APR-3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.identity import accounts, roles
from app.identity.accounts import State
from app.kernel.access import Actor, ActorKind, service
from app.kernel.approvals import ApprovalKind
from app.kernel.errors import NotFound

_SERVICE = "svc_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A kind of approval for which too few people are there: not everything asked for can be finished."""

    kind: str
    title: str
    eligible: int
    needed: int


def eligible(session: Session, kind: ApprovalKind, at: datetime) -> frozenset[str]:
    """Return the active accounts that hold a kind's deciding permission at an instant."""
    return frozenset(accounts.active_with_roles(session, roles.holders_of(kind.decides), at))


def lacking(
    session: Session, kinds: Iterable[ApprovalKind], at: datetime, *, without: Collection[str] = ()
) -> tuple[Lack, ...]:
    """Return the kinds with fewer people than they need, also as it would be `without` some."""
    found = []
    held = accounts.active_with_roles(session, roles.STAFF_ROLES, at)
    for kind in kinds:
        deciding = frozenset(roles.holders_of(kind.decides))
        count = sum(1 for account_id, those in held.items() if those & deciding and account_id not in without)
        if count < kind.eligible_min:
            found.append(Lack(kind=kind.name, title=kind.title, eligible=count, needed=kind.eligible_min))
    return tuple(found)


def acting_for(session: Session, account_id: str, kind: ApprovalKind, at: datetime) -> Actor | None:
    """Return the requester as who they are now, permissions read anew; None who may not ask for this any more."""
    if account_id.startswith(_SERVICE):
        return service(account_id.removeprefix(_SERVICE), kind.asks)
    try:
        found = accounts.get(session, account_id)
    except NotFound:
        return None
    held = accounts.roles_of(session, account_id, at)
    actor = Actor(
        id=account_id,
        kind=ActorKind(found.kind),
        roles=held,
        permissions=roles.permissions_of(held),
        period=accounts.auditor_period(session, account_id, at) if roles.AUDITOR in held else None,
    )
    return actor if found.state is State.ACTIVE and actor.may(kind.asks) else None
