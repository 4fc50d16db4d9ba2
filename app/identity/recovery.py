"""Setting a password anew by mail and factor; it also ends a lock that the owner set."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.identity import (
    accounts,
    containment,
    kept_passwords,
    letters,
    links,
    mfa,
    notices,
    sessions,
    signup,
    stepup,
    ways_back,
)
from app.identity.accounts import State
from app.identity.links import LinkClosed, LinkPurpose
from app.identity.parts import Identity
from app.identity.passwords import PasswordRefused
from app.identity.policy import in_words
from app.identity.stepup import Proof, ProofRefused
from app.kernel.access import ActorKind
from app.kernel.context import Context
from ingest.events.auth import AccountUnlocked
from ingest.log import outbox


def ask(session: Session, surface: ActorKind, typed: str, ctx: Context, *, parts: Identity) -> None:
    """Send the link to a verified address; an unknown one gets the same answer and no letter (PWD-4).

    It also gets the same work, which is taken back: the time of the answer tells nothing about an address either.
    """
    address = accounts.normal_address(typed)
    identifier = accounts.identifier_of(address, parts=parts)
    purpose = f"{LinkPurpose.RECOVERY}|{surface}"
    if not letters.may_be_asked_for(session, purpose, identifier, ctx, parts=parts):
        return
    found = accounts.find(session, surface, identifier)
    if found is not None and found.state in (State.ACTIVE, State.LOCKED):
        _write(session, address, found.id, ctx, parts)
        return
    with session.begin_nested() as trial:
        _write(session, address, None, ctx, parts)
        trial.rollback()


def complete(
    session: Session,
    token: str,
    hashed: str,
    code: str,
    ctx: Context,
    *,
    parts: Identity,
    kept: PasswordRefused | None = None,
) -> Proof:
    """Demand a code where a factor stands, consume the link, set the password, end every session.

    A wrong code is counted, changes nothing else and leaves the link open; the caller demands the proof after the
    transaction. Raises `TooManyAttempts` while the counters of codes are full. A lock the owner set ends; one that
    containment or an administrator set stays. The browser is not signed in by it.

    `kept` is why the password may not be used again. It is raised to whoever has shown a code, and to customers without
    a factor, whose former passwords open nothing. Of staff without a factor it ends the link: a mailed link is worth
    one guess at the password that guards the other one.
    """
    link = links.look(session, token, ctx, parts=parts)
    if link.purpose is not LinkPurpose.RECOVERY:
        raise LinkClosed
    assert link.account_id is not None, "a recovery link is for an account"
    is_asked = bool(mfa.factors_of(session, link.account_id))
    if is_asked:
        refusal = stepup.check(session, link.account_id, code, ctx, parts=parts)
        if refusal is not None:
            return Proof(refusal=refusal)
    found = accounts.held(session, link.account_id)
    if found.state not in (State.ACTIVE, State.LOCKED):
        raise LinkClosed  # it was disabled since the letter
    if not is_asked and mfa.factors_of(session, found.id):
        return Proof(refusal=ProofRefused(param="code"))  # it was added meanwhile, and is asked for now
    if kept is not None and (is_asked or found.kind is not ActorKind.STAFF):
        raise kept
    links.consume(session, token, LinkPurpose.RECOVERY, ctx, parts=parts)
    if kept is not None:
        return Proof(refusal=kept)
    links.close_others(session, found.id, LinkPurpose.RECOVERY, ctx)
    # Of staff without a factor the password came by mail alone: it must not open what was mailed as well.
    links.close_others(session, found.id, LinkPurpose.FACTOR, ctx)
    kept_passwords.store(session, found.id, hashed, ctx)
    signup.record_changed(session, found.id, "recovery", ctx)
    sessions.end_all(session, found.id, "revoked", ctx)
    if found.state is State.LOCKED and found.reason == accounts.OWNERS_LOCK:
        accounts.set_state(session, found.id, State.ACTIVE, ctx, reason=None)
        outbox.record(session, AccountUnlocked(account=found.id, reason="recovery", about=(found.id,)), ctx)
    else:
        containment.came_back(session, found.id)
        accounts.raise_epoch(session, found.id)
    text = (
        "The password of your OnePay account was changed, and every session was ended.\n"
        f"If that was not you, set another one at once: {ways_back.recover(found, parts=parts)}\n"
    )
    notices.tell(session, found.id, "Your password was changed", text, "password_changed", ctx, parts=parts)
    return Proof()


def _write(session: Session, address: str, account_id: str | None, ctx: Context, parts: Identity) -> None:
    seconds = parts.policy.link_seconds
    url = links.make(session, LinkPurpose.RECOVERY, ctx, parts=parts, seconds=seconds, account_id=account_id)
    text = (
        f"Open this page within {in_words(seconds)} to set a new password:\n{url}\n"
        "If you did not ask for it, ignore it.\n"
    )
    letter = letters.Letter(to=address, subject="Set a new password", text=text)
    letters.queue(session, letter, "recovery", ctx, parts=parts, account_id=account_id)
