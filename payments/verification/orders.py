"""Orders of people against the ledger: who paid whom how much must stand in the order, its postings and its event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import rfc3339
from app.kernel.crypto import Unreadable
from ingest.events.envelope import at_path
from ingest.events.transaction import TransferRefused
from payments import signed_text
from payments.ledger.model import EntryRow
from payments.models import topup, transaction, transfer
from payments.postings import TOPUP, TRANSFER
from payments.signed_text import TextKeys, TextReader
from payments.transfers import TransferState
from payments.verification import told
from payments.verification.findings import Findings
from payments.verification.tally import Tally
from payments.verification.told import SLICE

SETTLED: Final = TransferState.SETTLED.value  # of a top-up as well
REFUSED: Final = TransferState.REFUSED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A kind of order: its table, the columns of the books it moves money between, and that of its own number."""

    table: sa.Table
    source: str | None
    target: str
    reference: str


# By the kind of their ledger transactions.
KINDS: Final[Mapping[str, Order]] = {
    TRANSFER: Order(table=transfer, source="source", target="target", reference="reference"),
    TOPUP: Order(table=topup, source=None, target="book_id", reference="line"),
}

# What the event of a refused transfer says of its row, beside owner and time.
SAID_OF_REFUSED: Final[Mapping[str, str]] = {
    "source": "onepay.wallet.id",
    "target": "onepay.payee.id",
    "amount": "transaction.amount",
    "currency": "transaction.currency",
    "fee": "transaction.fee",
    "version": "onepay.object.version",
    "reason": "event.reason",
}


def of_transactions(session: Session, wanted: sa.ColumnElement[bool]) -> Mapping[tuple[str, str], Any]:
    """Return the orders of some transactions, by kind and id."""
    found: dict[tuple[str, str], Any] = {}
    for kind, order in KINDS.items():
        posted = (transaction.c.object_id == order.table.c.id) & (transaction.c.kind == kind)
        query = sa.select(order.table).join(transaction, posted).where(wanted)
        found |= {(kind, row.id): row._mapping for row in session.execute(query)}
    return found


def check(
    row: Any,
    entries: Sequence[EntryRow],
    event: Mapping[str, Any] | None,
    order: Mapping[str, Any] | None,
    found: Findings,
    reader: TextReader | None,
) -> None:
    """Compare one transaction with the order it settled; `event` is the body of its event, where it can be read."""
    kind, form = row.kind, KINDS[row.kind]
    if order is None:
        found.add(f"{kind}_missing", form.table, row.object_id, expected=f"the order of {row.id}", found="none")
        return
    id, table = order["id"], form.table
    found.same(f"{kind}_state", table, id, SETTLED, order["state"])
    found.same(f"{kind}_owner", table, id, row.owner_id, order["owner_id"])
    found.same(f"{kind}_reference", table, id, row.reference, order[form.reference])
    if "reason" in order:
        found.same(f"{kind}_reason", table, id, None, order["reason"])
    if order["at"] > row.at:
        # A transaction is never dated before the one before it in its books, so it may be later than its order.
        found.add(f"{kind}_time", table, id, expected=f"at most {row.at}", found=order["at"])
    amounts = {one.book_id: one.amount for one in entries}
    fee = order.get("fee", 0)
    moved = [(order[form.target], order["amount"])]
    if form.source is not None:
        moved.append((order[form.source], -order["amount"] - fee))
    books = sorted(book for book, _ in moved)
    if len(set(books)) < len(books) or not amounts.keys() >= set(books):
        found.add(f"{kind}_books", table, id, expected=sorted(amounts), found=books)
    else:
        found.same(f"{kind}_amount", table, id, [(book, amounts[book]) for book, _ in moved], moved)
    found.same(f"{kind}_currency", table, id, sorted({one.currency for one in entries}), [order["currency"]])
    if reader is not None and "signed_ct" in order:
        _check_signed(order, reader, found)
    if event is None:
        return
    if "signed_hash" in order:
        told_hash = at_path(event, "onepay.transfer.signed_hash")
        found.same(f"{kind}_signed_told", table, id, told_hash, order["signed_hash"].hex())
    found.same(f"{kind}_time_told", table, id, at_path(event, "@timestamp"), rfc3339(order["at"]))
    said = {"status": "transaction.status", "version": "onepay.object.version", "fee": "transaction.fee"}
    for name, path in said.items():
        column = "state" if name == "status" else name
        if column in order:
            found.same(f"{kind}_{name}_told", table, id, at_path(event, path), order[column])


