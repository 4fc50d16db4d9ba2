"""Letters that tell the owner of an account what happened to it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.identity import accounts, letters
from app.identity.accounts import Account
from app.identity.parts import Identity
from app.kernel.access import ActorKind
from app.kernel.clock import ZONE
from app.kernel.context import Context
from app.kernel.errors import Gone, NotFound


def tell(
    session: Session,
    account_id: str,
    subject: str,
    text: str,
    template: str,
    ctx: Context,
    *,
    parts: Identity,
    kept: timedelta = letters.KEPT,
) -> str | None:
    """Queue a notice to the owner of an account; one who has no address any more is left out, and None returned."""
    try:
        address = accounts.address_of(session, account_id, parts=parts)
    except (NotFound, Gone):
        return None
    letter = letters.Letter(to=address, subject=subject, text=text)
    return letters.queue(session, letter, template, ctx, parts=parts, account_id=account_id, kept=kept)


def time_of(at: datetime) -> str:
    """Return a time of day as pages show it, and in UTC."""
    return f"{at.astimezone(ZONE):%H:%M} ({ZONE.key}; {at:%H:%M} UTC)"


def remedy(found: Account, *, parts: Identity) -> str:
    """Return what the owner of an account does where what a letter tells of was not them."""
    if found.kind is ActorKind.STAFF:
        return "If that was not you, tell an administrator at once.\n"
    return f"If that was not you, open {parts.public_url}/security and press “It wasn’t me”.\n"
