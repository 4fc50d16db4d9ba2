"""Jobs keep up with what the system takes in."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from app import jobs
from app.identity.expiry import ROWS_MAX
from app.identity.models import attempts
from app.identity.models import session as session_table
from app.identity.sessions import SWEEP_MAX
from app.kernel.jobs import Job
from payments.idempotency import PURGE_MAX
from payments.models import idempotency
from tests.support.installation import Installation, installed


def job_of(house: Installation, name: str) -> Job:
    (found,) = [one for one in jobs.all_jobs(house.system) if one.name == name]
    return found


def left(house: Installation, table: sa.Table) -> int:
    with house.system.db.read() as session:
        return session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_what_identity_needs_no_longer_goes_as_fast_as_it_comes(tmp_path: Path) -> None:
    with installed(tmp_path / "home") as house:
        now = house.system.clock.now()
        old, nobodys = now - timedelta(days=2), {"surface": "customer", "epoch": 1, "acr": "pwd", "csrf": "c"}
        tries = [{"scope": "address", "key": f"k{n}", "failures": 1, "first_at": old} for n in range(2 * ROWS_MAX + 5)]
        times = {"created_at": old, "proved_at": old, "seen_at": old, "expires_at": old, "idle_seconds": 300}
        begun = [
            {"id": f"ses_{n}", "token_hash": str(n).encode(), "account_id": "acc_1", **nobodys, **times}
            for n in range(2 * SWEEP_MAX + 5)
        ]
        with house.system.db.begin() as session:
            session.execute(sa.insert(attempts), tries)
            session.execute(sa.insert(session_table), begun)
        job_of(house, "identity.expire").run(now)
        assert left(house, attempts) == 0
        with house.system.db.read() as session:
            still = sa.select(sa.func.count()).select_from(session_table).where(session_table.c.ended_at.is_(None))
            assert session.execute(still).scalar_one() == 0


def test_lapsed_keys_are_purged_as_fast_as_they_come(tmp_path: Path) -> None:
    with installed(tmp_path / "home") as house:
        now = house.system.clock.now()
        kept = {"route": "r", "fingerprint": b"f" * 32, "state": "done", "status": 201, "body": b"", "object_id": None}
        rows = [
            {"scope": "acc_1", "key": f"k{n}", "expires_at": now - timedelta(hours=1), **kept}
            for n in range(2 * PURGE_MAX + 500)
        ]
        rows.append({"scope": "acc_1", "key": "young", "expires_at": now + timedelta(hours=1), **kept})
        with house.system.db.begin() as session:
            session.execute(sa.insert(idempotency), rows)
        job = job_of(house, "payments.purge")
        job.run(now)
        with house.system.db.read() as session:
            assert list(session.scalars(sa.select(idempotency.c.key))) == ["young"]
    assert job.every <= timedelta(minutes=1)
