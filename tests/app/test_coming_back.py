"""Staff whose last factor an administrator removed: a mailed link and the password add a new one, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from app.identity import accounts, letters, mfa, people, recovery, roles
from app.kernel.access import Acr, Actor, ActorKind
from app.kernel.clock import StillClock
from app.kernel.context import Context
from tests.support.installation import PASSWORD, Browser, Installation, Person, installed

NEW = "four lamps beside the harbour wall"
REASON = "the telephone was lost"
SUBJECT = "Add a new second factor"


@dataclass(kw_only=True)
class House:
    """An installation on a still clock, with an administrator and somebody who loses a telephone."""

    made: Installation
    clock: StillClock
    admin: Person
    person: Person

    def ctx(self) -> Context:
        actor = Actor(
            id=self.admin.account,
            kind=ActorKind.STAFF,
            roles=frozenset({roles.ADMINISTRATOR}),
            permissions=roles.ROLES[roles.ADMINISTRATOR],
            acr=Acr.MFA,
            authenticated_at=self.clock.now(),
        )
        return self.made.system.context(actor)

    def remove_factor(self) -> None:
        identity = self.made.system.identity
        self.clock.move(timedelta(seconds=1))  # letters of one instant have no order
        with self.made.system.db.begin() as session:
            (only,) = mfa.factors_of(session, self.person.account)
            people.remove_factor(session, self.person.account, only.id, REASON, self.ctx(), parts=identity)

    def disable(self) -> None:
        with self.made.system.db.begin() as session:
            people.disable(session, self.person.account, REASON, self.ctx())

    def factors(self) -> int:
        with self.made.system.db.read() as session:
            return len(mfa.factors_of(session, self.person.account))

    def subjects(self) -> list[str]:
        system = self.made.system
        with system.db.read() as session:
            waiting = list(letters.due(session, system.clock.now(), parts=system.identity))
        return [letter.subject for letter in waiting if letter.to == self.person.address]

    def link(self) -> str:
        return f"/link/{self.made.link_to(self.person.address)}"


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    clock = StillClock(datetime(2026, 3, 2, 9, tzinfo=UTC))
    with installed(tmp_path, clock=clock) as made:
        admin, person = made.staff("ada", roles.ADMINISTRATOR), made.staff("amy", roles.ANALYST)
        yield House(made=made, clock=clock, admin=admin, person=person)


def shown(page: str) -> tuple[str, str]:
    """Return the secret and the proof that stand in the second step."""
    secret = re.search(r'data-secret="([A-Z2-7]+)"', page).group(1)
    return secret, re.search(r'name="proof" value="([^"]+)"', page).group(1)


def prove(house: House, link: str) -> tuple[Browser, str, str]:
    browser = house.made.browser()
    first = browser.get(link)
    assert first.status_code == 200
    assert "secret" not in first.text
    second = browser.post(link, {"password": PASSWORD})
    assert second.status_code == 200, second.text
    return browser, *shown(second.text)


def test_the_way_back_of_somebody_whose_last_factor_was_removed(house: House) -> None:
    admin, their = house.made.browser(), f"/admin/users/{house.person.account}"
    admin.sign_in(house.admin, surface="staff")
    with house.made.system.db.read() as session:
        (only,) = mfa.factors_of(session, house.person.account)
    admin.get(their)
    house.clock.move(timedelta(seconds=1))
    assert admin.post(f"{their}/factors/{only.id}/remove", {"reason": REASON}).status_code == 303
    page = admin.get(f"{their}?done=factor").text
    assert "A letter with a link went out" in page
    assert "The factor was removed, and every session ended." in page
    assert set(house.subjects()[-2:]) == {"A second factor was removed", SUBJECT}

    link = house.link()
    house.clock.move(timedelta(seconds=1))
    browser, secret, proof = prove(house, link)
    wrong = browser.post(link, {"proof": proof, "code": "000000"})
    assert (wrong.status_code, shown(wrong.text)[0], house.factors()) == (422, secret, 0)
    done = browser.post(link, {"proof": proof, "code": house.made.code(secret)})
    assert (done.status_code, house.factors()) == (200, 1)
    assert house.subjects()[-1] == "A second factor was added"

    assert browser.get(link).status_code == 410
    assert browser.post(link, {"proof": proof, "code": house.made.code(secret, 1)}).status_code == 410
    assert "A letter with a link" not in admin.get(their).text
    house.clock.move(timedelta(seconds=30))
    house.person.secret = secret
    house.made.browser().sign_in(house.person, surface="staff")


def test_a_wrong_password_shows_no_secret_and_counts_as_at_sign_in(house: House) -> None:
    house.remove_factor()
    link, browser = house.link(), house.made.browser()
    browser.get(link)
    answers = []
    for _ in range(10):
        answers.append(browser.post(link, {"password": NEW}))
        house.clock.move(timedelta(minutes=2))
    assert [answer.status_code for answer in answers] == [401] * 10
    assert not any("proof" in answer.text for answer in answers)
    assert house.made.waiting_kinds().count("auth.login.failed") == 10
    assert browser.post(link, {"password": PASSWORD}).status_code == 429, "the tenth locks, also for the right one"
    assert house.factors() == 0


def test_a_code_without_the_password_adds_nothing(house: House) -> None:
    house.remove_factor()
    link, browser = house.link(), house.made.browser()
    browser.get(link)
    for proof in ("", "x.y", f"{int(house.clock.now().timestamp())}.{'0' * 64}"):
        assert browser.post(link, {"proof": proof, "code": "123456"}).status_code == 401
    _, secret, proof = prove(house, link)
    house.clock.move(timedelta(minutes=10))
    assert browser.post(link, {"proof": proof, "code": house.made.code(secret)}).status_code == 401, "too long ago"
    assert house.factors() == 0


def test_an_expired_link_does_nothing_and_another_can_be_sent(house: House) -> None:
    house.remove_factor()
    link = house.link()
    house.clock.move(timedelta(hours=24))
    assert house.made.browser().get(link).status_code == 410

    admin, their = house.made.browser(), f"/admin/users/{house.person.account}"
    admin.sign_in(house.admin, surface="staff")
    assert "No link is open" in admin.get(their).text
    assert admin.post(f"{their}/factors/link", {}).status_code == 303
    prove(house, house.link())
    first = house.link()
    admin.get(their)
    house.clock.move(timedelta(seconds=1))
    admin.post(f"{their}/factors/link", {})
    assert house.made.browser().get(first).status_code == 410, "a newer link closes the older"


def test_whoever_is_disabled_meanwhile_gets_no_factor(house: House) -> None:
    house.remove_factor()
    link = house.link()
    browser, secret, proof = prove(house, link)
    house.disable()
    assert browser.post(link, {"proof": proof, "code": house.made.code(secret)}).status_code == 410
    assert (browser.get(link).status_code, house.factors()) == (410, 0)


def test_ended_sessions_are_confirmed_and_staff_stand_by_name(house: House) -> None:
    house.made.staff("abe", roles.ANALYST)
    admin, their = house.made.browser(), f"/admin/users/{house.person.account}"
    admin.sign_in(house.admin, surface="staff")
    admin.get(their)
    done = admin.post(f"{their}/sessions/end", {})
    assert "Every session was ended." in admin.get(done.location).text
    assert re.findall(r'class="who">(\w+)<', admin.get("/admin/users").text) == ["Abe", "Ada", "Amy"]


def test_the_way_in_of_staff_stands_on_the_plain_sign_in(house: House) -> None:
    browser = house.made.browser()
    there = re.search(r'href="([^"]+)">Staff sign-in', browser.get("/sign-in").text).group(1)
    assert "Always with two factors" in browser.get(there).text


def test_a_disabled_account_is_sent_no_link(house: House) -> None:
    house.disable()
    house.remove_factor()
    assert SUBJECT not in house.subjects()
    admin, their = house.made.browser(), f"/admin/users/{house.person.account}"
    admin.sign_in(house.admin, surface="staff")
    assert "Send the link" not in admin.get(their).text
    assert admin.post(f"{their}/factors/link", {}).status_code == 409
    assert SUBJECT not in house.subjects()


def test_a_customer_is_sent_no_link_for_they_add_one_after_their_password(house: House) -> None:
    house.person = house.made.customer("amber")
    house.remove_factor()
    assert SUBJECT not in house.subjects()


def test_a_password_set_by_mail_alone_does_not_open_the_mailed_link(house: House) -> None:
    house.remove_factor()
    link, system = house.link(), house.made.system
    house.clock.move(timedelta(seconds=1))
    ctx = system.context(Actor(id=None, kind=ActorKind.UNKNOWN))
    with system.db.begin() as session:
        recovery.ask(session, ActorKind.STAFF, house.person.address, ctx, parts=system.identity)
    with system.db.begin() as session:
        token = house.made.link_to(house.person.address)
        recovery.complete(session, token, system.identity.hasher.hash(NEW), "", ctx, parts=system.identity)
    assert house.made.browser().get(link).status_code == 410
    with system.db.read() as session:
        assert accounts.get(session, house.person.account).state is accounts.State.ACTIVE
