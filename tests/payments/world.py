"""People with wallets on a still clock, and what they do: what the payment tests act through."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import (
    OPS_RECONCILE_IMPORT,
    PAYMENT_TRANSFER_CREATE,
    PAYMENT_TRANSFER_READ,
    WALLET_OWN_OPEN,
    WALLET_OWN_READ,
    Actor,
    ActorKind,
)
from app.kernel.context import Context
from ingest.models import outbox
from payments import topups, transfers, wallets
from payments.money import EUR, Money
from payments.topups import BankLine
from payments.transfers import Transfer, TransferOrder
from payments.verification import verify
from tests.support.ground import Ground, make_ground, somebody

CUSTOMER = (PAYMENT_TRANSFER_CREATE, PAYMENT_TRANSFER_READ, WALLET_OWN_OPEN, WALLET_OWN_READ)
ANNA = somebody(ActorKind.CUSTOMER, "acc_anna", *CUSTOMER)
BANK = somebody(ActorKind.SERVICE, "svc_bank", OPS_RECONCILE_IMPORT)


def eur(minor: int) -> Money:
    """Return cents as money."""
    return Money(minor, EUR)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody with a handle and a wallet."""

    actor: Actor
    handle: str
    wallet: str

    @property
    def id(self) -> str:
        return self.actor.own_id


@dataclass(kw_only=True)
class World:
    """One system's money, and the acts of people in it."""

    ground: Ground
    lines: int = 0

    @property
    def db(self) -> Any:
        return self.ground.db

    def ctx(self, actor: Actor) -> Context:
        return self.ground.ctx(actor)

    def customer(self, handle: str, *, balance: int = 0) -> Person:
        """Sign somebody up, and let the bank bring them their balance."""
        actor = somebody(ActorKind.CUSTOMER, f"acc_{handle}", *CUSTOMER)
        with self.db.begin() as session:
            wallet = wallets.open(session, actor.own_id, handle, self.ctx(actor))
        person = Person(actor=actor, handle=handle, wallet=wallet.id)
        if balance:
            self.top_up(person, balance)
        return person

    def top_up(self, person: Person, minor: int, *, line: str | None = None) -> topups.TopUp:
        self.lines += 1
        told = BankLine(
            identity=line or f"line-{self.lines}",
            amount=eur(minor),
            text=f"thanks {topups.reference_of(person.id)}",
        )
        with self.db.begin(posting=True) as session:
            return topups.bank_line(session, told, self.ctx(BANK))

    def pay(
        self,
        by: Person,
        to: Person | str,
        minor: int,
        *,
        source: str | None = None,
        note: str = "",
        reference: str | None = None,
    ) -> Transfer:
        """Send money in a transaction of its own, as an edge does."""
        with self.db.begin(posting=True) as session:
            return self.pay_in(session, by, to, minor, source=source, note=note, reference=reference)

    def pay_in(
        self,
        session: Session,
        by: Person,
        to: Person | str,
        minor: int,
        *,
        source: str | None = None,
        note: str = "",
        reference: str | None = None,
    ) -> Transfer:
        """Send money in a transaction that others share."""
        order = TransferOrder(
            source=source or by.wallet,
            payee=to if isinstance(to, str) else to.handle,
            amount=eur(minor),
            note=note,
            reference=reference,
        )
        return transfers.execute(session, order, self.ctx(by.actor), keys=self.ground.subject_keys)

    def balance(self, person: Person) -> int:
        with self.db.read() as session:
            return wallets.owned_by(session, person.actor, person.wallet).posted.minor

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the bodies of one kind that wait for the log, oldest first."""
        with self.db.read() as session:
            query = sa.select(outbox.c.body).where(outbox.c.kind == kind).order_by(outbox.c.n)
            return [json.loads(body) for body in session.execute(query).scalars()]

    def differences(self) -> list[verify.Difference]:
        """Return what the verifier finds."""
        with self.db.read() as session:
            return list(verify.verify(session, keys=self.ground.subject_keys).differences)

    def close(self) -> None:
        self.ground.close()


def make_world(folder: Path, url: str | None = None) -> World:
    return World(ground=make_ground(folder, url))
