"""Moving money between two wallets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import PAYMENT_TRANSFER_CREATE, PAYMENT_TRANSFER_READ, Actor
from app.kernel.clock import micros
from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid, NotFound, Refused
from ingest.events.transaction import TransferRefused as RefusedEvent
from ingest.events.transaction import TransferSettled
from ingest.log import outbox
from payments import ledger, notes, postings, signed_text, wallets
from payments.ledger import Beside, Code, Operation, Outcome, Refusal
from payments.models import book
from payments.models import transfer as table
from payments.money import AMOUNT_MINOR_MAX, REPORTING, AmountInvalid, Currency, Money
from payments.paging import Page, bounded
from payments.signed_text import SignedText, TextKeys, TextReader


class TransferState(StrEnum):
    """What became of an order."""

    SETTLED = "settled"
    REFUSED = "refused"


class Reason(StrEnum):
    """Why an order was refused, as its payer may know it."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    WALLET_RESTRICTED = "wallet_restricted"
    RECIPIENT_CANNOT_RECEIVE = "recipient_cannot_receive"


SENTENCES: Final = {
    Reason.INSUFFICIENT_FUNDS: "There is not enough money in this wallet; nothing moved.",
    Reason.WALLET_RESTRICTED: "Payments from this wallet are on hold; nothing moved.",
    Reason.RECIPIENT_CANNOT_RECEIVE: "The recipient cannot receive this; nothing moved.",
}


class SameWallet(Invalid):
    """A wallet cannot send money to itself."""

    code = "same_wallet"


class CurrencyMismatch(Invalid):
    """The wallet holds another currency."""

    code = "currency_mismatch"


class ReferenceUsed(Conflict):
    """An order with this reference exists already; it names the first one."""

    code = "reference_used"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOrder:
    """What a customer asks for; `payee` is a handle, `reference` the caller's own number, unique for ever.

    `salt` is that of the text the payer was shown; an order that was not shown before gets one of its own.
    """

    source: str
    payee: str
    amount: Money
    note: str = ""
    reference: str | None = None
    salt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """An order that was answered, as one person may see it.

    The signed text is its payer's, as is the reference in it; of the text the payee gets the note alone.
    """

    id: str
    owner_id: str
    source: str
    target: str
    payee: str
    amount: Money
    fee: Money
    state: TransferState
    reason: Reason | None
    version: int
    reference: str | None
    note: str | None
    signed: SignedText | None
    signed_hash: bytes
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferPreview:
    """What an order would do now: the text to sign, what is paid, what arrives, and why it would be refused."""

    signed: SignedText
    payee: str
    amount: Money
    fee: Money
    total: Money
    arrives: Money
    available: Money
    left: Money
    refused: Reason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFilter:
    """Which of one's own orders to list; bounds of time are from, included, to, excluded."""

    state: TransferState | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    reference: str | None = None


class TransferRefused(Refused):
    """The order was refused; nothing moved. `trace` writes the refused order and its event."""

    def __init__(self, order: _Ready, reason: Reason) -> None:
        super().__init__(SENTENCES[reason], object_id=order.id)
        self.code = reason.value
        self.reason = reason
        self._order = order

    def trace(self, session: Session, ctx: Context) -> None:
        """Leave the trace of the refusal: the edge calls it in a transaction of its own, and keeps its 402 there."""
        order = self._order
        row = _row(order, ctx, state=TransferState.REFUSED, reason=self.reason)
        session.execute(sa.insert(table).values({**row, "at": ctx.at}))
        outbox.record(session, RefusedEvent(**_told(order, TransferState.REFUSED), reason=self.reason.value), ctx)


def execute(session: Session, order: TransferOrder, ctx: Context, *, keys: TextKeys) -> Transfer:
    """Move the money, or raise and move nothing.

    Raises `TransferRefused` (traced), `ReferenceUsed`, `wallets.PayeeUnknown`, `NotFound` for a wallet of another, and
    `Invalid` for an order that cannot be.
    """
    ctx.actor.require(PAYMENT_TRANSFER_CREATE)
    ready = _ready(session, order, ctx, keys)
    operation = _operation(ready, ctx)
    # What judges an order (limits, verdict, proof) comes here, before the first lock of the ledger.
    row = _row(ready, ctx, state=TransferState.SETTLED, reason=None)
    beside = Beside(operation_id=operation.id, table=table, row=row)
    (outcome,) = ledger.post(session, [operation], ctx, also=[beside])
    _raise_if_refused(outcome.refused, ready)
    return _settled(ready, outcome, ctx)


