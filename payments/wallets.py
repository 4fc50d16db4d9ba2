"""Wallets: one currency of one owner, opened with a handle, found by it, and kept from paying when they must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import WALLET_OWN_OPEN, WALLET_OWN_READ, Actor, ActorKind
from app.kernel.context import Context
from app.kernel.db import insert_once
from app.kernel.errors import Conflict, Invalid, NotFound
from ingest.events.transaction import WalletFrozen, WalletOpened, WalletUnfrozen
from ingest.log import outbox
from payments import bank_reference, books, handles, restraints
from payments.ledger.model import BookState
from payments.models import balance, book, handle
from payments.models import bank_reference as bank_reference_table
from payments.money import EUR, Currency, Money

WALLETS_MAX: Final = 5


class WalletExists(Conflict):
    """You have a wallet in this currency already."""

    code = "wallet_exists"


class TooManyWallets(Conflict):
    """You cannot open another wallet."""

    code = "too_many_wallets"


class HandleNeeded(Invalid):
    """Please choose a handle for your first wallet."""

    code = "handle_needed"


class PayeeUnknown(NotFound):
    """We know nobody by this name who can receive this."""

    code = "payee_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """A wallet as it stands: `posted` is all money in it, `available` what may leave it now."""

    id: str
    owner_id: str
    currency: Currency
    state: BookState
    posted: Money
    held: Money
    available: Money
    version: int
    opened_at: datetime

    @property
    def is_restricted(self) -> bool:
        """Tell whether nothing may leave it."""
        return self.state is not BookState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Payee:
    """Who can be paid: the name that was looked up and the wallet it leads to."""

    handle: str
    owner_id: str
    wallet_id: str
    currency: Currency


def open(session: Session, owner: str, name: str | None, ctx: Context, *, currency: Currency = EUR) -> Wallet:
    """Open a wallet; the first one claims the handle, for the others it is left out.

    Raises `HandleNeeded`, `handles.HandleInvalid`, `handles.HandleTaken`, `WalletExists` or `TooManyWallets`. Customers
    open their own; services open for others. The wallet of somebody whose money is held opens held.
    """
    ctx.actor.require(WALLET_OWN_OPEN)
    if ctx.actor.kind is not ActorKind.SERVICE and ctx.actor.own_id != owner:
        raise NotFound
    books.lock_owner(session, owner)
    known = handles.of(session, owner)
    if known is None:
        if name is None:
            raise HandleNeeded(param="handle")
        handles.claim(session, owner, name, ctx)
    elif name not in (None, known):
        raise handles.HandleTaken("You have a handle already.", param="handle")
    if len(_of_owner(session, owner)) >= WALLETS_MAX:
        raise TooManyWallets
    held = restraints.standing(session, owner)
    id = ctx.new_id("wal")
    state = BookState.OPEN if held is None else BookState.DEBIT_FROZEN
    if not books.insert(
        session,
        id=id,
        kind=books.WALLET,
        owner=owner,
        currency=currency,
        floor=books.FLOOR_OF_WALLETS,
        state=state,
        ctx=ctx,
    ):
        raise WalletExists(param="currency")
    insert_once(session, bank_reference_table, {"reference": bank_reference.of(owner), "owner_id": owner})
    outbox.record(session, WalletOpened(about=(owner,), wallet=id, currency=currency, version=1), ctx)
    if held is not None:
        told = WalletFrozen(
            about=(owner,), wallet=id, reason=held.reason, until=held.until, restraint=held.id, version=1
        )
        outbox.record(session, told, ctx)
    return _by_id(session, id)


def of(session: Session, actor: Actor) -> list[Wallet]:
    """Return the actor's wallets, oldest first."""
    actor.require(WALLET_OWN_READ)
    return _of_owner(session, actor.own_id)


def owned_by(session: Session, actor: Actor, id: str) -> Wallet:
    """Return one of the actor's wallets; another's is `NotFound`."""
    row = session.execute(_SELECT.where(book.c.id == id, book.c.owner_id == actor.own_id)).one_or_none()
    if row is None:
        raise NotFound
    return _wallet(row)


