"""PostgreSQL finds rows of the ledger by index, whether tables are empty or full, with few prepared statements."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.kernel.clock import micros
from payments import models
from payments.ledger import postgres
from tests.payments.ledger.bookkeeping import Ledger, make_ledger
from tests.payments.ledger.ledger_contract import transfer_row

STATEMENTS = (
    postgres.LOCK_BALANCES,
    postgres.LOOK_AT_BALANCES,
    postgres.LOCK_HOLDS,
    postgres.LOOK_AT_HOLDS,
    postgres.REVERSED,
    postgres.REFERENCES.replace("unnest($1, $2, $3)", "unnest($1::text[], $2::text[], $3::text[])"),
    postgres.write_statement(True, (models.transfer,))[0],
)
PREPARED_MAX = 12


@pytest.fixture
def books(server: object, home: Path) -> Iterator[Ledger]:
    made = make_ledger(home, server.fresh_database())
    yield made
    made.ground.close()


def scanned(books: Ledger) -> set[str]:
    """Return the tables that any statement of the ledger reads from end to end."""
    found = set()
    with books.ground.db.begin(posting=True) as session, postgres.driver(session) as connection:
        for statement in STATEMENTS:
            explained = connection.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement}", prepare=False)
            (plan,) = explained.fetchone()
            found |= set(re.findall(r'"Node Type": "Seq Scan".*?"Relation Name": "(\w+)"', json.dumps(plan)))
    return found


def test_no_statement_of_the_ledger_scans_a_table_empty_or_full(books: Ledger) -> None:
    assert scanned(books) == set()

    books.book("a", posted=10_000_000), books.book("b")
    for _ in range(20):
        books.post(*(books.move("a", "b", 1) for _ in range(200)))
    with books.ground.db.begin() as session:
        session.connection().exec_driver_sql("ANALYZE")

    assert scanned(books) == set()


def test_few_statements_are_prepared_whatever_is_posted(books: Ledger) -> None:
    books.book("a", posted=10**15), books.book("b")
    now = micros(books.ground.clock.now())
    for number, amount in enumerate((1, 200, 40_000, 3 * 10**9, 10**13) * 4):
        reference = f"r{number}" if number % 2 else None
        operations = [books.move("a", "b", amount, reference=reference), books.move("b", "a", 1)]
        also = [transfer_row(operations[0])] if number % 3 else []
        books.post(*operations[: 1 + number % 2], also=also)
        books.post(books.place(f"h{number}", "a", amount, micros=now + 10))
        books.post(books.release(f"h{number}", "a"))

    with books.ground.db.begin(posting=True) as session:
        count = session.execute(sa.text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()
        plans = session.execute(sa.text("SELECT current_setting('plan_cache_mode')")).scalar_one()
    assert 0 < count <= PREPARED_MAX
    assert plans == "force_generic_plan"
