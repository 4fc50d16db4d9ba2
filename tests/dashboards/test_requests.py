"""Requests in the console: from a letter to the answer, an erasure to its certificate, and who may do what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.identity.models import account, role_grant
from app.kernel.approvals import Verdict
from app.kernel.clock import StillClock
from compliance.privacy import consent, requests, trouble
from compliance.privacy.models import request
from compliance.privacy.request import Kind, Request, State
from tests.compliance.privacy.rights import Rights
from tests.dashboards.desk import Desk, Room
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
PATH = "/console/compliance/requests"


@pytest.fixture
def clock() -> StillClock:
    return StillClock(START)


@pytest.fixture
def house(tmp_path: Path, clock: StillClock) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=clock) as made:
        made.customer("amber_one")
        clock.move(timedelta(hours=73))
        yield made


@pytest.fixture
def rights(house: Installation, clock: StillClock) -> Rights:
    return Rights(house=house, clock=clock)


@pytest.fixture
def room(house: Installation) -> Room:
    return Room(installation=house)


@pytest.fixture
def officer(room: Room) -> Desk:
    return room.desk("olga", roles.COMPLIANCE_OFFICER)


def now(rights: Rights, request_id: str) -> Request:
    with rights.db.read() as session:
        return requests.get(session, request_id)


def form(rights: Rights, **more: str) -> dict[str, str]:
    return {
        "kind": "access",
        "subject": rights.house.people["amber_one"].account,
        "received_on": "2026-11-24",
        "channel": "letter",
        "purpose": "",
        "detail": "",
        "reason": "",
        **more,
    }


def entered(rights: Rights, officer: Desk, **more: str) -> str:
    assert officer.said("request-enter", "new", fields=form(rights, **more)) == ""
    kind = form(rights, **more)["kind"]
    with rights.db.read() as session:
        query = sa.select(request.c.id).where(request.c.kind == kind)
        return str(session.execute(query).scalar_one())


def test_a_letter_is_entered_and_its_clock_runs_from_receipt(rights: Rights, officer: Desk) -> None:
    assert "None." in officer.draw(PATH)
    assert "Received on" in officer.draw(PATH, "?do=enter")
    request_id = entered(rights, officer)
    found = now(rights, request_id)
    assert (found.state, found.channel, f"{found.due}") == (State.IDENTITY, "letter", "2026-12-24")
    listed = officer.draw(PATH)
    assert "not shown" in listed
    assert found.id[-6:] in listed
    assert "24 Dec" in listed

    # It is asked who they are, which stops the clock, and noted how that was shown.
    assert officer.said("request-ask", request_id, fields={}) == ""
    assert "stands since" in officer.draw(PATH)
    drawn = officer.draw(f"{PATH}/{request_id}", "?do=request-identify")
    assert drawn.count("waits to be delivered") == 2, "a letter that is queued has reached nobody yet"
    assert "How it was shown" in drawn
    assert "identity asked" in drawn, "the clock tells by its own fields why it stands"
    assert officer.said("request-identify", request_id, fields={"reason": "short"}) == "reason_missing"
    assert officer.said("request-identify", request_id, fields={"reason": "codes to two channels"}) == ""
    rights.work()
    assert now(rights, request_id).state is State.READY
    drawn = officer.draw(f"{PATH}/{request_id}")
    assert "Yes, it is answered." in drawn
    assert "app_account" in drawn
    assert "searched where nothing was found" in drawn
    rows = drawn.count('"type": "Tr"')
    assert 10 < rows < 60, "stores without entries are named in a line, as a row for each would take a browser long"


def test_what_cannot_be_entered_says_why(rights: Rights, officer: Desk) -> None:
    def said(**more: str) -> str:
        return officer.said("request-enter", "new", fields=form(rights, **more))

    for day in ("soon", "2027-01-01", "2026-05-01"):
        assert said(received_on=day) == "receipt_invalid"
    assert said(received_on="2026-05-01", reason="it lay in a branch that was closed") == ""
    assert said(subject="acc_nobody") == "not_found"
    assert said(kind="magic") == "kind_unknown"
    assert said(subject=officer.person.account) == "same_person"


def test_it_is_extended_once_and_in_time(rights: Rights, officer: Desk, clock: StillClock) -> None:
    request_id = entered(rights, officer)
    reasons = {"reason": "many stores, and two colleagues are ill"}
    assert officer.said("request-extend", request_id, fields={"reason": ""}) == "reason_missing"
    assert officer.said("request-extend", request_id, fields=reasons) == ""
    assert f"{now(rights, request_id).due}" == "2027-02-24"
    assert officer.said("request-extend", request_id, fields=reasons) == "extension_late"
    late = entered(rights, officer, kind="portability")
    clock.move(timedelta(days=32))
    officer.browser.sign_in(officer.person, surface="staff")
    assert officer.said("request-extend", late, fields=reasons) == "extension_late"
    assert "One is late." in officer.draw(PATH)
    assert "No, and late." in officer.draw(f"{PATH}/{late}")


def test_our_own_day_that_is_past_is_late_and_not_none_left(rights: Rights, officer: Desk, clock: StillClock) -> None:
    request_id = entered(rights, officer)
    clock.move(timedelta(days=24))
    officer.browser.sign_in(officer.person, surface="staff")
    listed = officer.draw(PATH)
    assert "One is past our own day." in listed
    assert "late 8 d" in listed
    drawn = officer.draw(f"{PATH}/{request_id}")
    assert drawn.count("late 8 d") == 2, "the answer and the clock say the same"
    assert "Our own day was 14 Dec 2026; the law's is still to come." in drawn
    assert "0 d" not in drawn


def test_what_has_its_answer_stands_apart_with_why_it_is_not_closed(rights: Rights, officer: Desk) -> None:
    waits = rights.ask(rights.house.people["amber_one"], "rectification", detail="My name is spelled wrong")
    answered = rights.ask(rights.house.people["amber_one"], "restriction")
    waiting, done = officer.draw(PATH), officer.draw(PATH, "?show=answered")
    assert "Waiting 1" in waiting
    assert "Answered, not closed 1" in waiting
    assert (waits[-6:] in waiting, answered[-6:] in waiting) == (True, False)
    assert (waits[-6:] in done, answered[-6:] in done) == (False, True)
    assert "while the restriction stands" in done
    badge = re.search(r'\["Requests", {"props": {"children": "(\d+)"', waiting)
    assert badge is not None
    assert badge[1] == "1", "the menu counts what the list shows"


def test_an_erasure_goes_from_the_ask_to_the_certificate(
    rights: Rights, officer: Desk, room: Room, clock: StillClock
) -> None:
    dpo = room.desk("dora", roles.DPO)
    request_id = rights.ask(rights.house.people["amber_one"], "erasure")
    rights.work()
    drawn = officer.draw(f"{PATH}/{request_id}")
    assert "The plan waits for an officer." in drawn
    assert "Propose erasure" in drawn
    assert officer.said("request-erase", request_id, fields={"reason": "as they asked on their page"}) == ""
    waits = officer.draw(f"{PATH}/{request_id}")
    assert "A second person decides." in waits
    assert "a second person decides" in waits, "the facts say the same of its stage"
    assert "a person looks" not in waits
    approval = now(rights, request_id).approval_id
    assert approval is not None
    rights.vote(approval, rights.colleague(dpo.person, roles.DPO))
    assert now(rights, request_id).state is State.WAITING
    assert "can call it off until then" in officer.draw(f"{PATH}/{request_id}")
    clock.move(rights.parts.settings.erase_delay + timedelta(minutes=1))
    rights.work()
    for desk in (officer, dpo):
        desk.browser.sign_in(desk.person, surface="staff")
        drawn = desk.draw(f"{PATH}/{request_id}")
        assert "Certificate of erasure" in drawn
        assert "Irrecoverable not before" in drawn
    assert now(rights, request_id).state is State.CLOSED


def test_a_refusal_is_said_by_two_people(rights: Rights, officer: Desk, room: Room) -> None:
    dpo = room.desk("dora", roles.DPO)
    request_id = entered(rights, officer)
    reasons = {"reason": "it was answered a week ago, and nothing changed"}
    assert officer.said("request-refuse", request_id, fields=reasons) == ""
    assert now(rights, request_id).state is State.IDENTITY
    rights.vote(str(now(rights, request_id).approval_id), rights.colleague(dpo.person, roles.DPO))
    assert now(rights, request_id).state is State.REFUSED
    assert reasons["reason"] in officer.draw(f"{PATH}/{request_id}")


def test_a_refused_approval_leaves_the_request_to_the_officer(rights: Rights, officer: Desk, room: Room) -> None:
    dpo = room.desk("dora", roles.DPO)
    request_id = entered(rights, officer)
    officer.said("request-refuse", request_id, fields={"reason": "it was answered a week ago"})
    no = str(now(rights, request_id).approval_id)
    rights.vote(no, rights.colleague(dpo.person, roles.DPO), Verdict.REJECTED, "They may ask again")
    drawn = officer.draw(f"{PATH}/{request_id}")
    assert "A second person decides." not in drawn
    assert "Propose refusal" in drawn


def test_a_value_is_corrected_and_answered(rights: Rights, officer: Desk) -> None:
    person = rights.house.people["amber_one"]
    request_id = rights.ask(person, "rectification", detail="My name is spelled wrong")
    drawn = officer.draw(f"{PATH}/{request_id}", "?do=request-correct")
    assert "My name is spelled wrong" in drawn
    assert "app_account: name" in drawn
    assert officer.said("request-correct", request_id, fields={"place": "", "reason": "Amber"}) == "field_unknown"
    place = f"app_account\t{person.account}\tname_ct"
    assert officer.said("request-correct", request_id, fields={"place": place, "reason": "Amber Fynch"}) == ""
    assert officer.said("request-answer", request_id, fields={"reason": "Your name is right now."}) == ""
    assert now(rights, request_id).kind is Kind.RECTIFICATION
    assert now(rights, request_id).state is State.CLOSED
    with rights.db.read() as session:
        row = session.execute(account.select().where(account.c.id == person.account)).one()
        assert row.id == person.account


def test_an_objection_is_decided(rights: Rights, officer: Desk) -> None:
    request_id = rights.ask(rights.house.people["amber_one"], "objection", purpose="profiling")
    assert "Grounds" in officer.draw(f"{PATH}/{request_id}", "?do=request-decide")
    fields = {"decision": "upheld", "reason": "We do without it for them."}
    assert officer.said("request-decide", request_id, fields=fields) == ""
    assert now(rights, request_id).state is State.CLOSED
    assert officer.said("request-decide", request_id, fields=fields) == "wrong_state"


def test_an_auditor_reads_and_changes_nothing(rights: Rights, officer: Desk, room: Room) -> None:
    request_id = entered(rights, officer)
    rights.clock.move(timedelta(minutes=1))
    auditor = room.desk("aude", roles.AUDITOR)
    assert request_id[-6:] in auditor.draw(PATH)
    drawn = auditor.draw(f"{PATH}/{request_id}")
    assert "Note identity" not in drawn
    assert auditor.press("request-identify", request_id, fields={"reason": "codes to two channels"}).status_code == 403
    assert auditor.press("request-enter", "new", fields=form(rights)).status_code == 403
    assert "Stages" not in auditor.draw(f"{PATH}/req_nothing")


def test_an_auditor_reads_a_request_as_it_stood_at_the_end_of_their_period(
    rights: Rights, officer: Desk, room: Room
) -> None:
    minute, at, request_id = timedelta(minutes=1), rights.clock.now(), entered(rights, officer)
    rights.clock.move(2 * minute)
    assert officer.said("request-extend", request_id, fields={"reason": "it needs three parties to answer"}) == ""
    with rights.db.begin() as session:
        for _ in range(2):
            trouble.note(session, request_id, "packing", ValueError("no"), rights.job())
    auditor = room.desk("aude", roles.AUDITOR)
    mine = role_grant.c.account_id == auditor.person.account

    def drawn(end: datetime) -> str:
        with rights.db.begin() as session:
            period = {"period_from": at - minute, "period_until": end}
            session.execute(sa.update(role_grant).where(mine).values(**period))
        return auditor.draw(f"{PATH}/{request_id}")

    then, now = drawn(at + minute), drawn(at + 9 * minute)
    assert "not extended" in then
    assert "by law, one month" in then
    assert "It does not go on." not in then
    assert "delivered" not in then
    assert "by law, three months" in now
    assert "It does not go on." in now


def test_consents_are_counted_by_text_and_shown_by_person(rights: Rights, officer: Desk) -> None:
    person = rights.house.people["amber_one"]
    assert "0 consents to the present texts." in officer.draw("/console/compliance/consent")
    with rights.db.begin() as session:
        consent.give(session, "news", rights.me(person))
    drawn = officer.draw("/console/compliance/consent")
    assert "1 consent to the present texts." in drawn
    with rights.db.begin() as session:
        consent.withdraw(session, "news", rights.me(person))
    with rights.db.read() as session:
        (one,) = consent.tallies(session, rights.staff(roles.DPO))
    assert (one.given, one.withdrawn) == (0, 1)
    drawn = officer.draw("/console/compliance/consent", f"?of={person.account}")
    assert "took back" in drawn
    assert "No receipt." in officer.draw("/console/compliance/consent", "?of=acc_nobody")
