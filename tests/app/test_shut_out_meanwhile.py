"""An act whose actor is locked between the door and its transaction does not happen: the lock came first."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from app.gateway import pipeline
from app.identity import mfa, roles
from app.identity.containment import LockAccount
from app.kernel.access import service
from payments.models import transfer
from tests.support.installation import Installation, Person


@pytest.fixture
def lock_after_the_door(either_house: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[[Person], None]:
    """Lock somebody as soon as their next request has been let in."""
    waiting: list[Person] = []
    let_in = pipeline._identify

    def identify(*given: Any, **more: Any) -> None:
        let_in(*given, **more)
        while waiting:
            system = either_house.system
            with system.db.begin() as session:
                key = f"lock|{waiting[-1].account}"
                ctx = system.context(service("playbooks"))
                LockAccount(system.identity).run(session, {"account": waiting.pop().account}, key, ctx)

    monkeypatch.setattr(pipeline, "_identify", identify)
    return waiting.append


def test_no_money_leaves(either_house: Installation, lock_after_the_door: Callable[[Person], None]) -> None:
    person, payee = either_house.customer("shut_payer", euros=20), either_house.customer("shut_payee")
    browser = either_house.browser()
    browser.sign_in(person)
    body = {"payee": f"@{payee.handle}", "amount": {"amount": "1.00", "currency": "EUR"}}
    lock_after_the_door(person)
    answer = browser.api("POST", "/transfers", body, **{"Idempotency-Key": "shut"})
    assert (answer.status_code, answer.json["code"]) == (401, "sign_in_required")
    with either_house.system.db.read() as session:
        assert session.scalars(sa.select(transfer.c.id).where(transfer.c.owner_id == person.account)).all() == []


def test_whoever_is_shut_out_is_led_to_the_sign_in_and_sees_no_page_of_theirs(
    either_house: Installation, lock_after_the_door: Callable[[Person], None]
) -> None:
    person, payee = either_house.customer("shut_form", euros=20), either_house.customer("shut_to")
    browser = either_house.browser()
    browser.sign_in(person)
    browser.get("/send")
    review = browser.post("/send/review", {"payee": f"@{payee.handle}", "amount": "1.00", "note": ""}).text
    form = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', review.partition('id="sign"')[2]))
    lock_after_the_door(person)
    answer = browser.post("/transfers", form)
    assert answer.status_code == 303
    assert "/sign-in" in answer.location
    assert "over=revoked" in answer.location
    assert "€" not in answer.text


def test_a_proof_of_somebody_shut_out_counts_for_nothing(
    either_house: Installation, lock_after_the_door: Callable[[Person], None]
) -> None:
    person = either_house.customer("shut_proof")
    browser = either_house.browser()
    browser.sign_in(person)
    browser.get("/step-up?next=/wallet")
    lock_after_the_door(person)
    answer = browser.post("/step-up", {"code": either_house.code(person.secret or "", 1), "next": "/wallet"})
    assert answer.status_code == 303
    assert "/sign-in" in answer.location
    assert "auth.stepup.completed" not in either_house.waiting_kinds()


def test_no_factor_is_added(either_house: Installation, lock_after_the_door: Callable[[Person], None]) -> None:
    person = either_house.customer("shut_factor", factor=False)
    browser = either_house.browser()
    browser.sign_in(person)
    page = browser.get("/security/factors/new").text
    secret = page.partition('data-secret="')[2].partition('"')[0]
    lock_after_the_door(person)
    answer = browser.post("/security/factors/new", {"code": either_house.code(secret)})
    assert answer.status_code == 303
    assert "/sign-in" in answer.location
    with either_house.system.db.read() as session:
        assert mfa.factors_of(session, person.account) == []


def test_no_administrator_acts(either_house: Installation, lock_after_the_door: Callable[[Person], None]) -> None:
    admin, other = (
        either_house.staff("shutadmin", roles.ADMINISTRATOR),
        either_house.customer("shut_other"),
    )
    browser = either_house.browser()
    browser.sign_in(admin, surface="staff")
    browser.get(f"/admin/users/{other.account}")
    lock_after_the_door(admin)
    answer = browser.post(f"/admin/users/{other.account}/disable", {"reason": "no longer needed here"})
    assert answer.status_code == 303
    assert "/sign-in" in answer.location
    signed_in = either_house.browser()
    signed_in.sign_in(other)
