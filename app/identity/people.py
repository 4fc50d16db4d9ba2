"""What administrators see and do about accounts: state, sessions, factors, disabling and enabling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from app.identity import accounts, coming_back, containment, links, lockout, mfa, notices, sessions, ways_back
from app.identity.accounts import Account, State
from app.identity.links import LinkPurpose
from app.identity.lockout import Bucket
from app.identity.mfa import Factor
from app.identity.parts import Identity
from app.identity.sessions import Listed
from app.kernel import crypto, words
from app.kernel.access import (
    IAM_ACCOUNT_DISABLE,
    IAM_ACCOUNT_READ,
    IAM_FACTOR_DECIDE,
    IAM_SESSION_READ,
    IAM_SESSION_REVOKE,
    ActorKind,
)
from app.kernel.context import Context
from app.kernel.errors import NotFound, SamePerson, WrongState
from ingest.events.access import DataRead, SearchExecuted
from ingest.events.admin import AccountDisabled, AccountEnabled
from ingest.events.auth import AccountUnlocked
from ingest.log import outbox

REASON_MAX: Final = 200
PAGE_MAX: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One line of the people page; the address is masked."""

    account: Account
    name: str
    address: str
    roles: tuple[str, ...]
    factors: int
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One person with sessions and factors."""

    person: Person
    factors: Sequence[Factor]
    sessions: Sequence[Listed]
    needs_factor: bool
    """A member of staff who cannot sign in before a factor was added by a mailed link."""
    link_until: datetime | None
    """Until when the link opens that was mailed for it."""
    shut_out_until: datetime | None
    """Until when a member of staff cannot sign in after too many wrong tries."""


def page(session: Session, kind: ActorKind, after: str | None, ctx: Context, *, parts: Identity) -> Sequence[Person]:
    """Return accounts of a kind, newest first; recorded as a reading of personal data."""
    ctx.actor.require(IAM_ACCOUNT_READ)
    found = accounts.page_of(session, kind, after=after, limit=PAGE_MAX)
    _record_read(session, "people", [account.id for account in found], ctx)
    return _people(session, found, ctx, parts)


def detail(session: Session, account_id: str, ctx: Context, *, parts: Identity) -> Detail:
    """Return one person; recorded as a reading of personal data."""
    ctx.actor.require(IAM_ACCOUNT_READ)
    ctx.actor.require(IAM_SESSION_READ)
    found = accounts.get(session, account_id)
    _record_read(session, "person", [account_id], ctx)
    return Detail(
        person=_people(session, [found], ctx, parts)[0],
        factors=mfa.factors_of(session, account_id),
        sessions=sessions.list_of(session, account_id, None, ctx.at),
        needs_factor=coming_back.is_needed(session, found),
        link_until=links.open_until(session, account_id, LinkPurpose.FACTOR, ctx),
        shut_out_until=_shut_out_until(session, found, ctx, parts),
    )


def find(session: Session, typed: str, ctx: Context, *, parts: Identity) -> Sequence[Person]:
    """Return who has an account id or an e-mail address: nobody, one, or a customer and a colleague. It is recorded."""
    ctx.actor.require(IAM_ACCOUNT_READ)
    asked = typed.strip()
    try:
        found = [accounts.get(session, asked)]
    except NotFound:
        lookup = accounts.identifier_of(asked, parts=parts)
        each = (accounts.find(session, kind, lookup) for kind in (ActorKind.CUSTOMER, ActorKind.STAFF))
        found = [one for one in each if one is not None]
    # As the address is looked up: however it was typed, one search is one.
    hashed = crypto.mac(parts.lookup, b"search|" + accounts.identifier_of(asked, parts=parts)).hex()
    outbox.record(session, SearchExecuted(view="people", query_hash=hashed, hits=len(found)), ctx)
    _record_read(session, "people", [one.id for one in found], ctx)
    return _people(session, found, ctx, parts)


def end_sessions(session: Session, account_id: str, ctx: Context, *, parts: Identity) -> int:
    """End every session of a person, who is told if there was one."""
    ctx.actor.require(IAM_SESSION_REVOKE)
    ended = sessions.end_all(session, account_id, "revoked", ctx)
    accounts.raise_epoch(session, account_id)
    if ended:
        text = (
            "An administrator ended every session of your OnePay account. You can sign in again at any time.\n"
            "If you do not know why, ask us.\n"
        )
        notices.tell(session, account_id, "You were signed out everywhere", text, "signed_out", ctx, parts=parts)
    return ended


def remove_factor(
    session: Session, account_id: str, factor_id: str, reason: str, ctx: Context, *, parts: Identity
) -> None:
    """Remove a lost factor of somebody else, with a reason; all their sessions end and they are told.

    A member of staff who has no other one left gets the link that adds a new one.
    """
    ctx.actor.require(IAM_FACTOR_DECIDE)
    _demand_other(account_id, ctx)
    why = words.reason(reason, longest=REASON_MAX)
    found = accounts.get(session, account_id)
    mfa.take_away(session, account_id, factor_id, why, ctx)
    sessions.end_all(session, account_id, "revoked", ctx)
    accounts.raise_epoch(session, account_id)
    text = (
        "An administrator removed a second factor of your OnePay account. If you did not ask for it, tell us at once.\n"
    )
    notices.tell(session, found.id, "A second factor was removed", text, "factor_removed", ctx, parts=parts)
    if coming_back.is_needed(session, found):
        coming_back.send(session, account_id, ctx, parts=parts)


def disable(session: Session, account_id: str, reason: str, ctx: Context) -> None:
    """Switch an account off; its sessions are dead at once."""
    ctx.actor.require(IAM_ACCOUNT_DISABLE)
    _demand_other(account_id, ctx)
    why = words.reason(reason, longest=REASON_MAX)
    if accounts.held(session, account_id).state in (State.DISABLED, State.CLOSED):
        raise WrongState("The account is off already.")
    sessions.end_all(session, account_id, "revoked", ctx)
    accounts.set_state(session, account_id, State.DISABLED, ctx, reason=why)
    outbox.record(session, AccountDisabled(target=account_id, about=(account_id,)), ctx)


def enable(session: Session, account_id: str, ctx: Context, *, parts: Identity) -> None:
    """Make an account again what it was; whoever switched it off may not (four eyes). A lock that stands goes on.

    Its owner is told unless one of ours goes on: we may have promised to write, and nobody told them of the end of a
    lock while the account was disabled.
    """
    ctx.actor.require(IAM_ACCOUNT_DISABLE)
    _demand_other(account_id, ctx)
    found = accounts.held(session, account_id)
    if found.state is not State.DISABLED:
        raise WrongState("The account is not disabled.")
    if found.state_by == ctx.actor.id:
        raise SamePerson("You disabled this account; another administrator has to enable it.")
    state, reason = _before(session, found)
    accounts.set_state(session, account_id, state, ctx, reason=reason)
    outbox.record(session, AccountEnabled(target=account_id, about=(account_id,)), ctx)
    ways_back.tell_open(session, found, state, reason, ctx, parts=parts)


def end_lockout(session: Session, account_id: str, ctx: Context, *, parts: Identity) -> None:
    """Let a member of staff try again who is shut out after too many wrong tries, their own or a stranger's (LCK-3).

    What was counted begins anew, and the person is told. Raises `WrongState` where nobody is shut out.
    """
    ctx.actor.require(IAM_ACCOUNT_DISABLE)
    _demand_other(account_id, ctx)
    found = accounts.get(session, account_id)
    if _shut_out_until(session, found, ctx, parts) is None:
        raise WrongState("This person is not shut out any more.")
    lockout.reset(session, _tries_of(session, found, parts))
    outbox.record(session, AccountUnlocked(account=account_id, reason="failures", about=(account_id,)), ctx)
    text = (
        "An administrator let you try again before the pause after the wrong tries was over.\n"
        "If you did not ask for it, tell another administrator at once.\n"
    )
    notices.tell(session, account_id, "You can sign in again", text, "lock_ended", ctx, parts=parts)


def _before(session: Session, found: Account) -> tuple[State, str | None]:
    """Return what an account is that is no longer disabled: a containment may have begun or ended before."""
    if containment.is_held(session, found.id):
        return State.LOCKED, containment.CONTAINED
    if (found.state_before, found.reason_before) == (State.LOCKED, containment.CONTAINED):
        return containment.before(session, found.id)
    assert found.state_before is not None, "a disabled account knows what it was"
    return found.state_before, found.reason_before


def _shut_out_until(session: Session, found: Account, ctx: Context, parts: Identity) -> datetime | None:
    if found.kind is not ActorKind.STAFF:
        return None  # customers have their known devices, and wait
    shut = lockout.closed(session, (_tries_of(session, found, parts),), ctx.at)
    return shut.until if shut is not None and shut.is_lock else None


def _tries_of(session: Session, found: Account, parts: Identity) -> Bucket:
    address = accounts.address_of(session, found.id, parts=parts)
    return lockout.of_strangers(accounts.identifier_of(address, parts=parts), found.kind)


def _demand_other(account_id: str, ctx: Context) -> None:
    if account_id == ctx.actor.id:
        raise SamePerson("You cannot do this to your own account.")


def _record_read(session: Session, view: str, subjects: Sequence[str], ctx: Context) -> None:
    if subjects:
        outbox.record(session, DataRead(view=view, count=len(subjects), about=tuple(subjects)), ctx)


def _people(session: Session, found: Sequence[Account], ctx: Context, parts: Identity) -> list[Person]:
    """Return what pages show of accounts: one query for each thing, however many people there are."""
    ids = [account.id for account in found]
    written = accounts.names_and_addresses(session, ids, parts=parts)
    held = accounts.roles_by_account(session, ids, ctx.at)
    factors, live = mfa.count_by_account(session, ids), sessions.count_by_account(session, ids, ctx.at)
    return [
        Person(
            account=account,
            name=written[account.id][0] or "–",
            address=written[account.id][1] or "–",
            roles=tuple(sorted(held[account.id])),
            factors=factors.get(account.id, 0),
            sessions=live.get(account.id, 0),
        )
        for account in found
    ]
