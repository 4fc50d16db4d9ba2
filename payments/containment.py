"""Containment of money: keeping it from leaving a person's wallets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.clock import parse_rfc3339
from app.kernel.containment import BadParameter, ContainmentRefused, Radius, Standing
from app.kernel.context import Context
from app.kernel.errors import NotFound
from payments import restraints, wallets

REASON: Final = "containment"


class HoldOutgoing:
    """Keeps `Containment` for `wallet.hold_outgoing`: a person's wallets receive and do not pay until it is undone."""

    name = restraints.HOLD_OUTGOING

    def preview(self, session: Session, params: Mapping[str, str], ctx: Context) -> Radius:
        owner = _account(params)
        amounts = wallets.total_available(session, owner)
        kept = ", ".join(str(amount) for amount in amounts) or "nothing yet"
        counted = "1 wallet" if len(amounts) == 1 else f"{len(amounts)} wallets"
        lines: tuple[str, ...] = (
            f"Holds what {owner} sends from {counted}. Kept in: {kept}.",
            "Money still arrives. The person sees that payments are on hold and why, by class.",
        )
        if restraints.standing(session, owner, reason=restraints.REPORTED) is not None:
            lines = (*lines, "Their own report holds it already; releasing this hold ends that one, too.")
        return Radius(counts={"people": 1, "wallets": len(amounts)}, lines=lines)

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

    def freed(self, session: Session, ref: str) -> str | None:
        """Return whose money may leave again now that this hold has ended; None while it or another one stands."""
        found = restraints.by_id(session, ref)
        if found is None or restraints.standing(session, found.target) is not None:
            return None
        return found.target

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
        return ctx.at + restraints.STANDS
    try:
        until = parse_rfc3339(text)
    except ValueError as error:
        raise BadParameter("The parameter until is not an instant.", param="until") from error
    if until <= ctx.at:
        raise BadParameter("The parameter until lies in the past.", param="until")
    return until
