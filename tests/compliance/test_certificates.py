"""The report of certificates says what the runs and erasures of a period certified, with the number that proves it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.identity.models import session as sessions
from app.kernel.access import service
from app.kernel.clock import StillClock
from compliance.engine.rerun import number_of
from compliance.reports import runs as reports
from compliance.retention import runs
from ingest.log import read
from tests.compliance.privacy.rights import Rights
from tests.compliance.test_retention import START, approved, carried_on, planned
from tests.support.installation import installed


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_what_was_certified_is_in_the_report(tmp_path: Path, where: str, request: pytest.FixtureRequest) -> None:
    url = {} if where == "sqlite" else {"database_url": request.getfixturevalue("server").empty_database()}
    clock = StillClock(START)
    with installed(tmp_path / "home", clock=clock, **url) as house:
        for name, role in (("olga", roles.COMPLIANCE_OFFICER), ("dora", roles.DPO), ("dirk", roles.DPO)):
            house.staff(name, role)
        rights, amber = Rights(house=house, clock=clock), house.customer("amber_one", euros=20)
        clock.move(timedelta(days=120))
        for name in ("olga", "dora", "dirk"):
            house.browser().sign_in(house.people[name], surface="staff")
        with house.system.db.begin() as session:
            session.execute(sa.update(sessions).values(ended_at=clock.now() - timedelta(days=100)))
        run = planned(house, "session")
        approved(house, run, "dora", "dirk")
        for _ in range(3):
            carried_on(house)
        erased = rights.approved_erasure(amber, house.people["olga"], house.people["dora"])
        clock.move(timedelta(hours=72))
        rights.work()
        house.system.signer.sign(clock.now())

        officer = rights.colleague(house.people["olga"], roles.COMPLIANCE_OFFICER)
        parts = house.system.reports
        with house.system.db.begin() as session:
            id = reports.ask(session, "certificates", clock.now() - timedelta(days=30), officer, parts=parts)
        reports.carry_on(house.system.context(service("reports")), parts=parts)
        with house.system.db.read() as session:
            made = json.loads(reports.read(session, id, "certificates.json", officer.actor, parts=parts))
            tables = {table["name"]: table["rows"] for table in made["tables"]}
            (line,), (person,) = tables["retention"], tables["erasures"]
            done = runs.by_id(session, run.id)
            assert (line["Class"], line["Removed"], line["Planned"]) == ("session", done.done, done.total)
            assert (line["Root of the plan"], line["Approvers"]) == (done.root, 2)
            assert person["Request"] == erased
            assert person["Decided by"] == "compliance officer, dpo"
            for row in (line, person):
                assert read.sequence_of(session, _event(row["Evidence"], session)) is not None
        assert {row["Request"] for row in tables["erased"]} == {erased}
        assert all(row["Law"] and row["Until"] for row in tables["stays"])
        assert sum(row["Removed"] for row in tables["places"]) == line["Removed"]


def _event(number: str, session: sa.orm.Session) -> str:
    (entry,) = read.entries_of(session, [int(number.removeprefix("EV-"))])
    assert number == number_of(entry.sequence)
    return entry.event_id
