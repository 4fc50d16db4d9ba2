"""The way out of "It wasn't me": the owner recovers the account, a commander lets money leave again, a payment goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from app.identity import accounts, roles
from app.identity.accounts import State
from app.kernel.access import Actor, ActorKind, service
from app.kernel.clock import StillClock
from app.kernel.context import Context
from app.web import signing_in
from payments import wallets
from playbooks import action_rows, actions, incidents, undoing
from playbooks.action_rows import Action
from playbooks.decisions import SIGNS
from tests.support.installation import PASSWORD, Browser, Installation, Person, installed

NEW = "four lamps beside the harbour wall"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(datetime(2026, 11, 2, 9, 0, tzinfo=UTC))) as made:
        yield made


def test_money_leaves_again_once_a_commander_says_so(house: Installation) -> None:
    owner, payee = house.customer("amber_one", euros=200), house.customer("mule_one")
    commander = house.staff("tomas", roles.INCIDENT_COMMANDER)
    house.turn()

    reports(house, owner)
    hold = held_by_playbook(house)
    recovers(house, owner)
    browser = signed_in_anew(house, owner)
    assert pays(house, browser, payee, owner, "1") == "402 wallet_restricted"

    with house.system.db.begin() as session:
        undoing.undo(session, hold.id, "Its owner is back", as_commander(house, commander), parts=house.system.response)

    assert pays(house, browser, payee, owner, "2") == "201 paid"
    assert subjects(house, owner).count("You can send money again") == 1


def test_what_a_rule_did_by_itself_is_told_with_its_reasons(house: Installation) -> None:
    owner, other = house.customer("amber_told"), house.customer("bruno_told")
    house.turn()
    browser = house.browser()
    browser.sign_in(owner)
    assert "Nothing so far" in browser.get("/privacy").text
    clock(house).move(timedelta(seconds=30))
    reports(house, owner)
    hold = held_by_playbook(house)
    with house.system.db.read() as session:
        (source,) = house.system.compliance.privacy.decisions
        since = hold.requested_at - timedelta(days=1)
        found = list(source.decisions(session, owner.account, since))
        assert not list(source.decisions(session, other.account, since))
    assert hold.id in {one.id for one in found}
    assert {one.factors for one in found} == {(SIGNS["customer_says_not_me"],)}
    recovers(house, owner)
    said = signed_in_anew(house, owner).get("/privacy").text
    assert "Your payments are on hold" in said
    assert "that it was not you" in said


def test_an_owner_who_came_back_under_our_lock_is_not_asked_to_do_it_again(house: Installation) -> None:
    owner, system = house.customer("amber_one"), house.system
    first, second = house.staff("tomas", roles.INCIDENT_COMMANDER), house.staff("nora", roles.INCIDENT_COMMANDER)
    house.turn()
    reports(house, owner)
    account, case = {"account": owner.account}, held_by_playbook(house).incident_id
    with system.db.begin() as session:
        lock = actions.run(session, case, "account.lock", account, as_commander(house, first), parts=system.response)

    recovers(house, owner)
    with system.db.begin() as session:
        assert accounts.get(session, owner.account).state is State.LOCKED
        undoing.undo(session, lock.id, "Its owner is back", as_commander(house, second), parts=system.response)

    signed_in_anew(house, owner)


def test_a_report_made_again_holds_again(house: Installation) -> None:
    owner, commander = house.customer("amber_two", euros=200), house.staff("nora", roles.INCIDENT_COMMANDER)
    house.turn()
    reports(house, owner)
    hold = held_by_playbook(house)
    with house.system.db.begin() as session:
        undoing.undo(session, hold.id, "Its owner is back", as_commander(house, commander), parts=house.system.response)
    assert not is_held(house, owner)

    recovers(house, owner)
    signed_in_anew(house, owner)
    reports(house, owner, signed_in_anew(house, owner))

    assert is_held(house, owner)


@pytest.mark.parametrize("factor", [True, False])
def test_the_pages_ask_for_what_the_owner_has_and_show_them_out(house: Installation, factor: bool) -> None:
    owner, browser = house.customer("amber_three", factor=factor), house.browser()
    browser.sign_in(owner)
    before = browser.get("/security/not-me").text
    after = browser.post("/security/not-me", {}).text
    assert "Sign out" in before
    assert ("second factor" in before, "second factor" in after) == (factor, factor)
    for one in ("Sign out", "Activity", "without a click"):
        assert one not in after
    assert browser.get("/wallet").status_code == 303


def test_whoever_set_a_new_password_is_shown_out(house: Installation) -> None:
    owner, browser = house.customer("amber_away", factor=False), house.browser()
    house.turn()
    browser.sign_in(owner)
    browser.get("/recover")
    browser.post("/recover", {"email": owner.address})
    link = f"/link/{house.link_to(owner.address)}"
    browser.get(link)
    done = browser.post(link, {"password": NEW})
    assert "Your password is set" in done.text
    assert "Sign out" not in done.text


def test_the_owner_of_a_lock_is_told_what_to_do_beside_the_right_password_alone(house: Installation) -> None:
    owner, stranger = house.customer("amber_six", factor=False), house.customer("bruno_six", factor=False)
    reports(house, owner)
    with house.system.db.begin() as session:
        lock, ctx = house.system.response.containments["account.lock"], house.system.context(service("playbooks"))
        lock.run(session, {"account": stranger.account}, "six", ctx)
    told = 'You locked this account. <a href="/recover">Set a new password</a> to get back in.'

    right, wrong = tries(house, owner, PASSWORD), tries(house, owner, "not it at all")
    ours, unknown = tries(house, stranger, PASSWORD), tries(house, nobody(), PASSWORD)

    assert [answer.status_code for answer in (right, wrong, ours, unknown)] == [401] * 4
    assert [told in answer.text for answer in (right, wrong, ours, unknown)] == [True, False, False, False]
    assert [signing_in.FAILED in answer.text for answer in (right, wrong, ours, unknown)] == [False, True, True, True]


def nobody() -> Person:
    return Person(account="acc_none", address="nobody_here@onepay.example", secret=None)


def tries(house: Installation, who: Person, password: str) -> TestResponse:
    browser = house.browser()
    browser.get("/sign-in")
    return browser.post("/sign-in", {"address": who.address, "password": password})


def reports(house: Installation, owner: Person, browser: Browser | None = None) -> None:
    if browser is None:
        browser = house.browser()
        browser.sign_in(owner)
    browser.get("/security/not-me")
    assert browser.post("/security/not-me", {}).status_code == 200
    for _ in range(3):
        clock(house).move(timedelta(seconds=2))
        house.turn()


def held_by_playbook(house: Installation) -> Action:
    with house.system.db.read() as session:
        (case,) = incidents.list_page(session, as_commander(house, None).actor)
        done = action_rows.of_incident(session, case.id)
    (hold,) = [one for one in done if one.name == "wallet.hold_outgoing"]
    return hold


def recovers(house: Installation, owner: Person) -> None:
    browser = house.browser()
    browser.get("/recover")
    assert browser.post("/recover", {"email": owner.address}).status_code == 200
    link = f"/link/{house.link_to(owner.address)}"
    browser.get(link)
    clock(house).move(timedelta(seconds=30))
    answer = browser.post(link, {"password": NEW, "code": house.code(str(owner.secret))})
    assert answer.status_code in (200, 303), answer.text


def signed_in_anew(house: Installation, owner: Person) -> Browser:
    clock(house).move(timedelta(seconds=30))
    browser = house.browser()
    browser.get("/sign-in")
    answer = browser.post("/sign-in", {"address": owner.address, "password": NEW})
    if "/sign-in/code" in (answer.location or ""):
        browser.get("/sign-in/code")
        answer = browser.post("/sign-in/code", {"code": house.code(str(owner.secret))})
    assert answer.status_code == 303, answer.text
    return browser


def pays(house: Installation, browser: Browser, payee: Person, owner: Person, key: str) -> str:
    browser.get("/wallet")
    body = {"payee": f"@{payee.handle}", "amount": {"amount": "12.50", "currency": "EUR"}}
    answer = browser.api("POST", "/transfers", body, **{"Idempotency-Key": key})
    return f"{answer.status_code} {answer.json.get('code', 'paid')}"


def is_held(house: Installation, owner: Person) -> bool:
    actor = Actor(id=owner.account, kind=ActorKind.CUSTOMER, permissions=roles.ROLES[roles.CUSTOMER])
    with house.system.db.read() as session:
        return wallets.restraint_on(session, actor) is not None


def subjects(house: Installation, owner: Person) -> list[str]:
    house.turn()
    return [letter["subject"] for letter in house.system.messenger.mailbox(to=owner.address)]


def as_commander(house: Installation, person: Person | None) -> Context:
    name = person.account if person else "acc_reader"
    actor = Actor(id=name, kind=ActorKind.STAFF, permissions=roles.ROLES[roles.INCIDENT_COMMANDER])
    return house.system.context(actor)


def clock(house: Installation) -> StillClock:
    found = house.system.clock
    assert isinstance(found, StillClock)
    return found
