""" "It wasn't me": ends all access, holds outgoing payments, tells the log. It can only make things safer."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.identity import accounts, containment, notices, sessions, ways_back
from app.identity.parts import Identity
from app.kernel.access import SECURITY_OWN_MANAGE
from app.kernel.context import Context
from ingest.events.auth import AccountLocked, ActivityDisowned
from ingest.log import outbox

HoldOutgoing = Callable[[Session, str, Context], object]
"""Port of payments: hold what a person sends, who says so themselves, until a person of ours ends it."""


def not_me(
    session: Session, of_event: str | None, ctx: Context, *, parts: Identity, hold_outgoing: HoldOutgoing
) -> None:
    """Lock the account of the person who says so, end its sessions and stop its money from leaving (SEC-2).

    What of ours stands on the account by then stays: a report makes nothing less safe.
    """
    ctx.actor.require(SECURITY_OWN_MANAGE)
    account_id = ctx.actor.own_id
    found = accounts.held(session, account_id)
    outbox.record(session, ActivityDisowned(account=account_id, of_event=of_event, about=(account_id,)), ctx)
    hold_outgoing(session, account_id, ctx)
    sessions.end_all(session, account_id, "revoked", ctx)
    if not containment.owner_locks(session, found, ctx):
        return
    outbox.record(session, AccountLocked(account=account_id, reason="owner", about=(account_id,)), ctx)
    text = (
        "You told us that something in your OnePay account was not you. We ended all sessions and stopped payments.\n"
        f"{ways_back.to_recover(session, found, parts=parts)}"
    )
    notices.tell(session, found.id, "Your account is locked", text, "disowned", ctx, parts=parts)
