"""Tasks, scans and access reviews at the console: what presses stands first, and each act asks or does what it says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel.clock import StillClock
from compliance.attest import models
from compliance.reviews.models import line
from compliance.scans import models as scans
from tests.compliance.test_scans import started
from tests.dashboards.desk import Desk, Room
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
STATEMENT = {"kind": "statement", "statement": "All were trained in autumn", "until": "2026-11-20", "files": None}


@pytest.fixture
def clock() -> StillClock:
    return StillClock(START)


@pytest.fixture
def house(tmp_path: Path, clock: StillClock) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=clock) as made:
        yield made


@pytest.fixture
def officer(house: Installation) -> Desk:
    return Room(installation=house).desk("olga", roles.COMPLIANCE_OFFICER)


def count(house: Installation, table: sa.Table, state: str | None = None) -> int:
    with house.system.db.read() as session:
        query = sa.select(sa.func.count()).select_from(table)
        return session.scalar(query.where(table.c.state == state) if state else query) or 0


def test_an_officer_signs_and_sees_it_end(house: Installation, officer: Desk, clock: StillClock) -> None:
    drawn = officer.draw("/console/compliance/tasks")
    assert "nobody made it" in drawn  # how often what 11.3.1.1 leaves open is done
    assert "never signed" in drawn
    assert "What you answer for" in officer.draw("/console/compliance/tasks", "?do=attest&of=pci:12.6.1")
    assert officer.press("attest", "pci:12.6.1", fields=STATEMENT).status_code == 200
    assert count(house, models.attestation, "in_force") == 1
    drawn = officer.draw("/console/compliance/tasks", "?how=soon")
    assert "All were trained in autumn" in drawn
    assert "until 21 Nov 2026" in officer.draw("/console/compliance/controls", "?sel=pci:12.6.1")


def test_an_exception_and_a_baseline_are_asked_for(house: Installation, officer: Desk) -> None:
    fields = {
        "kind": "accepted_risk",
        "why": "The new keys arrive next week",
        "worksheet": "",
        "component": "",
        "until": "2026-11-20",
    }
    assert "all of the control" in officer.draw("/console/compliance/tasks", "?do=except&of=pci:8.4.1")
    assert officer.press("except", "pci:8.4.1", fields=fields).status_code == 200
    assert count(house, models.exception, "proposed") == 1
    assert "The first version" in officer.draw("/console/compliance/tasks", "?do=baseline&of=role_matrix")
    reason = {"reason": "Roles as they were reviewed"}
    assert officer.press("baseline", "role_matrix", fields=reason).status_code == 200
    assert count(house, models.baseline, "proposed") == 1
    assert '"2"' in officer.draw("/console/compliance/tasks")


def test_what_is_wrong_is_said_where_the_act_stands(house: Installation, officer: Desk) -> None:
    answer = officer.press("attest", "pci:12.6.1", fields={**STATEMENT, "until": "soon"})
    assert "A day is written like" in answer.text
    answer = officer.press("attest", "pci:12.6.1", fields={**STATEMENT, "statement": "ok"})
    assert "reason_missing" in answer.text
    answer = officer.press("attest", "pci:12.6.1", fields={**STATEMENT, "until": "2028-01-01"})
    assert "paper_too_long" in answer.text
    assert count(house, models.attestation) == 0


def test_an_analyst_signs_nothing(house: Installation) -> None:
    analyst = Room(installation=house).analyst
    assert "What must a person still sign?" in analyst.draw("/console/compliance/tasks")
    assert "What you answer for" not in analyst.draw("/console/compliance/tasks", "?do=attest&of=pci:12.6.1")
    assert analyst.press("attest", "pci:12.6.1", fields=STATEMENT).status_code == 403


@pytest.mark.parametrize("wrong", [5, True, "abc", [5], {"a": "b"}])
def test_files_that_are_no_list_are_a_call_that_no_page_makes(officer: Desk, wrong: object) -> None:
    answer = officer.press("attest", "pci:12.6.1", fields={**STATEMENT, "files": wrong})
    assert (answer.status_code, answer.json["code"]) == (400, "malformed")


def test_a_scan_is_entered(house: Installation, officer: Desk) -> None:
    assert "Not known." in officer.draw("/console/compliance/scans")
    fields = {
        "kind": "internal",
        "performed_on": "2026-08-03",
        "scanner": "Lantern 4",
        "authenticated": "yes",
        "components": "web\nworker",
        "failed": "worker",
        "findings": "High; worker; Old library; 3 holes are known\n\nlow; web; It tells its version",
        "rescan_of": None,
        "sha256": None,
    }
    for wrong in ("worker is bad", "worst; worker; a hole", "high; ; a hole", "high; mail; a hole"):
        assert officer.said("scan-enter", "new", fields={**fields, "findings": wrong}) == "scan_invalid"
    assert officer.press("scan-enter", "new", fields=fields).status_code == 200
    with house.system.db.read() as session:
        row = session.execute(sa.select(scans.scan)).one()
        found = session.execute(sa.select(scans.finding).order_by(scans.finding.c.id)).all()
    assert (row.components, row.passed) == (["web", "worker"], ["web"])
    assert {(one.severity, one.component, one.says) for one in found} == {
        ("high", "worker", "Old library; 3 holes are known"),
        ("low", "web", "It tells its version"),
    }
    assert "Old library; 3 holes are known" in officer.draw("/console/compliance/scans")
    assert row.id in officer.draw("/console/compliance/scans", "?do=enter")
    again = {**fields, "performed_on": "2026-08-10", "components": "worker", "failed": "", "findings": ""}
    assert officer.press("scan-enter", "new", fields={**again, "rescan_of": row.id}).status_code == 200
    with house.system.db.read() as session:
        by_day = sa.select(scans.scan.c.rescan_of).order_by(scans.scan.c.performed_on)
        assert session.scalars(by_day).all() == [None, row.id]
    assert ", rescan of 03 Aug 2026" in officer.draw("/console/compliance/scans")
    drawn = officer.draw("/console/compliance/scans")
    assert "closed quarters missed" in drawn
    answer = officer.press("scan-enter", "new", fields={**fields, "kind": "asv", "failed": ""})
    assert "scan_needs_file" in answer.text


def test_a_role_is_kept_in_a_review(house: Installation, officer: Desk, clock: StillClock) -> None:
    other = house.staff("iris", roles.ANALYST)
    assert "No review yet." in officer.draw("/console/compliance/reviews")
    assert officer.press("review-open", "new").status_code == 200
    drawn = officer.draw("/console/compliance/reviews")
    assert "somebody else decides" in drawn
    with house.system.db.read() as session:
        row = session.execute(sa.select(line).where(line.c.holder == other.account)).one()
    of = f"{row.review_id}/roles/{row.grant_ref}"
    assert "Keep: they need it" in officer.draw("/console/compliance/reviews", f"?of={of}")
    kept = {"decision": "keep", "reason": "They look at alerts every day"}
    assert officer.press("review-decide", of, fields=kept).status_code == 200
    clock.move(timedelta(minutes=1))
    assert "kept" in officer.draw("/console/compliance/reviews")


def test_an_attestation_is_withdrawn(house: Installation, officer: Desk) -> None:
    officer.press("attest", "pci:12.6.1", fields=STATEMENT)
    with house.system.db.read() as session:
        paper = session.scalar(sa.select(models.attestation.c.id))
    assert "It counts no more at once." in officer.draw("/console/compliance/tasks", f"?do=withdraw&of={paper}")
    assert officer.press("attest-withdraw", str(paper)).status_code == 200
    assert count(house, models.attestation, "withdrawn") == 1


def test_a_release_is_shown_with_the_day_of_its_scan(house: Installation, officer: Desk) -> None:
    assert "Releases" not in officer.draw("/console/compliance/scans")
    for version, day in (("1.3.0", "2026-05-04"), ("1.4.0", "2026-08-03"), ("1.5.0", "2026-10-20")):
        started(house, version, day)
    drawn = officer.draw("/console/compliance/scans")
    assert "not yet, by 19 Nov 2026" in drawn
    assert drawn.count('"1.4.0"') == 1
    assert '"1.3.0"' not in drawn
