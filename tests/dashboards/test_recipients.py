"""Notices to recipients at the console: on the request, on the tasks, answered by an officer, read by an auditor."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from app.identity import roles
from app.kernel.clock import StillClock
from compliance.privacy import recipients
from compliance.privacy.recipients import Notice
from compliance.registers import processors
from compliance.registers.processors import Entry
from tests.compliance.privacy.rights import Rights
from tests.dashboards.desk import Desk, Room
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
PATH = "/console/compliance/requests"
TASKS = "/console/compliance/tasks"
GIVEN = {"answer": "receipt", "on": "2026-11-29", "reference": "ticket 4711", "says": ""}


@pytest.fixture
def clock() -> StillClock:
    return StillClock(START)


@pytest.fixture
def house(tmp_path: Path, clock: StillClock) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=clock) as made:
        made.customer("amber_one")
        clock.move(timedelta(days=4))
        yield made


@pytest.fixture
def rights(house: Installation, clock: StillClock) -> Rights:
    made = Rights(house=house, clock=clock)
    entry = Entry(
        name="Brieftaube Mail GmbH",
        does="delivers letters",
        purposes=("service",),
        countries=("DE",),
        review_on=date(2027, 6, 1),
    )
    with made.db.begin() as session:
        processors.add(session, entry, made.staff(roles.COMPLIANCE_OFFICER))
    return made


@pytest.fixture
def room(house: Installation) -> Room:
    return Room(installation=house)


@pytest.fixture
def officer(room: Room) -> Desk:
    return room.desk("olga", roles.COMPLIANCE_OFFICER)


def restricted(rights: Rights) -> Notice:
    request_id = rights.ask(rights.house.people["amber_one"], "restriction")
    with rights.db.read() as session:
        (notice,) = recipients.of_request(session, request_id)
    return notice


def test_an_officer_notes_the_receipt(rights: Rights, officer: Desk) -> None:
    notice = restricted(rights)
    address = f"{PATH}/{notice.request_id}"
    assert "Recipients" in officer.draw(address)
    form = officer.draw(address, f"?do=notice-answer&notice={notice.id}")
    assert "It was told, and confirmed it" in form
    assert officer.said("notice-answer", notice.id, fields={**GIVEN, "on": ""}) == "notice_invalid"
    assert officer.said("notice-answer", notice.id, fields={**GIVEN, "reference": ""}) == "reason_missing"
    assert officer.said("notice-answer", notice.id, fields=GIVEN) == ""
    drawn = officer.draw(address)
    assert "29 Nov 2026, ticket 4711" in drawn
    assert "note the answer" not in drawn
    assert officer.said("notice-answer", notice.id, fields=GIVEN) == "notice_answered"
    assert "Note the answer" not in officer.draw(address, f"?do=notice-answer&notice={notice.id}")


def test_a_notice_is_a_task_until_it_is_answered_and_says_when_it_is_late(rights: Rights, officer: Desk) -> None:
    assert "Notices to recipients" not in officer.draw(TASKS)
    notice = restricted(rights)
    drawn = officer.draw(TASKS)
    assert "told of the restriction" in drawn
    assert f"{PATH}/{notice.request_id}" in drawn
    assert "tell a recipient" in drawn, "in the header of each page"
    assert "past the day" not in drawn
    rights.clock.move(timedelta(days=31))
    late = Room(installation=rights.house).desk("otto", roles.COMPLIANCE_OFFICER)
    drawn = late.draw(TASKS)
    assert "To recipients of data, past the day." in drawn
    assert "late 10 h 00 min" in drawn
    assert late.said("notice-answer", notice.id, fields={**GIVEN, "on": "2026-12-30"}) == ""
    assert "Notices to recipients" not in late.draw(TASKS)
    assert "answered late" in late.draw(f"{PATH}/{notice.request_id}")


def test_an_auditor_reads_them_and_answers_none(rights: Rights, room: Room) -> None:
    notice = restricted(rights)
    rights.clock.move(timedelta(minutes=1))
    auditor = room.desk("aude", roles.AUDITOR)
    assert "Brieftaube Mail GmbH" in auditor.draw(f"{PATH}/{notice.request_id}")
    assert "Note the answer" not in auditor.draw(f"{PATH}/{notice.request_id}", f"?do=notice-answer&notice={notice.id}")
    assert auditor.press("notice-answer", notice.id, fields=GIVEN).status_code == 403
