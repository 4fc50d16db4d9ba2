"""The commands about the ledger: whether it fits the log, how a balance came about, and the sums of all books."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import sqlalchemy as sa

from app.commands.lines import Arguments, Line, Run, leave, text
from app.commands.working import Note, recorded, telling
from app.compose import System
from app.kernel.access import LEDGER_ENTRY_READ, LEDGER_VERIFY_RUN, service
from app.kernel.clock import rfc3339
from app.kernel.errors import NotFound
from payments import money
from payments.ledger import reading
from payments.models import book
from payments.money import Money
from payments.verification import verify as verification

_OPERATOR: Final = service("operator", LEDGER_ENTRY_READ, LEDGER_VERIFY_RUN)


def verify(system: System, args: Arguments) -> Iterator[Line]:
    """Replay the ledger and compare it with the log, both ways; exit 6 names the first bad row of each kind."""

    def work(note: Note) -> verification.Verification:
        with system.db.read() as session:
            return verification.verify(
                session, keys=system.subject_keys, only_book=args.get("book") or None, progress=note
            )

    found = yield from telling(system, "entries and transactions", work)
    yield from recorded(system, _OPERATOR, lambda session, ctx: verification.record(session, found, ctx))
    for difference in found.differences:
        yield text(str(difference))
    word = "sound" if found.is_sound else "DIFFERS"
    yield text(f"ledger {word}: {found.transactions} transactions, {found.entries} entries, {found.books} books")
    yield leave(0 if found.is_sound else 6)


def explain(system: System, args: Arguments) -> Iterator[Line]:
    """Print the entries of a book with the balance after each, and where the log tells of them."""
    book_id, after, ctx = str(args["book"]), 0, system.context(_OPERATOR)
    with system.db.read() as session:
        currency = session.scalar(sa.select(book.c.currency).where(book.c.id == book_id))
    while True:
        with system.db.read() as session:
            lines = reading.explain(session, book_id, ctx, after=after)
        if currency is None:
            raise NotFound(
                f"There is no book {book_id}: "
                "`onepay ledger explain` takes the id of a wallet (wal_…) or of another book."
            )
        if not lines and not after:
            yield text("Nothing was posted to this book yet.")
        for line in lines:
            moved, left = _amount(line.amount, currency), _amount(line.balance_after, currency)
            yield text(
                f"{line.version:>6}  {rfc3339(line.at)}  {moved:>16}  = {left:>16}  {line.kind:<9} "
                f"{line.object_id}  {line.transaction_id}  log {line.sequence or '–'}"
            )
        if not lines:
            return
        after = lines[-1].version


def trial_balance(system: System, args: Arguments) -> Iterator[Line]:
    """Print the sums of all books by currency and kind; each currency sums to zero."""
    with system.db.read() as session:
        rows = reading.trial_balance(session, system.context(_OPERATOR))
    for row in rows:
        posted, held = _amount(row.posted, row.currency), _amount(row.held, row.currency)
        yield text(f"{row.kind:<18} {row.books:>6} books  posted {posted:>20}  held {held:>18}")
    sums: dict[str, int] = {}
    for row in rows:
        sums[row.currency] = sums.get(row.currency, 0) + row.posted
    for currency, total in sorted(sums.items()):
        word = "balanced" if total == 0 else "NOT BALANCED"
        yield text(f"sum {_amount(total, currency)}: {word}")
    yield leave(6 if any(sums.values()) else 0)


def _amount(minor: int, currency: object) -> str:
    return str(Money(minor, money.currency(currency)))


COMMANDS: Final[Mapping[str, Run]] = {
    "ledger verify": verify,
    "ledger explain": explain,
    "ledger trial-balance": trial_balance,
}
