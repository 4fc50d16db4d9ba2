"""How the owner of an account gets back in, as letters and pages say it, and the letter that says that they can."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.identity import kept_passwords, mfa, notices
from app.identity.accounts import OWNERS_LOCK, Account, State
from app.identity.parts import Identity
from app.kernel.access import ActorKind
from app.kernel.context import Context


def sign_in(found: Account, *, parts: Identity) -> str:
    """Return where the owner of an account signs in."""
    return f"{parts.public_url}/sign-in" + ("?next=/staff" if found.kind is ActorKind.STAFF else "")


def recover(found: Account, *, parts: Identity) -> str:
    """Return where the owner of an account sets a new password."""
    return f"{parts.public_url}/recover" + ("?surface=staff" if found.kind is ActorKind.STAFF else "")


def to_recover(session: Session, found: Account, *, parts: Identity) -> str:
    """Return what the owner does to get back in; a code is asked for only where a factor stands."""
    beside = " and confirm it with your second factor" if mfa.factors_of(session, found.id) else ""
    return f"To get back in, set a new password{beside}:\n{recover(found, parts=parts)}\n"


def _first(session: Session, found: Account, parts: Identity) -> str:
    """Return what the owner of an open account does first."""
    if kept_passwords.present(session, found.id) is None:
        return f"Set a new password first, the one of before is void:\n{recover(found, parts=parts)}"
    return f"Sign in: {sign_in(found, parts=parts)}"


def tell_open(
    session: Session, found: Account, state: State, reason: str | None, ctx: Context, *, parts: Identity
) -> None:
    """Tell the owner what their account is now that we hold it back no longer; where we still do, say nothing."""
    if state is State.ACTIVE:
        subject = "Your account is open again"
        text = f"You can use your OnePay account again. {_first(session, found, parts)}\n"
    elif state is State.LOCKED and reason == OWNERS_LOCK:
        subject = "Our lock of your account has ended"
        text = (
            "We hold your OnePay account back no longer. The lock that you set yourself still stands.\n"
            f"{to_recover(session, found, parts=parts)}"
        )
    else:
        return
    notices.tell(session, found.id, subject, text, "given_back", ctx, parts=parts)
