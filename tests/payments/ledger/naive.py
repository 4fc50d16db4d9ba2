"""The ledger as a child would write it: lists, dicts and deep copies. What the real one is compared with."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from payments.ledger import Capture, Operation, Place, Release

HOLD_DAYS_MAX = 31 * 86_400_000_000


@dataclass
class NaiveBook:
    currency: str
    floor: int | None
    ceiling: int | None
    state: str = "open"
    last_at: int = 0
    posted: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)

    def free(self) -> int:
        return sum(self.posted) - sum(self.held)


@dataclass
class NaiveHold:
    book: str
    amount: int
    until: int
    spent: int = 0
    state: str = "open"


@dataclass
class Naive:
    """State and answers; `answer` decides one operation by reading the requirements top to bottom."""

    books: dict[str, NaiveBook] = field(default_factory=dict)
    holds: dict[str, NaiveHold] = field(default_factory=dict)
    references: list[tuple[str, str, str]] = field(default_factory=list)
    reversed: list[str] = field(default_factory=list)

    def post(self, operations: list[Operation], at: int) -> list[str]:
        answers: list[str] = []
        while operations:
            first, size = operations[0], 1
            while first.chain and size < len(operations) and operations[size].chain == first.chain:
                size += 1
            group, operations = operations[:size], operations[size:]
            before = copy.deepcopy((self.books, self.holds, self.references, self.reversed))
            done = []
            for operation in group:
                done.append(self.answer(operation, at))
                if done[-1] != "ok":
                    break
            if done[-1] != "ok":
                self.books, self.holds, self.references, self.reversed = before
                failed = len(done) - 1
                done = ["chain_refused" if number != failed else done[failed] for number in range(size)]
            answers += done
        return answers

    def answer(self, op: Operation, at: int) -> str:
        touched = [leg.book for leg in op.legs] + ([op.hold.book] if op.hold else [])
        if any(book not in self.books for book in touched):
            return "unknown_book"
        for currency in {self.books[book].currency for book in touched}:
            if sum(leg.amount for leg in op.legs if self.books[leg.book].currency == currency):
                return "currency_mismatch"
        key = (op.owner_id, op.kind, op.reference)
        if op.reference and key in self.references:
            return "reference_used"
        if op.reverses and op.reverses in self.reversed:
            return "already_reversed"
        states = {book: self.books[book].state for book in touched}
        if "closed" in states.values():
            return "book_closed"
        debited = {leg.book for leg in op.legs if leg.amount < 0}
        if isinstance(op.hold, Place):
            debited.add(op.hold.book)
        if not isinstance(op.hold, Release) and "frozen" in states.values():
            return "book_frozen"
        if any(states[book] == "debit_frozen" for book in debited):
            return "book_frozen"
        at = max([at, *(self.books[book].last_at for book in touched)])
        held = 0
        if op.hold:
            said, held = self.hold(op, at)
            if said != "ok":
                return said
        for book in dict.fromkeys(touched):
            change = sum(leg.amount for leg in op.legs if leg.book == book)
            more = held if op.hold and op.hold.book == book else 0
            stands = self.books[book]
            after = stands.free() + change - more
            if change - more < 0 and stands.floor is not None and after < stands.floor and not op.forced:
                return "insufficient_funds"
        for book in dict.fromkeys(touched):
            change = sum(leg.amount for leg in op.legs if leg.book == book)
            stands = self.books[book]
            if change > 0 and stands.ceiling is not None and sum(stands.posted) + change > stands.ceiling:
                return "ceiling_reached"
        self.apply(op, held, at, touched)
        return "ok"

    def hold(self, op: Operation, at: int) -> tuple[str, int]:
        if isinstance(op.hold, Place):
            good = at < op.hold.expires_at <= at + HOLD_DAYS_MAX
            return ("ok", op.hold.amount) if good else ("hold_expired", 0)
        assert op.hold
        known = self.holds.get(op.hold.id)
        if known is None or known.book != op.hold.book:
            return "hold_unknown", 0
        if known.state != "open":
            return "hold_closed", 0
        rest = known.amount - known.spent
        if isinstance(op.hold, Release):
            return "ok", -rest
        if at >= known.until:
            return "hold_expired", 0
        if op.hold.amount > rest:
            return "hold_exceeded", 0
        return "ok", -rest if op.hold.is_last else -op.hold.amount

    def apply(self, op: Operation, held: int, at: int, touched: list[str]) -> None:
        for leg in op.legs:
            self.books[leg.book].posted.append(leg.amount)
        for book in touched:
            self.books[book].last_at = at
        if op.reference:
            self.references.append((op.owner_id, op.kind, op.reference))
        if op.reverses:
            self.reversed.append(op.reverses)
        if op.hold is None:
            return
        self.books[op.hold.book].held.append(held)
        if isinstance(op.hold, Place):
            self.holds[op.hold.id] = NaiveHold(op.hold.book, op.hold.amount, op.hold.expires_at)
            return
        known = self.holds[op.hold.id]
        known.spent += op.hold.amount if isinstance(op.hold, Capture) else 0
        if isinstance(op.hold, Release) or op.hold.is_last or known.spent == known.amount:
            known.state = "closed"
