"""Jobs keep up with what the system takes in."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from app import jobs
from payments.idempotency import PURGE_MAX
from payments.models import idempotency
from tests.support.installation import installed


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
        (job,) = [one for one in jobs.all_jobs(house.system) if one.name == "payments.purge"]
        job.run(now)
        with house.system.db.read() as session:
            assert list(session.scalars(sa.select(idempotency.c.key))) == ["young"]
    assert job.every <= timedelta(minutes=1)
