"""A worker killed at any change of a report: it is made later or has failed, and nothing is claimed that is not so."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel import crypto
from app.kernel.access import Actor, ActorKind, service
from app.kernel.clock import StillClock
from compliance.reports import runs
from ingest import models as log
from tests.support.installation import Installation, installed
from tests.support.killing import KILLED, killed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PERIOD, PACE = timedelta(days=30), timedelta(minutes=5)
KILLS, COPIES, CHANGES = 32, 6, 45
MADE = ("pci_status", "art30", "oscal")


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_reports_whose_worker_is_killed_again_and_again(
    tmp_path: Path, where: str, request: pytest.FixtureRequest
) -> None:
    url = "" if where == "sqlite" else request.getfixturevalue("server").fresh_database()
    clock, home = StillClock(START), tmp_path / "home"
    database: dict[str, Any] = {"database_url": url} if url else {}
    with installed(home, clock=clock, **database) as house:
        olga = house.staff("olga", roles.COMPLIANCE_OFFICER)
        house.arrive()
        house.system.signer.sign(clock.now())
        ids = [asked(house, kind, olga.account, n) for n in range(COPIES) for kind in MADE]

    draw = random.Random(11)
    ends = killed("reports", home, url, START, PACE, [draw.randint(2, CHANGES) for _ in range(KILLS)])

    assert ends.count(KILLED) >= KILLS * 2 // 3

    with installed(home, clock=StillClock(START + KILLS * PACE), **database) as house:
        parts, officer = house.system.reports, actor(olga.account)
        while runs.carry_on(house.system.context(service("reports")), parts=parts):
            pass
        house.arrive()
        kept = 0
        with house.system.db.read() as session:
            found = [runs.by_id(session, id, officer, parts=parts) for id in ids]
            told = session.scalars(sa.select(log.entry.c.kind).where(log.entry.c.kind == "compliance.report.issued"))
            assert len(told.all()) == sum(one.state == runs.DONE for one in found) >= len(ids) // 2
            for one in found:
                assert one.state == runs.DONE or (one.state, one.tries, one.files) == (
                    runs.FAILED,
                    parts.settings.tries_max,
                    (),
                )
                for file in one.files:
                    assert (
                        crypto.sha256(runs.read(session, one.id, file.name, officer, parts=parts)).hex() == file.sha256
                    )
                    kept += 1
        assert sum(path.is_file() for path in parts.folder.rglob("*")) == kept, "what was begun is put away"


def actor(account: str) -> Actor:
    role = roles.COMPLIANCE_OFFICER
    return Actor(id=account, kind=ActorKind.STAFF, roles=frozenset({role}), permissions=roles.ROLES[role])


def asked(house: Installation, kind: str, account: str, copy: int = 0) -> str:
    """Ask for a report; each copy of it over another period, as the same one is made once."""
    ctx = house.system.context(actor(account))
    with house.system.db.begin() as session:
        since = ctx.at - PERIOD - timedelta(days=copy)
        return runs.ask(session, kind, since, ctx, parts=house.system.reports)
