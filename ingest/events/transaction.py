"""Money that moved, was refused or was frozen, and what the ledger said of itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from ingest.events.envelope import Event, EventClass, FieldType, Outcome, ecs, sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyEvent(Event):
    """What events of money share. Amounts are whole minor units, `amount_ref` in the reporting currency."""

    event_class: ClassVar[EventClass] = EventClass.MONEY
    amount: int | None = ecs("transaction.amount", FieldType.LONG, about="money", default=None)
    amount_ref: int | None = ecs("transaction.amount_ref", FieldType.LONG, about="money", default=None)
    currency: str | None = ecs("transaction.currency", default=None)
    type: str | None = ecs("transaction.type", default=None)
    status: str | None = ecs("transaction.status", default=None)
    fee: int | None = ecs("transaction.fee", FieldType.LONG, about="money", default=None)
    version: int | None = ecs("onepay.object.version", FieldType.LONG, default=None)
    wallet: str | None = ecs("onepay.wallet.id", about="account.id", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingEvent(MoneyEvent):
    """The event of one ledger transaction; the ledger fills in which one and its hash."""

    posts: ClassVar[bool] = True
    ledger_transaction: str | None = ecs("onepay.ledger.transaction", default=None)
    ledger_hash: str | None = ecs("onepay.ledger.hash", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletEvent(MoneyEvent):
    """The life of a wallet."""

    types: ClassVar[tuple[str, ...]] = ("change",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    until: datetime | None = ecs("onepay.transaction.until", FieldType.DATE, default=None)
    restraint: str | None = ecs("onepay.restraint.id", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletOpened(WalletEvent):
    """A wallet was opened."""

    kind: ClassVar[str] = "transaction.wallet.opened"
    types: ClassVar[tuple[str, ...]] = ("creation",)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletFrozen(WalletEvent):
    """Nothing may leave a wallet any more; money still arrives."""

    kind: ClassVar[str] = "transaction.wallet.frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletUnfrozen(WalletEvent):
    """Money may leave a wallet again."""

    kind: ClassVar[str] = "transaction.wallet.unfrozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferEvent(PostingEvent):
    """An order to send money from one wallet to another."""

    transfer: str = ecs("onepay.transfer.id")
    payee: str | None = ecs("onepay.payee.id", about="account.id", default=None)
    account_days: int | None = ecs("onepay.account_days", FieldType.LONG, about="account.id", default=None)
    signed_hash: str | None = ecs("onepay.transfer.signed_hash", default=None)
    memo: str | None = sealed("memo", about="free_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSettled(TransferEvent):
    """Money went from one wallet to another."""

    kind: ClassVar[str] = "transaction.transfer.settled"
    types: ClassVar[tuple[str, ...]] = ("creation",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRefused(TransferEvent):
    """An order to send money was refused; nothing moved."""

    kind: ClassVar[str] = "transaction.transfer.refused"
    posts: ClassVar[bool] = False
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpSettled(PostingEvent):
    """Money from outside arrived in a wallet."""

    kind: ClassVar[str] = "transaction.topup.settled"
    types: ClassVar[tuple[str, ...]] = ("creation",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    topup: str = ecs("onepay.topup.id")


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldEvent(PostingEvent):
    """The life of a reservation."""

    is_reserved: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = ("change",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    hold: str = ecs("onepay.hold.id")
    expires_at: datetime | None = ecs("onepay.transaction.expires_at", FieldType.DATE, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPlaced(HoldEvent):
    """Money was reserved; none moved."""

    kind: ClassVar[str] = "transaction.hold.placed"
    types: ClassVar[tuple[str, ...]] = ("creation",)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCaptured(HoldEvent):
    """Money was paid from a reservation."""

    kind: ClassVar[str] = "transaction.hold.captured"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReleased(HoldEvent):
    """What remained of a reservation was freed: `reason` is cancelled, expired or refused."""

    kind: ClassVar[str] = "transaction.hold.released"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestConflicted(MoneyEvent):
    """A key of a repeated request came with another content."""

    kind: ClassVar[str] = "transaction.request.conflicted"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE
    route: str = ecs("onepay.transaction.route")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerVerified(MoneyEvent):
    """The ledger was recomputed from its entries and compared with the log; `outcome` says whether they agree."""

    kind: ClassVar[str] = "transaction.ledger.verified"
    entries: int = ecs("onepay.transaction.entries", FieldType.LONG)
    differences: int = ecs("onepay.transaction.differences", FieldType.LONG)


KINDS: tuple[type[Event], ...] = (
    WalletOpened,
    WalletFrozen,
    WalletUnfrozen,
    TransferSettled,
    TransferRefused,
    TopUpSettled,
    HoldPlaced,
    HoldCaptured,
    HoldReleased,
    RequestConflicted,
    LedgerVerified,
)
