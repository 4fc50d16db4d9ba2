"""A request that does not go on: on its page's head, among the tasks of who handles it, and in the menu."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.identity import roles
from compliance.privacy import trouble
from tests.compliance.privacy.rights import Rights
from tests.dashboards.desk import Room
from tests.dashboards.test_around import beside

REQUESTS = "/console/compliance/requests"
TASKS = "/console/compliance/tasks"


@pytest.fixture
def room(rights: Rights) -> Room:
    return Room(installation=rights.house)


def fail(rights: Rights, request_id: str) -> None:
    ctx = rights.house.system.job_context("privacy", rights.clock.now())
    with rights.db.begin() as session:
        trouble.note(session, request_id, "planning", ValueError("acc_1 is no number"), ctx)


def test_what_fails_again_stands_on_its_page_and_among_the_tasks(rights: Rights, room: Room) -> None:
    officer = room.desk("olga", roles.COMPLIANCE_OFFICER)
    request_id = rights.ask(rights.house.people["amber_one"], "erasure")
    fail(rights, request_id)
    page = officer.draw(f"{REQUESTS}/{request_id}")
    assert "It does not go on." not in page, "once is tried again by itself"
    assert "Requests that do not go on" not in officer.draw(TASKS)
    rights.clock.move(timedelta(minutes=12))
    fail(rights, request_id)
    page = officer.draw(f"{REQUESTS}/{request_id}")
    assert "It does not go on." in page
    assert "Planning has failed" in page
    assert "Tried 2 times" in page
    assert "ValueError. It is tried again by itself." in page
    assert "acc_1 is no number" not in page
    tasks = officer.draw(TASKS)
    assert "Requests that do not go on" in tasks
    assert f"{REQUESTS}/{request_id}" in tasks
    assert "planning, 2 times" in tasks
    assert '"12 min"' in tasks
    assert beside(tasks, "Tasks") == "1"


def test_it_is_no_task_of_who_handles_no_requests(rights: Rights, room: Room) -> None:
    request_id = rights.ask(rights.house.people["amber_one"], "erasure")
    for _ in range(2):
        fail(rights, request_id)
    tasks = room.desk("carla", roles.AUDITOR).draw(TASKS)
    assert "Requests that do not go on" not in tasks
    assert beside(tasks, "Tasks") is None


def test_a_stage_that_is_done_shows_its_day_and_no_dash(rights: Rights, room: Room) -> None:
    officer, amber = room.desk("olga", roles.COMPLIANCE_OFFICER), rights.house.people["amber_one"]
    request_id = rights.ask(amber)
    rights.work()
    drawn = officer.draw(f"{REQUESTS}/{request_id}")
    listed = drawn[: drawn.index('"className": "stages"')]
    finished = [part.rpartition('"children": "')[2] for part in listed.split('"className": "done"')[:-1]]
    assert len(finished) == 5
    assert all(day.startswith("28 Nov") for day in finished), finished
