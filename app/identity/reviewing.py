"""Roles under review: who holds which, by whom, last used when; and how one ends that nobody confirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import given, role_grants, roles
from app.identity.models import account, role_grant
from app.identity.role_grants import Book
from app.kernel.access import IAM_ROLE_ASK, service
from app.kernel.context import Context
from app.kernel.errors import NotFound
from compliance.contracts.probes import Look
from compliance.contracts.review import Grant

_ENDER = service("reviews", IAM_ROLE_ASK)


class RoleReviews:
    """Keeps `AccessReviewSource` over role grants of staff."""

    name = "roles"

    def __init__(self, approvals: Book) -> None:
        self._approvals = approvals

    def grants(self, session: Session, at: datetime) -> Sequence[Grant]:
        of, who = role_grant.c, account.c
        live = sa.and_(of.ended_at.is_(None), of.from_at <= at, sa.or_(of.until_at.is_(None), of.until_at > at))
        rows = session.execute(
            sa.select(of.id, of.account_id, of.role, of.given_by, of.from_at, who.last_login_at)
            .join(account, who.id == of.account_id)
            .where(live, of.role.in_(roles.STAFF_ROLES), who.state.in_(("active", "invited", "locked", "disabled")))
            .order_by(of.role, of.from_at, of.id)
        ).all()
        holders = Counter(row.role for row in rows)
        said = given.last_words(session)
        return [
            Grant(
                ref=row.id,
                holder=row.account_id,
                what=roles.WORD_OF_ROLE[row.role],
                giver=row.given_by,
                given_at=_given_at(row.from_at, said.get((row.account_id, row.role))),
                last_use=row.last_login_at,
                is_last=holders[row.role] == 1,
            )
            for row in rows
        ]

    def lapse(self, session: Session, ref: str, reason: str, ctx: Context) -> None:
        of = role_grant.c
        row = session.execute(sa.select(of.account_id, of.role).where(of.id == ref)).one_or_none()
        if row is None:
            raise NotFound(object_id=ref)
        reason = reason[: role_grants.REASON_MAX]
        role_grants.end(
            session,
            row.account_id,
            row.role,
            reason,
            ctx.acting_as(_ENDER),
            approvals=self._approvals,
            through=role_grants.BY_REVIEW,
        )

    def plant(self, look: Look, given_at: datetime) -> str:
        id_ = look.ctx.new_id("acc")
        look.session.execute(
            sa.insert(account).values(
                id=id_, kind="staff", state="active", epoch=1, created_at=given_at, last_login_at=look.at
            )
        )
        ref = look.ctx.new_id("rol")
        look.session.execute(
            sa.insert(role_grant).values(id=ref, account_id=id_, role=roles.ANALYST, from_at=given_at, reason="planted")
        )
        return ref


def _given_at(from_at: datetime, last: given.LastWord | None) -> datetime:
    """Return when a role was given, by its row or its event, whichever is first: a row alone puts off no review."""
    return from_at if last is None or last.has_ended else min(from_at, last.at)
