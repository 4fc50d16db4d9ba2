"""Killed at any statement, an erasure and a copy are gone on with: nothing half done, nothing counted twice."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.identity.models import contact, password
from app.kernel.clock import StillClock
from compliance.privacy.erasure import certificates
from compliance.privacy.models import erasure_certificate, erasure_target
from compliance.privacy.request import State
from tests.compliance.privacy.conftest import START
from tests.compliance.privacy.rights import Copy, Rights
from tests.support import postgres
from tests.support.installation import installed
from tests.support.killing import KILLED, killed

KILLS = 32


@pytest.fixture(scope="module")
def durable_server():
    with postgres.running(durable=True) as running:
        yield running


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_an_erasure_that_is_killed_again_and_again_ends_whole(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    url = request.getfixturevalue("durable_server").fresh_database() if database == "postgresql" else ""
    home, clock = tmp_path / "home", StillClock(START)
    settings = {"database_url": url} if url else {}
    with installed(home, clock=clock, **settings) as made:
        rights = Rights(house=made, clock=clock)
        officer = made.staff("olive.kill", roles.COMPLIANCE_OFFICER)
        made.staff("dan.kill", roles.DPO)
        dpo = made.staff("dora.kill", roles.DPO)
        amber = made.customer("amber_kill")
        rights.calm()
        request_id = rights.approved_erasure(amber, officer, dpo)
        copy_id = rights.ask(dpo_customer := made.customer("basil_kill"))
    clock.move(timedelta(hours=72))
    dice, pace = random.Random(11), timedelta(minutes=11)
    ends = killed("privacy", home, url, clock.now(), pace, [dice.randint(2, 110) for _ in range(KILLS)])
    clock.move(pace * KILLS)
    with installed(home, clock=clock, **settings) as made:
        rights = Rights(house=made, clock=clock)
        rights.work()
        assert ends.count(KILLED) >= KILLS * 2 // 3
        assert rights.get(request_id).state is State.CLOSED
        assert rights.get(copy_id).state is State.READY
        assert Copy(rights.fetch(dpo_customer, copy_id)).json("manifest.json")["complete"]
        with rights.db.read() as session:
            for table in (contact, password):
                assert not session.execute(sa.select(table).where(table.c.account_id == amber.account)).all()
            (body,) = session.execute(sa.select(erasure_certificate)).all()
            rows = session.execute(sa.select(erasure_target).where(erasure_target.c.action == "delete")).all()
            assert certificates.by_request(session, request_id)["request"] == body.request_id
        assert all(row.done == row.rows for row in rows), "each row is counted once"
        kinds = rights.kinds()
        assert kinds.count("privacy.subject.erased") == 1
        assert kinds.count("privacy.request.completed") == 2
