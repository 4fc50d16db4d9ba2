"""Money as a pure function: state and operations in, state, rows and outcomes out; no rule stands elsewhere."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any, Final

from payments.ledger import digest
from payments.ledger.model import (
    AMOUNT_MAX,
    HOLD_MICROS_MAX,
    LEGS_MAX,
    POST_MAX,
    Balance,
    BookState,
    Capture,
    Code,
    EntryRow,
    Hold,
    HoldState,
    Operation,
    OperationInvalid,
    Outcome,
    Place,
    Refusal,
    Release,
    Rows,
    Stamp,
    State,
    TransactionRow,
    reference_key,
)

DAY_MICROS: Final = 86_400_000_000
_ABSENT: Final = object()


def fold(state: State, operations: Sequence[Operation], stamp: Stamp) -> tuple[State, Rows, tuple[Outcome, ...]]:
    """Apply operations in order; a refused one changes nothing, a chain is applied whole or not at all.

    Raises `OperationInvalid` for what no caller should have made; a business refusal is an outcome.
    """
    if not 0 < len(operations) <= POST_MAX:
        raise OperationInvalid(f"a batch holds 1 to {POST_MAX} operations")
    work = _Work(state)
    outcomes: list[Outcome] = []
    at = 0
    while at < len(operations):
        end = at + 1
        chain = operations[at].chain
        while chain is not None and end < len(operations) and operations[end].chain == chain:
            end += 1
        group = operations[at:end]
        outcomes += [_apply(work, group[0], stamp)] if chain is None else _apply_chain(work, group, stamp)
        at = end
    return work.state(), work.rows(), tuple(outcomes)


class _Work:
    """The state while operations are applied to it, with a journal by which a chain is taken back."""

    def __init__(self, state: State) -> None:
        self.books = dict(state.books)
        self.holds = dict(state.holds)
        self.references = dict(state.references)
        self.reversed = dict(state.reversed)
        self.changed_books: dict[str, None] = {}
        self.changed_holds: dict[str, None] = {}
        self.transactions: list[TransactionRow] = []
        self.entries: list[EntryRow] = []
        self._journal: list[tuple[MutableMapping[Any, Any], Any, Any]] | None = None

    def put(self, place: MutableMapping[Any, Any], key: object, value: object) -> None:
        """Set a value, and remember the one before while a chain is under way."""
        if self._journal is not None:
            self._journal.append((place, key, place.get(key, _ABSENT)))
        place[key] = value

    def begin_chain(self) -> None:
        self._journal = []

    def keep_chain(self) -> None:
        self._journal = None

    def take_back_chain(self, rows_before: tuple[int, int]) -> None:
        """Undo what the chain did, newest first."""
        assert self._journal is not None
        for place, key, before in reversed(self._journal):
            if before is _ABSENT:
                del place[key]
            else:
                place[key] = before
        del self.transactions[rows_before[0] :], self.entries[rows_before[1] :]
        self._journal = None

    def state(self) -> State:
        return State(books=self.books, holds=self.holds, references=self.references, reversed=self.reversed)

    def rows(self) -> Rows:
        return Rows(
            transactions=self.transactions,
            entries=self.entries,
            balances=[self.books[id] for id in sorted(self.changed_books)],
            holds=[self.holds[id] for id in sorted(self.changed_holds)],
        )


def _apply_chain(work: _Work, group: Sequence[Operation], stamp: Stamp) -> list[Outcome]:
    rows_before = len(work.transactions), len(work.entries)
    work.begin_chain()
    done: list[Outcome] = []
    for operation in group:
        outcome = _apply(work, operation, stamp)
        done.append(outcome)
        if outcome.refused is not None:
            work.take_back_chain(rows_before)
            refused = Refusal(code=Code.CHAIN_REFUSED)
            return [done[-1] if op is operation else Outcome(operation_id=op.id, refused=refused) for op in group]
    work.keep_chain()
    return done


def _apply(work: _Work, op: Operation, stamp: Stamp) -> Outcome:
    _check_shape(op)
    hold_delta, hold_after = _hold_move(work, op)
    changes = _changes(op, hold_delta)
    at = stamp.at
    for book in changes:
        known = work.books.get(book)
        if known is not None and known.last_at > at:
            at = known.last_at
    refusal = _refusal(work, op, changes, at)
    if refusal is not None:
        return Outcome(operation_id=op.id, refused=refusal)
    balances = _post(work, op, hold_delta, at, stamp)
    if hold_after is not None:
        work.put(work.holds, hold_after.id, hold_after)
        work.put(work.changed_holds, hold_after.id, None)
    return Outcome(operation_id=op.id, at=at, balances=balances)


def _check_shape(op: Operation) -> None:
    if not op.legs and op.hold is None:
        raise OperationInvalid(f"{op.id} moves nothing")
    if len(op.legs) > LEGS_MAX:
        raise OperationInvalid(f"{op.id} has more than {LEGS_MAX} legs")
    total = 0
    for _, amount in op.legs:
        if amount == 0 or not -AMOUNT_MAX <= amount <= AMOUNT_MAX:
            raise OperationInvalid(f"{op.id} has a leg of {amount}")
        total += amount
    match op.hold:
        case None:
            return
        case Place():
            if op.legs or not 0 < op.hold.amount <= AMOUNT_MAX:
                raise OperationInvalid(f"{op.id} places a hold with legs or without an amount")
        case Capture():
            paid = -sum(amount for book, amount in op.legs if book == op.hold.book and amount < 0)
            if paid != op.hold.amount or paid <= 0:
                raise OperationInvalid(f"{op.id} captures {op.hold.amount} and pays {paid}")
        case Release():
            if op.legs:
                raise OperationInvalid(f"{op.id} releases a hold and pays")


def _hold_move(work: _Work, op: Operation) -> tuple[int, Hold | None]:
    """Return the change of `held` and the hold afterwards; whether it is allowed is decided in `_refusal`."""
    match op.hold:
        case None:
            return 0, None
        case Place() as place:
            return place.amount, Hold(
                id=place.id,
                book_id=place.book,
                beneficiary_id=place.beneficiary,
                amount=place.amount,
                captured=0,
                released=0,
                state=HoldState.OPEN,
                expires_at=place.expires_at,
                object_id=place.object_id,
            )
        case Capture() | Release() as move:
            before = work.holds.get(move.id)
            if before is None:
                return 0, None
            captured = before.captured + (move.amount if isinstance(move, Capture) else 0)
            rest = before.amount - captured - before.released
            freed = rest if isinstance(move, Release) or move.is_last else 0
            state = HoldState.OPEN if rest > freed else HoldState.CLOSED
            if isinstance(move, Release) and move.has_expired:
                state = HoldState.EXPIRED
            after = before._replace(captured=captured, released=before.released + freed, state=state)
            return before.captured - captured - freed, after


def _changes(op: Operation, hold_delta: int) -> dict[str, list[int]]:
    """Return [posted, held, debits] by book: what the whole operation does to each."""
    changes: dict[str, list[int]] = {}
    for book, amount in op.legs:
        change = changes.get(book)
        if change is None:
            change = changes[book] = [0, 0, 0]
        change[0] += amount
        if amount < 0:
            change[2] += amount
    if op.hold is not None:
        changes.setdefault(op.hold.book, [0, 0, 0])[1] += hold_delta
    return changes


def _refusal(work: _Work, op: Operation, changes: dict[str, list[int]], at: int) -> Refusal | None:
    """Return the first reason, in the order of `Code`."""
    books = work.books
    for book in changes:
        if book not in books:
            return Refusal(code=Code.UNKNOWN_BOOK, book=book)
    by_currency: dict[str, int] = {}
    for book, (posted, _, _) in changes.items():
        currency = books[book].currency
        by_currency[currency] = by_currency.get(currency, 0) + posted
    if any(by_currency.values()):
        if len(by_currency) == 1:
            raise OperationInvalid(f"{op.id} does not sum to zero")
        return Refusal(code=Code.CURRENCY_MISMATCH)
    if op.reference is not None and (first := work.references.get(reference_key(op))) is not None:  # type: ignore[arg-type]  # it has one
        return Refusal(code=Code.REFERENCE_USED, object_id=first)
    if op.reverses is not None and op.reverses in work.reversed:
        return Refusal(code=Code.ALREADY_REVERSED, object_id=work.reversed[op.reverses])
    frozen: str | None = None
    for book, (_, _, debits) in changes.items():
        state = books[book].state
        if state == BookState.OPEN:
            continue
        if state == BookState.CLOSED:
            return Refusal(code=Code.BOOK_CLOSED, book=book)
        # Freeing a hold gives nobody anything, so a frozen book does not stop it.
        takes = debits < 0 or isinstance(op.hold, Place)
        if frozen is None and (takes or (state == BookState.FROZEN and not isinstance(op.hold, Release))):
            frozen = book
    if frozen is not None:
        return Refusal(code=Code.BOOK_FROZEN, book=frozen)
    if op.hold is not None and (code := _hold_refusal(work, op, at)) is not None:
        return Refusal(code=code, book=op.hold.book)
    return _bounds_refusal(work, op, changes)


def _hold_refusal(work: _Work, op: Operation, at: int) -> Code | None:
    move = op.hold
    assert move is not None
    hold = work.holds.get(move.id)
    if isinstance(move, Place):
        if hold is not None:
            raise OperationInvalid(f"the hold {move.id} exists already")
        if not at < move.expires_at <= at + HOLD_MICROS_MAX:
            return Code.HOLD_EXPIRED
        return None
    if hold is None or hold.book_id != move.book:
        return Code.HOLD_UNKNOWN
    if hold.state != HoldState.OPEN:
        return Code.HOLD_CLOSED
    if isinstance(move, Release):
        return None
    if at >= hold.expires_at:
        return Code.HOLD_EXPIRED
    if move.amount > hold.amount - hold.captured - hold.released:
        return Code.HOLD_EXCEEDED
    if hold.beneficiary_id is not None:
        paid = sum(amount for book, amount in op.legs if book == hold.beneficiary_id and amount > 0)
        if paid < move.amount:
            raise OperationInvalid(f"{op.id} pays another than the beneficiary of {hold.id}")
    return None


def _bounds_refusal(work: _Work, op: Operation, changes: dict[str, list[int]]) -> Refusal | None:
    for book, (posted, held, _) in changes.items():
        balance = work.books[book]
        available = balance.posted + posted - balance.held - held
        passes = balance.floor is not None and available < balance.floor and not op.forced
        if posted - held < 0 and (passes or available < -AMOUNT_MAX):
            return Refusal(code=Code.INSUFFICIENT_FUNDS, book=book)
    for book, (posted, _, _) in changes.items():
        balance = work.books[book]
        ceiling = AMOUNT_MAX if balance.ceiling is None else balance.ceiling
        if posted > 0 and balance.posted + posted > ceiling:
            return Refusal(code=Code.CEILING_REACHED, book=book)
    return None


def _post(work: _Work, op: Operation, hold_delta: int, at: int, stamp: Stamp) -> dict[str, Balance]:
    effective_on = at // DAY_MICROS if op.effective_on is None else op.effective_on
    entries: list[EntryRow] = []
    touched: dict[str, Balance] = {}
    pending_hold = hold_delta
    legs: Sequence[tuple[str, int]] = op.legs or ((op.hold.book, 0),)  # type: ignore[union-attr]  # no legs: a hold moves
    for book, amount in legs:
        before = touched.get(book) or work.books[book]
        delta = 0
        if pending_hold and op.hold is not None and book == op.hold.book and amount <= 0:
            # The hold's change rides on the first debit of its book.
            delta, pending_hold = pending_hold, 0
        posted, held, version = before.posted + amount, before.held + delta, before.version + 1
        entries.append(EntryRow(book, version, op.id, before.currency, amount, delta, posted, held, effective_on))
        below = before.floor is not None and posted - held < before.floor
        touched[book] = Balance(
            book, before.currency, before.state, posted, held, before.floor, before.ceiling, version, at, int(below)
        )
    for book, balance in touched.items():
        work.put(work.books, book, balance)
        work.put(work.changed_books, book, None)
    if op.reference is not None:
        work.put(work.references, reference_key(op), op.object_id)
    if op.reverses is not None:
        work.put(work.reversed, op.reverses, op.id)
    digested = digest.transaction_hash(
        id=op.id,
        kind=op.kind,
        object_id=op.object_id,
        owner_id=op.owner_id,
        reference=op.reference,
        reverses_id=op.reverses,
        at=at,
        effective_on=effective_on,
        entries=entries,
    )
    work.entries += entries
    work.transactions.append(
        TransactionRow(
            op.id,
            op.kind,
            op.object_id,
            op.owner_id,
            op.reference,
            op.reverses,
            at,
            effective_on,
            stamp.actor_id,
            stamp.request_id,
            digested,
            op.event_id,
        )
    )
    return touched
