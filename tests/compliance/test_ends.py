"""Every row has an end: a run carries it out, or the code names what does; what is older than it may be is seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.identity.models import link
from app.kernel.clock import StillClock
from app.kernel.crypto import Secret
from app.kernel.marks import personal
from app.kernel.marks import technical as plain
from compliance.audit.models import request as audit_request
from compliance.catalog import purposes, retention
from compliance.catalog.unended import UNENDED
from compliance.contracts.tables import MarkedTables
from compliance.privacy import graph
from compliance.privacy.gate import Gate
from compliance.privacy.models import consent_receipt
from compliance.probes import storage as probe
from compliance.retention import holds, runs
from compliance.retention.holds import Item
from detectors import models as detectors
from playbooks import models as playbooks
from tests.compliance.office import ctx, hold_on
from tests.compliance.test_retention import approved, carried_on, now, planned
from tests.support.installation import Installation, installed

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
YEAR = timedelta(days=366)


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    database: dict[str, Any] = {}
    if request.param == "postgresql":
        database = {"database_url": request.getfixturevalue("server").fresh_database()}
    with installed(tmp_path / "home", clock=StillClock(NOW), **database) as made:
        for name, role in (
            ("olga", roles.COMPLIANCE_OFFICER),
            ("omar", roles.COMPLIANCE_OFFICER),
            ("dora", roles.DPO),
            ("dirk", roles.DPO),
        ):
            made.staff(name, role)
        made.customer("amber_one")
        made.arrive()
        yield made


def storage(house: Installation) -> list[str]:
    controls = house.system.controls
    seen = controls.observe(controls.parts.probes["privacy.storage"])
    assert seen is not None
    return [f"{one.object_id}: {one.says}" for one in seen.reading.violations]


def gone(house: Installation, class_: str) -> runs.Run:
    run = planned(house, class_)
    approved(house, run, "dora", "dirk")
    for _ in range(2):
        carried_on(house)
    return now(house, run)


def counted(session: Session, table: sa.Table) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def receipt(session: Session, n: int, subject: str, action: str, at: datetime) -> None:
    values = {"purpose": "news", "version": 1, "language": "en", "sha256": "0" * 64, "channel": "web"}
    row = {"n": n, "subject": subject, "action": action, "at": at, "event_id": f"evt_{n}", **values}
    session.execute(sa.insert(consent_receipt).values(**row))


def left(house: Installation) -> list[int]:
    with house.system.db.read() as session:
        return list(session.scalars(sa.select(consent_receipt.c.n).order_by(consent_receipt.c.n)))


def consents(house: Installation) -> None:
    """One consent that was taken back nine years ago, one that stands, one that a newer one replaced."""
    with house.system.db.begin() as session:
        receipt(session, 1001, "acc_back", "given", NOW - 10 * YEAR)
        receipt(session, 1002, "acc_back", "withdrawn", NOW - 9 * YEAR)
        receipt(session, 1003, "acc_stands", "given", NOW - 10 * YEAR)
        receipt(session, 1004, "acc_twice", "given", NOW - 10 * YEAR)
        receipt(session, 1005, "acc_twice", "given", NOW - 9 * YEAR)


def test_a_consent_taken_back_goes_and_one_that_stands_stays(house: Installation) -> None:
    consents(house)
    assert "consent compliance_consent_receipt: 3 are due for more than 48 h, and no open run names them" in storage(
        house
    )
    run = gone(house, "consent")
    assert (run.state, run.done) == (runs.CERTIFIED, 3)
    assert left(house) == [1003, 1005]
    assert not [one for one in storage(house) if "consent" in one]
    with house.system.db.read() as session:
        assert not Gate().allowed(session, "acc_back", "news")


def test_a_withdrawal_stays_while_the_consent_before_it_is_held(house: Installation) -> None:
    consents(house)
    system = house.system
    with system.db.begin() as session:
        holds.place(
            session, hold_on("claim-40", Item(kind="object", value="1001")), ctx(house, "olga"), parts=system.retention
        )
    assert gone(house, "consent").state == runs.CERTIFIED
    assert left(house) == [1001, 1002, 1003, 1005]
    with system.db.read() as session:
        assert not Gate().allowed(session, "acc_back", "news")


def test_an_answered_request_of_an_auditor_goes(house: Installation) -> None:
    with house.system.db.begin() as session:
        for n, answered in enumerate((NOW - 10 * YEAR, None)):
            row = {"id": f"aud_{n}", "kind": "question", "body": "Who was it?", "filter": {}, "evidence": []}
            times = {"period_from": NOW - 11 * YEAR, "period_until": NOW, "asked_at": NOW - 10 * YEAR}
            session.execute(
                sa.insert(audit_request).values(**row, **times, state="answered", auditor=None, answered_at=answered)
            )
    assert [one for one in storage(house) if "compliance_audit_request: 1 are due" in one]
    assert gone(house, "governance").state == runs.CERTIFIED
    with house.system.db.read() as session:
        assert list(session.scalars(sa.select(audit_request.c.id))) == ["aud_1"]


def test_an_incident_goes_with_all_its_parts_and_its_timeline_not_before(house: Installation) -> None:
    system = house.system
    by_name = {source.name: source for source in system.retention.sources}
    with system.db.begin() as session:
        for name in ("playbooks", "detectors"):
            by_name[name].plant(session, house.people["amber_one"].account, "mrk", ctx(house, "olga"))
        assert counted(session, playbooks.timeline) == counted(session, playbooks.step) == 1
        assert counted(session, detectors.alert) == 1
    with pytest.raises(Exception, match="append-only"), system.db.begin() as session:
        session.execute(sa.delete(playbooks.timeline))
    assert not [one for one in storage(house) if "incident" in one]
    with system.db.begin() as session:
        session.execute(sa.update(playbooks.incident).values(closed_at=NOW - 4 * YEAR))
        session.execute(sa.update(detectors.alert).values(closed_at=NOW - 4 * YEAR))
        number = session.scalar(sa.select(playbooks.incident.c.id))
        for table in (playbooks.comment, playbooks.task, playbooks.action):  # of no person, so of any incident
            session.execute(sa.update(table).values(incident_id=number))
        alert = session.scalar(sa.select(detectors.alert.c.id))
        session.execute(
            sa.insert(detectors.alert_revision).values(alert_id=alert, revision=1, kind="found", at=NOW, hi=1, added=1)
        )
    assert len([one for one in storage(house) if one.startswith("incident ")]) == 2
    run = gone(house, "incident")
    assert (run.state, run.done) == (runs.CERTIFIED, 2)
    parts = [
        table for table in playbooks.metadata.tables.values() if {"incident_id", "execution_id"} & set(table.c.keys())
    ]
    parts += [playbooks.incident, detectors.alert, detectors.alert_event, detectors.alert_revision]
    assert len(parts) > 12
    with system.db.read() as session:
        assert [table.name for table in parts if counted(session, table)] == []


def test_every_end_can_be_asked_for(house: Installation) -> None:
    """Each expression is understood by the database, and nothing of a young installation is due."""
    asked = 0
    with house.system.db.read() as session:
        for source in house.system.retention.sources:
            for store in source.ended if isinstance(source, MarkedTables) else ():
                asked += 1
                assert session.execute(source.ended_before(store, NOW - timedelta(days=1))).all() == []
    assert asked > 25


def test_what_no_run_ends_is_looked_for_as_well(house: Installation) -> None:
    with house.system.db.begin() as session:
        session.execute(sa.update(link).values(expires_at=NOW - timedelta(days=40)))
    assert [one for one in storage(house) if one.startswith("credential app_link") and "job identity.expire" in one]


def test_a_store_that_nothing_ends_is_seen_by_the_probe(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    less = {name: one for name, one in UNENDED.items() if name != "app_contact"}
    monkeypatch.setattr(probe, "UNENDED", less)
    assert storage(house) == ["app_contact: no run ends its rows, and nothing is named that does"]


def test_what_is_named_as_not_ended_by_runs_is_a_store_and_ended_by_none(house: Installation) -> None:
    sources = [source for source in house.system.retention.sources if isinstance(source, MarkedTables)]
    carried = {name for source in sources for name in source.carried_out()}
    known = {table.name for source in sources for table in source.every_table()}
    assert set(UNENDED) <= known
    assert not carried & set(UNENDED)
    assert {one.name for source in sources for one in source.stores()} <= carried | set(UNENDED)


def test_a_store_that_nothing_ends_stops_the_start() -> None:
    metadata = sa.MetaData()
    sa.Table(
        "app_thing",
        metadata,
        sa.Column("id", sa.Text, primary_key=True, info=plain()),
        sa.Column("owner", sa.Text, info=personal("device.id", "owner", retention="device")),
    )
    wrong = graph.check(
        [MarkedTables("things", metadata, hashing=Secret(b"h" * 32))], purposes.shipped(), retention.shipped()
    )
    assert wrong == ["app_thing is kept by device, and neither a run nor anything that is named ends its rows"]
