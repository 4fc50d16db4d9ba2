"""What a person reads of their own account: who it was where they did it, or nobody signed in; else that we did."""

from __future__ import annotations

from app.identity import mfa, roles
from app.kernel.access import Actor, ActorKind
from ingest.events.auth import AccountLocked
from ingest.log import outbox
from tests.support.installation import Installation, Person

EMPLOYEE = "10.9.8.7"
GUESSER = "203.0.113.77"


def test_the_address_of_an_employee_is_shown_to_nobody(installation: Installation) -> None:
    owner = installation.customer("shown_one")
    ada = installation.browser(EMPLOYEE)
    ada.sign_in(installation.staff("ada.shown", roles.ADMINISTRATOR), surface="staff")
    with installation.system.db.read() as session:
        (factor,) = mfa.factors_of(session, owner.account)
    ada.get(f"/admin/users/{owner.account}")
    done = ada.post(
        f"/admin/users/{owner.account}/factors/{factor.id}/remove", {"reason": "lost the telephone on a train"}
    )
    assert done.status_code == 303

    page = security_of(installation, owner)

    removed = page.partition("A factor was removed")[2].partition("</li>")[0]
    assert "by OnePay" in removed
    assert EMPLOYEE not in page


def test_the_address_of_a_guesser_is_shown(installation: Installation) -> None:
    owner = installation.customer("shown_two", factor=False)
    guesser = installation.browser(GUESSER)
    guesser.get("/sign-in")
    assert guesser.post("/sign-in", {"address": owner.address, "password": "a wrong one"}).status_code == 401

    page = security_of(installation, owner)

    assert GUESSER in page.partition("A try to sign in failed")[2].partition("</li>")[0]
    assert "Account opened" in page
    assert "by OnePay" not in page


def test_guesses_that_are_turned_away_are_no_lock_of_the_account(installation: Installation) -> None:
    owner = installation.customer("shown_three", factor=False)
    with installation.system.db.begin() as session:
        ctx = installation.system.context(Actor(id=None, kind=ActorKind.UNKNOWN))
        locked = AccountLocked(account=owner.account, reason="failures", until=ctx.at, about=(owner.account,))
        outbox.record(session, locked, ctx)

    page = security_of(installation, owner)

    assert "Wrong tries to sign in: further ones turned away" in page
    assert "Account locked" not in page


def security_of(installation: Installation, owner: Person) -> str:
    browser = installation.browser()
    browser.sign_in(Person(account=owner.account, address=owner.address, secret=None))
    installation.arrive()
    return browser.get("/security").text
