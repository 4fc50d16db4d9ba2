"""A person’s record: found for a purpose, masked by role, revealed with a reason; each look is told and shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.identity import records, roles
from app.kernel.access import PERSON_FIELD_SEE, PERSON_RECORD_FIND, Permission, service
from app.kernel.clock import StillClock
from ingest.events.envelope import at_path
from ingest.store.query import Eq, Search, Window
from tests.support.installation import Browser, Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        made.customer("amber_one")
        yield made


def desk(house: Installation, role: str) -> Browser:
    browser = house.browser()
    browser.sign_in(house.staff(role.replace("_", "-"), role), surface="staff")
    return browser


def events(house: Installation, kind: str) -> list[dict[str, object]]:
    house.arrive()
    return house.system.store.search(Search(where=Eq("event.action", kind), window=Window())).documents


def test_an_officer_finds_reads_and_reveals_for_a_purpose(house: Installation) -> None:
    browser, amber = desk(house, roles.COMPLIANCE_OFFICER), house.people["amber_one"]
    browser.get("/find")
    found = browser.post("/find", {"find": amber.address, "for": "request"})
    assert found.status_code == 303
    assert found.location == f"/records/{amber.account}?for=request"
    page = browser.get(found.location)
    assert "A… F…" in page.text
    assert amber.address not in page.text
    shown = browser.post(f"/reveal/{amber.account}/email?for=request", {"reason": "the letter came back to us"})
    assert amber.address in shown.text
    assert shown.headers["Refresh"].startswith("60;")
    (revealed,) = events(house, "access.field.revealed")
    assert at_path(revealed, "event.reason") == "request"
    assert at_path(revealed, "onepay.purpose") == "Answer what somebody asked of their data"
    assert "the letter came back" not in str(revealed)
    assert [at_path(one, "onepay.access.hits") for one in events(house, "access.search.executed")] == [1]
    assert [at_path(one, "onepay.access.view") for one in events(house, "access.data.read")] == ["record"]


def test_without_a_purpose_or_a_reason_nothing_is_shown(house: Installation) -> None:
    browser, amber = desk(house, roles.DPO), house.people["amber_one"]
    browser.get("/find")
    assert browser.post("/find", {"find": amber.address, "for": ""}).status_code == 422
    assert browser.post("/find", {"find": "nobody@onepay.example", "for": "request"}).status_code == 422
    assert browser.get(f"/records/{amber.account}").status_code == 422
    assert browser.get(f"/records/{amber.account}?for=fun").status_code == 422
    assert browser.post(f"/reveal/{amber.account}/email?for=request", {"reason": "short"}).status_code == 422
    assert browser.post(f"/reveal/{amber.account}/iban?for=request", {"reason": "a good reason"}).status_code == 404
    assert events(house, "access.field.revealed") == []


def test_a_factor_is_asked_for_before_a_reason_is_typed(tmp_path: Path) -> None:
    clock = StillClock(START)
    with installed(tmp_path / "home", clock=clock) as house:
        amber = house.customer("amber_one")
        browser, path = desk(house, roles.DPO), f"/records/{amber.account}?for=request"
        assert "Reveal the e-mail address" in browser.get(path).text
        clock.move(timedelta(minutes=6))
        page = browser.get(path).text
        assert "Reveal the e-mail address" not in page
        assert f"/staff/step-up?next=/records/{amber.account}%3Ffor%3Drequest" in page


def test_an_analyst_sees_no_name_and_reveals_nothing(house: Installation) -> None:
    browser, amber = desk(house, roles.ANALYST), house.people["amber_one"]
    page = browser.get(f"/records/{amber.account}?for=incident")
    assert page.status_code == 200
    assert "A… F…" not in page.text
    assert "Reveal" not in page.text
    answer = browser.post(f"/reveal/{amber.account}/name?for=incident", {"reason": "I want to know it"})
    assert answer.status_code == 403


def test_colleagues_have_no_record_and_auditors_find_nobody(house: Installation) -> None:
    browser = desk(house, roles.COMPLIANCE_OFFICER)
    colleague = house.people["compliance-officer"].account
    assert browser.get(f"/records/{colleague}?for=request").status_code == 404
    assert desk(house, roles.AUDITOR).get("/find").status_code == 403


def test_the_person_sees_that_a_role_looked_and_what_for(house: Installation) -> None:
    browser, amber = desk(house, roles.COMPLIANCE_OFFICER), house.people["amber_one"]
    browser.get(f"/records/{amber.account}?for=support")
    house.arrive()
    customer = house.browser()
    customer.sign_in(amber)
    page = customer.get("/privacy/access")
    assert "Help a customer who asked for help" in page.text
    assert "Compliance officer" in page.text


def test_whoever_holds_the_permission_sees_fields_masked_by_whatever_role(house: Installation) -> None:
    amber = house.people["amber_one"]

    def fields(*permissions: Permission) -> Mapping[str, str | None]:
        reader = service("reader", *permissions)
        with house.system.db.begin() as session:
            ctx = house.system.context(reader)
            return records.read(session, amber.account, "support", ctx, parts=house.system.identity).fields

    assert fields(PERSON_RECORD_FIND) == {"name": None, "email": None}
    masked = fields(PERSON_RECORD_FIND, PERSON_FIELD_SEE)
    assert masked["name"] == "A… F…"
    assert masked["email"] not in (None, amber.address)
