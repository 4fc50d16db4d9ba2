"""A retention run killed at any statement goes on: nothing is half done, counted twice, or claimed that is not so."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.identity.models import session as sessions
from app.kernel.approvals import Verdict
from app.kernel.clock import StillClock
from compliance.retention import approving, execute, runs
from ingest import models as log
from tests.compliance.office import ctx
from tests.compliance.test_retention import is_sound, planned, settle
from tests.support.installation import installed
from tests.support.killing import KILLED, killed

START = datetime(2025, 9, 2, 9, 0, tzinfo=UTC)
LATER = timedelta(days=430)
KILLS, NEVER = 32, 0


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_a_run_that_is_killed_again_and_again_ends_whole(
    tmp_path: Path, where: str, request: pytest.FixtureRequest
) -> None:
    url = "" if where == "sqlite" else request.getfixturevalue("server").fresh_database()
    clock, home = StillClock(START), tmp_path / "home"
    database: dict[str, Any] = {"database_url": url} if url else {}
    with installed(home, clock=clock, **database) as house:
        for name, role in (("olga", roles.COMPLIANCE_OFFICER), ("dora", roles.DPO), ("dirk", roles.DPO)):
            house.staff(name, role)
        house.customer("amber_one", euros=20)
        settle(house)
        clock.move(LATER)
        for name in ("olga", "dora", "dirk"):
            house.browser().sign_in(house.people[name], surface="staff")
        settle(house)
        with house.system.db.begin() as session:
            session.execute(sa.update(sessions).values(ended_at=clock.now() - timedelta(days=100)))
        made = [planned(house, class_) for class_ in ("security", "session")]
        for run in made:
            with house.system.db.begin() as session:
                asker = ctx(house, "olga")
                approval = approving.propose(session, run.id, "due by its policy", asker, parts=house.system.retention)
            for name in ("dora", "dirk"):
                with house.system.db.begin() as session:
                    house.system.approvals.decide(session, approval, Verdict.APPROVED, "", ctx(house, name))

    draw = random.Random(11)
    numbers = [draw.randint(2, 45) for _ in range(KILLS)]
    ends = killed("retention", home, url, clock.now(), timedelta(), [*numbers, NEVER])
    assert ends.count(KILLED) >= KILLS * 2 // 3
    assert ends[-1] == 0

    with installed(home, clock=StillClock(START + LATER), **database) as house:
        house.arrive()
        for before in made:
            with house.system.db.read() as session:
                run = runs.by_id(session, before.id)
                certificate = execute.certificate_of(session, run.id)
            assert run.state == runs.CERTIFIED, run.why
            assert run.done == before.total
            assert certificate is not None
            assert certificate["body"]["removed"] == before.total
        with house.system.db.read() as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(sessions)) == 0
            told = session.execute(
                sa.select(log.entry.c.kind, sa.func.count())
                .where(log.entry.c.kind.like("privacy.retention.%"))
                .group_by(log.entry.c.kind)
            ).all()
        assert {row[0]: row[1] for row in told} == {
            "privacy.retention.planned": 2,
            "privacy.retention.approved": 2,
            "privacy.retention.executed": 2,
            "privacy.retention.certified": 2,
        }
        assert is_sound(house)
