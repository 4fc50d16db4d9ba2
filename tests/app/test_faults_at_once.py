"""A form that is refused names all that is wrong with it at once, and a page of one field begins in it."""

from __future__ import annotations

import re

from app.identity import signup
from app.kernel.access import Actor, ActorKind
from tests.support.installation import Installation


def faults(text: str) -> list[str]:
    """Return the fields that a page names in its summary, in order."""
    return re.findall(r'<li id="(\w+)-told">', text)


def test_an_empty_payment_names_payee_and_amount(installation: Installation) -> None:
    browser = installation.browser()
    browser.sign_in(installation.customer("faults_one", euros=5))
    browser.get("/send")
    answer = browser.post("/send/review", {"payee": "", "amount": "", "note": "card 4111 1111 1111 1111"})
    assert (answer.status_code, faults(answer.text)) == (422, ["amount", "note", "payee"])
    assert "3 things to correct" in answer.text


def test_an_empty_sign_up_names_every_field(installation: Installation) -> None:
    system, address = installation.system, "faults_two@onepay.example"
    with system.db.begin() as session:
        signup.ask(session, address, system.context(Actor(id=None, kind=ActorKind.UNKNOWN)), parts=system.identity)
    browser, link = installation.browser(), f"/link/{installation.link_to(address)}"
    browser.get(link)
    answer = browser.post(link, {"name": "", "handle": "", "password": ""})
    assert (answer.status_code, faults(answer.text)) == (422, ["name", "handle", "password"])
    taken = browser.post(link, {"name": "Fay", "handle": "@admin", "password": "too short"})
    assert faults(taken.text) == ["handle", "password"]


def test_a_new_password_and_its_code_are_looked_at_together(installation: Installation) -> None:
    owner, browser = installation.customer("faults_three"), installation.browser()
    installation.turn()
    browser.get("/recover")
    browser.post("/recover", {"email": owner.address})
    link = f"/link/{installation.link_to(owner.address)}"
    browser.get(link)
    assert faults(browser.post(link, {"password": "", "code": ""}).text) == ["password", "code"]


def test_the_code_has_the_cursor_until_there_is_something_to_correct(installation: Installation) -> None:
    owner, browser = installation.customer("faults_four"), installation.browser()
    browser.get("/sign-in")
    browser.post("/sign-in", {"address": owner.address, "password": "quiet river under seven stones"})
    field = re.compile(r'<input class="input code"[^>]* autofocus')
    assert field.search(browser.get("/sign-in/code").text)
    wrong = browser.post("/sign-in/code", {"code": "000000"}).text
    assert 'role="alert" tabindex="-1" autofocus' in wrong
    assert not field.search(wrong)
