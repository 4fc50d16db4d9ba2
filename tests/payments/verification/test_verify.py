"""The verifier finds what was altered behind the ledger's back, and names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.kernel.access import LEDGER_ENTRY_READ, LEDGER_VERIFY_RUN, ActorKind
from app.kernel.clock import micros
from app.kernel.errors import Forbidden
from payments.ledger import reading
from payments.verification import verify
from tests.payments.altering import alter
from tests.payments.ledger.bookkeeping import Ledger, make_ledger
from tests.support.ground import somebody

AUDITOR = somebody(ActorKind.STAFF, "acc_auditor", LEDGER_ENTRY_READ, LEDGER_VERIFY_RUN)


@pytest.fixture(params=["sqlite", "postgresql"])
def books(request: pytest.FixtureRequest, home: Path) -> Iterator[Ledger]:
    url = None if request.param == "sqlite" else request.getfixturevalue("server").fresh_database()
    made = make_ledger(home, url)
    made.book("a", posted=100)
    made.book("b")
    made.book("empty")
    made.post(made.move("a", "b", 10), made.move("a", "b", 20))
    made.post(made.place("hld_1", "a", 5, micros=micros(made.ground.clock.now()) + 1))
    yield made
    made.ground.close()


# One altered row, and what the verifier must say of it: kind and key.
CASES = [
    (
        ("UPDATE payments_entry SET amount = 11 WHERE book_id = 'b' AND version = 1",),
        {"entry_balance b/1", "balance_posted b", "transaction_sum ltx_000002 EUR", "transaction_hash ltx_000002"},
    ),
    (
        ("UPDATE payments_entry SET balance_after = 11 WHERE book_id = 'b' AND version = 1",),
        {"entry_balance b/1", "transaction_hash ltx_000002"},
    ),
    (
        ("UPDATE payments_entry SET version = 7 WHERE book_id = 'b' AND version = 1",),
        {"entry_version b/2", "transaction_hash ltx_000002"},
    ),
    (
        ("UPDATE payments_entry SET transaction_id = 'ltx_none' WHERE book_id = 'b' AND version = 1",),
        {"entry_orphan b/1", "transaction_sum ltx_000002 EUR", "transaction_hash ltx_000002"},
    ),
    (
        ("DELETE FROM payments_entry WHERE book_id = 'b' AND version = 1",),
        {"entry_version b/2", "balance_posted b", "transaction_sum ltx_000002 EUR", "trial_balance EUR"},
    ),
    (
        ("DELETE FROM payments_entry WHERE transaction_id = 'ltx_000003'",),
        {"transaction_without_entries ltx_000003", "entry_version a/4", "balance_posted a"},
    ),
    (("UPDATE payments_entry SET held_after = 9 WHERE held_delta = 5",), {"entry_held a/4"}),
    (("UPDATE payments_entry SET currency = 'USD' WHERE book_id = 'b'",), {"entry_currency b/1"}),
    (("UPDATE payments_balance SET posted = 31 WHERE book_id = 'b'",), {"balance_posted b", "trial_balance EUR"}),
    (("UPDATE payments_balance SET held = 6 WHERE book_id = 'a'",), {"balance_held a", "holds a"}),
    (("UPDATE payments_balance SET version = 9 WHERE book_id = 'b'",), {"balance_version b"}),
    (("UPDATE payments_balance SET last_at = 9 WHERE book_id = 'b'",), {"balance_time b"}),
    (("UPDATE payments_balance SET floor = 99 WHERE book_id = 'a'",), {"balance_floor a"}),
    (("UPDATE payments_balance SET forced = 1 WHERE book_id = 'b'",), {"balance_forced b"}),
    (("UPDATE payments_entry SET effective_on = 9 WHERE book_id = 'b' AND version = 1",), {"entry_day b/1"}),
    (("UPDATE payments_transaction SET effective_on = 9 WHERE id = 'ltx_000003'",), {"transaction_hash ltx_000003"}),
    (("UPDATE payments_transaction SET actor_id = 'x' WHERE id = 'ltx_000003'",), {"transaction_actor ltx_000003"}),
    (("UPDATE payments_transaction SET request_id = 'x' WHERE id = 'ltx_000003'",), {"transaction_request ltx_000003"}),
    (("UPDATE payments_balance SET posted = 5 WHERE book_id = 'empty'",), {"balance_without_entries empty"}),
    (("DELETE FROM payments_book WHERE id = 'b'",), {"book_missing b"}),
    (("DELETE FROM payments_balance WHERE book_id = 'b'",), {"balance_missing b"}),
    (("UPDATE payments_hold SET released = 2",), {"holds a"}),
    (
        ("UPDATE payments_transaction SET owner_id = 'acc_thief' WHERE id = 'ltx_000003'",),
        {"transaction_hash ltx_000003"},
    ),
    (
        ("UPDATE payments_transaction SET at = 9 WHERE id = 'ltx_000003'",),
        {"transaction_hash ltx_000003", "entry_time a/3"},
    ),
    (
        ("DELETE FROM payments_transaction WHERE id = 'ltx_000003'",),
        {"entry_orphan a/3", "transaction_missing event evt_000003"},
    ),
    (
        (
            "DELETE FROM payments_entry WHERE transaction_id = 'ltx_000003'",
            "DELETE FROM payments_transaction WHERE id = 'ltx_000003'",
        ),
        {"transaction_missing event evt_000003"},
    ),
    (("DELETE FROM ingest_outbox WHERE id = 'evt_000003'",), {"event_missing ltx_000003"}),
]


@pytest.mark.parametrize(("statements", "expected"), CASES)
def test_an_altered_row_is_named(books: Ledger, statements: tuple[str, ...], expected: set[str]) -> None:
    assert books.differences() == []

    alter(books.ground, *statements)

    with books.ground.db.read() as session:
        found = {f"{difference.kind} {difference.key}" for difference in verify.verify(session).differences}
    assert found >= expected


def test_a_history_rewritten_with_its_hash_still_differs_from_the_log(books: Ledger) -> None:
    with books.ground.db.read() as session:
        before = reading.explain(session, "b", books.ground.ctx(AUDITOR))
    zeros = "x'" + "00" * 32 + "'" if books.ground.db.is_sqlite else "'\\x" + "00" * 32 + "'"
    alter(books.ground, "UPDATE payments_transaction SET hash = " + zeros + " WHERE id = 'ltx_000003'")  # noqa: S608 - a constant

    with books.ground.db.read() as session:
        found = verify.verify(session).differences

    assert [line.amount for line in before] == [10, 20]
    assert {difference.kind for difference in found} == {"transaction_hash", "event_hash"}


def test_one_book_is_verified_alone(books: Ledger) -> None:
    alter(books.ground, "UPDATE payments_balance SET posted = 31 WHERE book_id = 'b'")
    with books.ground.db.read() as session:
        assert verify.verify(session, only_book="a").is_sound
    with books.ground.db.read() as session:
        found = verify.verify(session, only_book="b")
    assert [(difference.expected, difference.found) for difference in found.differences] == [("30", "31")]
    assert (found.entries, found.books, found.transactions) == (2, 1, 2)


def test_the_trial_balance_lists_each_kind_of_book(books: Ledger) -> None:
    with books.ground.db.read() as session:
        (line,) = reading.trial_balance(session, books.ground.ctx(AUDITOR))
    assert (line.currency, line.kind, line.books, line.posted, line.held) == ("EUR", "test", 4, 0, 5)


def test_a_book_is_explained(books: Ledger) -> None:
    with books.ground.db.read() as session:
        lines = reading.explain(session, "a", books.ground.ctx(AUDITOR), after=1)
    assert [(line.version, line.amount, line.held_delta, line.balance_after, line.held_after) for line in lines] == [
        (2, -10, 0, 90, 0),
        (3, -20, 0, 70, 0),
        (4, 0, 5, 70, 5),
    ]
    assert {line.sequence for line in lines} == {None}


def test_a_verification_is_told_to_the_log(books: Ledger) -> None:
    with books.ground.db.read() as session:
        sound = verify.verify(session)
    alter(books.ground, "UPDATE payments_balance SET posted = 31 WHERE book_id = 'b'")
    with books.ground.db.read() as session:
        broken = verify.verify(session)
    with books.ground.db.begin() as session:
        for verification in (sound, broken):
            verify.record(session, verification, books.ground.ctx(AUDITOR))

    told = [row[2] for row in books.dump()["ingest_outbox"] if row[1] == "transaction.ledger.verified"]
    assert [b'"outcome":"success"' in body for body in told] == [True, False]
    assert [b'"differences":0' in body for body in told] == [True, False]


def test_who_may_not_read_entries_is_told_nothing(books: Ledger) -> None:
    stranger = books.ground.ctx(somebody(ActorKind.STAFF, "acc_stranger", LEDGER_VERIFY_RUN))
    with books.ground.db.read() as session:
        for ask in (lambda: reading.explain(session, "a", stranger), lambda: reading.trial_balance(session, stranger)):
            with pytest.raises(Forbidden):
                ask()