def preview(session: Session, order: TransferOrder, ctx: Context) -> TransferPreview:
    """Say what the order would do now, by the same fold on rows that are not locked; nothing is written."""
    ctx.actor.require(PAYMENT_TRANSFER_CREATE)
    ready = _ready(session, order, ctx, None)
    (outcome,) = ledger.preview(session, [_operation(ready, ctx)], ctx)
    reason = None if outcome.refused is None else _reason(outcome.refused, ready)
    source = wallets.owned_by(session, ctx.actor, order.source)
    return TransferPreview(
        signed=ready.signed,
        payee=ready.payee.handle,
        amount=order.amount,
        fee=ready.signed.fee,
        total=order.amount,
        arrives=order.amount,
        available=source.available,
        left=source.available if reason else source.available - order.amount,
        refused=reason,
    )


def by_id(session: Session, actor: Actor, id: str, *, keys: TextKeys | None = None) -> Transfer:
    """Return an order one made, or money that came to one's own wallet; another's is `NotFound`."""
    actor.require(PAYMENT_TRANSFER_READ)
    own_books = sa.select(book.c.id).where(book.c.owner_id == actor.own_id)
    received = (table.c.state == TransferState.SETTLED.value) & table.c.target.in_(own_books)
    row = session.execute(
        sa.select(table).where(table.c.id == id, (table.c.owner_id == actor.own_id) | received)
    ).one_or_none()
    if row is None:
        raise NotFound
    found = _transfer(row, signed_text.reader({row.owner_id}, keys))
    # The reference is the payer's own word for the payment, and the salt keeps others from trying out their texts.
    return found if row.owner_id == actor.own_id else replace(found, reference=None, signed=None)


