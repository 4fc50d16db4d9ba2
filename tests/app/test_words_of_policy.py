"""Letters and pages say the times and counts of the policy that is in force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug.test import Client

from app.identity import letters, roles
from app.identity.policy import SecurityPolicy, in_words
from tests.support.installation import Browser, Installation, installed

STRICT = SecurityPolicy(link_seconds=600, invitation_seconds=3600, step_up_seconds=120, sessions_customer=3)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path) as made:
        system = replace(made.system, identity=replace(made.system.identity, policy=STRICT))
        yield Installation(system=system)


def texts(house: Installation, subject: str) -> list[str]:
    with house.system.db.read() as session:
        found = letters.due(session, house.system.clock.now(), parts=house.system.identity)
        return [letter.text for letter in found if letter.subject == subject]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (90, "90 seconds"),
        (60, "1 minute"),
        (1800, "30 minutes"),
        (3600, "1 hour"),
        (86_400, "24 hours"),
    ],
)
def test_a_length_is_said_exactly(seconds: int, words: str) -> None:
    assert in_words(seconds) == words


def test_pages_say_what_the_policy_says(house: Installation) -> None:
    browser = Browser(installation=house, client=Client(house.app))
    browser.get("/recover")
    person = house.customer("strict")
    assert "once, for 10 minutes" in browser.post("/recover", {"email": person.address}).text
    browser.sign_in(person)
    assert "At most 3; one more ends the oldest" in browser.get("/security").text
    assert "within the last 2 minutes" in browser.get("/step-up").text
    desk = Browser(installation=house, client=Client(house.app))
    desk.sign_in(house.staff("ada", roles.ADMINISTRATOR), surface="staff")
    assert "once, for 1 hour," in desk.get("/admin/users").text


def test_letters_say_what_the_policy_says(house: Installation) -> None:
    person = house.customer("strict")
    house.staff("amy", roles.ANALYST)
    browser = Browser(installation=house, client=Client(house.app))
    browser.get("/recover")
    browser.post("/recover", {"email": person.address})
    assert "within 10 minutes" in texts(house, "Go on with your OnePay account")[0]
    assert "within 10 minutes" in texts(house, "Set a new password")[0]
    assert "within 1 hour" in texts(house, "Your invitation to OnePay")[0]
