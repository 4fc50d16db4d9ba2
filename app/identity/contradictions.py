"""What identity can say of an account when a person of response says something of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from app.identity import mfa


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
