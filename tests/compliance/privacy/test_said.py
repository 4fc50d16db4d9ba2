"""What people read of their rights is what holds: the period in force, what stays, what a copy has in it."""

from __future__ import annotations

import pytest

from app.identity import roles
from compliance.privacy.erasure import certificates
from compliance.registers import processing
from compliance.retention import policies
from tests.compliance.privacy.rights import Rights
from tests.compliance.privacy.test_pages import signed_in
from tests.support.installation import Person


@pytest.fixture
def officer(rights: Rights) -> Person:
    return rights.house.staff(f"olive.{rights.clock.now():%H%M%d}", roles.COMPLIANCE_OFFICER)


@pytest.fixture
def dpo(rights: Rights) -> Person:
    return rights.house.staff(f"dora.{rights.clock.now():%H%M%d}", roles.DPO)


def test_a_period_that_two_people_changed_is_the_one_that_is_told(rights: Rights, officer: Person, dpo: Person) -> None:
    register = rights.house.system.registers
    with rights.db.read() as session:
        before = processing.document(session, parts=register)
    with rights.db.begin() as session:
        ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
        ground, why = "Civil Code 195, 199", "claims end after six years here"
        approval = policies.propose(
            session, "rights.request", "P6Y", ground, why, ctx, approvals=rights.house.system.approvals
        )
    rights.vote(approval, rights.colleague(dpo, roles.DPO))

    amber, browser = signed_in(rights, "said_period")
    assert "6 years after it is closed" in browser.get("/privacy/map").text
    report = rights.copy_of(amber).text("report.html")
    assert "6 years after it is closed" in report
    assert "3 years after it is closed" not in report
    assert f"{rights.clock.now().year + 6} at the latest" in browser.get("/privacy/erase").text

    request_id = rights.due_erasure(amber, officer, dpo)
    rights.work()
    until = f"{rights.clock.now():%-d %B} {rights.clock.now().year + 6} at the latest"
    assert any(f"- What people asked of their data, and the answers: until {until}" in each for each in written(rights))
    with rights.db.read() as session:
        stays = certificates.by_request(session, request_id)["stays"]
        changed = processing.differences(before, processing.document(session, parts=register))
    assert {(one["law"], one["until"]) for one in stays if one["class"] == "rights.request"} == {(ground, until)}
    assert any(field == "kept" and "rights.request P6Y" in now for _, field, _, now in changed)


def written(rights: Rights) -> list[str]:
    """Return all letters that wait, oldest first: who is erased has no address to ask for theirs by."""
    from app.identity import letters

    with rights.db.read() as session:
        due = letters.due(session, rights.clock.now(), parts=rights.house.system.identity)
        return [f"{letter.subject}\n{letter.text}" for letter in due]
