"""What the database itself refuses, tried by going round the code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.payments.ledger.bookkeeping import Ledger, make_ledger


@pytest.fixture(params=["sqlite", "postgresql"])
def books(request: pytest.FixtureRequest, home: Path) -> Iterator[Ledger]:
    url = None if request.param == "sqlite" else request.getfixturevalue("server").fresh_database()
    made = make_ledger(home, url)
    made.book("a", posted=100)
    made.book("b")
    made.post(made.move("a", "b", 10))
    yield made
    made.ground.close()


HEADER = (
    "INSERT INTO payments_transaction (id, kind, object_id, owner_id, at, effective_on, request_id, hash, event_id) "
    "SELECT '{id}', kind, object_id, owner_id, at, effective_on, request_id, hash, '{event}' FROM payments_transaction "
    "WHERE id = 'ltx_000002'"
)
ENTRY = "INSERT INTO payments_entry VALUES ('{book}', {version}, '{id}', 'EUR', {amount}, {held}, {amount}, 0, 1)"
BOTH = [
    "UPDATE payments_entry SET amount = 11 WHERE book_id = 'b'",
    "DELETE FROM payments_entry WHERE book_id = 'b'",
    "UPDATE payments_transaction SET owner_id = 'acc_thief'",
    "DELETE FROM payments_transaction WHERE id = 'ltx_000002'",
    "UPDATE payments_balance SET posted = -1 WHERE book_id = 'a'",
    "UPDATE payments_balance SET held = 91 WHERE book_id = 'a'",
    "UPDATE payments_balance SET held = -1 WHERE book_id = 'a'",
    "UPDATE payments_balance SET posted = 9007199254740992 WHERE book_id = 'a'",
    "UPDATE payments_balance SET state = 'closed' WHERE book_id = 'a'",
    "UPDATE payments_balance SET state = 'melted' WHERE book_id = 'a'",
    "INSERT INTO payments_hold VALUES ('h', 'a', NULL, 10, 6, 5, 'open', 1, 'o')",
    "INSERT INTO payments_hold VALUES ('h', 'a', NULL, 0, 0, 0, 'open', 1, 'o')",
    ENTRY.format(book="b", version=1, id="ltx_new", amount=5, held=0),
    ENTRY.format(book="b", version=0, id="ltx_new", amount=5, held=0),
    ENTRY.format(book="b", version=9, id="ltx_new", amount=0, held=0),
    HEADER.format(id="ltx_000002", event="evt_new"),
    HEADER.format(id="ltx_new", event="evt_000002"),
]
POSTGRES = [
    "TRUNCATE payments_entry",
    "TRUNCATE payments_transaction",
    ENTRY.format(book="b", version=9, id="ltx_new", amount=5, held=0),
]
SQLITE = [
    ENTRY.format(book="b", version=9, id="ltx_000002", amount=5, held=0),
    ENTRY.format(book="b", version=1, id="ltx_new", amount=5, held=0).replace("INSERT", "INSERT OR REPLACE"),
    HEADER.format(id="ltx_000002", event="evt_new").replace("INSERT", "INSERT OR REPLACE"),
    HEADER.format(id="ltx_new", event="evt_000002").replace("INSERT", "INSERT OR REPLACE"),
    HEADER.format(id="ltx_new", event="evt_new"),  # a header without entries
    "UPDATE payments_balance SET posted = 'ten' WHERE book_id = 'a'",
]


def test_the_database_refuses_what_the_code_never_does(books: Ledger) -> None:
    before = books.dump()
    statements = BOTH + (SQLITE if books.ground.db.is_sqlite else POSTGRES)

    went_through = [statement for statement in statements if not is_refused(books, statement)]

    assert went_through == []
    assert books.dump() == before


def test_a_header_seals_only_what_sums_to_zero(books: Ledger) -> None:
    unbalanced = [
        ENTRY.format(book="a", version=9, id="ltx_new", amount=-5, held=0),
        ENTRY.format(book="b", version=9, id="ltx_new", amount=6, held=0),
        HEADER.format(id="ltx_new", event="evt_new"),
    ]

    assert is_refused(books, *unbalanced)
    if books.ground.db.is_sqlite:  # PostgreSQL wants both entries in one statement: see below
        assert not is_refused(books, unbalanced[0], unbalanced[1].replace("6", "5"), unbalanced[2])


def test_what_the_code_does_goes_through(books: Ledger) -> None:
    """The statements above fail for their own reason, not because everything does."""
    entries = [
        ENTRY.format(book="a", version=9, id="ltx_new", amount=-5, held=0),
        ENTRY.format(book="b", version=9, id="ltx_new", amount=5, held=0),
    ]
    together = entries[0] + ", " + entries[1].split("VALUES ")[1]

    assert not is_refused(books, together, HEADER.format(id="ltx_new", event="evt_new"))
    assert not is_refused(books, "UPDATE payments_balance SET posted = 95 WHERE book_id = 'a'")


def is_refused(books: Ledger, *statements: str) -> bool:
    try:
        with books.ground.db.begin() as session:
            for statement in statements:
                session.connection().exec_driver_sql(statement.replace("%", "%%"))
    except sa.exc.DBAPIError:
        return True
    return False