def by_handle(session: Session, text: str, *, currency: Currency = EUR) -> Payee:
    """Return who can be paid under a handle; unknown, closed or without such a wallet look alike (`PayeeUnknown`)."""
    name = handles.read(text)
    row = session.execute(
        sa.select(handle.c.name, handle.c.owner_id, book.c.id)
        .join(book, book.c.owner_id == handle.c.owner_id)
        .where(
            handle.c.name == name,
            handle.c.released_at.is_(None),
            book.c.kind == books.WALLET,
            book.c.currency == currency,
            book.c.closed_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        raise PayeeUnknown(param="payee")
    return Payee(handle=row.name, owner_id=row.owner_id, wallet_id=row.id, currency=currency)


def restraint_on(session: Session, actor: Actor) -> restraints.Restraint | None:
    """Return what keeps the actor's own money in, so that a page can say the reason class and what to do."""
    actor.require(WALLET_OWN_READ)
    return restraints.standing(session, actor.own_id)


def hold_outgoing(session: Session, owner: str, until: datetime, reason: str, ctx: Context, *, key: str) -> str:
    """Keep money from leaving all wallets of a person, and return the restraint; a repeated key changes nothing.

    Money still arrives. The restraint outlasts `until`: ending it is a decision, made by `release_outgoing`.
    """
    books.lock_owner(session, owner)
    before = restraints.by_key(session, key)
    if before is not None:
        return before.id
    id = restraints.place(session, target=owner, until=until, reason=reason, key=key, ctx=ctx)
    ids = _ids(session, owner)
    moved = books.move(session, ids, source=BookState.OPEN, target=BookState.DEBIT_FROZEN)
    told = [WalletFrozen(about=(owner,), wallet=wallet, reason=reason, until=until, restraint=id) for wallet in moved]
    outbox.record_many(session, told, ctx)
    return id


def hold_reported(session: Session, owner: str, ctx: Context) -> str:
    """Keep money in by its owner's own report; whoever releases a hold of an incident releases this one, too."""
    key = f"{restraints.REPORTED}|{owner}|{ctx.request_id}"
    return hold_outgoing(session, owner, ctx.at + restraints.STANDS, restraints.REPORTED, ctx, key=key)


def release_outgoing(session: Session, restraint_id: str, ctx: Context, *, key: str) -> None:
    """End a restraint and what the owner's own reports hold; the wallets pay again once no other stands.

    A second release changes nothing.
    """
    found = restraints.by_id(session, restraint_id)
    if found is None:
        raise NotFound
    books.lock_owner(session, found.target)
    if (
        not restraints.release(session, restraint_id, key, ctx)
        or restraints.standing(session, found.target) is not None
    ):
        return
    ids = _ids(session, found.target)
    moved = books.move(session, ids, source=BookState.DEBIT_FROZEN, target=BookState.OPEN)
    about = (found.target,)
    told = [WalletUnfrozen(about=about, wallet=wallet, reason="released", restraint=found.id) for wallet in moved]
    outbox.record_many(session, told, ctx)


def total_available(session: Session, owner: str) -> Sequence[Money]:
    """Return what a person could pay, by wallet: what a preview of containment shows."""
    return [wallet.available for wallet in _of_owner(session, owner)]


_SELECT: Final = (
    sa.select(
        book.c.id,
        book.c.owner_id,
        book.c.currency,
        book.c.opened_at,
        balance.c.state,
        balance.c.posted,
        balance.c.held,
        balance.c.floor,
        balance.c.version,
    )
    .join_from(book, balance, balance.c.book_id == book.c.id)
    .where(book.c.kind == books.WALLET)
)


def _of_owner(session: Session, owner: str) -> list[Wallet]:
    query = _SELECT.where(book.c.owner_id == owner, book.c.closed_at.is_(None)).order_by(book.c.id)
    return [_wallet(row) for row in session.execute(query)]


def _ids(session: Session, owner: str) -> list[str]:
    return [wallet.id for wallet in _of_owner(session, owner)]


def _by_id(session: Session, id: str) -> Wallet:
    return _wallet(session.execute(_SELECT.where(book.c.id == id)).one())


def _wallet(row: Any) -> Wallet:  # a row of `_SELECT`
    currency = Currency(row.currency)
    return Wallet(
        id=row.id,
        owner_id=row.owner_id,
        currency=currency,
        state=BookState(row.state),
        posted=Money(row.posted, currency),
        held=Money(row.held, currency),
        available=Money(max(0, row.posted - row.held - (row.floor or 0)), currency),
        version=row.version,
        opened_at=row.opened_at,
    )
