"""Containment of accounts: ending sessions, locking. The owner is told by mail, once, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import accounts, kept_passwords, links, lockout, notices, sessions, ways_back
from app.identity.accounts import Account, State
from app.identity.links import LinkPurpose
from app.identity.lockout import Bucket
from app.identity.models import restraint
from app.identity.parts import Identity
from app.kernel.containment import BadParameter, Containment, ContainmentRefused, Radius, Standing
from app.kernel.context import Context
from app.kernel.db import insert_once
from app.kernel.errors import NotFound
from ingest.events.auth import AccountLocked, AccountUnlocked
from ingest.log import outbox

CONTAINED: Final = "containment"
HOLD_TOLD_SECONDS: Final = 24 * 3600


class RevokeSessions:
    """Ends every session of an account; the person signs in again, so there is nothing to undo."""

    name = "sessions.revoke_all"

    def __init__(self, parts: Identity) -> None:
        self._parts = parts

    def preview(self, session: Session, params: Mapping[str, str], ctx: Context) -> Radius:
        found = _account(session, params)
        live = len(sessions.list_of(session, found.id, None, ctx.at))
        return Radius(
            counts={"people": 1, "sessions": live},
            lines=(f"Ends {_counted(live)} of {found.id}.", "The person has to sign in again. This is not undone."),
        )

    def run(self, session: Session, params: Mapping[str, str], key: str, ctx: Context) -> str:
        found = _account(session, params, accounts.held)
        if _first(session, key, self.name, found.id, "", ctx):
            live = sessions.list_of(session, found.id, None, ctx.at)
            sessions.end_all(session, found.id, "revoked", ctx)
            accounts.raise_epoch(session, found.id)
            if live:
                _tell_signed_out(session, found, ctx, self._parts)
        return key

    def undo(self, session: Session, ref: str, key: str, ctx: Context) -> None:
        raise ContainmentRefused("Ended sessions do not come back; the person signs in again.")

    def check(self, session: Session, key: str) -> Standing:
        return _standing(session, key)


class LockAccount:
    """Locks an account: nobody signs in to it until another person unlocks it, and nobody with the password of before.

    Whoever made the lock necessary knows it; so the owner sets a new one, by mail, at once or once it is unlocked.
    """

    name = "account.lock"

    def __init__(self, parts: Identity) -> None:
        self._parts = parts

    def preview(self, session: Session, params: Mapping[str, str], ctx: Context) -> Radius:
        found = _account(session, params)
        live = len(sessions.list_of(session, found.id, None, ctx.at))
        return Radius(
            counts={"people": 1, "sessions": live},
            lines=(
                f"Locks {found.id}, which is {found.state.value} now, and ends {_counted(live)}.",
                "Nobody can sign in to it until a second person unlocks it.",
                "Its password is void: the owner sets a new one by mail.",
            ),
        )

    def run(self, session: Session, params: Mapping[str, str], key: str, ctx: Context) -> str:
        found = _account(session, params, accounts.held)
        if found.state in (State.DISABLED, State.CLOSED):
            raise ContainmentRefused(f"The account is {found.state.value} already.")
        detail = f"{found.state.value}|{found.reason or ''}"
        if not _is_contained(found):
            _begin_anew(session, found.id)
        if _first(session, key, self.name, found.id, detail, ctx):
            sessions.end_all(session, found.id, "revoked", ctx)
            accounts.set_state(session, found.id, State.LOCKED, ctx, reason=CONTAINED)
            had_password = kept_passwords.void(session, found.id)
            # A link that was asked for before would set a password for whoever holds it.
            links.close_others(session, found.id, LinkPurpose.RECOVERY, ctx)
            links.close_others(session, found.id, LinkPurpose.FACTOR, ctx)
            outbox.record(session, AccountLocked(account=found.id, reason=CONTAINED, about=(found.id,)), ctx)
            if had_password or not _is_contained(found):
                _tell_locked(session, found, ctx, self._parts)
        return key

    def undo(self, session: Session, ref: str, key: str, ctx: Context) -> None:
        stands = sa.and_(restraint.c.key == ref, restraint.c.undone_at.is_(None))
        account_id = session.execute(sa.select(restraint.c.account_id).where(stands)).scalar_one_or_none()
        if account_id is None:
            return
        found = accounts.held(session, account_id)
        ended = sa.update(restraint).where(stands).values(undone_at=ctx.at).returning(restraint.c.key)
        if session.execute(ended).one_or_none() is None:
            return
        if not _is_contained(found) or is_held(session, found.id):
            return
        state, reason = before(session, found.id)
        accounts.set_state(session, found.id, state, ctx, reason=reason)
        outbox.record(session, AccountUnlocked(account=found.id, reason=CONTAINED, about=(found.id,)), ctx)
        ways_back.tell_open(session, found, state, reason, ctx, parts=self._parts)

    def check(self, session: Session, key: str) -> Standing:
        return _standing(session, key)


class Hold(Containment, Protocol):
    """The hold of outgoing money, which is another's."""

    def freed(self, session: Session, ref: str) -> str | None:
        """Return whose money may leave again now that this hold has ended; None while it or another one stands."""
        ...


