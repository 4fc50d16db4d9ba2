"""The same sign-in sent several times at once: one session, and nobody's failure."""

from __future__ import annotations

import sqlalchemy as sa

from app.identity import roles
from app.identity.models import attempts
from app.identity.models import session as session_table
from tests.app.test_links import together
from tests.support.installation import PASSWORD, Installation, Person


def left(house: Installation, person: Person) -> tuple[int, int]:
    """Return how many sessions somebody has, and how many of their codes were counted as wrong."""
    with house.system.db.read() as session:
        live = sa.select(sa.func.count()).where(session_table.c.account_id == person.account)
        wrong = sa.select(sa.func.count()).where(attempts.c.key == person.account)
        return session.execute(live).scalar_one(), session.execute(wrong).scalar_one()


def test_programs_that_sign_in_at_once_with_one_code(installation: Installation) -> None:
    person = installation.customer("at_once")
    body = {"email": person.address, "password": PASSWORD, "code": installation.code(person.secret)}
    before, _ = left(installation, person)
    answers = []
    together(4, lambda: answers.append(installation.browser().api("POST", "/sessions", body)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {answer.json["code"] for answer in answers if answer.status_code == 409} == {"sign_in_repeated"}
    assert left(installation, person) == (before + 1, 0)


def test_the_code_page_sent_at_once_leads_home_or_asks_again(installation: Installation) -> None:
    person = installation.customer("page_at_once")
    browser = installation.browser()
    browser.get("/sign-in")
    browser.post("/sign-in", {"address": person.address, "password": PASSWORD})
    browser.get("/sign-in/code")
    form = {"code": installation.code(person.secret)}
    cookies = {cookie: browser.client.get_cookie(cookie).value for cookie in ("onepay-login", "onepay-pre")}

    def press():
        twin = installation.browser()
        for name, value in cookies.items():
            twin.client.set_cookie(name, value)
        twin.token = browser.token
        return twin, twin.post("/sign-in/code", form)

    pressed = []
    together(4, lambda: pressed.append(press()))

    led = sorted(answer.location for _, answer in pressed)
    assert led == [*["/sign-in?over=repeated&next="] * 3, "/wallet"]
    assert left(installation, person)[1] == 0
    for twin, answer in pressed:
        page = twin.get(answer.location)
        assert page.status_code == 200, "no bare refusal"
        assert ("used a moment ago" in page.text) == (answer.location != "/wallet")


def test_codes_tried_at_once_are_compared_five_times(installation: Installation) -> None:
    person = installation.customer("steps_up")
    browser = installation.browser()
    browser.sign_in(person)
    browser.get("/step-up")
    statuses = together(16, lambda: browser.post("/step-up", {"code": "000000"}).status_code)

    assert sorted(statuses) == [*[422] * 5, *[429] * 11]
    assert browser.post("/step-up", {"code": installation.code(person.secret, 1)}).status_code == 429


def test_whoever_is_in_already_is_led_home(installation: Installation) -> None:
    browser = installation.browser()
    browser.sign_in(installation.customer("in_already"))
    assert browser.get("/sign-in?over=repeated&next=/activity").location == "/activity"


def test_the_form_of_staff_sent_twice_is_no_failure(installation: Installation) -> None:
    person = installation.staff("twice.staff", roles.ANALYST)
    browser = installation.browser()
    browser.get("/sign-in?next=/staff")
    form = {"address": person.address, "password": PASSWORD, "code": installation.code(person.secret)}
    token = browser.token
    first = browser.post("/sign-in?next=/staff", form)
    again = browser.post("/sign-in?next=/staff", form | {"csrf_token": token})

    assert (first.location, again.location) == ("/staff", "/sign-in?over=repeated&next=/staff")
    assert browser.get(again.location).location == "/staff"
    assert left(installation, person) == (1, 0)
