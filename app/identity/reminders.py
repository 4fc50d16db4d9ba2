"""Reminders to staff: what somebody answers for ends soon. Where they left, whoever may sign in their place hears."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.identity import accounts, notices, roles
from app.identity.parts import Identity
from app.kernel.access import COMPLIANCE_ATTESTATION_PROPOSE
from app.kernel.context import Context

TEMPLATE = "paper_ends"


def sender(parts: Identity) -> Callable[[Session, str, str, str, Context], None]:
    """Return what writes to the owner of a paper."""

    def remind(session: Session, owner: str, title: str, text: str, ctx: Context) -> None:
        for account_id in _reached(session, owner, ctx):
            notices.tell(session, account_id, title, text, TEMPLATE, ctx, parts=parts)

    return remind


def _reached(session: Session, owner: str, ctx: Context) -> list[str]:
    if owner in accounts.active_with_roles(session, roles.STAFF_ROLES, ctx.at):
        return [owner]
    signing = roles.holders_of(COMPLIANCE_ATTESTATION_PROPOSE)
    return sorted(accounts.active_with_roles(session, signing, ctx.at))