class ToldHold:
    """A hold with letters to the person: when it is placed, once a day however many, and when money may leave again."""

    def __init__(self, hold: Hold, parts: Identity) -> None:
        self.name = hold.name
        self._hold = hold
        self._parts = parts

    def preview(self, session: Session, params: Mapping[str, str], ctx: Context) -> Radius:
        return self._hold.preview(session, params, ctx)

    def run(self, session: Session, params: Mapping[str, str], key: str, ctx: Context) -> str:
        is_new = self._hold.check(session, key) is Standing.UNKNOWN
        ref = self._hold.run(session, params, key, ctx)
        if is_new:
            _tell_hold(session, params["account"], ctx, self._parts)
        return ref

    def undo(self, session: Session, ref: str, key: str, ctx: Context) -> None:
        was_free = self._hold.freed(session, ref)
        self._hold.undo(session, ref, key, ctx)
        freed = self._hold.freed(session, ref)
        if freed is not None and was_free is None:
            _tell_freed(session, freed, ctx, self._parts)

    def check(self, session: Session, key: str) -> Standing:
        return self._hold.check(session, key)


def is_held(session: Session, account_id: str) -> bool:
    """Tell whether a lock of the account stands that nobody has taken back."""
    query = sa.select(restraint.c.key).where(
        restraint.c.account_id == account_id, restraint.c.action == LockAccount.name, restraint.c.undone_at.is_(None)
    )
    return session.execute(query.limit(1)).one_or_none() is not None


def before(session: Session, account_id: str) -> tuple[State, str | None]:
    """Return what an account was before the first of the locks on it: a later one found it locked already."""
    detail = session.execute(
        sa.select(restraint.c.detail).where(restraint.c.key == _first_lock(account_id))
    ).scalar_one()
    state, _, reason = detail.partition("|")
    return State(state), reason or None


def owner_locks(session: Session, found: Account, ctx: Context) -> bool:
    """Lock an account for its owner, at once or beneath what of ours stands, which no report lifts.

    Returns whether it is locked, and not off: that nobody gets into, its owner neither.
    """
    if is_held(session, found.id):
        _put_beneath(session, found.id, State.LOCKED, accounts.OWNERS_LOCK)
    elif found.state is State.DISABLED:
        accounts.remember(session, found.id, State.LOCKED, accounts.OWNERS_LOCK)
    elif found.state is not State.CLOSED:
        accounts.set_state(session, found.id, State.LOCKED, ctx, reason=accounts.OWNERS_LOCK)
    return found.state not in (State.DISABLED, State.CLOSED)


def came_back(session: Session, account_id: str) -> None:
    """Note that the owner ended their own lock while ours stands: once ours is taken back, the account is open."""
    if is_held(session, account_id) and before(session, account_id) == (State.LOCKED, accounts.OWNERS_LOCK):
        _put_beneath(session, account_id, State.ACTIVE, None)


def _begin_anew(session: Session, account_id: str) -> None:
    """Let the locks of before be past: what they found is over, whatever the clock said then."""
    locks = (restraint.c.account_id == account_id) & (restraint.c.action == LockAccount.name)
    session.execute(sa.update(restraint).where(locks).values(is_past=True))