def list_own(
    session: Session,
    actor: Actor,
    *,
    limit: int = 50,
    after: str | None = None,
    filters: TransferFilter | None = None,
    keys: TextKeys | None = None,
) -> Page[Transfer, str]:
    """Return the orders one made, newest first, after the one with this id."""
    actor.require(PAYMENT_TRANSFER_READ)
    wanted = filters or TransferFilter()
    query = sa.select(table).where(table.c.owner_id == actor.own_id)
    if after is not None:
        query = query.where(table.c.id < after)
    if wanted.state is not None:
        query = query.where(table.c.state == wanted.state.value)
    if wanted.created_from is not None:
        query = query.where(table.c.at >= wanted.created_from)
    if wanted.created_to is not None:
        query = query.where(table.c.at < wanted.created_to)
    if wanted.reference is not None:
        query = query.where(table.c.reference == wanted.reference)
    rows = session.execute(query.order_by(table.c.id.desc()).limit(bounded(limit) + 1)).all()
    reader = signed_text.reader({actor.own_id}, keys)
    found = tuple(_transfer(row, reader) for row in rows[:limit])
    return Page(data=found, next=found[-1].id if len(rows) > limit else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """An order that was read and checked, with all it needs to be posted or refused."""

    id: str
    owner: str
    order: TransferOrder
    payee: wallets.Payee
    signed: SignedText
    sealed: bytes | None


def _ready(session: Session, order: TransferOrder, ctx: Context, keys: TextKeys | None) -> _Ready:
    if not 0 < order.amount.minor <= AMOUNT_MINOR_MAX:
        raise AmountInvalid(param="amount")
    note = notes.check(order.note)
    notes.check_reference(order.reference)
    source = wallets.owned_by(session, ctx.actor, order.source)
    if source.currency != order.amount.currency:
        raise CurrencyMismatch(param="amount.currency")
    payee = wallets.by_handle(session, order.payee, currency=source.currency)
    if payee.wallet_id == source.id:
        raise SameWallet(param="payee")
    id = ctx.new_id("trf")
    signed = SignedText(
        payee=payee.handle,
        amount=order.amount,
        fee=Money(0, source.currency),
        note=note or None,
        reference=order.reference,
        salt=order.salt or signed_text.fresh_salt(),
    )
    sealed = None if keys is None else signed_text.seal(signed, source.owner_id, id, keys)
    return _Ready(id=id, owner=source.owner_id, order=order, payee=payee, signed=signed, sealed=sealed)


def _operation(ready: _Ready, ctx: Context) -> Operation:
    return postings.transfer(
        id=ready.id,
        owner=ready.owner,
        source=ready.order.source,
        target=ready.payee.wallet_id,
        amount=ready.order.amount,
        reference=ready.order.reference,
        event=TransferSettled(**_told(ready, TransferState.SETTLED)),
        ctx=ctx,
    )


def _told(ready: _Ready, state: TransferState) -> dict[str, Any]:
    """Return what both events say of the order."""
    amount = ready.order.amount
    return {
        "about": (ready.owner, ready.payee.owner_id),
        "transfer": ready.id,
        "wallet": ready.order.source,
        "payee": ready.payee.wallet_id,
        "amount": amount.minor,
        "amount_ref": amount.minor if amount.currency == REPORTING else None,
        "currency": amount.currency,
        "fee": ready.signed.fee.minor,
        "type": postings.TRANSFER,
        "status": state.value,
        "version": 1,
        "signed_hash": ready.signed.digest().hex(),
        "memo": ready.signed.note,
    }


def _row(ready: _Ready, ctx: Context, *, state: TransferState, reason: Reason | None) -> dict[str, Any]:
    """Return the order as its table holds it."""
    return {
        "id": ready.id,
        "owner_id": ready.owner,
        "source": ready.order.source,
        "target": ready.payee.wallet_id,
        "payee": ready.payee.handle,
        "amount": ready.order.amount.minor,
        "currency": ready.order.amount.currency,
        "fee": ready.signed.fee.minor,
        "state": state.value,
        "reason": None if reason is None else reason.value,
        "version": 1,
        "reference": ready.order.reference,
        "signed_ct": ready.sealed,
        "signed_hash": ready.signed.digest(),
        "at": micros(ctx.at),
    }


def _raise_if_refused(refusal: Refusal | None, ready: _Ready) -> None:
    if refusal is not None:
        raise TransferRefused(ready, _reason(refusal, ready))


def _reason(refusal: Refusal, ready: _Ready) -> Reason:
    """Return what the payer may know of a refusal; raises where the order itself cannot be."""
    if refusal.code is Code.REFERENCE_USED:
        raise ReferenceUsed(param="reference", object_id=refusal.object_id)
    if refusal.book == ready.payee.wallet_id:
        return Reason.RECIPIENT_CANNOT_RECEIVE
    if refusal.code is Code.INSUFFICIENT_FUNDS:
        return Reason.INSUFFICIENT_FUNDS
    assert refusal.code in (Code.BOOK_FROZEN, Code.BOOK_CLOSED), f"a transfer is not refused with {refusal.code}"
    return Reason.WALLET_RESTRICTED


def _settled(ready: _Ready, outcome: Outcome, ctx: Context) -> Transfer:
    return Transfer(
        id=ready.id,
        owner_id=ready.owner,
        source=ready.order.source,
        target=ready.payee.wallet_id,
        payee=ready.payee.handle,
        amount=ready.order.amount,
        fee=ready.signed.fee,
        state=TransferState.SETTLED,
        reason=None,
        version=1,
        reference=ready.order.reference,
        note=ready.signed.note,
        signed=ready.signed,
        signed_hash=ready.signed.digest(),
        at=ctx.at,
    )


def _transfer(row: Any, reader: TextReader | None) -> Transfer:  # a row of the table
    currency = Currency(row.currency)
    signed = signed_text.opened(row.signed_ct, row.owner_id, row.id, reader)
    return Transfer(
        id=row.id,
        owner_id=row.owner_id,
        source=row.source,
        target=row.target,
        payee=row.payee,
        amount=Money(row.amount, currency),
        fee=Money(row.fee, currency),
        state=TransferState(row.state),
        reason=None if row.reason is None else Reason(row.reason),
        version=row.version,
        reference=row.reference,
        note=signed.note if signed else None,
        signed=signed,
        signed_hash=row.signed_hash,
        at=row.at,
    )
