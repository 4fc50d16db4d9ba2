"""The report of certificates says what the runs and erasures of a period certified, with the number that proves it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.identity.models import session as sessions
from app.kernel import crypto
from app.kernel.access import service
from app.kernel.clock import StillClock
from compliance.certificates import CertificateDiffers, decided_by
from compliance.engine.rerun import number_of
from compliance.privacy.models import erasure_certificate
from compliance.reports import certificates
from compliance.reports import runs as reports
from compliance.reports.parts import Making
from compliance.retention import execute, runs
from compliance.retention.models import certificate
from ingest.log import read
from tests.compliance.privacy.rights import Rights
from tests.compliance.test_retention import START, approved, carried_on, planned
from tests.compliance.test_statements import said
from tests.support.installation import installed


@dataclass(frozen=True, kw_only=True)
class Certified:
    """A house in which a run of retention and an erasure were certified."""

    rights: Rights
    run: str
    erased: str

    def report(self) -> dict[str, Any]:
        """Make the report of the last thirty days and return what it says."""
        house, now = self.rights.house, self.rights.clock.now()
        officer, parts = self.rights.colleague(house.people["olga"], roles.COMPLIANCE_OFFICER), house.system.reports
        with house.system.db.begin() as session:
            id = reports.ask(session, "certificates", now - timedelta(days=30), officer, parts=parts)
        reports.carry_on(house.system.context(service("reports")), parts=parts)
        with house.system.db.read() as session:
            made: dict[str, Any] = json.loads(
                reports.read(session, id, "certificates.json", officer.actor, parts=parts)
            )
        return made


@contextmanager
def certified(home: Path, **more: Any) -> Iterator[Certified]:
    clock = StillClock(START)
    with installed(home, clock=clock, **more) as house:
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
        yield Certified(rights=rights, run=run.id, erased=erased)


def rows(made: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {table["name"]: table["rows"] for table in made["tables"]}


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_what_was_certified_is_in_the_report(tmp_path: Path, where: str, request: pytest.FixtureRequest) -> None:
    url = {} if where == "sqlite" else {"database_url": request.getfixturevalue("server").fresh_database()}
    with certified(tmp_path / "home", **url) as found:
        tables = rows(found.report())
        (line,), (person,) = tables["retention"], tables["erasures"]
        with found.rights.db.read() as session:
            done = runs.by_id(session, found.run)
            for row in (line, person):
                assert read.sequence_of(session, _event(row["Evidence"], session)) is not None
        assert (line["Class"], line["Removed"], line["Planned"]) == ("session", done.done, done.total)
        assert (line["Root of the plan"], line["Approvers"], line["Decided by"]) == (done.root, 2, "dpo, dpo")
        assert (person["Request"], person["Decided by"]) == (found.erased, "compliance officer, dpo")
        assert (line["In the log"], person["In the log"]) == ("the same", "the same")
        assert {row["Request"] for row in tables["erased"]} == {found.erased}
        assert all(row["Law"] and row["Until"] for row in tables["stays"])
        assert sum(row["Removed"] for row in tables["places"]) == line["Removed"]


def test_a_certificate_that_somebody_wrote_again_is_shown_as_another(tmp_path: Path) -> None:
    with certified(tmp_path / "home") as found:
        db = found.rights.db
        with db.read() as session:
            kept = execute.certificate_of(session, found.run)
            text = session.scalar(sa.select(erasure_certificate.c.body))
        assert kept is not None
        assert text is not None
        fewer = {**kept["body"], "removed": kept["body"]["removed"] - 1}
        # Its hash beside it left as it was, then written again as well: the log says what it was.
        for sha256 in (kept["sha256"], execute.digest(fewer)):
            with db.begin() as session:
                session.execute(sa.update(certificate).values(body=fewer, sha256=sha256))
            with db.read() as session, pytest.raises(CertificateDiffers):
                execute.certificate_of(session, found.run)
            (line,) = rows(found.report())["retention"]
            assert line["In the log"] == "ANOTHER"
        with db.begin() as session:  # one of a run that never ran
            session.execute(
                sa.update(certificate).values(body=fewer, sha256=execute.digest(fewer), event_id="evt_none")
            )
        with db.read() as session, pytest.raises(CertificateDiffers):
            execute.certificate_of(session, found.run)
        assert rows(found.report())["retention"][0]["In the log"] == "ANOTHER"
        other = text.replace('"law":"GDPR Art. 17"', '"law":"none"')
        sha256 = crypto.sha256(other.encode()).hex()
        with db.begin() as session:
            session.execute(sa.update(erasure_certificate).values(body=other, sha256=sha256))
        made = found.report()
        assert [row["In the log"] for row in rows(made)["erasures"]] == ["ANOTHER"]
        assert made["lead"].endswith("2 certificates not what the log says.")


def test_of_many_certificates_the_log_is_asked_as_often_as_of_one(tmp_path: Path) -> None:
    with certified(tmp_path / "home") as found:
        db, at = found.rights.db, found.rights.clock.now()
        making = Making(
            id="rep",
            kind="certificates",
            params={},
            since=at - timedelta(days=30),
            as_of=at,
            asked_at=at,
            folder=tmp_path,
            progress=lambda done, of: None,
            ctx=found.rights.house.system.context(service("reports")),
        )
        counts = []
        for more in (0, 5):
            with db.begin() as session:
                row = session.execute(sa.select(certificate)).mappings().first()
                assert row is not None
                for number in range(more):
                    again = {"id": f"crt_{number}", "run_id": f"ret_{number}"}
                    session.execute(sa.insert(certificate).values({**row, **again}))
            with db.read() as session, said(db) as statements:
                made = certificates.build(session, making, found.rights.house.system.reports)
            assert len(made.tables[0].rows) == 1 + more
            counts.append(len([one for one in statements if one.startswith("SELECT")]))
        assert counts[0] == counts[1]


def _event(number: str, session: sa.orm.Session) -> str:
    (entry,) = read.entries_of(session, [int(number.removeprefix("EV-"))])
    assert number == number_of(entry.sequence)
    return entry.event_id


@pytest.mark.parametrize(
    ("roles_", "said"),
    [
        ((), ""),
        (("dpo",), "data protection officer"),
        (("dpo", "dpo"), "two data protection officers"),
        (("compliance officer", "dpo"), "compliance officer and data protection officer"),
    ],
)
def test_two_who_decided_in_one_role_are_said_as_two(roles_: tuple[str, ...], said: str) -> None:
    assert decided_by({"decided_by": list(roles_)}) == said
