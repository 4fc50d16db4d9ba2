"""A stranger's wrong tries shut out a member of staff altogether; another administrator lets them in again early."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.identity import letters, people, roles
from app.kernel.clock import StillClock
from app.kernel.errors import SamePerson, WrongState
from tests.app.identity.test_disabling import admin
from tests.support.installation import PASSWORD, Browser, Installation, installed

STRANGER = "198.18.50.1"


@pytest.fixture
def clock() -> StillClock:
    return StillClock(datetime(2026, 3, 2, 9, tzinfo=UTC))


@pytest.fixture
def house(tmp_path: Path, clock: StillClock) -> Iterator[Installation]:
    with installed(tmp_path, clock=clock) as made:
        made.staff("ada", roles.ADMINISTRATOR)
        made.staff("amy", roles.ANALYST)
        clock.move(timedelta(minutes=1))
        yield made


def shut_out(house: Installation, clock: StillClock, name: str) -> None:
    stranger, form = house.browser(STRANGER), {"address": house.people[name].address, "code": "000000"}
    for _ in range(10):
        stranger.get("/sign-in?next=/staff")
        assert stranger.post("/sign-in?next=/staff", {**form, "password": "not it at all"}).status_code == 401
        clock.move(timedelta(seconds=61))


def tried(house: Installation, browser: Browser, name: str) -> int:
    person = house.people[name]
    browser.get("/sign-in?next=/staff/account")
    form = {"address": person.address, "password": PASSWORD, "code": house.code(person.secret or "")}
    return browser.post("/sign-in?next=/staff/account", form).status_code


def subjects(house: Installation, name: str) -> list[str]:
    with house.system.db.read() as session:
        waiting = list(letters.due(session, house.system.clock.now(), parts=house.system.identity))
    return [letter.subject for letter in waiting if letter.to == house.people[name].address]


def test_an_administrator_lets_in_again_whom_a_stranger_shut_out(house: Installation, clock: StillClock) -> None:
    known, desk = house.browser(), house.browser()
    assert tried(house, known, "amy") == 303
    shut_out(house, clock, "amy")
    assert tried(house, known, "amy") == 429, "for staff the lock is total, on a known device too"

    desk.sign_in(house.people["ada"], surface="staff")
    their = f"/admin/users/{house.people['amy'].account}"
    page = desk.get(their).text
    assert "Shut out after wrong tries" in page
    assert "until <time" in page
    done = desk.post(f"{their}/lockout/end", {})
    assert (done.status_code, done.location) == (303, f"{their}?done=lockout")
    assert "Shut out" not in desk.get(their).text
    assert tried(house, known, "amy") == 303
    assert "You can sign in again" in subjects(house, "amy")
    assert "auth.account.unlocked" in house.waiting_kinds()
    assert desk.post(f"{their}/lockout/end", {}).status_code == 409


def test_it_asks_for_a_fresh_code_and_for_somebody_else(house: Installation, clock: StillClock) -> None:
    desk = house.browser()
    shut_out(house, clock, "amy")
    desk.sign_in(house.people["ada"], surface="staff")
    clock.move(timedelta(minutes=6))
    stale = desk.post(f"/admin/users/{house.people['amy'].account}/lockout/end", {})
    assert stale.location.startswith("/staff/step-up")

    ada = house.people["ada"].account
    with house.system.db.begin() as session, pytest.raises(SamePerson):
        people.end_lockout(session, ada, admin(house, ada), parts=house.system.identity)


def test_customers_wait_and_keep_their_known_devices(house: Installation, clock: StillClock) -> None:
    person = house.customer("amber")
    stranger = house.browser(STRANGER)
    for _ in range(5):
        stranger.get("/sign-in")
        stranger.post("/sign-in", {"address": person.address, "password": "not it at all"})
        clock.move(timedelta(seconds=61))
    with house.system.db.begin() as session, pytest.raises(WrongState):
        people.end_lockout(session, person.account, admin(house, "acc_one"), parts=house.system.identity)


def test_each_is_told_what_is_so_for_them(house: Installation, clock: StillClock) -> None:
    shut_out(house, clock, "amy")
    with house.system.db.read() as session:
        waiting = list(letters.due(session, house.system.clock.now(), parts=house.system.identity))
    (told,) = [letter.text for letter in waiting if letter.subject == "Wrong tries to sign in"]
    assert "nobody can sign in to it" in told
    assert "until 10:40 (Europe/Berlin; 09:40 UTC)" in told
    assert "Your account is not locked" in told
    assert "An administrator can let you try again" in told
    assert "devices" not in told


def test_staff_are_led_to_an_administrator_not_to_a_page_of_customers(house: Installation, clock: StillClock) -> None:
    for _ in range(2):
        house.browser().sign_in(house.people["amy"], surface="staff")
        clock.move(timedelta(seconds=61))
    with house.system.db.read() as session:
        waiting = list(letters.due(session, house.system.clock.now(), parts=house.system.identity))
    told = [letter.text for letter in waiting if letter.subject == "A new device signed in"]
    assert told
    assert all("tell an administrator" in text and "/security" not in text for text in told)