def check_unposted(session: Session, found: Findings) -> None:
    """No settled order without its transaction."""
    for kind, order in KINDS.items():
        posted = sa.exists().where(transaction.c.object_id == order.table.c.id, transaction.c.kind == kind)
        lost = sa.select(order.table.c.id).where(order.table.c.state == SETTLED, ~posted).order_by(order.table.c.id)
        for id in session.scalars(lost):
            found.add(f"{kind}_unposted", order.table, id, expected="a transaction", found="none")


def check_refused(session: Session, found: Findings, keys: TextKeys | None) -> None:
    """Refused transfers and the events that tell of them are the same, both ways, as far as bodies can be read."""
    tally, is_whole = Tally(), True
    for refusals in told.of_kinds(session, TransferRefused.kind):
        events = [(_transfer_of(event), event) for _, event in told.documents(refusals, found)]
        is_whole = is_whole and len(events) == len(refusals)
        rows = session.execute(sa.select(transfer).where(transfer.c.id.in_([id for id, _ in events])))
        row_by_id = {row.id: row for row in rows}
        reader = signed_text.reader({row.owner_id for row in row_by_id.values()}, keys)
        for id, event in events:
            tally.told(id)
            _check_refusal(id, event, row_by_id.get(id), found, reader)
    if not is_whole:
        return
    for ids in _refused(session):
        for id in ids:
            tally.stands(id)
    if not tally.agrees:
        _name_untold(session, found)


def _check_refusal(id: str, event: Mapping[str, Any], row: Any, found: Findings, reader: TextReader | None) -> None:
    if row is None:
        found.add("transfer_missing", transfer, id, expected="a refused order", found="none")
        return
    found.same("transfer_state", transfer, id, REFUSED, row.state)
    wanted = (told.owner_of(event), *(at_path(event, path) for path in SAID_OF_REFUSED.values()))
    stands = (row.owner_id, *(getattr(row, column) for column in SAID_OF_REFUSED))
    found.same("transfer_refusal", transfer, id, wanted, stands)
    found.same("transfer_time_told", transfer, id, at_path(event, "@timestamp"), rfc3339(row.at))
    found.same(
        "transfer_signed_told", transfer, id, at_path(event, "onepay.transfer.signed_hash"), row.signed_hash.hex()
    )
    if reader is not None:
        _check_signed(row._mapping, reader, found)


def _check_signed(order: Mapping[str, Any], reader: TextReader, found: Findings) -> None:
    """Compare an order with the text its payer signed, unless the payer was erased."""
    id = order["id"]
    try:
        text = signed_text.unseal(order["signed_ct"], order["owner_id"], id, reader)
    except Unreadable:
        found.add("transfer_signed_text", transfer, id, expected="the text that was signed", found="it does not open")
        return
    if text is None:
        return
    found.same("transfer_signed_hash", transfer, id, text.digest().hex(), order["signed_hash"].hex())
    said = {
        "payee": text.payee,
        "amount": text.amount.minor,
        "currency": text.amount.currency,
        "fee": text.fee.minor,
        "reference": text.reference,
    }
    found.same("transfer_signed", transfer, id, said, {name: order[name] for name in said})


def _name_untold(session: Session, found: Findings) -> None:
    for ids in _refused(session):
        untold = set(ids)
        for refusals in told.of_kinds(session, TransferRefused.kind):
            untold -= {_transfer_of(event) for _, event in told.documents(refusals, found)}
        for id in sorted(untold):
            found.add("transfer_untold", transfer, id, expected="an event that tells of the refusal", found="none")


def _transfer_of(event: Mapping[str, Any]) -> str:
    return told.id_of(event, "onepay.transfer.id")


def _refused(session: Session) -> Iterator[Sequence[str]]:
    """Yield the ids of refused transfers in slices."""
    query = sa.select(transfer.c.id).where(transfer.c.state == REFUSED).order_by(transfer.c.id).limit(SLICE)
    ids = session.scalars(query).all()
    while ids:
        yield ids
        ids = session.scalars(query.where(transfer.c.id > ids[-1])).all()
