"""Several processes at once, and processes that are killed: nothing is lost, doubled or locked for ever."""

from __future__ import annotations

import multiprocessing
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from psycopg import errors

from app.kernel.clock import micros
from app.kernel.db import DatabaseBusy
from payments import ledger, models
from payments.ledger import PostingRaced, postgres
from tests.payments.ledger import callers
from tests.payments.ledger.bookkeeping import Ledger, make_ledger

SPAWN = multiprocessing.get_context("spawn")
NAMES = [f"book_{number:02}" for number in range(12)]


@pytest.fixture(params=["sqlite", "postgresql"])
def books(request: pytest.FixtureRequest, home: Path) -> Iterator[Ledger]:
    url = None if request.param == "sqlite" else request.getfixturevalue("server").fresh_database()
    made = make_ledger(home, url)
    yield made
    made.ground.close()


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spawned process gets our search path, and must find the tests in it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))


@pytest.fixture
def on_postgres(server: object, home: Path) -> Iterator[Ledger]:
    made = make_ledger(home, server.fresh_database())
    yield made
    made.ground.close()


def total(books: Ledger) -> int:
    with books.ground.db.read() as session:
        return int(session.execute(sa.select(sa.func.sum(models.balance.c.posted))).scalar_one())


def test_random_bulks_of_many_processes_meet_no_deadlock_and_the_total_stays(on_postgres: Ledger) -> None:
    books = on_postgres
    for name in NAMES:
        books.book(name, posted=1000)
    answers = SPAWN.Queue()
    url = books.ground.db.url
    processes = [
        SPAWN.Process(target=callers.post_bulks, args=(url, number, NAMES, 40, answers)) for number in range(1, 5)
    ]
    for process in processes:
        process.start()
    seen = []
    for _ in range(4 * 40):
        seen.append(answers.get(timeout=20))
        assert total(books) == 0  # in every state anybody can see
    for process in processes:
        process.join(30)

    assert set(seen) == {"posted"}
    assert books.differences() == []


def test_one_of_many_second_moves_succeeds(books: Ledger) -> None:
    books.book("a", posted=100), books.book("b")
    far = 30 * 86_400_000_000
    books.post(books.place("hld_1", "a", 60, micros=micros(books.ground.clock.now()) + far))
    answers, start = SPAWN.Queue(), SPAWN.Barrier(4)
    processes = [
        SPAWN.Process(target=callers.capture_once, args=(books.ground.db.url, number, answers, start))
        for number in range(1, 5)
    ]
    for process in processes:
        process.start()
    seen = sorted(answers.get(timeout=20) for _ in processes)
    for process in processes:
        process.join(30)

    assert seen.count("ok") == 1
    assert set(seen) <= {"ok", "hold_closed", "hold_expired"}
    assert books.standing("b") == (60, 0)
    assert books.differences() == []


def test_a_killed_process_loses_nothing_that_was_acknowledged(books: Ledger, tmp_path: Path) -> None:
    books.book("a", posted=1_000_000), books.book("b")
    told = tmp_path / "told"
    draw = random.Random(7)
    for number in range(1, 5):
        process = SPAWN.Process(target=callers.post_until_killed, args=(books.ground.db.url, number, str(told)))
        process.start()
        lines = told.read_text().count("\n") if told.exists() else 0
        while not told.exists() or told.read_text().count("\n") < lines + 5:
            assert process.is_alive()
            process.join(0.01)
        process.join(draw.random() / 10)
        process.kill()
        process.join(30)

    acknowledged = set(told.read_text().split())
    dump = books.dump()
    kept = {row[0] for row in dump["payments_transaction"]}
    assert acknowledged <= kept
    assert len(kept) - 1 - len(acknowledged) <= 4  # at most the answer that was cut off by each kill
    assert books.standing("b") == (len(kept) - 1, 0)
    assert books.differences() == []


def test_a_wait_for_a_lock_ends_and_changes_nothing(on_postgres: Ledger) -> None:
    books = on_postgres
    books.book("a", posted=100), books.book("b")
    with books.ground.db.begin() as session:
        session.execute(sa.select(models.balance).where(models.balance.c.book_id == "b").with_for_update())
        with pytest.raises(DatabaseBusy) as busy:
            books.post(books.move("a", "b", 1))

    assert busy.value.retry_after == 1
    assert books.standing("a") == (100, 0)


def test_a_late_unique_violation_may_be_tried_again(on_postgres: Ledger) -> None:
    """Two books of one owner, so that no lock makes the second wait before it looks the reference up."""
    books = on_postgres
    books.book("a", posted=100), books.book("b", posted=100), books.book("c", floor=None), books.book("d", floor=None)
    met: list[object] = []

    def second() -> None:
        try:
            met.append(books.codes(books.move("b", "d", 1, reference="r")))
        except PostingRaced as error:
            met.append(error)

    other = threading.Thread(target=second)
    with books.ground.db.begin(posting=True) as session:
        ledger.post(session, [books.move("a", "c", 1, reference="r")], books.ctx)
        other.start()
        while not waits_for_lock(books):
            other.join(0.01)
    other.join(30)

    (first,) = met
    assert isinstance(first, PostingRaced)
    assert books.codes(books.move("b", "d", 1, reference="r")) == ["reference_used"]
    assert books.standing("d") == (0, 0)


def waits_for_lock(books: Ledger) -> bool:
    with books.ground.db.read() as session:
        return bool(session.execute(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.UniqueViolation, PostingRaced),
        (errors.DeadlockDetected, PostingRaced),
        (errors.SerializationFailure, PostingRaced),
        (errors.LockNotAvailable, DatabaseBusy),
        (errors.QueryCanceled, DatabaseBusy),
        (errors.AdminShutdown, DatabaseBusy),
        (errors.CheckViolation, errors.CheckViolation),
    ],
)
def test_every_failure_of_the_database_has_its_class(
    on_postgres: Ledger, error: type[Exception], expected: type[Exception]
) -> None:
    def fail() -> None:
        with on_postgres.ground.db.begin() as session, postgres.driver(session):
            raise error

    with pytest.raises(expected):
        fail()
