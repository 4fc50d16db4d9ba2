"""Connections to PostgreSQL that went away while they lay in the pool, and errors of the drivers themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from app.kernel import db as kernel
from app.kernel.db import Database, DatabaseBusy
from app.kernel.prepared import Prepared

PID = sa.select(sa.func.pg_backend_pid())


@pytest.fixture
def db(server: object) -> Iterator[Database]:
    made = Database(server.fresh_database())
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
