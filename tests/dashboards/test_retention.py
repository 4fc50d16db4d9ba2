"""The retention page: counting, asking two people, certificates; holds and periods; and who may do what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.identity.models import session as sessions
from app.kernel.clock import StillClock
from app.kernel.db import delete_for_good
from compliance.retention import execute, holds, policies, runs
from compliance.retention.models import certificate, hold
from tests.compliance.test_retention import approved, carried_on, kept_for, shipped_again
from tests.dashboards.desk import Desk, Room
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PATH = "/console/compliance/retention"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        made.customer("amber_one")
        with made.system.db.begin() as session:
            session.execute(sa.update(sessions).values(ended_at=START - timedelta(days=100)))
        yield made


@pytest.fixture
def officer(house: Installation) -> Desk:
    return Room(installation=house).desk("olga", roles.COMPLIANCE_OFFICER)


def the_run(house: Installation) -> runs.Run:
    with house.system.db.read() as session:
        (run,) = runs.in_state(session, runs.PLANNED, runs.WAITING)
    return run


def test_an_officer_counts_and_asks_two_people(house: Installation, officer: Desk) -> None:
    assert "As far as was counted, yes." in officer.draw(PATH)
    assert officer.press("retention-plan", "session").status_code == 200
    run = the_run(house)
    drawn = officer.draw(PATH, f"?sel={run.id}")
    assert "Not all." in drawn
    assert "1 row due." in drawn
    assert "app_session" in drawn
    assert "Ask approval for 1" in drawn
    officer.press("retention-propose", run.id, fields={"reason": "old sessions are of no use"})
    assert the_run(house).state == runs.WAITING
    assert "waits for two people" in officer.draw(PATH, f"?sel={run.id}")
    answer = officer.press("retention-plan", "session")
    assert "run_open" in answer.text


def test_a_hold_and_a_period_are_written_by_forms(house: Installation, officer: Desk) -> None:
    assert "By whose authority" in officer.draw(PATH, "?do=hold")
    amber = house.people["amber_one"].account
    form = {
        "case": "claim-17",
        "authority": "Regional court",
        "review_on": "2027-01-31",
        "items": f"subject {amber}\nsequences 1:20",
        "reason": "a claim about a payment",
    }
    house.arrive()
    officer.press("hold-place", "new", fields=form)
    with house.system.db.read() as session:
        (hold,) = holds.active(session)
    assert [(item.kind, item.value) for item in hold.items] == [("sequences", "1:20"), ("subject", amber)]
    wrong = {**form, "case": "claim-19", "items": "subject amber@onepay.example"}
    assert "holds_nothing" in officer.press("hold-place", "new", fields=wrong).text
    assert (
        "hold_invalid"
        in officer.press("hold-place", "new", fields={**form, "case": "claim-18", "review_on": "soon"}).text
    )
    assert "claim-17" in officer.draw(PATH, f"?do=release&of={hold.id}")

    assert "Keep for" in officer.draw(PATH, "?do=policy&of=session")
    fields = {"keep": "P5M", "ground": "", "reason": "five months are enough for disputes"}
    officer.press("policy-propose", "session", fields=fields)
    with house.system.db.read() as session:
        assert policies.in_force(session)["session"].proposal is not None
    assert "policy_below_floor" in officer.press("policy-propose", "money", fields=fields).text


def test_a_period_that_people_did_not_agree_to_is_shown_as_such(house: Installation, officer: Desk) -> None:
    Room(installation=house).desk("dora", roles.DPO)
    assert "Nothing is removed by these" not in officer.draw(PATH)
    kept_for(house, "P180D")
    with house.system.db.begin() as session:  # as whoever has the database may
        delete_for_good(session)
        shipped_again(session)
    drawn = officer.draw(PATH)
    assert "Nothing is removed by these" in drawn
    assert "is in force, and people agreed to version 2 since" in drawn
    assert "period_not_agreed" in officer.press("retention-plan", "session").text


def test_a_hold_that_nobody_released_is_shown_to_stop_everything(house: Installation, officer: Desk) -> None:
    form = {
        "case": "claim-17",
        "authority": "Regional court",
        "review_on": "2027-01-31",
        "items": f"subject {house.people['amber_one'].account}",
        "reason": "a claim about a payment",
    }
    officer.press("hold-place", "new", fields=form)
    assert "Nothing is removed at all" not in officer.draw(PATH)
    with house.system.db.begin() as session:  # as whoever has the database may
        session.execute(sa.update(hold).values(state=holds.RELEASED))
    drawn = officer.draw(PATH)
    assert "Nothing is removed at all" in drawn
    assert "stands as released, and nobody is told to have agreed" in drawn
    assert "hold_not_as_placed" in officer.press("retention-plan", "session").text


def test_an_auditor_reads_and_changes_nothing(house: Installation) -> None:
    auditor = Room(installation=house).desk("aude", roles.AUDITOR)
    drawn = auditor.draw(PATH)
    assert "Is old data really gone?" in drawn
    assert "Dry run" not in drawn
    assert "Place a hold" not in drawn
    assert auditor.press("retention-plan", "session").status_code == 403


def test_what_no_run_ends_is_said_with_its_reason(officer: Desk) -> None:
    drawn = officer.draw(PATH)
    assert "Not carried out by runs" in drawn
    assert "payments_entry" in drawn
    assert "ten years of book years have not gone by" in drawn


def test_a_certificate_names_roles_and_one_written_again_is_not_shown(house: Installation, officer: Desk) -> None:
    for name in ("dora", "dirk"):
        Room(installation=house).desk(name, roles.DPO)
    officer.press("retention-plan", "session")
    approved(house, the_run(house), "dora", "dirk")
    for _ in range(3):
        carried_on(house)
    with house.system.db.read() as session:
        (run,) = runs.in_state(session, runs.CERTIFIED)
    drawn = officer.draw(PATH, f"?sel={run.id}")
    assert "two data protection officers" in drawn
    assert "It is not what the log says." not in drawn
    with house.system.db.begin() as session:
        body = session.scalar(sa.select(certificate.c.body))
        assert body is not None
        other = {**body, "removed": 0}
        session.execute(sa.update(certificate).values(body=other, sha256=execute.digest(other)))
    drawn = officer.draw(PATH, f"?sel={run.id}")
    assert "It is not what the log says." in drawn
    assert "two data protection officers" not in drawn
    assert "Retention" in drawn, "the page around it stays"
