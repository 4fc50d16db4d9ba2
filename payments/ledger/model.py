"""The words of the ledger: operations, books, holds, rows and outcomes, in plain integers and texts.

Instants are microseconds since 1970, days are days since 1970, amounts signed minor units seen from the book's holder.
Rows that are read and written by the thousand are named tuples: they cost a fifth of a frozen dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from ingest.events.transaction import PostingEvent

AMOUNT_MAX: Final = 2**53 - 1
POST_MAX: Final = 1000
LEGS_MAX: Final = 16
HOLD_MICROS_MAX: Final = 31 * 86_400_000_000


class OperationInvalid(ValueError):
    """An operation is not well formed: our code made it, so this is a programming error and nothing was written."""


class BookState(StrEnum):
    """What a book takes part in: `debit_frozen` may still receive, `frozen` does nothing, `closed` holds nothing."""

    OPEN = "open"
    DEBIT_FROZEN = "debit_frozen"
    FROZEN = "frozen"
    CLOSED = "closed"


class HoldState(StrEnum):
    """A hold reserves while it is open."""

    OPEN = "open"
    CLOSED = "closed"
    EXPIRED = "expired"


class Code(StrEnum):
    """Why an operation is refused, by precedence: the first that applies is reported."""

    UNKNOWN_BOOK = "unknown_book"
    CURRENCY_MISMATCH = "currency_mismatch"
    REFERENCE_USED = "reference_used"
    ALREADY_REVERSED = "already_reversed"
    BOOK_CLOSED = "book_closed"
    BOOK_FROZEN = "book_frozen"
    HOLD_UNKNOWN = "hold_unknown"
    HOLD_CLOSED = "hold_closed"
    HOLD_EXPIRED = "hold_expired"
    HOLD_EXCEEDED = "hold_exceeded"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    CEILING_REACHED = "ceiling_reached"
    CHAIN_REFUSED = "chain_refused"


class Leg(NamedTuple):
    """One signed change of one book."""

    book: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Reserve an amount on a book; a named beneficiary alone can be paid from it."""

    id: str
    book: str
    amount: int
    expires_at: int
    object_id: str
    beneficiary: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Pay from a hold; `is_last` frees what remains."""

    id: str
    book: str
    amount: int
    is_last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Free what remains of a hold; `has_expired` tells that its time, not a person, ended it."""

    id: str
    book: str
    has_expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is asked of the ledger: legs that sum to zero per currency, a hold's move, or both.

    `event` tells the log about it; the ledger adds its own two fields. Operations of one `chain` stand side by side.
    """

    id: str
    event_id: str
    kind: str
    object_id: str
    owner_id: str
    event: PostingEvent
    legs: tuple[Leg, ...] = ()
    hold: Place | Capture | Release | None = None
    reference: str | None = None
    reverses: str | None = None
    chain: str | None = None
    forced: bool = False
    effective_on: int | None = None


class Balance(NamedTuple):
    """A book as it stands: what decides whether a change is allowed."""

    book_id: str
    currency: str
    state: str
    posted: int
    held: int
    floor: int | None
    ceiling: int | None
    version: int
    last_at: int
    forced: int


class Hold(NamedTuple):
    """A reservation; `amount - captured - released` is what it still holds."""

    id: str
    book_id: str
    beneficiary_id: str | None
    amount: int
    captured: int
    released: int
    state: str
    expires_at: int
    object_id: str


class TransactionRow(NamedTuple):
    """An accepted operation, as it is stored."""

    id: str
    kind: str
    object_id: str
    owner_id: str
    reference: str | None
    reverses_id: str | None
    at: int
    effective_on: int
    actor_id: str | None
    request_id: str
    hash: bytes
    event_id: str


class EntryRow(NamedTuple):
    """One signed change of one book, as it is stored: versions of a book are contiguous from 1."""

    book_id: str
    version: int
    transaction_id: str
    currency: str
    amount: int
    held_delta: int
    balance_after: int
    held_after: int
    effective_on: int


ReferenceKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the fold may know: the rows an operation touches. Books and holds that do not exist are absent."""

    books: Mapping[str, Balance] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)
    references: Mapping[ReferenceKey, str] = field(default_factory=dict)
    reversed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What the fold made, to be written as it stands: new rows, and balances and holds as they are now."""

    transactions: list[TransactionRow] = field(default_factory=list)
    entries: list[EntryRow] = field(default_factory=list)
    balances: list[Balance] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an operation was refused: the book that is the reason, or the first object of a used reference."""

    code: Code
    book: str | None = None
    object_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer to one operation: refused, or the books it touched as they stand afterwards."""

    operation_id: str
    refused: Refusal | None = None
    at: int = 0
    balances: Mapping[str, Balance] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the edge knows of the moment: the instant, who asks and by which request."""

    at: int
    actor_id: str | None
    request_id: str


class Wanted(NamedTuple):
    """The rows to load, each group sorted by key."""

    holds: tuple[str, ...]
    books: tuple[str, ...]
    references: tuple[ReferenceKey, ...]
    reverses: tuple[str, ...]


def wanted(operations: Sequence[Operation]) -> Wanted:
    """Return which rows the operations touch, sorted: the order in which they are locked."""
    holds = {op.hold.id for op in operations if op.hold is not None}
    books = {leg.book for op in operations for leg in op.legs}
    books |= {op.hold.book for op in operations if op.hold is not None}
    return Wanted(
        holds=tuple(sorted(holds)),
        books=tuple(sorted(books)),
        references=tuple(sorted({key for op in operations if (key := reference_key(op)) is not None})),
        reverses=tuple(sorted({op.reverses for op in operations if op.reverses is not None})),
    )


def reference_key(operation: Operation) -> ReferenceKey | None:
    """Return what must be unique for ever, or None for an operation without a reference."""
    return None if operation.reference is None else (operation.owner_id, operation.kind, operation.reference)
