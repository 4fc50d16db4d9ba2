"""What people read of their rights is what holds: the period in force, what stays, what a copy has in it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.identity.models import contact
from app.kernel.context import Context
from compliance.privacy import history, identity, intake, moving, package, requests, telling
from compliance.privacy.erasure import certificates, execution, remainder
from compliance.privacy.request import Asked, State
from compliance.registers import processing
from compliance.retention import policies
from tests.compliance.privacy.rights import Rights
from tests.compliance.privacy.test_pages import signed_in
from tests.support.installation import Person


@pytest.fixture
def officer(rights: Rights) -> Person:
    return rights.house.staff(f"olive.{rights.clock.now():%H%M%d}", roles.COMPLIANCE_OFFICER)


@pytest.fixture
def dpo(rights: Rights) -> Person:
    return rights.house.staff(f"dora.{rights.clock.now():%H%M%d}", roles.DPO)


def test_a_period_that_two_people_changed_is_the_one_that_is_told(rights: Rights, officer: Person, dpo: Person) -> None:
    register = rights.house.system.registers
    with rights.db.read() as session:
        before = processing.document(session, parts=register)
    with rights.db.begin() as session:
        ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
        ground, why = "Civil Code 195, 199", "claims end after six years here"
        approval = policies.propose(
            session, "rights.request", "P6Y", ground, why, ctx, approvals=rights.house.system.approvals
        )
    rights.vote(approval, rights.colleague(dpo, roles.DPO))

    amber, browser = signed_in(rights, "said_period")
    assert "6 years after it is closed" in browser.get("/privacy/map").text
    report = rights.copy_of(amber).text("report.html")
    assert "6 years after it is closed" in report
    assert "3 years after it is closed" not in report
    assert f"{rights.clock.now().year + 6} at the latest" in browser.get("/privacy/erase").text

    request_id = rights.due_erasure(amber, officer, dpo)
    rights.work()
    until = f"{rights.clock.now():%-d %B} {rights.clock.now().year + 6} at the latest"
    assert any(f"- What people asked of their data, and the answers: until {until}" in each for each in written(rights))
    with rights.db.read() as session:
        stays = certificates.by_request(session, request_id)["stays"]
        changed = processing.differences(before, processing.document(session, parts=register))
    assert {(one["law"], one["until"]) for one in stays if one["class"] == "rights.request"} == {(ground, until)}
    assert any(field == "kept" and "rights.request P6Y" in now for _, field, _, now in changed)


def test_who_was_promised_another_letter_gets_it_with_the_way_to_the_second_certificate(
    rights: Rights, officer: Person, dpo: Person
) -> None:
    amber = rights.house.customer("said_rest", euros=9)
    rights.due_erasure(amber, officer, dpo)
    rights.work()
    assert "and we write to you once more" in rights.letters_to(amber)[-1]
    ctx, shreds = rights.job(), rights.house.system.shredding
    paid_out = replace(rights.parts, obstacles=())
    for second in remainder.begin(rights.db, ctx, parts=paid_out, shreds=shreds):
        execution.carry_out(rights.db, second, ctx, parts=paid_out, shreds=shreds)
    with rights.db.read() as session:
        assert not session.execute(sa.select(contact).where(contact.c.account_id == amber.account)).all()
    letter = rights.letters_to(amber)[-1]
    assert letter.startswith("The rest of your data is erased")
    assert "This is the last letter we can write to you" in letter
    page = rights.house.browser().get("/privacy/certificate/" + letter.partition("/certificate/")[2].split()[0])
    assert page.status_code == 200
    assert "Certificate of erasure" in page.text


@pytest.mark.parametrize(("euros", "leads"), [(0, "to nobody any more"), (9, "to its person until what keeps their")])
def test_an_id_is_said_to_lead_to_whom_it_leads(
    rights: Rights, officer: Person, dpo: Person, euros: int, leads: str
) -> None:
    amber = rights.house.customer(f"said_leads_{euros}", euros=euros)
    rights.calm()
    browser = rights.house.browser()
    browser.sign_in(amber)
    assert f"an id that leads {leads}" in browser.get("/privacy/erase").text
    request_id = rights.due_erasure(amber, officer, dpo)
    rights.work()
    with rights.db.read() as session:
        body = certificates.by_request(session, request_id)
        there = session.execute(sa.select(contact.c.id).where(contact.c.account_id == amber.account)).all()
    assert f"the id leads {leads}" in body["in_clear"]
    assert len(there) == bool(euros)


def test_a_person_reads_our_sentence_of_each_step_and_no_note(
    rights: Rights, officer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    amber = rights.house.customer("said_steps")
    rights.calm()

    def olive() -> Context:
        return rights.colleague(officer, roles.COMPLIANCE_OFFICER)

    with rights.db.begin() as session:
        asked, today = Asked(kind="access", channel="letter"), rights.clock.now().date()
        request_id = intake.enter(session, asked, amber.account, today, olive(), parts=rights.parts)
    rights.clock.move(timedelta(minutes=1))
    with rights.db.begin() as session:
        identity.ask(session, request_id, olive(), parts=rights.parts)
        identity.answer(session, request_id, "her sister knows her voice", olive(), parts=rights.parts)
    rights.clock.move(timedelta(minutes=1))
    with rights.db.begin() as session:
        moving.extend(session, request_id, "two of us are ill", olive(), parts=rights.parts)

    def breaks(content: package.Content) -> bytes:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(package, "build", breaks)
        for _ in range(3):
            rights.clock.move(timedelta(minutes=2))
            rights.work()
    rights.clock.move(timedelta(minutes=2))
    rights.work()
    noted = " ".join(step.note or "" for step in rights.steps(request_id))
    assert "ZeroDivisionError" in noted
    assert "her sister" in noted
    browser = rights.house.browser()
    browser.sign_in(amber)
    page = browser.get(f"/privacy/requests/{request_id}").text
    with rights.db.read() as session:
        told = [step.note for step in requests.own_story(session, request_id, rights.me(amber)).steps]
    assert told == [
        "We have your request.",
        "Before anything is given out or changed we ask who you are.",
        "It is clear that the request is yours; what you asked for is prepared.",
        "The time to answer was extended; the reasons stand in our letter.",
        "Your copy can be fetched here.",
    ]
    for said in told:
        assert said in page
    for inner in ("ZeroDivisionError", "her sister", "could not be made", "fresh proof"):
        assert inner not in page


def test_each_state_has_a_sentence() -> None:
    assert set(telling.SAYS) == set(State)


def written(rights: Rights) -> list[str]:
    """Return all letters that wait, oldest first: who is erased has no address to ask for theirs by."""
    from app.identity import letters

    with rights.db.read() as session:
        due = letters.due(session, rights.clock.now(), parts=rights.house.system.identity)
        return [f"{letter.subject}\n{letter.text}" for letter in due]


@pytest.mark.parametrize("kind", ["access", "portability"])
def test_a_copy_says_of_each_file_what_it_is_and_of_no_other(rights: Rights, kind: str) -> None:
    amber = rights.house.customer(f"said_{kind}", euros=5)
    rights.calm()
    copy = rights.copy_of(amber, kind)
    readme, names = copy.text("README.html"), set(copy.zip.namelist()) - {"README.html"}
    named = set(re.findall(r"\b(?:[a-z0-9_]+/)?[a-z0-9_]+\.(?:html|json|csv|zip|py)\b", readme))
    assert named <= names, "it describes no file that is not there"
    folders = {f"{folder}/" for folder in re.findall(r"\b(data|portability|proofs/entries|proofs)/", readme)}
    assert {each for each in folders if not any(name.startswith(each) for name in names)} == set()
    assert {name for name in names if name not in named and not name.startswith(tuple(folders))} == set()
    assert ("onepay_verify.py" in readme) == ("log" in copy.json("manifest.json")) == (kind == "access")
    assert " 1 events" not in readme


def test_a_certificate_promises_no_day_that_rests_on_what_is_still_to_be_done(
    rights: Rights, officer: Person, dpo: Person
) -> None:
    amber = rights.house.customer("said_not_before")
    request_id = rights.due_erasure(amber, officer, dpo)
    rights.work()
    with rights.db.read() as session:
        body = certificates.by_request(session, request_id)
    assert "irrecoverable_from" not in body
    not_before = datetime.fromisoformat(body["irrecoverable_not_before"])
    assert not_before == rights.clock.now() + timedelta(days=31 + 30)
    assert "rests on what is still to come: that the key of this month" in body["why_not_before"]
    assert "the operator's to see to" in body["why_not_before"]
    letter = rights.letters_to(amber)[-1]
    page = rights.house.browser().get("/privacy/certificate/" + letter.partition("/certificate/")[2].split()[0]).text
    assert "Irrecoverable not before" in page
    assert "Each day that one of them is late, this day is later, too." in page


def test_a_question_says_until_what_the_clock_waits_and_a_copy_speaks_of_no_vault(rights: Rights) -> None:
    amber = rights.house.customer("said_words")
    rights.calm()
    with rights.db.begin() as session:
        ctx, asked = rights.me(amber), Asked(kind="access", channel="form")
        request_id = intake.ask_from_outside(session, asked, amber.account, ctx, parts=rights.parts)
    (letter,) = rights.letters_to(amber)
    assert "Until you have confirmed it, the time we have to answer does not run." in letter
    due = rights.get(request_id).due
    assert f"If you confirm it by tomorrow, our answer is due by {due:%-d %B %Y}" in " ".join(letter.split())
    assert f"/privacy/requests/{request_id} and confirm it there" in letter
    assert "If you cannot sign in any more, answer this letter" in letter
    assert "/privacy/link/" in letter, "the same letter says how to stop it"
    assert "a copy of an identity document" in letter
    stores = {each["store"]: each["why"] for each in rights.copy_of(amber).json("manifest.json")["not_searched"]}
    assert stores["vault"] == "No card is stored here yet, so there is no vault to search."


def test_a_role_is_named_as_people_call_it() -> None:
    document = {
        "@timestamp": "2026-11-26T09:00:00.000Z",
        "event": {"id": "evt_1", "action": "access.data.read"},
        "user": {"roles": ["dpo", "compliance_officer"]},
    }
    assert history._look(document).role == "Data protection officer, Compliance officer"
