"""What administrators see of people."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import accounts, mfa, people, roles
from app.identity.accounts import State
from app.identity.people import Person
from app.kernel.access import ActorKind
from tests.app.identity.test_disabling import admin
from tests.support.installation import Browser, Installation, installed


def page(house: Installation, kind: ActorKind) -> tuple[list[Person], int]:
    """Return the first page of people and how many statements the database was asked for it."""
    heard: list[str] = []

    def listen(conn, cursor, statement, *_) -> None:
        heard.append(statement)

    sa.event.listen(house.system.db.engine, "before_cursor_execute", listen)
    try:
        with house.system.db.begin() as session:
            return list(people.page(session, kind, None, admin(house, "acc_one"), parts=house.system.identity)), len(
                heard
            )
    finally:
        sa.event.remove(house.system.db.engine, "before_cursor_execute", listen)


def test_a_page_shows_what_stands_of_each(tmp_path: Path) -> None:
    with installed(tmp_path / "home") as house:
        house.customer("amber"), house.customer("bruno", factor=False)
        house.browser().sign_in(house.staff("ada", roles.ADMINISTRATOR), surface="staff")
        bruno, amber = page(house, ActorKind.CUSTOMER)[0]
        assert (amber.name, amber.address, amber.roles) == ("Amber Finch", "a•••@onepay.example", (roles.CUSTOMER,))
        assert (amber.factors, amber.sessions, bruno.factors, bruno.sessions) == (1, 1, 0, 1)
        (ada,) = page(house, ActorKind.STAFF)[0]
        assert (ada.roles, ada.factors, ada.sessions) == ((roles.ADMINISTRATOR,), 1, 1)


def test_a_page_asks_the_database_as_often_for_many_as_for_one(tmp_path: Path) -> None:
    with installed(tmp_path / "home") as house:
        house.customer("one")
        for_one = page(house, ActorKind.CUSTOMER)[1]
        for n in range(6):
            house.customer(f"more_{n}")
        many, for_many = page(house, ActorKind.CUSTOMER)
        assert (len(many), for_many) == (7, for_one)


@pytest.fixture(scope="module")
def ada(installation: Installation) -> Browser:
    """An administrator who is signed in."""
    browser = installation.browser()
    browser.sign_in(installation.staff("ada.at.work", roles.ADMINISTRATOR), surface="staff")
    return browser


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("card 4111 1111 1111 1111 was seen", "card number or a secret"),
        ("password=hunter2222 was seen", "card number or a secret"),
        ("turned \u202e round by a mark", "invisible and control characters"),
        ("\u200d" * 12, "invisible and control characters"),
        (". . . . . . . .", "at least ten letters"),
    ],
)
@pytest.mark.parametrize("what", ["disable", "factors/{}/remove"])
def test_a_reason_holds_nothing_it_may_not(
    installation: Installation, ada: Browser, what: str, reason: str, told: str
) -> None:
    owner = installation.people.get("reasons") or installation.customer("reasons")
    with installation.system.db.read() as session:
        (factor,) = mfa.factors_of(session, owner.account)
    ada.get(f"/admin/users/{owner.account}")

    answer = ada.post(f"/admin/users/{owner.account}/{what.format(factor.id)}", {"reason": reason})

    assert (answer.status_code, told in answer.text) == (422, True)
    assert 'aria-describedby="reason-told"' in answer.text
    with installation.system.db.read() as session:
        assert accounts.get(session, owner.account).state is State.ACTIVE
        assert mfa.factors_of(session, owner.account)


@pytest.mark.parametrize("form", [{"name": "A\u200dna"}, {"email": "an\u034fa@onepay.example"}, {"name": "\ufe0f"}])
def test_nobody_is_invited_by_a_name_that_cannot_be_read(ada: Browser, form: dict[str, str]) -> None:
    ada.get("/admin/users")
    answer = ada.post("/admin/users", {"email": "ana@onepay.example", "name": "Ana", "role": roles.ANALYST, **form})
    assert answer.status_code == 422
    assert f'id="{next(iter(form))}-says"' in answer.text


@pytest.mark.parametrize("ask", ["id", "address", "typed oddly"])
def test_a_person_is_found_by_id_or_address(tmp_path: Path, ask: str) -> None:
    with installed(tmp_path / "home") as house:
        person = house.customer("amber")
        browser = house.browser()
        browser.sign_in(house.staff("ada", roles.ADMINISTRATOR), surface="staff")
        browser.get("/admin/users")
        typed = {"id": person.account, "address": person.address, "typed oddly": f" {person.address.upper()} "}[ask]
        answer = browser.post("/admin/users/find", {"find": typed})
        assert (answer.status_code, answer.location) == (303, f"/admin/users/{person.account}")
        told = house.waiting_kinds()
        assert told.count("access.search.executed") == 1


def test_whoever_has_two_accounts_is_shown_with_both_and_nobody_is_said_so(tmp_path: Path) -> None:
    with installed(tmp_path / "home") as house:
        house.customer("ada")
        browser = house.browser()
        browser.sign_in(house.staff("ada", roles.ADMINISTRATOR), surface="staff")
        browser.get("/admin/users")
        both = browser.post("/admin/users/find", {"find": "ada@onepay.example"})
        assert both.status_code == 200
        assert both.text.count('href="/admin/users/acc_') == 2
        nobody = browser.post("/admin/users/find", {"find": "eve@onepay.example"})
        assert nobody.status_code == 422
        assert "Nobody has this account id or e-mail address." in nobody.text
