"""Adding money: what the bank tells us, matched to its owner by a reference, each line once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import OPS_RECONCILE_IMPORT, WALLET_OWN_READ, Actor
from app.kernel.clock import micros
from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid, NotFound
from ingest.events.transaction import TopUpSettled
from payments import bank_reference, books, ledger, postings
from payments.books import HouseBook
from payments.ledger import Beside, Code
from payments.models import bank_reference as reference_table
from payments.models import book
from payments.models import topup as table
from payments.money import AMOUNT_MINOR_MAX, REPORTING, AmountInvalid, Currency, Money
from payments.paging import Page, bounded

LINE_CHARS_MAX: Final = 140


class BankReferenceUnknown(NotFound):
    """No reference of ours stands in this bank line, or its owner has no wallet in this currency."""

    code = "bank_reference_unknown"


class BankLineInvalid(Invalid):
    """A bank line has an identity of its own of 1 to 140 characters."""

    code = "bank_line_invalid"


class BankLineChanged(Conflict):
    """This bank line came before with another amount."""

    code = "bank_line_changed"


class WalletCannotReceive(Conflict):
    """The wallet of this reference cannot receive."""

    code = "recipient_cannot_receive"


@dataclass(frozen=True, slots=True, kw_only=True)
class BankLine:
    """What the bank says arrived: `identity` is the line's own and the same whenever it is told again."""

    identity: str
    amount: Money
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """Money from outside that was credited."""

    id: str
    owner_id: str
    wallet_id: str
    amount: Money
    state: str
    at: datetime


def reference_of(owner: str) -> str:
    """Return the text an owner writes on a bank transfer, in groups of four; it never changes."""
    return bank_reference.shown(bank_reference.of(owner))


def bank_line(session: Session, line: BankLine, ctx: Context) -> TopUp:
    """Credit what a bank line brought to the wallet its reference names; a line told again changes nothing.

    Raises `BankReferenceUnknown`, `BankLineChanged` or `WalletCannotReceive`; then nothing moved.
    """
    ctx.actor.require(OPS_RECONCILE_IMPORT)
    if not 0 < len(line.identity) <= LINE_CHARS_MAX:
        raise BankLineInvalid(param="identity")
    if not 0 < line.amount.minor <= AMOUNT_MINOR_MAX:
        raise AmountInvalid(param="amount")
    before = session.execute(sa.select(table).where(table.c.line == line.identity)).one_or_none()
    if before is not None:
        return _again(_topup(before), line)
    owner, wallet = _matched(session, line)
    id, amount = ctx.new_id("top"), line.amount
    clearing = books.house(session, HouseBook.BANK_CLEARING, amount.currency, ctx)
    told = TopUpSettled(
        about=(owner,),
        topup=id,
        wallet=wallet,
        amount=amount.minor,
        amount_ref=amount.minor if amount.currency == REPORTING else None,
        currency=amount.currency,
        type=postings.TOPUP,
        status="settled",
        version=1,
    )
    operation = postings.topup(
        id=id, owner=owner, clearing=clearing, wallet=wallet, amount=amount, line=line.identity, event=told, ctx=ctx
    )
    row = {
        "id": id,
        "owner_id": owner,
        "book_id": wallet,
        "line": line.identity,
        "amount": amount.minor,
        "currency": amount.currency,
        "state": "settled",
        "version": 1,
        "at": micros(ctx.at),
    }
    (outcome,) = ledger.post(session, [operation], ctx, also=[Beside(operation_id=operation.id, table=table, row=row)])
    if outcome.refused is not None:
        return _refused(session, outcome.refused.code, line)
    return TopUp(id=id, owner_id=owner, wallet_id=wallet, amount=amount, state="settled", at=ctx.at)


def list_own(session: Session, actor: Actor, *, limit: int = 50, after: str | None = None) -> Page[TopUp, str]:
    """Return what arrived for the actor, newest first, after the one with this id."""
    actor.require(WALLET_OWN_READ)
    query = sa.select(table).where(table.c.owner_id == actor.own_id)
    if after is not None:
        query = query.where(table.c.id < after)
    rows = session.execute(query.order_by(table.c.id.desc()).limit(bounded(limit) + 1)).all()
    found = tuple(_topup(row) for row in rows[:limit])
    return Page(data=found, next=found[-1].id if len(rows) > limit else None)


def _matched(session: Session, line: BankLine) -> tuple[str, str]:
    reference = bank_reference.find(line.text)
    row = session.execute(
        sa.select(book.c.owner_id, book.c.id)
        .join(reference_table, reference_table.c.owner_id == book.c.owner_id)
        .where(
            reference_table.c.reference == reference,
            book.c.kind == books.WALLET,
            book.c.currency == line.amount.currency,
            book.c.closed_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        raise BankReferenceUnknown
    return row.owner_id, row.id


def _refused(session: Session, code: Code, line: BankLine) -> TopUp:
    if code is Code.REFERENCE_USED:
        # The same line was told twice at once, and the other was first.
        return _again(_topup(session.execute(sa.select(table).where(table.c.line == line.identity)).one()), line)
    raise WalletCannotReceive


def _again(known: TopUp, line: BankLine) -> TopUp:
    if known.amount != line.amount:
        raise BankLineChanged(object_id=known.id)
    return known


def _topup(row: Any) -> TopUp:  # a row of the table
    amount = Money(row.amount, Currency(row.currency))
    return TopUp(id=row.id, owner_id=row.owner_id, wallet_id=row.book_id, amount=amount, state=row.state, at=row.at)
