"""Coming in: sign-up of customers by a mailed link, invitation of staff."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import accounts, devices, kept_passwords, letters, links, passwords, roles, sessions
from app.identity.accounts import State
from app.identity.links import LinkClosed, LinkPurpose
from app.identity.models import account
from app.identity.parts import Identity
from app.identity.policy import in_words
from app.identity.sessions import NewSession
from app.kernel.access import IAM_ACCOUNT_INVITE, Acr, Actor, ActorKind
from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid
from ingest.events.admin import AccountInvited, BootstrapUsed
from ingest.events.auth import AccountRegistered, AccountVerified, PasswordChanged
from ingest.log import outbox

BOOTSTRAP_ADMINISTRATORS: Final = 2

OpenWallet = Callable[[Session, str, str, Context], object]
"""Port of payments: open the first wallet of (owner, handle); raises where the handle is not to be had."""


class BootstrapOver(Conflict):
    """Two administrators are active; further staff are invited on the people page."""

    code = "bootstrap_over"


class RoleUnknown(Invalid):
    """There is no such role for staff."""

    code = "role_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCustomer:
    """What a person types to finish their sign-up; `hashed` is made outside the transaction."""

    name: str
    handle: str
    hashed: str


def ask(session: Session, typed: str, ctx: Context, *, parts: Identity) -> None:
    """Send the link that begins a sign-up. A known address gets a different letter and the same answer (ACC-2).

    So does one that was written to too often of late: no letter, the same answer.
    """
    address = accounts.normal_address(typed)
    identifier = accounts.identifier_of(address, parts=parts)
    if not letters.may_be_asked_for(session, LinkPurpose.SIGN_UP, identifier, ctx, parts=parts):
        return
    known = accounts.find(session, ActorKind.CUSTOMER, identifier)
    if known is not None:
        text = (
            "Somebody, perhaps you, asked to open a OnePay account with this address. There is one already.\n"
            f"To sign in: {parts.public_url}/sign-in\nIf you forgot your password: {parts.public_url}/recover\n"
        )
        letter = letters.Letter(to=address, subject="You have a OnePay account", text=text)
        letters.queue(session, letter, "sign_up_known", ctx, parts=parts, account_id=known.id)
        return
    seconds = parts.policy.link_seconds
    url = links.make(session, LinkPurpose.SIGN_UP, ctx, parts=parts, seconds=seconds, address=address)
    text = (
        f"Open this page within {in_words(seconds)} to go on with your OnePay account:\n{url}\n"
        "If you did not ask for it, ignore it.\n"
    )
    letter = letters.Letter(to=address, subject="Go on with your OnePay account", text=text)
    letters.queue(session, letter, "sign_up", ctx, parts=parts, account_id=None)


def check_password(text: str, *, parts: Identity, has_factor: bool, own_words: tuple[str, ...]) -> None:
    """Raise `PasswordRefused` unless a new password is allowed."""
    passwords.check(text, policy=parts.policy, common=parts.common, has_factor=has_factor, own_words=own_words)


def words_of(address: str, name: str) -> tuple[str, ...]:
    """Return the parts of address and name that must not stand in a password."""
    local, _, domain = address.partition("@")
    parts = [local, domain, domain.partition(".")[0], *name.split(), *local.replace(".", " ").replace("_", " ").split()]
    return tuple(dict.fromkeys(parts))


def complete(
    session: Session, token: str, new: NewCustomer, ctx: Context, *, parts: Identity, open_wallet: OpenWallet
) -> tuple[str, NewSession, str | None]:
    """Consume the link, open account and wallet with the handle, and sign the person in.

    Returns id, session, and the token by which this browser is known from now on.
    """
    link = links.consume(session, token, LinkPurpose.SIGN_UP, ctx, parts=parts)
    assert link.address is not None, "a sign-up link carries its address"
    account_id = accounts.create(
        session,
        ActorKind.CUSTOMER,
        link.address,
        accounts.checked_name(new.name),
        State.ACTIVE,
        ctx,
        parts=parts,
        verified=True,
    )
    kept_passwords.store(session, account_id, new.hashed, ctx)
    accounts.grant(session, account_id, roles.CUSTOMER, "signed up", ctx)
    own = ctx.acting_as(
        Actor(
            id=account_id,
            kind=ActorKind.CUSTOMER,
            roles=frozenset({roles.CUSTOMER}),
            permissions=roles.ROLES[roles.CUSTOMER],
            acr=Acr.PWD,
            authenticated_at=ctx.at,
        )
    )
    outbox.record(session, AccountRegistered(account=account_id, channel="web", about=(account_id,)), own)
    outbox.record(session, AccountVerified(account=account_id, channel="mail", about=(account_id,)), own)
    open_wallet(session, account_id, new.handle, own)
    device_id, device_token = devices.know(session, None, account_id, own)
    begun = sessions.begin(
        session, account_id, ActorKind.CUSTOMER, Acr.PWD, "password", device_id, own, policy=parts.policy
    )
    session.execute(sa.update(account).where(account.c.id == account_id).values(last_login_at=ctx.at))
    return account_id, begun, device_token


def invite(
    session: Session,
    typed: str,
    name: str,
    role: str,
    ctx: Context,
    *,
    parts: Identity,
) -> str:
    """Invite a colleague who is to hold a role; the letter holds the link, which works once. Returns the account's id.

    The role itself is asked for beside it (`role_grants.ask`): nobody gives one alone.
    """
    ctx.actor.require(IAM_ACCOUNT_INVITE)
    return _invite(session, typed, name, role, ctx, parts)


def bootstrap(session: Session, typed: str, name: str, ctx: Context, *, parts: Identity) -> str:
    """Invite one of the first two administrators, from the command line of the host alone (ACC-3)."""
    if accounts.count_active(session, roles.ADMINISTRATOR, ctx.at) >= BOOTSTRAP_ADMINISTRATORS:
        raise BootstrapOver
    account_id = _invite(session, typed, name, roles.ADMINISTRATOR, ctx, parts)
    accounts.grant(session, account_id, roles.ADMINISTRATOR, "invitation", ctx)
    outbox.record(session, BootstrapUsed(target=account_id, about=(account_id,)), ctx)
    return account_id


def accept(session: Session, token: str, hashed: str, ctx: Context, *, parts: Identity) -> str:
    """Consume an invitation: password set, account active. The factor was enrolled in the same form. Returns the id.

    Raises `LinkClosed` where the account was disabled or locked before somebody came.
    """
    link = links.consume(session, token, LinkPurpose.INVITATION, ctx, parts=parts)
    assert link.account_id is not None, "an invitation is for an account"
    if accounts.held(session, link.account_id).state is not State.INVITED:
        raise LinkClosed
    kept_passwords.store(session, link.account_id, hashed, ctx)
    accounts.set_state(session, link.account_id, State.ACTIVE, ctx, reason=None)
    event = AccountVerified(account=link.account_id, channel="mail", about=(link.account_id,))
    outbox.record(session, event, ctx)
    return link.account_id


def record_changed(session: Session, account_id: str, reason: str, ctx: Context) -> None:
    """Record that a password was set: self, recovery or forced."""
    outbox.record(session, PasswordChanged(account=account_id, reason=reason, about=(account_id,)), ctx)


def _invite(session: Session, typed: str, name: str, role: str, ctx: Context, parts: Identity) -> str:
    if role not in roles.STAFF_ROLES:
        raise RoleUnknown(param="role")
    address = accounts.normal_address(typed)
    account_id = accounts.create(
        session, ActorKind.STAFF, address, accounts.checked_name(name), State.INVITED, ctx, parts=parts, verified=True
    )
    seconds = parts.policy.invitation_seconds
    url = links.make(session, LinkPurpose.INVITATION, ctx, parts=parts, seconds=seconds, account_id=account_id)
    text = (
        f"You are invited to OnePay as {roles.WORD_OF_ROLE[role].lower()}.\n"
        f"Open this page within {in_words(seconds)} to set your password and your second factor:\n{url}\n"
    )
    letter = letters.Letter(to=address, subject="Your invitation to OnePay", text=text)
    letters.queue(session, letter, "invitation", ctx, parts=parts, account_id=account_id)
    event = AccountInvited(target=account_id, target_roles=(role,), about=(account_id,))
    outbox.record(session, event, ctx)
    return account_id
