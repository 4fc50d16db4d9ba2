"""The way back for staff whose last factor an administrator removed: a mailed link, the password, a new factor."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.identity import accounts, kept_passwords, letters, links, mfa, signin
from app.identity.accounts import Account, State
from app.identity.links import Link, LinkClosed, LinkPurpose
from app.identity.mfa import Offer
from app.identity.parts import Identity
from app.identity.policy import in_words
from app.identity.signin import Attempt, Check
from app.kernel import crypto
from app.kernel.access import IAM_FACTOR_DECIDE, ActorKind
from app.kernel.context import Context
from app.kernel.errors import SamePerson, WrongState


def is_needed(session: Session, found: Account) -> bool:
    """Tell whether somebody needs this way: a member of staff who may sign in, and has no factor to do it with."""
    return found.kind is ActorKind.STAFF and found.state is State.ACTIVE and not mfa.factors_of(session, found.id)


def send(session: Session, account_id: str, ctx: Context, *, parts: Identity) -> None:
    """Send the link to somebody else who needs it; earlier ones close. Raises `WrongState` for all others."""
    ctx.actor.require(IAM_FACTOR_DECIDE)
    if account_id == ctx.actor.id:
        raise SamePerson("You cannot do this to your own account.")
    if not is_needed(session, accounts.get(session, account_id)):
        raise WrongState("This is for active members of staff who have no second factor.")
    address = accounts.address_of(session, account_id, parts=parts)
    links.close_others(session, account_id, LinkPurpose.FACTOR, ctx)
    seconds = parts.policy.invitation_seconds
    url = links.make(session, LinkPurpose.FACTOR, ctx, parts=parts, seconds=seconds, account_id=account_id)
    text = (
        "Your OnePay account has no second factor any more: an administrator removed it. To sign in again, open this\n"
        f"page within {in_words(seconds)}, type your password, and add a new authenticator:\n{url}\n"
        "If you did not ask for it, leave the link alone and tell an administrator at once.\n"
    )
    letter = letters.Letter(to=address, subject="Add a new second factor", text=text)
    letters.queue(session, letter, "factor_link", ctx, parts=parts, account_id=account_id)


def look(session: Session, token: str, ctx: Context, *, parts: Identity) -> Link:
    """Return an open link of somebody who needs it still, changing nothing; raises `LinkClosed` for all others."""
    link = links.look(session, token, ctx, parts=parts)
    if link.purpose is not LinkPurpose.FACTOR or not is_needed(session, accounts.get(session, _account(link))):
        raise LinkClosed
    return link


def attempt(session: Session, token: str, ctx: Context, *, parts: Identity) -> Attempt:
    """Return what a password is checked against; raises `LinkClosed`, or `Throttled` as at sign-in."""
    link = look(session, token, ctx, parts=parts)
    address = accounts.address_of(session, _account(link), parts=parts)
    return signin.attempt(session, ActorKind.STAFF, address, None, ctx, parts=parts)


def prove(
    session: Session, token: str, made: Attempt, check: Check, ctx: Context, *, parts: Identity
) -> tuple[str, Offer] | None:
    """Return what proves the password for the next step, and the secret to add; None for a wrong one, which counts."""
    link = look(session, token, ctx, parts=parts)
    if not signin.count_password(session, made, check, ctx, parts=parts):
        return None
    return _proof(session, link, ctx.at, parts), _offer(session, link, parts)


def offer(session: Session, token: str, proof: str, ctx: Context, *, parts: Identity) -> Offer:
    """Return the secret again to whoever proved the password; raises `SignInOver` if that is too long ago."""
    link = look(session, token, ctx, parts=parts)
    _demand(session, link, proof, ctx, parts)
    return _offer(session, link, parts)


def complete(session: Session, token: str, proof: str, code: str, ctx: Context, *, parts: Identity) -> None:
    """Consume the link and add the factor by its first code.

    Raises `CodeRefused` and leaves the link open, or `LinkClosed`, or `SignInOver`.
    """
    link = look(session, token, ctx, parts=parts)
    _demand(session, link, proof, ctx, parts)
    links.consume(session, token, LinkPurpose.FACTOR, ctx, parts=parts)
    mfa.take(session, _account(link), link.id, code, ctx, parts=parts)
    # The account is held by now: who was disabled a moment ago gets no factor.
    if accounts.get(session, _account(link)).state is not State.ACTIVE:
        raise LinkClosed


def _account(link: Link) -> str:
    assert link.account_id is not None, "a link to a new factor is for an account"
    return link.account_id


def _offer(session: Session, link: Link, parts: Identity) -> Offer:
    name = accounts.masked(accounts.address_of(session, _account(link), parts=parts))
    return mfa.offer(session, _account(link), link.id, name, parts=parts)


def _proof(session: Session, link: Link, at: datetime, parts: Identity) -> str:
    """Return a word that whoever typed the password carries to the next step: of this link and this password alone."""
    seconds = int(at.timestamp())
    hashed = kept_passwords.present(session, _account(link)) or ""
    key = crypto.derive(parts.credentials, "coming-back")
    return f"{seconds}.{crypto.mac(key, f'{link.id}|{hashed}|{seconds}'.encode()).hex()}"


def _demand(session: Session, link: Link, proof: str, ctx: Context, parts: Identity) -> None:
    seconds = proof.partition(".")[0]
    oldest = ctx.at - timedelta(seconds=parts.policy.login_seconds)
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 12):
        raise signin.SignInOver
    at = int(seconds)
    if not oldest.timestamp() < at <= ctx.at.timestamp():
        raise signin.SignInOver
    expected = _proof(session, link, datetime.fromtimestamp(at, ctx.at.tzinfo), parts)
    if not crypto.same(proof.encode(), expected.encode()):
        raise signin.SignInOver
