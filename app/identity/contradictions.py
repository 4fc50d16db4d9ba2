"""What identity can say of an account when a person of response says something of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from app.identity import accounts, coming_back, kept_passwords, mfa
from app.identity.accounts import State


def factors_added(session: Session, account_id: str, since: datetime, until: datetime) -> str | None:
    """Return which second factors were added in this time and still stand, in words, or None."""
    found = [one for one in mfa.factors_of(session, account_id) if since <= one.enrolled_at < until]
    if not found:
        return None
    added = ", ".join(f"{one.enrolled_at:%Y-%m-%d %H:%M}" for one in found)
    what = "A second factor" if len(found) == 1 else f"{len(found)} second factors"
    return (
        f"{what} added since the incident began ({added} UTC) still opens the account. "
        "An administrator removes what is not the owner's; of what is theirs say that it is left as it is."
    )


def access_lost(session: Session, account_id: str, since: datetime, until: datetime) -> str | None:
    """Return what keeps the owner out of the account still, in words, or None."""
    if kept_passwords.present(session, account_id) is None:
        return "The lock made the password void, and the owner has not set a new one yet."
    found = accounts.get(session, account_id)
    if found.state is not State.ACTIVE:
        return "The account is not open yet: another commander takes the lock back."
    if coming_back.is_needed(session, found):
        return "They have no second factor yet: an administrator sends them the link that adds one, under People."
    return None


# By the names that playbooks give them.
KNOWN: Final[Mapping[str, Callable[[Session, str, datetime, datetime], str | None]]] = {
    "access.lost": access_lost,
    "factors.added": factors_added,
}
