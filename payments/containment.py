"""Containment of money: keeping it from leaving a person's wallets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.clock import parse_rfc3339
from app.kernel.containment import BadParameter, ContainmentRefused, Radius, Standing
from app.kernel.context import Context
from app.kernel.errors import NotFound
from payments import restraints, wallets

STANDS: Final = timedelta(hours=24)
REASON: Final = "containment"


class HoldOutgoing:
    """Keeps `Containment` for `wallet.hold_outgoing`: a person's wallets receive and do not pay until it is undone."""

    name = restraints.HOLD_OUTGOING

    def preview(self, session: Session, params: Mapping[str, str], ctx: Context) -> Radius:
        owner = _account(params)
        amounts = wallets.total_available(session, owner)
        kept = ", ".join(str(amount) for amount in amounts) or "nothing yet"
        return Radius(
            counts={"people": 1, "wallets": len(amounts)},
            lines=(
                f"Holds what {owner} sends from {len(amounts)} wallets. Kept in: {kept}.",
                "Money still arrives. The person sees that payments are on hold and why, by class.",
            ),
        )

    def run(self, session: Session, params: Mapping[str, str], key: str, ctx: Context) -> str:
        """Hold, once by key; parameters: `account`, by choice `until` (RFC 3339) and `reason` (a class, no text)."""
        owner = _account(params)
        reason = params.get("reason", REASON)
        return wallets.hold_outgoing(session, owner, _until(params, ctx), reason, ctx, key=key)

    def undo(self, session: Session, ref: str, key: str, ctx: Context) -> None:
        """Let the wallets pay again, unless another restraint of the person stands."""
        try:
            wallets.release_outgoing(session, ref, ctx, key=key)
        except NotFound as error:
            raise ContainmentRefused("There is no such hold of outgoing money.") from error

    def check(self, session: Session, key: str) -> Standing:
        found = restraints.by_key(session, key)
        if found is None:
            return Standing.UNKNOWN
        return Standing.DONE if found.released_at is None else Standing.UNDONE


def _account(params: Mapping[str, str]) -> str:
    owner = params.get("account")
    if not owner:
        raise BadParameter("The parameter account is missing.", param="account")
    return owner


def _until(params: Mapping[str, str], ctx: Context) -> datetime:
    text = params.get("until")
    if text is None:
        return ctx.at + STANDS
    try:
        until = parse_rfc3339(text)
    except ValueError as error:
        raise BadParameter("The parameter until is not an instant.", param="until") from error
    if until <= ctx.at:
        raise BadParameter("The parameter until lies in the past.", param="until")
    return until
