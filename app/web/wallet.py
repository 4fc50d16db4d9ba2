"""Wallet, top-up and activity. *What can I spend now? What happened?*"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from flask import Blueprint, Response, g, request
from sqlalchemy.orm import Session

from app.edge import context, system
from app.gateway.policy import Policy, route
from app.identity import accounts, mfa
from app.kernel import numbers
from app.kernel.access import WALLET_OWN_READ, WALLET_TOPUP_CREATE
from app.kernel.clock import ZONE
from app.kernel.errors import NotFound
from app.web import formats, pages
from payments import activity, handles, topups, transfers, wallets
from payments.activity import Activity
from payments.transfers import Transfer, TransferState
from payments.wallets import Wallet

blueprint = Blueprint("wallet", __name__)
LAST = 5
PAGE = 30
WORDS = {"transfer": "Transfer", "topup": "Top-up"}
RESTRAINTS = {
    "owner_disowned": (
        "You told us that something was not you",
        "Set a new password, check your sessions, then write to us.",
    ),
    "containment": (
        "We stopped it to keep your money safe",
        "Somebody may have got in. A person will look at it.",
    ),
}


@route(blueprint, "GET", "/wallet", Policy(permission=WALLET_OWN_READ))
def wallet() -> Response:
    """Show what can be spent now, the last five entries, and who can get in."""
    parts, ctx = system(), context()
    with parts.db.read() as session:
        main = main_wallet(session)
        last = activity.list(session, ctx.actor, main.id, limit=LAST, keys=parts.subject_keys)
        refused = transfers.list_own(
            session, ctx.actor, limit=1, filters=transfers.TransferFilter(state=TransferState.REFUSED)
        )
        person = accounts.get(session, ctx.actor.own_id)
        name = accounts.name_of(session, ctx.actor.own_id, parts=parts.identity)
        handle = handles.of(session, ctx.actor.own_id)
        restraint = wallets.restraint_on(session, ctx.actor)
        has_factor = bool(mfa.factors_of(session, ctx.actor.own_id))
    return pages.render(
        "wallet.html",
        wallet=main,
        last=last.data,
        refused=refused.data[0] if refused.data else None,
        signed_in_at=person.last_login_at,
        words=WORDS,
        restraints=RESTRAINTS,
        name=name,
        handle=handle,
        restraint=restraint,
        has_factor=has_factor,
    )


@route(blueprint, "GET", "/top-up", Policy(permission=WALLET_TOPUP_CREATE))
def top_up() -> Response:
    """Show the reference a bank transfer needs, and what arrived so far."""
    ctx = context()
    with system().db.read() as session:
        main = main_wallet(session)
        arrived = topups.list_own(session, ctx.actor, limit=LAST)
    return pages.render(
        "top_up.html", wallet=main, reference=topups.reference_of(ctx.actor.own_id), arrived=arrived.data
    )


@route(blueprint, "GET", "/activity", Policy(permission=WALLET_OWN_READ))
def activities() -> Response:
    """List what happened, grouped by day, the newest first; a part of the page alone where a script asks for it.

    What was refused stands among the entries by its time, so a page shows the refusals since its oldest entry.
    """
    parts, ctx = system(), context()
    after = numbers.whole(request.args.get("after"))
    with parts.db.read() as session:
        main = main_wallet(session)
        page = activity.list(
            session,
            ctx.actor,
            main.id,
            after=after,
            limit=PAGE,
            keys=parts.subject_keys,
        )
        refused = transfers.list_own(
            session,
            ctx.actor,
            limit=PAGE,
            filters=transfers.TransferFilter(
                state=TransferState.REFUSED,
                created_from=page.data[-1].at if page.next else None,
                created_to=_time_of(session, main, after),
            ),
            keys=parts.subject_keys,
        )
    template = "parts/ledger.html" if request.headers.get("HX-Request") else "activity.html"
    own = [one for one in refused.data if one.source == main.id]
    items: list[Activity | Transfer] = [*page.data, *own]
    items.sort(key=lambda item: item.at, reverse=True)
    return pages.render(
        template,
        days=_days(items),
        next=page.next,
        words=WORDS,
        has_any=bool(items),
        has_more_refused=refused.next is not None,
    )


def main_wallet(session: Session) -> Wallet:
    """Return the first wallet of who asks."""
    found = wallets.of(session, g.actor)
    if not found:
        raise NotFound("You have no wallet yet.")
    return found[0]


def _time_of(session: Session, main: Wallet, version: int | None) -> datetime | None:
    """Return when the entry was booked that a page continues after: the one before it shows the refusals until then."""
    if version is None:
        return None
    found = activity.list(session, g.actor, main.id, after=version + 1, limit=1).data
    return found[0].at if found and found[0].version == version else None


def _days(entries: Sequence[Activity | Transfer]) -> list[tuple[str, str, list[Activity | Transfer]]]:
    return [
        (name, short, list(group))
        for (name, short), group in groupby(
            entries,
            key=lambda e: (formats.day_name(e.at, g.at, ZONE), formats.day_beside(e.at, g.at, ZONE)),
        )
    ]
