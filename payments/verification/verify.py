"""The verifier: recomputes the ledger from its entries alone, and compares its hashes with the log, both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import LEDGER_VERIFY_RUN
from app.kernel.clock import micros
from app.kernel.context import Context
from ingest.events import transaction as events
from ingest.events.envelope import Outcome, at_path
from ingest.log import outbox
from ingest.models import body as log_body
from ingest.models import entry as log_entry
from ingest.models import outbox as log_outbox
from payments import signed_text
from payments.ledger import digest
from payments.ledger.model import BookState, EntryRow, HoldState
from payments.models import balance, book, entry, hold, transaction
from payments.signed_text import TextKeys
from payments.verification import orders, ownership, restrained, told
from payments.verification.findings import Difference, Findings

SLICE: Final = 10_000
POSTING_KINDS: Final = tuple(kind.kind for kind in events.KINDS if issubclass(kind, events.PostingEvent) and kind.posts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was read and what did not agree. `unreadable` counts events whose body retention has lawfully dropped."""

    transactions: int
    entries: int
    books: int
    unreadable: int
    differences: tuple[Difference, ...]

    @property
    def is_sound(self) -> bool:
        """Tell whether everything agreed."""
        return not self.differences


def verify(
    session: Session,
    *,
    keys: TextKeys | None = None,
    only_book: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verification:
    """Recompute everything, or one book and its transactions, and return the first bad row of each kind.

    Orders are compared with their postings and events, wallets with their opening, restraints and what the log says of
    them, the house's books with what they must be; with `keys` orders also with the text their payer signed, unless
    the payer was erased: the `reference` of a refused order stands there alone. What stands nowhere else is not
    compared: who has a handle, the ceiling of a book, and the answers kept for repeated requests. Accounts, their
    states and roles are no business of the ledger and not compared either.

    Of restraints what events tell is compared: who held whom from when, until when and why, and who let them go. A
    restraint that moved no wallet (another stood, or its person had none) and the end of one while another stands leave
    no event of money, so they are not compared, nor are the keys by which restraints are asked for once.
    `progress` is told how many entries and transactions were read, of how many.
    The session must be fresh (`db.read()`): the verifier takes one state of the whole database and changes nothing.
    """
    found = Findings()
    total = _rows(session, only_book)
    entries, books = _check_books(session, only_book, found, lambda done: progress(done, total))
    transactions, unreadable = _check_transactions(
        session, only_book, found, keys, lambda done: progress(entries + done, total)
    )
    if only_book is None:
        _check_empty_books(session, found)
        _check_events(session, found)
        _check_trial_balance(session, found)
        orders.check_unposted(session, found)
        orders.check_refused(session, found, keys)
        ownership.check(session, found)
        restrained.check(session, found)
    _check_holds(session, only_book, found)
    return Verification(
        transactions=transactions,
        entries=entries,
        books=books,
        unreadable=unreadable,
        differences=tuple(found.by_kind.values()),
    )


def record(session: Session, verification: Verification, ctx: Context) -> str:
    """Tell the log what a verification found, and return the event's id."""
    ctx.actor.require(LEDGER_VERIFY_RUN)
    outcome = Outcome.SUCCESS if verification.is_sound else Outcome.FAILURE
    differences = sum(difference.count for difference in verification.differences)
    verified = events.LedgerVerified(entries=verification.entries, differences=differences, outcome=outcome)
    return outbox.record(session, verified, ctx)


def _rows(session: Session, only_book: str | None) -> int:
    """Count the entries and transactions that are to be read."""
    here = sa.true() if only_book is None else entry.c.book_id == only_book
    entries = session.execute(sa.select(sa.func.count()).select_from(entry).where(here)).scalar_one()
    counted = sa.func.count() if only_book is None else sa.func.count(sa.distinct(entry.c.transaction_id))
    of = transaction if only_book is None else entry
    return entries + session.execute(sa.select(counted).select_from(of).where(here)).scalar_one()


def _check_books(
    session: Session, only_book: str | None, found: Findings, progress: Callable[[int], None]
) -> tuple[int, int]:
    """Walk all entries by book and version; return how many entries and books there were."""
    entries = books = 0
    balances: dict[str, Any] = {}

    def walked() -> Iterator[Any]:
        done = 0
        for rows in _entries(session, only_book):
            known = session.execute(sa.select(balance).where(balance.c.book_id.in_({row.book_id for row in rows})))
            balances.clear()
            balances.update({row.book_id: row for row in known})
            yield from rows
            done += len(rows)
            progress(done)

    for book_id, rows in groupby(walked(), key=lambda row: str(row.book_id)):
        books += 1
        entries += _check_book(book_id, balances.get(book_id), rows, found)
    return entries, books


def _check_book(book_id: str, stands: Any, rows: Iterator[Any], found: Findings) -> int:
    count = posted = held = version = 0
    running, running_held = 0, 0
    last_at: datetime | None = None
    for row in rows:
        count += 1
        key = f"{book_id}/{row.version}"
        found.same("entry_version", entry, key, version + 1, row.version)
        found.same("entry_balance", entry, key, running + row.amount, row.balance_after)
        found.same("entry_held", entry, key, running_held + row.held_delta, row.held_after)
        if stands is not None:
            found.same("entry_currency", entry, key, stands.currency, row.currency)
        if row.at is None:
            found.add("entry_orphan", entry, key, expected=f"transaction {row.transaction_id}", found="none")
        elif last_at is not None and row.at < last_at:
            found.add("entry_time", entry, key, expected=f"not before {last_at}", found=row.at)
        last_at = row.at or last_at
        # The sums go their own way; the running values follow the rows, so that one bad row is named once.
        posted, held, version = posted + row.amount, held + row.held_delta, row.version
        running, running_held = row.balance_after, row.held_after
    if stands is None:
        found.add("balance_missing", balance, book_id, expected=f"version {version}", found="none")
        return count
    found.same("balance_posted", balance, book_id, posted, stands.posted)
    found.same("balance_held", balance, book_id, held, stands.held)
    found.same("balance_version", balance, book_id, version, stands.version)
    if last_at is not None:
        found.same("balance_time", balance, book_id, last_at, stands.last_at)
    is_below = stands.floor is not None and posted - held < stands.floor
    if is_below and not stands.forced:
        found.add("balance_floor", balance, book_id, expected=f"at least {stands.floor}", found=posted - held)
    if stands.forced and not is_below:
        found.add("balance_forced", balance, book_id, expected=0, found=stands.forced)
    if stands.state == BookState.CLOSED and (posted, held) != (0, 0):
        found.add("balance_closed", balance, book_id, expected="nothing", found=f"{posted}, {held} held")
    return count


def _entries(session: Session, only_book: str | None) -> Iterator[Sequence[Any]]:
    query = sa.select(entry, transaction.c.at).join_from(
        entry, transaction, transaction.c.id == entry.c.transaction_id, isouter=True
    )
    if only_book is not None:
        query = query.where(entry.c.book_id == only_book)
    key = sa.tuple_(entry.c.book_id, entry.c.version)
    query = query.order_by(entry.c.book_id, entry.c.version).limit(SLICE)
    rows: Sequence[Any] = session.execute(query).all()
    while rows:
        yield rows
        rows = session.execute(query.where(key > sa.tuple_(rows[-1].book_id, rows[-1].version))).all()


def _check_empty_books(session: Session, found: Findings) -> None:
    """A book without entries holds nothing and is at version 0."""
    has_entries = sa.exists().where(entry.c.book_id == balance.c.book_id)
    moved = (balance.c.posted != 0) | (balance.c.held != 0) | (balance.c.version != 0)
    for row in session.execute(sa.select(balance).where(~has_entries, moved).order_by(balance.c.book_id)):
        stands = f"{row.posted}, {row.held} held, version {row.version}"
        found.add("balance_without_entries", balance, row.book_id, expected="nothing, version 0", found=stands)


def _check_transactions(
    session: Session,
    only_book: str | None,
    found: Findings,
    keys: TextKeys | None,
    progress: Callable[[int], None],
) -> tuple[int, int]:
    """Walk all transactions by id with their entries and events; return how many, and how many bodies are gone."""
    count = unreadable = 0
    for rows in _transactions(session, only_book):
        count += len(rows)
        # Those of one book lie far apart: between the first and the last there may be all the others.
        ids, first, last = [row.id for row in rows], rows[0].id, rows[-1].id
        span, these = (
            (column.between(first, last) if only_book is None else column.in_(ids))
            for column in (entry.c.transaction_id, transaction.c.id)
        )
        entries_by_id: dict[str, list[EntryRow]] = {row.id: [] for row in rows}
        for row in session.execute(sa.select(entry).where(span).order_by(entry.c.book_id, entry.c.version)):
            if row.transaction_id in entries_by_id:
                entries_by_id[row.transaction_id].append(EntryRow._make(row))
        known = orders.of_transactions(session, these)
        reader = signed_text.reader({one["owner_id"] for one in known.values() if "signed_ct" in one}, keys)
        for row in rows:
            _check_transaction(row, entries_by_id[row.id], found)
            event = _told(row, found)
            unreadable += row.sequence is not None and row.sequenced is None and row.waiting is None
            if row.kind in orders.KINDS:
                orders.check(row, entries_by_id[row.id], event, known.get((row.kind, row.object_id)), found, reader)
        progress(count)
    return count, unreadable


def _transactions(session: Session, only_book: str | None) -> Iterator[Sequence[Any]]:
    query = (
        sa.select(
            transaction,
            log_entry.c.sequence,
            log_body.c.body.label("sequenced"),
            log_outbox.c.body.label("waiting"),
        )
        .join_from(transaction, log_entry, log_entry.c.event_id == transaction.c.event_id, isouter=True)
        .outerjoin(log_body, log_body.c.sequence == log_entry.c.sequence)
        .outerjoin(log_outbox, log_outbox.c.id == transaction.c.event_id)
        .order_by(transaction.c.id)
        .limit(SLICE)
    )
    if only_book is not None:
        touching = sa.select(entry.c.transaction_id).where(entry.c.book_id == only_book)
        query = query.where(transaction.c.id.in_(touching))
    rows = session.execute(query).all()
    while rows:
        yield rows
        rows = session.execute(query.where(transaction.c.id > rows[-1].id)).all()


def _check_transaction(row: Any, entries: Sequence[EntryRow], found: Findings) -> None:
    if not entries:
        found.add("transaction_without_entries", transaction, row.id, expected="entries", found="none")
        return
    sums: dict[str, int] = {}
    for one in entries:
        sums[one.currency] = sums.get(one.currency, 0) + one.amount
    for one in entries:
        key = f"{one.book_id}/{one.version}"
        found.same("entry_day", entry, key, row.effective_on, one.effective_on)
    for currency, total in sums.items():
        found.same("transaction_sum", transaction, f"{row.id} {currency}", 0, total)
    recomputed = digest.transaction_hash(
        id=row.id,
        kind=row.kind,
        object_id=row.object_id,
        owner_id=row.owner_id,
        reference=row.reference,
        reverses_id=row.reverses_id,
        at=micros(row.at),
        effective_on=row.effective_on,
        entries=entries,
    )
    found.same("transaction_hash", transaction, row.id, recomputed.hex(), row.hash.hex())


def _told(row: Any, found: Findings) -> Mapping[str, Any] | None:
    """Compare a transaction with its event; return what it says, or None where it is missing, damaged or gone."""
    text = row.sequenced if row.sequenced is not None else row.waiting
    if text is None:
        if row.sequence is None:
            found.add("event_missing", transaction, row.id, expected=f"event {row.event_id}", found="none")
        return None
    event = told.document(row.event_id, text, found)
    if event is None:
        return None
    found.same("event_transaction", log_body, row.event_id, row.id, at_path(event, "onepay.ledger.transaction"))
    found.same("event_hash", log_body, row.event_id, row.hash.hex(), at_path(event, "onepay.ledger.hash"))
    found.same("transaction_actor", transaction, row.id, at_path(event, "user.id"), row.actor_id)
    found.same("transaction_request", transaction, row.id, at_path(event, "trace.id"), row.request_id)
    return event


def _check_events(session: Session, found: Findings) -> None:
    """No event of a posting without its transaction, whether it has a sequence or waits for one."""
    for table, id in ((log_entry, log_entry.c.event_id), (log_outbox, log_outbox.c.id)):
        known = sa.exists().where(transaction.c.event_id == id)
        lost = sa.select(id.label("id")).where(table.c.kind.in_(POSTING_KINDS), ~known).order_by(id)
        for row in session.execute(lost):
            found.add("transaction_missing", transaction, f"event {row.id}", expected="a transaction", found="none")


def _check_trial_balance(session: Session, found: Findings) -> None:
    sums = sa.select(entry.c.currency, sa.func.sum(entry.c.amount).label("total")).group_by(entry.c.currency)
    for row in session.execute(sums):
        found.same("trial_balance", entry, row.currency, 0, int(row.total))
    totals = sa.select(balance.c.currency, sa.func.sum(balance.c.posted).label("total")).group_by(balance.c.currency)
    for row in session.execute(totals):
        found.same("trial_balance", balance, row.currency, 0, int(row.total))
    nameless = sa.select(balance.c.book_id).where(~sa.exists().where(book.c.id == balance.c.book_id))
    for row in session.execute(nameless.order_by(balance.c.book_id)):
        found.add("book_missing", book, row.book_id, expected="a book", found="none")


def _check_holds(session: Session, only_book: str | None, found: Findings) -> None:
    """What the open holds of a book reserve is what its balance says is held."""
    rest = hold.c.amount - hold.c.captured - hold.c.released
    reserved = (
        sa.select(hold.c.book_id, sa.func.sum(rest).label("total"))
        .where(hold.c.state == HoldState.OPEN)
        .group_by(hold.c.book_id)
        .subquery()
    )
    total = sa.func.coalesce(reserved.c.total, 0)
    query = (
        sa.select(balance.c.book_id, balance.c.held, total.label("total"))
        .join_from(balance, reserved, reserved.c.book_id == balance.c.book_id, isouter=True)
        .where(balance.c.held != total)
        .order_by(balance.c.book_id)
    )
    if only_book is not None:
        query = query.where(balance.c.book_id == only_book)
    for row in session.execute(query):
        found.add("holds", balance, row.book_id, expected=int(row.total), found=row.held)
