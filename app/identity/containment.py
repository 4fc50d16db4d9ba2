"""Containment of accounts: ending sessions, locking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import accounts, sessions
from app.identity.accounts import Account, State
from app.identity.models import restraint
from app.kernel.containment import BadParameter, ContainmentRefused, Radius, Standing
from app.kernel.context import Context
from app.kernel.db import insert_once
from app.kernel.errors import NotFound
from ingest.events.auth import AccountLocked, AccountUnlocked
from ingest.log import outbox

CONTAINED: Final = "containment"


class RevokeSessions:
    """Ends every session of an account; the person signs in again, so there is nothing to undo."""

    name = "sessions.revoke_all"

    def preview(self, session: Session, params: Mapping[str, str], ctx: Context) -> Radius:
        found = _account(session, params)
        live = len(sessions.list_of(session, found.id, None, ctx.at))
        return Radius(
            counts={"people": 1, "sessions": live},
            lines=(f"Ends {live} sessions of {found.id}.", "The person has to sign in again. This is not undone."),
        )

    def run(self, session: Session, params: Mapping[str, str], key: str, ctx: Context) -> str:
        found = _account(session, params)
        if _first(session, key, self.name, found.id, "", ctx):
            sessions.end_all(session, found.id, "revoked", ctx)
            accounts.raise_epoch(session, found.id)
        return key

    def undo(self, session: Session, ref: str, key: str, ctx: Context) -> None:
        raise ContainmentRefused("Ended sessions do not come back; the person signs in again.")

    def check(self, session: Session, key: str) -> Standing:
        return _standing(session, key)


class LockAccount:
    """Locks an account: nobody signs in to it until another person unlocks it."""

    name = "account.lock"

    def preview(self, session: Session, params: Mapping[str, str], ctx: Context) -> Radius:
        found = _account(session, params)
        live = len(sessions.list_of(session, found.id, None, ctx.at))
        return Radius(
            counts={"people": 1, "sessions": live},
            lines=(
                f"Locks {found.id}, which is {found.state.value} now, and ends {live} sessions.",
                "Nobody can sign in to it until a second person unlocks it.",
            ),
        )

    def run(self, session: Session, params: Mapping[str, str], key: str, ctx: Context) -> str:
        found = _account(session, params)
        if found.state in (State.DISABLED, State.CLOSED):
            raise ContainmentRefused(f"The account is {found.state.value} already.")
        detail = f"{found.state.value}|{found.reason or ''}"
        if _first(session, key, self.name, found.id, detail, ctx):
            sessions.end_all(session, found.id, "revoked", ctx)
            accounts.set_state(session, found.id, State.LOCKED, ctx, reason=CONTAINED)
            outbox.record(session, AccountLocked(account=found.id, reason=CONTAINED, about=(found.id,)), ctx)
        return key

    def undo(self, session: Session, ref: str, key: str, ctx: Context) -> None:
        row = session.execute(
            sa.update(restraint)
            .where(restraint.c.key == ref, restraint.c.undone_at.is_(None))
            .values(undone_at=ctx.at)
            .returning(restraint.c.account_id, restraint.c.detail)
        ).one_or_none()
        if row is None:
            return
        found = accounts.get(session, row.account_id)
        if found.state is not State.LOCKED or found.reason != CONTAINED or is_held(session, found.id):
            return
        state, _, reason = _before(session, found.id, row.detail).partition("|")
        accounts.set_state(session, found.id, State(state), ctx, reason=reason or None)
        outbox.record(session, AccountUnlocked(account=found.id, reason=CONTAINED, about=(found.id,)), ctx)

    def check(self, session: Session, key: str) -> Standing:
        return _standing(session, key)


def is_held(session: Session, account_id: str) -> bool:
    """Tell whether a lock of the account stands that nobody has taken back."""
    query = sa.select(restraint.c.key).where(
        restraint.c.account_id == account_id, restraint.c.action == LockAccount.name, restraint.c.undone_at.is_(None)
    )
    return session.execute(query.limit(1)).one_or_none() is not None


def _before(session: Session, account_id: str, detail: str) -> str:
    """Return what the account was before the first of several locks: a later one found it locked already."""
    if detail != f"{State.LOCKED.value}|{CONTAINED}":
        return detail
    query = sa.select(restraint.c.detail).where(
        restraint.c.account_id == account_id, restraint.c.action == LockAccount.name, restraint.c.detail != detail
    )
    return session.scalar(query.order_by(restraint.c.at.desc()).limit(1)) or f"{State.ACTIVE.value}|"


def _account(session: Session, params: Mapping[str, str]) -> Account:
    try:
        return accounts.get(session, params["account"])
    except KeyError as error:
        raise BadParameter("The parameter account is missing.", param="account") from error
    except NotFound as error:
        raise BadParameter("There is no such account.", param="account") from error


def _first(session: Session, key: str, action: str, account_id: str, detail: str, ctx: Context) -> bool:
    row = {"key": key, "account_id": account_id, "action": action, "detail": detail, "at": ctx.at, "by": ctx.actor.id}
    return insert_once(session, restraint, row) == 1


def _standing(session: Session, key: str) -> Standing:
    row = session.execute(sa.select(restraint.c.undone_at).where(restraint.c.key == key)).one_or_none()
    if row is None:
        return Standing.UNKNOWN
    return Standing.DONE if row.undone_at is None else Standing.UNDONE
