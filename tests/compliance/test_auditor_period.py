"""An auditor's screens are locked to their period: what people signed, scanned and named after it is not there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.identity.models import role_grant
from app.kernel.access import Actor, ActorKind
from app.kernel.clock import StillClock
from compliance.attest import analyses, attestations, exceptions
from compliance.catalog.controls import PCI
from compliance.registers import processors
from compliance.scans import register
from compliance.scans import standing as quarters
from compliance.scans.register import Draft, Found, Kind, Severity
from tests.compliance.office import ctx, opened
from tests.dashboards.desk import Room
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SIGNED = "quuxsigned this autumn by us"


@pytest.fixture
def clock() -> StillClock:
    return StillClock(START)


@pytest.fixture
def house(tmp_path: Path, clock: StillClock) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=clock) as made:
        opened(made, "olga", "dora")
        yield made


def written(house: Installation) -> None:
    """Let people sign, except, analyse, scan and name an officer, all of today."""
    now, desk = house.system.clock.now(), house.system.desk
    who = [f"quux{part}" for part in ("mail@onepay.example", " page", " board", " independent")]
    with house.system.db.begin() as session:
        olga = ctx(house, "olga")
        paper = attestations.Draft(framework=PCI, key="12.6.1", kind=attestations.Kind.STATEMENT, statement=SIGNED)
        attestations.propose(session, paper, olga, desk=desk)
        risk = exceptions.Kind.ACCEPTED_RISK
        why = "quuxexcept until they arrive"
        excuse = exceptions.Draft(framework=PCI, key="8.4.1", kind=risk, why=why, until=now + 5 * DAY)
        exceptions.propose(session, excuse, olga, desk=desk)
        said = {name: f"quuxanalysis of {name}" for name in analyses.FIELDS}
        analysis = analyses.Draft(requirement="10.4.2.1", frequency="P7D", body=said)
        analyses.propose(session, analysis, olga, desk=desk)
        scan = Draft(
            kind=Kind.INTERNAL,
            performed_on=now.date(),
            scanner="quuxscanner",
            authenticated=True,
            components=("quuxweb",),
            failed=("quuxweb",),
            findings=(Found(severity=Severity.HIGH, component="quuxweb", says="quuxfinding is open"),),
        )
        register.enter(session, scan, olga)
        processors.appoint(session, *who, ctx(house, "dora"))


def seen(house: Installation, begin: datetime, end: datetime) -> list[str]:
    """Return which of it an auditor of a period sees."""
    staff = ctx(house, "olga")
    auditor = Actor(
        id="acc_audit",
        kind=ActorKind.STAFF,
        roles=frozenset({roles.AUDITOR}),
        permissions=roles.ROLES[roles.AUDITOR],
        period=(begin, end),
    )
    with house.system.db.read() as session:
        found = {
            "attestation": attestations.listed(session, auditor),
            "attestation of its row": attestations.listed(session, auditor, of=(PCI, "12.6.1")),
            "exception": exceptions.listed(session, auditor),
            "analysis": analyses.listed(session, auditor),
            "scan": register.listed(session, auditor),
            "finding": register.findings(session, auditor),
            "quarter": quarters.of_kind(session, Kind.INTERNAL, date(2027, 1, 1), anchor=date(2026, 1, 1), until=end)
            .quarters[-1]
            .passes,
            "officer": processors.officer_seen(session, staff.acting_as(auditor)),
        }
    return [name for name, value in found.items() if value]


def test_an_auditor_sees_what_stood_in_their_period_and_nothing_after_it(house: Installation) -> None:
    written(house)
    everything = seen(house, START - DAY, START + DAY)
    assert len(everything) == 8
    assert seen(house, START - 9 * DAY, START - DAY) == []
    assert seen(house, START - 9 * DAY, START) == []
    with house.system.db.begin() as session:
        for table in (
            attestations.models.attestation,
            attestations.models.exception,
            attestations.models.risk_analysis,
        ):
            session.execute(sa.update(table).values(state="withdrawn"))
    left = seen(house, START + 800 * DAY, START + 900 * DAY)
    assert left == ["finding", "quarter", "officer"]


def test_the_pages_of_an_auditor_say_nothing_of_what_came_after(house: Installation, clock: StillClock) -> None:
    room = Room(installation=house)
    selma, dan = room.desk("selma", roles.AUDITOR), room.desk("dan", roles.DPO)
    period = {"period_from": START - 80 * DAY, "period_until": START - 40 * DAY}
    with house.system.db.begin() as session:
        session.execute(sa.update(role_grant).where(role_grant.c.account_id == selma.person.account).values(**period))
    written(house)
    for slug in ("tasks", "scans", "processors", "breaches"):
        path = f"/console/compliance/{slug}"
        assert "quux" not in selma.draw(path), slug
        assert slug == "breaches" or "quux" in dan.draw(path), slug
