"""A ledger alone: books opened by hand, operations made from short words, tables dumped for comparison."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.kernel.access import ActorKind
from app.kernel.context import Context
from app.kernel.db import UtcDateTime
from ingest.events.transaction import HoldPlaced, TransferSettled
from ingest.models import outbox
from payments import ledger, models
from payments.ledger import Capture, Leg, Operation, Outcome, Place, Release
from payments.verification import verify
from tests.support.ground import Ground, make_ground, somebody

DUMPED = (models.balance, models.transaction, models.entry, models.hold, models.transfer)
CLERK = somebody(ActorKind.SERVICE, "svc_clerk")


@dataclass(kw_only=True)
class Ledger:
    """One database with a ledger in it."""

    ground: Ground
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def ctx(self) -> Context:
        return self.ground.ctx(CLERK)

    def book(
        self,
        id: str,
        *,
        posted: int = 0,
        floor: int | None = 0,
        ceiling: int | None = None,
        state: str = "open",
        currency: str = "EUR",
    ) -> str:
        """Open a book; what it holds comes from a house book without a floor."""
        row = {
            "book_id": id,
            "currency": currency,
            "state": "open",
            "posted": 0,
            "held": 0,
            "floor": floor,
            "ceiling": ceiling,
            "version": 0,
            "last_at": self.ground.clock.now(),
            "forced": 0,
        }
        named = {
            "id": id,
            "kind": "test",
            "owner_id": f"acc_{id}",
            "currency": currency,
            "label": "",
            "opened_at": row["last_at"],
        }
        with self.ground.db.begin() as session:
            session.execute(sa.insert(models.book).values(named))
            session.execute(sa.insert(models.balance).values(row))
        if posted:
            house = f"house_{currency}"
            with self.ground.db.read() as session:
                known = session.execute(sa.select(models.balance.c.book_id).where(models.balance.c.book_id == house))
                is_missing = known.one_or_none() is None
            if is_missing:
                self.book(house, floor=None, currency=currency)
            (outcome,) = self.post(self.op(legs={house: -posted, id: posted}))
            assert outcome.refused is None
        if state != "open":
            self.set_state(id, state)
        return id

    def set_state(self, id: str, state: str) -> None:
        with self.ground.db.begin() as session:
            session.execute(sa.update(models.balance).where(models.balance.c.book_id == id).values(state=state))

    def op(self, *, legs: dict[str, int] | Sequence[tuple[str, int]] = (), **more: Any) -> Operation:
        """Make an operation with counted ids; two ledgers that make the same ones in order give them the same ids."""
        number = next(self.numbers)
        pairs = legs.items() if isinstance(legs, dict) else legs
        made: dict[str, Any] = {
            "id": f"ltx_{number:06}",
            "event_id": f"evt_{number:06}",
            "kind": "move",
            "object_id": f"trf_{number:06}",
            "owner_id": "acc_clerk",
            "legs": tuple(Leg(book, amount) for book, amount in pairs),
            "event": TransferSettled(transfer=f"trf_{number:06}", about=("acc_clerk",)),
        }
        return Operation(**{**made, **more})

    def move(self, source: str, target: str, amount: int, **more: Any) -> Operation:
        return self.op(legs=[(source, -amount), (target, amount)], **more)

    def place(
        self, id: str, book: str, amount: int, *, micros: int, beneficiary: str | None = None, **more: Any
    ) -> Operation:
        hold = Place(id=id, book=book, amount=amount, expires_at=micros, object_id="obj", beneficiary=beneficiary)
        return self.op(hold=hold, kind="hold", event=HoldPlaced(hold=id, about=("acc_clerk",)), **more)

    def capture(self, id: str, book: str, target: str, amount: int, *, is_last: bool = False, **more: Any) -> Operation:
        hold = Capture(id=id, book=book, amount=amount, is_last=is_last)
        return self.op(legs=[(book, -amount), (target, amount)], hold=hold, **more)

    def release(self, id: str, book: str, **more: Any) -> Operation:
        return self.op(hold=Release(id=id, book=book), kind="release", **more)

    def post(self, *operations: Operation, also: Sequence[ledger.Beside] = ()) -> tuple[Outcome, ...]:
        with self.ground.db.begin(posting=True) as session:
            return ledger.post(session, operations, self.ctx, also=also)

    def codes(self, *operations: Operation) -> list[str]:
        return [outcome.refused.code.value if outcome.refused else "ok" for outcome in self.post(*operations)]

    def standing(self, book: str) -> tuple[int, int]:
        """Return what is posted and what is held."""
        with self.ground.db.read() as session:
            query = sa.select(models.balance.c.posted, models.balance.c.held).where(models.balance.c.book_id == book)
            return tuple(session.execute(query).one())

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of the ledger and of the log's outbox, as the database holds them."""
        rows = {}
        with self.ground.db.read() as session:
            for table in DUMPED:
                # Instants as the integers that lie there.
                columns = [
                    sa.type_coerce(column, sa.BigInteger).label(column.name)
                    if isinstance(column.type, UtcDateTime)
                    else column
                    for column in table.columns
                ]
                query = sa.select(*columns).order_by(*table.primary_key.columns)
                rows[table.name] = [tuple(row) for row in session.execute(query)]
            told = sa.select(outbox.c.id, outbox.c.kind, outbox.c.body).order_by(outbox.c.n)
            rows[outbox.name] = [tuple(row) for row in session.execute(told)]
        return rows

    def differences(self) -> list[str]:
        with self.ground.db.read() as session:
            return [str(difference) for difference in verify.verify(session).differences]


def make_ledger(folder: Path, url: str | None = None) -> Ledger:
    return Ledger(ground=make_ground(folder, url))
