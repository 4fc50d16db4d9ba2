"""What goes in and out of the API: strict models, money as decimal text, times in RFC 3339."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from app.kernel.clock import rfc3339
from payments import money
from payments.activity import Activity
from payments.money import Money
from payments.topups import TopUp
from payments.transfers import Transfer, TransferPreview
from payments.wallets import Wallet

Item = TypeVar("Item")
WalletIdText = Annotated[str, Field(pattern=r"^wal_[0-9A-Z]{26}$")]
HandleText = Annotated[str, Field(pattern=r"^@?[a-z0-9_]{3,20}$")]
CodeText = Annotated[str, Field(pattern=r"^[0-9]{6}$")]


class Strict(BaseModel):
    """Unknown fields are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class MoneyModel(Strict):
    """An amount with exactly the digits of its currency."""

    amount: str = Field(max_length=20, examples=["12.50"])
    currency: str = Field(min_length=3, max_length=3, examples=["EUR"])

    @classmethod
    def of(cls, value: Money) -> MoneyModel:
        return cls(amount=money.digits_text(value), currency=value.currency)


class SessionIn(Strict):
    """Address, password and, where a second factor stands, its code."""

    email: str = Field(min_length=3, max_length=254)
    password: str = Field(min_length=1, max_length=512)
    code: CodeText | None = None


class StepUpIn(Strict):
    """A fresh code of the second factor."""

    code: CodeText


class SessionOut(Strict):
    """A session: its cookie is set, its token for `X-CSRFToken` stands here."""

    account: str
    acr: str
    csrf_token: str


class TransferIn(Strict):
    """What a customer asks for. `source` may be left out by who has one wallet."""

    payee: HandleText
    amount: MoneyModel
    source: WalletIdText | None = None
    note: str = Field(default="", max_length=200)
    reference: str | None = Field(default=None, min_length=1, max_length=64)


class TransferOut(Strict):
    """An order that was answered."""

    id: str
    status: str
    version: int
    created_at: str
    source: str
    payee: str
    amount: MoneyModel
    fee: MoneyModel
    note: str | None
    reference: str | None
    reason: str | None

    @classmethod
    def of(cls, found: Transfer) -> TransferOut:
        return cls(
            id=found.id,
            status=found.state.value,
            version=found.version,
            created_at=_time(found.at),
            source=found.source,
            payee=f"@{found.payee}",
            amount=MoneyModel.of(found.amount),
            fee=MoneyModel.of(found.fee),
            note=found.note,
            reference=found.reference,
            reason=found.reason.value if found.reason else None,
        )


class PreviewOut(Strict):
    """What an order would do now."""

    payee: str
    amount: MoneyModel
    fee: MoneyModel
    total: MoneyModel
    arrives: MoneyModel
    available: MoneyModel
    left: MoneyModel
    refused: str | None

    @classmethod
    def of(cls, found: TransferPreview) -> PreviewOut:
        return cls(
            payee=f"@{found.payee}",
            amount=MoneyModel.of(found.amount),
            fee=MoneyModel.of(found.fee),
            total=MoneyModel.of(found.total),
            arrives=MoneyModel.of(found.arrives),
            available=MoneyModel.of(found.available),
            left=MoneyModel.of(found.left),
            refused=found.refused.value if found.refused else None,
        )


class WalletOut(Strict):
    """A wallet as it stands."""

    id: str
    status: str
    version: int
    created_at: str
    currency: str
    posted: MoneyModel
    held: MoneyModel
    available: MoneyModel

    @classmethod
    def of(cls, found: Wallet) -> WalletOut:
        return cls(
            id=found.id,
            status=found.state.value,
            version=found.version,
            created_at=_time(found.opened_at),
            currency=found.currency,
            posted=MoneyModel.of(found.posted),
            held=MoneyModel.of(found.held),
            available=MoneyModel.of(found.available),
        )


class EntryOut(Strict):
    """One entry of a wallet, with the balance after it."""

    version: int
    created_at: str
    kind: str
    object: str
    amount: MoneyModel
    balance_after: MoneyModel
    counterpart: str | None
    note: str | None

    @classmethod
    def of(cls, found: Activity) -> EntryOut:
        return cls(
            version=found.version,
            created_at=_time(found.at),
            kind=found.kind,
            object=found.object_id,
            amount=MoneyModel.of(found.amount),
            balance_after=MoneyModel.of(found.balance_after),
            counterpart=f"@{found.counterpart}" if found.counterpart else None,
            note=found.note,
        )


class TopUpOut(Strict):
    """Money that arrived from outside."""

    id: str
    status: str
    created_at: str
    wallet: str
    amount: MoneyModel

    @classmethod
    def of(cls, found: TopUp) -> TopUpOut:
        return cls(
            id=found.id,
            status=found.state,
            created_at=_time(found.at),
            wallet=found.wallet_id,
            amount=MoneyModel.of(found.amount),
        )


class ListQuery(Strict):
    """A page by key, newest first."""

    limit: int = Field(default=50, ge=1, le=200)
    after: str | None = Field(default=None, max_length=40)


class TransferQuery(ListQuery):
    """As a page, cut down to a state, a span of time or a reference."""

    status: str | None = Field(default=None, pattern=r"^(settled|refused)$")
    created_from: datetime | None = None
    created_to: datetime | None = None
    reference: str | None = Field(default=None, min_length=1, max_length=64)


class PageOut(Strict, Generic[Item]):
    """One page: `next` asks for the one after it and is null on the last."""

    data: list[Item]
    next: str | None


def _time(at: datetime) -> str:
    return rfc3339(at)
