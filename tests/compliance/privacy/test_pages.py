"""The privacy centre as its person uses it: one press each, a code where one is due, nothing of anybody else."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.identity import roles
from compliance.privacy import recipients, requests
from compliance.privacy.gate import Gate
from compliance.privacy.recipients import IMPOSSIBLE, Answer
from compliance.privacy.request import RequestFilter
from compliance.registers import processors
from compliance.registers.processors import Entry
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Browser, Person


def signed_in(rights: Rights, name: str) -> tuple[Person, Browser]:
    person = rights.house.customer(name, euros=5)
    rights.calm()
    browser = rights.house.browser()
    browser.sign_in(person)
    return person, browser


def step_up(rights: Rights, person: Person, browser: Browser) -> None:
    rights.clock.move(timedelta(seconds=31))
    browser.get("/step-up")
    assert browser.post("/step-up", {"code": rights.house.code(str(person.secret))}).status_code == 303


def test_a_copy_is_asked_for_and_fetched(rights: Rights) -> None:
    amber, browser = signed_in(rights, "page_copy")
    browser.get("/privacy/download")
    asked = browser.post("/privacy/download", {"kind": "access"})
    assert asked.status_code == 303
    page = browser.get(asked.location)
    assert "Yours by" in page.text
    rights.work()
    page = browser.get(asked.location)
    assert "Fetch the copy" in page.text
    rights.clock.move(timedelta(minutes=4, seconds=50))
    browser.get(asked.location)
    rights.clock.move(timedelta(seconds=30))
    late = browser.post(f"{asked.location}/copy", {})
    assert (late.status_code, late.location.startswith("/step-up")) == (303, True)
    step_up(rights, amber, browser)
    browser.get(asked.location)
    answer = browser.post(f"{asked.location}/copy", {})
    assert answer.mimetype == "application/zip"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "report.html" in zipfile.ZipFile(io.BytesIO(answer.data)).namelist()
    again = browser.post(f"{asked.location}/copy", {})
    assert again.status_code == 303, "each time needs a code of its own"


def test_consent_is_given_and_taken_back_with_one_press(rights: Rights) -> None:
    amber, browser = signed_in(rights, "page_consent")
    browser.get("/privacy")
    assert browser.post("/privacy/consents/news/give", {}).status_code == 303
    with rights.db.read() as session:
        assert Gate().allowed(session, amber.account, "news")
    assert "Withdraw" in browser.get("/privacy").text
    assert browser.post("/privacy/consents/news/withdraw", {}).status_code == 303
    with rights.db.read() as session:
        assert not Gate().allowed(session, amber.account, "news")
    page = browser.get("/privacy/consents/news").text
    assert page.count("Text version 1") == 2
    assert browser.post("/privacy/consents/service/give", {}).status_code == 422


def test_what_asking_to_be_erased_leaves_behind_is_said_before_one_asks(rights: Rights) -> None:
    browser = rights.house.browser()
    browser.sign_in(rights.house.customer("amber_foresees", euros=5))
    page = browser.get("/privacy/erase").text
    for says in ("What people asked of their data, and the answers", "Events of what people asked and decided"):
        assert says in page
    assert "What an open balance keeps" in page, "whose money we owe is known until then"
    assert "the open balance is settled" in page


def test_of_another_there_is_no_page(rights: Rights) -> None:
    _, browser = signed_in(rights, "page_own")
    other = rights.house.customer("page_other")
    rights.calm()
    request_id = rights.ask(other)
    rights.work()
    browser = rights.house.browser()
    browser.sign_in(rights.house.people["page_own"])
    assert browser.get(f"/privacy/requests/{request_id}").status_code == 404
    for path in (f"/privacy/requests/{request_id}/copy", f"/privacy/requests/{request_id}/withdraw"):
        assert browser.post(path, {}).status_code == 404
    assert browser.api("GET", f"/privacy/requests/{request_id}").status_code == 404
    assert request_id not in browser.get("/privacy").text


def test_every_right_has_its_page_and_says_what_is_missing(rights: Rights) -> None:
    _, browser = signed_in(rights, "page_rights")
    for path in ("/privacy/map", "/privacy/access", "/privacy/erase", "/privacy/restrict"):
        assert browser.get(path).status_code == 200
    browser.get("/privacy/correct")
    refused = browser.post("/privacy/correct", {"detail": ""})
    assert refused.status_code == 422
    assert "Say what it is about" in refused.text
    browser.get("/privacy/object")
    assert browser.post("/privacy/object", {"purpose": "security"}).status_code == 422
    done = browser.post("/privacy/object", {"purpose": "profiling"})
    assert done.status_code == 303
    erase = browser.get("/privacy/erase").text
    assert "HGB" in erase
    assert "There is money in a wallet" in erase


def test_the_link_of_a_letter_changes_nothing_before_its_button(rights: Rights) -> None:
    amber, _ = signed_in(rights, "page_stop")
    request_id = rights.ask(amber)
    (letter,) = [each for each in rights.letters_to(amber) if "We have your request" in each]
    token = letter.partition("/privacy/link/")[2].split()[0]
    stranger = rights.house.browser("203.0.113.9")
    assert stranger.get(f"/privacy/link/{token}").status_code == 200
    assert rights.get(request_id).is_open
    done = stranger.post(f"/privacy/link/{token}", {})
    assert "The request is stopped" in done.text
    assert rights.get(request_id).state.value == "stopped"
    assert stranger.get("/privacy/link/wrong").status_code == 404


def test_who_cannot_sign_in_asks_and_nobody_learns_who_is_a_customer(rights: Rights) -> None:
    amber = rights.house.customer("page_outside", euros=5)
    rights.calm()
    outside = rights.house.browser("203.0.113.10")
    outside.get("/privacy/ask")
    written: list[str] = []

    def heard(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT"):
            written.append(statement.split()[2])

    sa.event.listen(rights.db.engine, "before_cursor_execute", heard)
    unknown = outside.post("/privacy/ask", {"email": "nobody@nowhere.example", "kind": "access", "detail": ""})
    of_unknown, written = written, []
    known = outside.post("/privacy/ask", {"email": amber.address, "kind": "access", "detail": ""})
    assert unknown.status_code == known.status_code == 200
    assert sorted(of_unknown) == sorted(written), "the answer takes as long"
    assert "compliance_request" in written
    assert unknown.text.replace("nobody@nowhere.example", "X") == known.text.replace(amber.address, "X")
    for address in ("nobody@nowhere.example", amber.address):
        vague = outside.post("/privacy/ask", {"email": address, "kind": "rectification", "detail": " "})
        assert vague.status_code == 422
        assert "Say what it is about" in vague.text

    browser = rights.house.browser()
    browser.sign_in(amber)
    with rights.db.read() as session:
        wanted = RequestFilter(subject=amber.account)
        (request,) = requests.listed(session, wanted, rights.staff(roles.COMPLIANCE_OFFICER))
    assert (request.channel, request.is_verified, request.asked_at is not None) == ("form", False, True)
    rights.work()
    assert rights.get(request.id).state.value == "identity", "nothing begins before we know who it is"
    step_up(rights, amber, browser)
    page = browser.get(f"/privacy/requests/{request.id}")
    assert "It is mine" in page.text
    assert "stands still until you confirm that it is yours" in page.text
    assert not re.search(r"\d+ days left", page.text), "a clock that stands counts no days"
    assert f'If you confirm it today, yours by</p>\n<p><time class="due" datetime="{request.due}"' in page.text
    assert browser.post(f"/privacy/requests/{request.id}/confirm", {}).status_code == 303
    rights.work()
    found = rights.get(request.id)
    assert (found.state.value, found.is_verified, found.asked_at) == ("ready", True, None)


def test_words_of_a_request_come_back_as_words(rights: Rights) -> None:
    _, browser = signed_in(rights, "page_words")
    browser.get("/privacy/correct")
    evil = "<script>alert(1)</script> my name"
    made = browser.post("/privacy/correct", {"detail": evil})
    assert "<script>alert" not in browser.get(made.location).text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"kind": "restriction"}, 201, None),
        ({"kind": "everything"}, 422, "kind_unknown"),
        ({"kind": "rectification"}, 422, "detail_missing"),
        ({"kind": "objection", "purpose": "service"}, 422, "detail_missing"),
        ({"kind": "access", "subject": "acc_x"}, 422, "invalid"),
    ],
)
def test_the_api_takes_what_it_knows(rights: Rights, body: dict[str, str], status: int, code: str | None) -> None:
    _, browser = signed_in(rights, f"api_{body['kind'][:8]}{'_x' if 'subject' in body else ''}")
    answer = browser.api("POST", "/privacy/requests", body)
    assert (answer.status_code, answer.json.get("code")) == (status, code)
    if status == 201:
        assert browser.api("GET", "/privacy/requests").json["data"][0]["id"] == answer.json["id"]
        assert browser.api("GET", "/privacy/consents").json["data"] == []
        rights.house.arrive()
        assert isinstance(browser.api("GET", "/privacy/access-history").json["data"], list)


def test_its_person_reads_who_is_told(rights: Rights) -> None:
    _, browser = signed_in(rights, "page_told")
    ctx = rights.staff(roles.COMPLIANCE_OFFICER)
    name = "Brieftaube Mail GmbH"
    entry = Entry(
        name=name, does="delivers letters", purposes=("service",), countries=("DE",), review_on=date(2027, 6, 1)
    )
    with rights.db.begin() as session:
        processors.add(session, entry, ctx)
    browser.get("/privacy/restrict")
    asked_at = browser.post("/privacy/restrict", {}).location
    page = browser.get(asked_at)
    assert "Who is told of it" in page.text
    assert name in page.text
    assert "is told by" in page.text
    with rights.db.begin() as session:
        (one,) = (each for each in recipients.waiting(session, ctx) if each.request_id == asked_at.split("/")[-1])
        given = Answer(
            answer=IMPOSSIBLE, on=rights.clock.now().date(), says="it has ended its work and kept nothing of people"
        )
        recipients.answer(session, one.id, given, ctx, parts=rights.parts)
    page = browser.get(asked_at)
    assert "cannot be told" in page.text
    assert "kept nothing of people" in page.text
