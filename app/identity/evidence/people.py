"""Probes over those who work here: two factors, nobody who left or sleeps, no roles that exclude each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.identity.models import account, contact, factor, role_grant
from app.identity.models import session as sessions
from app.kernel import canonical
from app.kernel.access import Acr, ActorKind
from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation, WhenEmpty

DORMANT: Final = timedelta(days=90)
LATELY: Final = timedelta(hours=24)
IDLE_MAX: Final = timedelta(seconds=900)
IDLE_MARGIN: Final = timedelta(seconds=120)
MATRIX: Final = "role_matrix"
_WORKING: Final = (ActorKind.STAFF.value, ActorKind.MERCHANT.value)


def matrix() -> dict[str, Any]:
    """Return roles with their permissions and the pairs that exclude each other: what a baseline approves."""
    return {
        "roles": {role: sorted(one.name for one in allowed) for role, allowed in sorted(roles.ROLES.items())},
        "excluded": sorted(sorted(pair) for pair in roles.EXCLUDED),
    }


def matrix_hash() -> str:
    """Return the hash of the role matrix as it runs."""
    return hashlib.sha256(canonical.encode(matrix())).hexdigest()


def _two_factors(look: Look) -> Reading:
    """Sessions of staff that live or lived in the last day, and staff who may sign in (8.4.1)."""
    since = look.at - LATELY
    of = sessions.c
    looked_at = sa.or_(of.ended_at.is_(None), of.created_at >= since)
    rows = look.session.execute(
        sa.select(of.id, of.account_id, of.acr, of.factor).where(of.surface.in_(_WORKING), looked_at)
    ).all()
    wrong = [
        Violation(component="sessions", object_id=row.id, says="the session rests on one factor")
        for row in rows
        if row.acr != Acr.MFA or not row.factor or row.factor == "password"
    ]
    has_factor = sa.exists().where(factor.c.account_id == account.c.id, factor.c.removed_at.is_(None))
    people = look.session.execute(
        sa.select(account.c.id, has_factor.label("has_factor")).where(
            account.c.kind.in_(_WORKING), account.c.state == "active"
        )
    ).all()
    wrong += [
        Violation(component="people", object_id=row.id, says="the account has no second factor")
        for row in people
        if not row.has_factor
    ]
    return Reading(
        population={"sessions": len(rows), "people": len(people)},
        violations=wrong,
        asked={"surfaces": list(_WORKING), "hours": 24},
    )


def _plant_session(look: Look, **changed: object) -> str:
    id_ = look.ctx.new_id("ses")
    values: dict[str, object] = {
        "id": id_,
        "token_hash": hashlib.sha256(id_.encode()).digest(),
        "account_id": look.ctx.new_id("acc"),
        "surface": ActorKind.STAFF.value,
        "epoch": 1,
        "acr": Acr.MFA.value,
        "factor": "totp",
        "csrf": "planted",
        "created_at": look.at,
        "proved_at": look.at,
        "seen_at": look.at,
        "idle_seconds": 900,
        "expires_at": look.at + timedelta(hours=8),
    }
    look.session.execute(sa.insert(sessions).values(**{**values, **changed}))
    return id_


def _plant_account(look: Look, **changed: object) -> str:
    id_ = look.ctx.new_id("acc")
    values: dict[str, object] = {
        "id": id_,
        "kind": ActorKind.STAFF.value,
        "state": "active",
        "epoch": 1,
        "created_at": look.at - 2 * DORMANT,
        "last_login_at": look.at,
    }
    look.session.execute(sa.insert(account).values(**{**values, **changed}))
    return id_


def _dormant(look: Look) -> Reading:
    """Enabled accounts of people who work here, by their last sign-in (8.2.6)."""
    used = sa.func.coalesce(account.c.last_login_at, account.c.created_at, type_=account.c.created_at.type)
    rows = look.session.execute(
        sa.select(account.c.id, used.label("used")).where(account.c.kind.in_(_WORKING), account.c.state == "active")
    ).all()
    limit = look.at - DORMANT
    wrong = [
        Violation(component="people", object_id=row.id, says=f"no sign-in since {row.used:%Y-%m-%d}")
        for row in rows
        if row.used < limit
    ]
    return Reading(population={"people": len(rows)}, violations=wrong, asked={"days": DORMANT.days})


def _leavers(look: Look) -> Reading:
    """Accounts that were disabled or closed, and what still opens a door to them (8.2.5)."""
    gone = account.c.state.in_(("disabled", "closed", "locked"))
    count = look.session.execute(sa.select(sa.func.count()).select_from(account).where(gone)).scalar_one()
    of = sessions.c
    rows = look.session.execute(
        sa.select(of.id, of.account_id)
        .join(account, account.c.id == of.account_id)
        # A session of an older epoch opens nothing, whatever its row says.
        .where(gone, of.ended_at.is_(None), of.expires_at > look.at, of.epoch == account.c.epoch)
    ).all()
    wrong = [
        Violation(component="sessions", object_id=row.id, says=f"a live session of {row.account_id}, which is shut")
        for row in rows
    ]
    return Reading(population={"accounts": count}, violations=wrong)


def _plant_leaver(look: Look) -> str:
    gone = _plant_account(look, state="closed")
    return _plant_session(look, account_id=gone)


def _idle(look: Look) -> Reading:
    """Live sessions of staff: how long they may rest, and whether one that rested longer was ended (8.2.8)."""
    of = sessions.c
    rows = look.session.execute(
        sa.select(of.id, of.idle_seconds, of.seen_at).where(
            of.surface.in_(_WORKING), of.ended_at.is_(None), of.expires_at > look.at
        )
    ).all()
    wrong = []
    for row in rows:
        if row.idle_seconds > IDLE_MAX.total_seconds():
            wrong.append(Violation(component="sessions", object_id=row.id, says=f"may rest {row.idle_seconds} s"))
        elif look.at - row.seen_at > timedelta(seconds=row.idle_seconds) + IDLE_MARGIN:
            wrong.append(Violation(component="sessions", object_id=row.id, says="rested too long and was not ended"))
    return Reading(population={"sessions": len(rows)}, violations=wrong, asked={"seconds": 900})


def _roles(look: Look) -> Reading:
    """The role matrix against its approved baseline, and holders of pairs that exclude each other (7.2.1)."""
    held: dict[str, set[str]] = {}
    for id_, role in _grants(look.session, look.at):
        held.setdefault(id_, set()).add(role)
    wrong = [
        Violation(component="holders", object_id=id_, says=f"holds {' and '.join(sorted(pair))}")
        for id_, mine in sorted(held.items())
        for pair in sorted(roles.EXCLUDED, key=sorted)
        if pair <= mine
    ]
    approved = look.baseline(MATRIX)
    now = matrix_hash()
    if approved is not None and approved.sha256 != now:
        says = f"differs from version {approved.version}, which was approved"
        wrong.append(Violation(component="matrix", object_id=now[:16], says=says))
    return Reading(
        population={"roles": len(roles.ROLES), "holders": len(held)},
        violations=wrong,
        asked={"matrix": now, "approved": approved.sha256 if approved else None},
        unknown=None if approved is not None else "baseline_changed",
    )


def _grants(session: Session, at: datetime) -> Iterable[tuple[str, str]]:
    of = role_grant.c
    live = sa.and_(of.ended_at.is_(None), of.from_at <= at, sa.or_(of.until_at.is_(None), of.until_at > at))
    return [(row.account_id, row.role) for row in session.execute(sa.select(of.account_id, of.role).where(live))]


def _plant_pair(look: Look) -> str:
    id_ = _plant_account(look)
    for role in sorted(min(roles.EXCLUDED, key=sorted)):
        look.session.execute(
            sa.insert(role_grant).values(
                id=look.ctx.new_id("rol"), account_id=id_, role=role, from_at=look.at, reason="planted"
            )
        )
    return id_


def _one_person(look: Look) -> Reading:
    """Accounts that somebody can sign in to, and whether one address or one person stands behind several (8.2.1)."""
    of = contact.c
    rows = look.session.execute(
        sa.select(
            sa.func.count(of.account_id.distinct()).label("n"),
            sa.func.min(of.account_id).label("one"),
        )
        .where(of.kind == "email")
        .group_by(of.lookup, of.account_kind)
    ).all()
    without = look.session.execute(
        sa.select(account.c.id).where(
            account.c.kind.in_(_WORKING),
            account.c.state == "active",
            ~sa.exists().where(contact.c.account_id == account.c.id),
        )
    ).scalars()
    wrong = [
        Violation(component="addresses", object_id=row.one, says=f"{row.n} accounts share one address")
        for row in rows
        if row.n > 1
    ]
    wrong += [
        Violation(component="people", object_id=id_, says="nobody's address stands behind the account")
        for id_ in without
    ]
    return Reading(population={"addresses": len(rows)}, violations=wrong)


PROBES: Final = (
    Probe(
        name="identity.two_factors",
        kind=Kind.STATE,
        asks="Sessions of staff of the last 24 hours and staff who may sign in; wrong is one that rests on one factor.",
        read=_two_factors,
        plant=lambda look: _plant_session(look, acr=Acr.PWD.value, factor=None),
    ),
    Probe(
        name="identity.dormant",
        kind=Kind.STATE,
        asks="Accounts of staff and merchants that may sign in; wrong is one that nobody used for 90 days.",
        read=_dormant,
        plant=lambda look: _plant_account(look, last_login_at=look.at - DORMANT - timedelta(days=1)),
    ),
    Probe(
        name="identity.leavers",
        kind=Kind.STATE,
        asks="Accounts that are locked, disabled or closed; wrong is a live session of one.",
        read=_leavers,
        plant=_plant_leaver,
        empty_means=WhenEmpty.NOT_APPLICABLE,
    ),
    Probe(
        name="identity.idle",
        kind=Kind.STATE,
        asks="Live sessions of staff; wrong is one that may rest for more than 15 minutes, or did and was not ended.",
        read=_idle,
        plant=lambda look: _plant_session(look, idle_seconds=86_400),
    ),
    Probe(
        name="identity.roles",
        kind=Kind.STATE,
        asks="Roles and who holds them; wrong is a matrix nobody approved, or a pair that excludes itself.",
        read=_roles,
        plant=_plant_pair,
    ),
    Probe(
        name="identity.one_person",
        kind=Kind.STATE,
        asks="Accounts that may sign in; wrong is an address that several share, or an account of nobody.",
        read=_one_person,
        plant=_plant_account,
    ),
)