def _first_lock(account_id: str) -> sa.ScalarSelect[str]:
    """Select the key of the lock that found the account as it was before any of those that are not past."""
    return (
        sa.select(restraint.c.key)
        .where(
            restraint.c.account_id == account_id,
            restraint.c.action == LockAccount.name,
            restraint.c.is_past.is_(False),
            restraint.c.detail != f"{State.LOCKED.value}|{CONTAINED}",
        )
        .scalar_subquery()
    )


def _put_beneath(session: Session, account_id: str, state: State, reason: str | None) -> None:
    beneath = sa.update(restraint).where(restraint.c.key == session.scalar(sa.select(_first_lock(account_id))))
    session.execute(beneath.values(detail=f"{state.value}|{reason or ''}"))


def _is_contained(found: Account) -> bool:
    return found.state is State.LOCKED and found.reason == CONTAINED


def _account(
    session: Session, params: Mapping[str, str], read: Callable[[Session, str], Account] = accounts.get
) -> Account:
    try:
        return read(session, params["account"])
    except KeyError as error:
        raise BadParameter("The parameter account is missing.", param="account") from error
    except NotFound as error:
        raise BadParameter("There is no such account.", param="account") from error


def _counted(live: int) -> str:
    return "1 session" if live == 1 else f"{live} sessions"


def _first(session: Session, key: str, action: str, account_id: str, detail: str, ctx: Context) -> bool:
    row = {
        "key": key,
        "account_id": account_id,
        "action": action,
        "detail": detail,
        "is_past": False,
        "at": ctx.at,
        "by": ctx.actor.id,
    }
    return insert_once(session, restraint, row) == 1


def _standing(session: Session, key: str) -> Standing:
    row = session.execute(sa.select(restraint.c.undone_at).where(restraint.c.key == key)).one_or_none()
    if row is None:
        return Standing.UNKNOWN
    return Standing.DONE if row.undone_at is None else Standing.UNDONE


def _tell_signed_out(session: Session, found: Account, ctx: Context, parts: Identity) -> None:
    text = (
        "We ended every session of your OnePay account, for your safety. You can sign in again at any time:\n"
        f"{ways_back.sign_in(found, parts=parts)}\n"
        f"If somebody else may know your password, set a new one: {ways_back.recover(found, parts=parts)}\n"
    )
    notices.tell(session, found.id, "You were signed out everywhere", text, "signed_out", ctx, parts=parts)


def _tell_locked(session: Session, found: Account, ctx: Context, parts: Identity) -> None:
    text = (
        "We locked your OnePay account for your safety and ended every session. Nobody can sign in to it now.\n"
        "To get back in, wait for our next letter: a person will look at your account, and we write to you as soon as\n"
        "it is open again. Your password opens nothing any more; set a new one in the meantime:\n"
        f"{ways_back.recover(found, parts=parts)}\n"
        "We never ask you for a password or a code.\n"
    )
    notices.tell(session, found.id, "Your account is locked", text, "contained", ctx, parts=parts)


def _tell_hold(session: Session, account_id: str, ctx: Context, parts: Identity) -> None:
    if lockout.count_within(session, _holds_of(account_id), HOLD_TOLD_SECONDS, ctx.at) > 1:
        return
    text = (
        "Payments from your OnePay wallet are on hold while we check that it is you. Money can still arrive.\n"
        f"What it means, and what you can do: {parts.public_url}/help#restricted\n"
    )
    notices.tell(session, account_id, "Your payments are on hold", text, "held", ctx, parts=parts)


def _tell_freed(session: Session, account_id: str, ctx: Context, parts: Identity) -> None:
    # Whoever was told that money leaves again is told of the next hold, however soon it comes.
    lockout.reset(session, _holds_of(account_id))
    text = f"Payments from your OnePay wallet go through again. Sign in: {parts.public_url}/sign-in\n"
    notices.tell(session, account_id, "You can send money again", text, "freed", ctx, parts=parts)


def _holds_of(account_id: str) -> Bucket:
    return Bucket(scope=lockout.LETTERS, key=f"hold|{account_id}")
