"""What the database promises: one state to a reader, connections that stand, and a clear word where it is busy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.kernel import db as kernel
from app.kernel.db import Database, DatabaseBusy, StorageFull
from app.kernel.errors import WrongState
from app.kernel.prepared import Prepared

PID = sa.select(sa.func.pg_backend_pid())


@pytest.fixture
def db(server: object) -> Iterator[Database]:
    made = Database(server.fresh_database())
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'one.db'}" if is_sqlite else request.getfixturevalue("server").fresh_database()
    made = Database(url)
    yield made
    made.close()


def pid_of(db: Database, *, posting: bool) -> int:
    with db.begin(posting=posting) as session:
        return session.execute(PID).scalar_one()


@pytest.mark.parametrize("trusted", [0, 30], ids=["asked", "trusted while silent"])
@pytest.mark.parametrize("posting", [False, True])
def test_a_connection_the_server_ended_is_replaced_before_anybody_uses_it(
    db: Database, posting: bool, trusted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "TRUSTED_SECONDS", trusted)
    first = pid_of(db, posting=posting)
    assert pid_of(db, posting=posting) == first

    with db.begin(posting=not posting) as session:
        # Waits until the other backend is gone.
        assert session.execute(sa.select(sa.func.pg_terminate_backend(first, 5_000))).scalar_one()

    assert pid_of(db, posting=posting) != first


def test_a_wait_that_ends_in_the_driver_is_a_busy_database(db: Database) -> None:
    sleep = Prepared(lambda _: sa.select(sa.func.pg_sleep(sa.bindparam("span", type_=sa.Integer))))

    def overslept() -> None:
        with db.begin() as session:
            session.execute(sa.text("SET LOCAL statement_timeout = 20"))
            sleep.run(session, {"span": 5})

    with pytest.raises(DatabaseBusy):
        overslept()
    assert pid_of(db, posting=False)


def test_a_full_disk_changes_nothing_and_says_so(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'small.db'}")

    def fill() -> None:
        with db.begin() as session:
            session.execute(sa.text("PRAGMA max_page_count = 4"))
            session.execute(sa.text("INSERT INTO one VALUES (zeroblob(100000))"))

    with db.begin() as session:
        session.execute(sa.text("CREATE TABLE one (n BLOB)"))
    with pytest.raises(StorageFull) as full:
        fill()
    assert (full.value.code, full.value.retry_after) == ("storage_full", 60)
    with db.read() as session:
        assert session.execute(sa.text("SELECT count(*) FROM one")).scalar_one() == 0
    db.close()


def test_a_reader_sees_one_state_while_others_write(either: Database) -> None:
    count = sa.text("SELECT count(*) FROM one")
    add = sa.text("INSERT INTO one VALUES (1)")
    with either.begin() as session:
        session.execute(sa.text("CREATE TABLE one (n INTEGER)"))
        session.execute(add)

    with either.read() as reading:
        assert reading.execute(count).scalar_one() == 1
        with either.begin() as session:
            session.execute(add)
        assert reading.execute(count).scalar_one() == 1
    with either.read() as reading:
        assert reading.execute(count).scalar_one() == 2


def test_a_pool_without_a_free_connection_is_a_busy_database(either: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(either.engine.pool, "_timeout", 0.05)

    def ask() -> int:
        with either.read() as session:
            return int(session.execute(sa.text("SELECT 1")).scalar_one())

    with ExitStack() as taken:
        for _ in range(kernel.POOL_SIZE):
            taken.enter_context(either.read()).execute(sa.text("SELECT 1"))
        with pytest.raises(DatabaseBusy) as busy:
            ask()
    assert (busy.value.code, busy.value.retry_after) == ("unavailable", 1)
    assert ask() == 1


def test_a_change_counts_its_rows_and_the_slower_of_two_is_told(either: Database) -> None:
    things = sa.Table(
        "things", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("state", sa.Text)
    )
    with either.begin() as session:
        things.create(session.connection())
        session.execute(sa.insert(things), [{"id": 1, "state": "open"}, {"id": 2, "state": "open"}])
        assert kernel.changed(session, sa.update(things).values(state="waits")) == 2
    close = sa.update(things).where(things.c.id == 1, things.c.state == "waits").values(state="closed")
    with either.begin() as session:
        kernel.change_one(session, close, otherwise=WrongState)
    with pytest.raises(WrongState), either.begin() as session:
        kernel.change_one(session, close, otherwise=WrongState)
    with pytest.raises(WrongState), either.begin() as session:
        kernel.change_one(session, sa.update(things).values(state="closed"), otherwise=WrongState)
    with either.read() as session:
        states = list(session.scalars(sa.select(things.c.state).order_by(things.c.id)))
    assert states == ["closed", "waits"], "what met two rows changed none"
