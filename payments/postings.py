"""Postings: what each kind of order asks of the ledger, one function a kind."""

from __future__ import annotations

from app.kernel.context import Context
from ingest.events.transaction import TopUpSettled, TransferSettled
from payments.ledger import Leg, Operation
from payments.money import Money

TRANSFER = "transfer"
TOPUP = "topup"


def transfer(
    *,
    id: str,
    owner: str,
    source: str,
    target: str,
    amount: Money,
    reference: str | None,
    event: TransferSettled,
    ctx: Context,
) -> Operation:
    """Wallet to wallet."""
    return Operation(
        id=ctx.new_id("ltx"),
        event_id=ctx.new_id("evt"),
        kind=TRANSFER,
        object_id=id,
        owner_id=owner,
        legs=(Leg(source, -amount.minor), Leg(target, amount.minor)),
        reference=reference,
        event=event,
    )


def topup(
    *, id: str, owner: str, clearing: str, wallet: str, amount: Money, line: str, event: TopUpSettled, ctx: Context
) -> Operation:
    """Money that arrived at the bank, into the wallet it was meant for."""
    return Operation(
        id=ctx.new_id("ltx"),
        event_id=ctx.new_id("evt"),
        kind=TOPUP,
        object_id=id,
        owner_id=owner,
        legs=(Leg(clearing, -amount.minor), Leg(wallet, amount.minor)),
        reference=line,
        event=event,
    )
