"""Orders of people against the ledger: who paid whom how much must stand in the order, its postings and its event."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import rfc3339
from ingest.events.envelope import at_path
from ingest.events.transaction import TransferRefused
from ingest.models import body as log_body
from ingest.models import entry as log_entry
from ingest.models import outbox as log_outbox
from payments.ledger.findings import Findings
from payments.ledger.model import EntryRow
from payments.models import topup, transaction, transfer

SETTLED: Final = "settled"
REFUSED: Final = "refused"
SLICE: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A kind of order: its table, the columns of the books it moves money between, and that of its own number."""

    table: sa.Table
    source: str | None
    target: str
    reference: str


# By the kind of their ledger transactions.
KINDS: Final[Mapping[str, Order]] = {
    "transfer": Order(table=transfer, source="source", target="target", reference="reference"),
    "topup": Order(table=topup, source=None, target="book_id", reference="line"),
}


def of_transactions(session: Session, first: str, last: str) -> Mapping[tuple[str, str], Any]:
    """Return the orders of the transactions from one id to another, by kind and id."""
    found: dict[tuple[str, str], Any] = {}
    for kind, order in KINDS.items():
        posted = (transaction.c.object_id == order.table.c.id) & (transaction.c.kind == kind)
        query = sa.select(order.table).join(transaction, posted).where(transaction.c.id.between(first, last))
        found |= {(kind, row.id): row._mapping for row in session.execute(query)}
    return found


def check(
    row: Any,
    entries: Sequence[EntryRow],
    told: Mapping[str, Any] | None,
    order: Mapping[str, Any] | None,
    found: Findings,
) -> None:
    """Compare one transaction with the order it settled; `told` is the body of its event, where it can be read."""
    kind, form = row.kind, KINDS[row.kind]
    if order is None:
        found.add(f"{kind}_missing", form.table, row.object_id, expected=f"the order of {row.id}", found="none")
        return
    id, table = order["id"], form.table
    found.same(f"{kind}_state", table, id, SETTLED, order["state"])
    found.same(f"{kind}_owner", table, id, row.owner_id, order["owner_id"])
    found.same(f"{kind}_reference", table, id, row.reference, order[form.reference])
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
    if told is None:
        return
    found.same(f"{kind}_time_told", table, id, at_path(told, "@timestamp"), rfc3339(order["at"]))
    said = {"status": "transaction.status", "version": "onepay.object.version", "fee": "transaction.fee"}
    for name, path in said.items():
        column = "state" if name == "status" else name
        if column in order:
            found.same(f"{kind}_{name}_told", table, id, at_path(told, path), order[column])


def check_unposted(session: Session, found: Findings) -> None:
    """No settled order without its transaction."""
    for kind, order in KINDS.items():
        posted = sa.exists().where(transaction.c.object_id == order.table.c.id, transaction.c.kind == kind)
        lost = sa.select(order.table.c.id).where(order.table.c.state == SETTLED, ~posted).order_by(order.table.c.id)
        for id in session.scalars(lost):
            found.add(f"{kind}_unposted", order.table, id, expected="a transaction", found="none")


def check_refused(session: Session, found: Findings) -> None:
    """Refused transfers and the events that tell of them are the same, both ways, as far as bodies can be read."""
    told: set[str] = set()
    is_whole = True
    for body in _refusals(session):
        if body is None:
            is_whole = False
            continue
        event = json.loads(body)
        id = str(at_path(event, "onepay.transfer.id"))
        told.add(id)
        row = session.execute(sa.select(transfer).where(transfer.c.id == id)).one_or_none()
        if row is None:
            found.add("transfer_missing", transfer, id, expected="a refused order", found="none")
            continue
        found.same("transfer_state", transfer, id, REFUSED, row.state)
        wanted = (
            at_path(event, "onepay.wallet.id"),
            at_path(event, "onepay.payee.id"),
            at_path(event, "transaction.amount"),
            at_path(event, "transaction.currency"),
            at_path(event, "event.reason"),
        )
        stands = (row.source, row.target, row.amount, row.currency, row.reason)
        found.same("transfer_refusal", transfer, id, wanted, stands)
    if not is_whole:
        return
    for id in session.scalars(sa.select(transfer.c.id).where(transfer.c.state == REFUSED).order_by(transfer.c.id)):
        if id not in told:
            found.add("transfer_untold", transfer, id, expected="an event that tells of the refusal", found="none")


def _refusals(session: Session) -> Iterator[bytes | None]:
    """Yield the bodies of refusals, sequenced ones and those that wait; None for one whose body is gone."""
    query = (
        sa.select(log_entry.c.sequence, log_body.c.body)
        .join_from(log_entry, log_body, log_body.c.sequence == log_entry.c.sequence, isouter=True)
        .where(log_entry.c.kind == TransferRefused.kind)
        .order_by(log_entry.c.sequence)
        .limit(SLICE)
    )
    rows = session.execute(query).all()
    while rows:
        yield from (row.body for row in rows)
        rows = session.execute(query.where(log_entry.c.sequence > rows[-1].sequence)).all()
    yield from session.scalars(sa.select(log_outbox.c.body).where(log_outbox.c.kind == TransferRefused.kind))
