"""Whoever has data from us is asked and told: a task each, with its day, its receipt or why not, and its probe."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.identity import letters, roles
from app.kernel.access import Actor, ActorKind
from app.kernel.errors import Forbidden, Invalid, ReasonMissing, SamePerson, WrongState
from compliance.engine.verdict import Canary
from compliance.privacy import recipients, rectify, selftest
from compliance.privacy import rights as services
from compliance.privacy.erasure import certificates, deciding
from compliance.privacy.models import recipient_notice
from compliance.privacy.recipients import IMPOSSIBLE, RECEIPT, Answer, Notice, NoticeAnswered, NoticeInvalid
from compliance.privacy.request import Asked
from compliance.privacy.request import State as Stage
from compliance.registers import processors
from compliance.registers.processors import Entry
from compliance.states import State
from tests.compliance.privacy.rights import Copy, Rights
from tests.support.installation import Person


class Undone(Exception):
    """What was done in a transaction is not kept."""


MAIL, CLOUD, NEWS = "Brieftaube Mail GmbH", "Harbour Hosting Ltd", "Parish News plc"


@pytest.fixture
def rights(either_rights: Rights) -> Rights:
    """Return an installation with two processors that work with accounts, and one that does not."""
    for name, purposes in ((MAIL, ("service", "rights")), (CLOUD, ("service", "security")), (NEWS, ("page_use",))):
        entry = Entry(name=name, does="works for us", purposes=purposes, countries=("DE",), review_on=date(2027, 6, 1))
        with either_rights.db.begin() as session:
            processors.add(session, entry, either_rights.staff(roles.COMPLIANCE_OFFICER))
    either_rights.clock.move(timedelta(seconds=1))
    return either_rights


@pytest.fixture
def amber(rights: Rights) -> Person:
    amber = rights.house.customer("amber_told")
    rights.calm()
    return amber


def notices(rights: Rights, request_id: str) -> list[Notice]:
    with rights.db.read() as session:
        return recipients.of_request(session, request_id)


def of(rights: Rights, request_id: str, name: str) -> Notice:
    return next(one for one in reversed(notices(rights, request_id)) if one.name == name)


def note(rights: Rights, officer: Person, notice: Notice, **more: Any) -> None:
    given = {"answer": RECEIPT, "on": rights.clock.now().date(), "reference": "ticket 4711", **more}
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        recipients.answer(session, notice.id, Answer(**given), ctx, parts=rights.parts)


def correct(rights: Rights, officer: Person, amber: Person, request_id: str, name: str) -> None:
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        place = ("app_account", amber.account, "name_ct", name)
        rectify.rectify(session, request_id, *place, ctx, parts=rights.parts)


def said(rights: Rights) -> tuple[State, list[str]]:
    observer = rights.house.system.controls
    seen = observer.observe(observer.parts.probes["privacy.recipients"], is_test_due=True)
    assert seen is not None
    assert (seen.error, seen.tested.canary) == (None, Canary.CAUGHT)
    return seen.verdict.state, sorted(one.says for one in seen.reading.violations)


def test_an_access_asks_each_processor_once_and_before_its_own_day(rights: Rights, amber: Person) -> None:
    request_id = rights.ask(amber)
    assert notices(rights, request_id) == []
    rights.work()
    asked = notices(rights, request_id)
    assert [one.name for one in asked] == [MAIL, CLOUD]
    assert {one.due for one in asked} == {rights.get(request_id).due - timedelta(days=1)}
    assert {"contact", "name"} <= set(asked[0].categories)
    rights.work()
    assert len(notices(rights, request_id)) == 2
    assert notices(rights, rights.ask(amber, "portability")) == []


def test_a_copy_says_whom_it_does_not_know_yet(rights: Rights, amber: Person, officer: Person) -> None:
    copy = rights.copy_of(amber)
    assert [(one["processor"], one["state"]) for one in copy.json("manifest.json")["processors"]] == [
        (MAIL, "asked, not answered yet"),
        (CLOUD, "asked, not answered yet"),
    ]
    report = copy.text("report.html")
    assert "asked, not answered yet" in report
    assert "Their machines are not searched from here." in report
    request_id = copy.json("manifest.json")["request"]
    with rights.db.read() as session:
        asked = recipients.waiting(session, rights.colleague(officer, roles.COMPLIANCE_OFFICER))
    assert sorted(one.name for one in asked) == [MAIL, CLOUD]
    note(rights, officer, of(rights, request_id, MAIL), says="addresses and dates of five letters")
    assert Copy(rights.fetch(amber, request_id)).data == copy.data, "what went out is what it was"
    assert of(rights, request_id, MAIL).says == "addresses and dates of five letters"


def test_what_a_processor_holds_has_to_be_said(rights: Rights, amber: Person, officer: Person) -> None:
    request_id = rights.ask(amber)
    rights.work()
    with pytest.raises(ReasonMissing):
        note(rights, officer, of(rights, request_id, MAIL))


def test_a_withdrawn_access_asks_nobody_any_more(rights: Rights, amber: Person, officer: Person) -> None:
    request_id = rights.ask(amber)
    rights.work()
    with rights.db.begin() as session:
        services.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
    assert {one.is_called_off for one in notices(rights, request_id)} == {True}
    with rights.db.read() as session:
        assert recipients.waiting(session, rights.colleague(officer, roles.COMPLIANCE_OFFICER)) == []
    with pytest.raises(WrongState):
        note(rights, officer, of(rights, request_id, MAIL), says="five letters of this year")


def test_a_correction_tells_those_who_work_with_it(rights: Rights, amber: Person, officer: Person) -> None:
    request_id = rights.ask(amber, "rectification", detail="my name is wrong")
    assert notices(rights, request_id) == []
    correct(rights, officer, amber, request_id, "Amber Fynch")
    told = notices(rights, request_id)
    assert [(one.name, one.categories) for one in told] == [(MAIL, ["name"]), (CLOUD, ["name"])]
    assert {one.due for one in told} == {rights.clock.now().date() + timedelta(days=30)}
    correct(rights, officer, amber, request_id, "Amber Finch")
    assert len(notices(rights, request_id)) == 2, "what is open takes it in"
    note(rights, officer, of(rights, request_id, MAIL))
    correct(rights, officer, amber, request_id, "Amber Fink")
    assert [(one.name, one.is_open) for one in notices(rights, request_id)] == [
        (MAIL, False),
        (CLOUD, True),
        (MAIL, True),
    ]


def test_a_restriction_tells_and_one_that_is_undone_did_not(rights: Rights, amber: Person) -> None:
    request_id = rights.ask(amber, "restriction")
    assert [one.name for one in notices(rights, request_id)] == [MAIL, CLOUD]
    assert notices(rights, rights.ask(amber, "objection", purpose="profiling")) == []
    with suppress(Undone), rights.db.begin() as session:
        second = services.ask(session, Asked(kind="restriction"), rights.me(amber), parts=rights.parts)
        assert len(recipients.of_request(session, second)) == 2
        raise Undone
    assert notices(rights, second) == []


def test_an_erasure_tells_and_its_last_letter_and_certificate_say_whom(
    rights: Rights, amber: Person, officer: Person, dpo: Person
) -> None:
    request_id = rights.approved_erasure(amber, officer, dpo)
    assert notices(rights, request_id) == [], "it can still be called off"
    rights.clock.move(timedelta(hours=73))
    rights.work()
    assert rights.get(request_id).state is Stage.CLOSED
    assert [one.name for one in notices(rights, request_id)] == [MAIL, CLOUD]
    with rights.db.read() as session:
        body = certificates.by_request(session, request_id)
    due = (rights.clock.now().date() + timedelta(days=30)).isoformat()
    assert body["recipients"] == [{"name": MAIL, "told_by": due}, {"name": CLOUD, "told_by": due}]


def test_the_last_letter_names_them(rights: Rights, amber: Person, officer: Person, dpo: Person) -> None:
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=73))
    with suppress(Undone), rights.db.begin() as session:
        deciding.start(session, rights.house.system.job_context("privacy", rights.clock.now()), parts=rights.parts)
        due = letters.due(session, rights.clock.now(), parts=rights.house.system.identity)
        last = next(one.text for one in due if one.to == amber.address and one.subject == "Your data is erased")
        assert f"those who have it from us to erase it as well: {MAIL}, {CLOUD}." in last
        raise Undone
    assert notices(rights, request_id) == []


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"answer": "perhaps"}, NoticeInvalid),
        ({"on": date(2026, 11, 1)}, NoticeInvalid),
        ({"on": date(2027, 11, 1)}, NoticeInvalid),
        ({"reference": " "}, ReasonMissing),
        ({"answer": IMPOSSIBLE}, ReasonMissing),
        ({"answer": IMPOSSIBLE, "says": "too long"}, ReasonMissing),
        ({"reference": "4111 1111 1111 1111"}, Invalid),
    ],
)
def test_an_answer_that_is_none_is_refused(
    rights: Rights, amber: Person, officer: Person, given: dict[str, Any], error: type[Exception]
) -> None:
    request_id = rights.ask(amber, "restriction")
    with pytest.raises(error):
        note(rights, officer, of(rights, request_id, MAIL), **given)
    assert of(rights, request_id, MAIL).is_open


def test_it_is_answered_once_by_who_may_and_not_by_its_person(rights: Rights, amber: Person, officer: Person) -> None:
    request_id = rights.ask(amber, "restriction")
    notice = of(rights, request_id, MAIL)
    given = Answer(answer=RECEIPT, on=rights.clock.now().date(), reference="ticket 4711")

    def as_(ctx: Any) -> None:
        with rights.db.begin() as session:
            recipients.answer(session, notice.id, given, ctx, parts=rights.parts)

    with pytest.raises(Forbidden):
        as_(rights.staff(roles.AUDITOR))
    with pytest.raises(SamePerson):
        as_(rights.staff(roles.COMPLIANCE_OFFICER, amber.account))
    note(rights, officer, notice)
    with pytest.raises(NoticeAnswered):
        note(rights, officer, notice)
    found = of(rights, request_id, MAIL)
    assert (found.reference, found.answered_by) == ("ticket 4711", officer.account)


def test_the_database_keeps_no_receipt_without_its_reference(rights: Rights, amber: Person) -> None:
    notice = of(rights, rights.ask(amber, "restriction"), MAIL)
    now = rights.clock.now()
    for values in ({"answer": RECEIPT, "answered_at": now}, {"answer": IMPOSSIBLE}, {"turn": 1, "name": CLOUD}):
        query = sa.update(recipient_notice).where(recipient_notice.c.id == notice.id).values(**values)
        if "turn" in values:
            other = of(rights, notice.request_id, CLOUD).processor_id
            query = query.values(processor_id=other)
        with pytest.raises(sa.exc.IntegrityError), rights.db.begin() as session:
            session.execute(query)


def test_article_19_fails_while_somebody_was_not_told(
    rights: Rights, amber: Person, officer: Person, dpo: Person
) -> None:
    assert said(rights)[0] is State.NOT_APPLICABLE
    request_id = rights.ask(amber, "restriction")
    assert said(rights) == (State.PASS, [])
    with rights.db.begin() as session:
        session.execute(sa.delete(recipient_notice).where(recipient_notice.c.name == MAIL))
    day = rights.clock.now().date().isoformat()
    assert said(rights) == (State.FAIL, [f"was carried out on {day}, and no notice tells {MAIL}"])
    rights.clock.move(timedelta(days=31))
    due = of(rights, request_id, CLOUD).due.isoformat()
    assert f"was due on {due}, and {CLOUD} has not confirmed it" in said(rights)[1]
    note(rights, officer, of(rights, request_id, CLOUD))
    assert any(f"{CLOUD} was told on" in one for one in said(rights)[1]), "late stays late for a quarter"
    rights.clock.move(timedelta(days=91))
    assert said(rights) == (State.PASS, [])


def test_corrections_and_erasures_are_held_against_the_register(
    rights: Rights, amber: Person, officer: Person, dpo: Person
) -> None:
    first = rights.ask(amber, "rectification", detail="my name is wrong")
    correct(rights, officer, amber, first, "Amber Fynch")
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        rectify.complete(session, first, "Your name is right now.", ctx, parts=rights.parts)
    note(rights, officer, of(rights, first, MAIL))
    note(rights, officer, of(rights, first, CLOUD), answer=IMPOSSIBLE, reference="", says="it keeps nothing of people")
    second = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=73))
    rights.work()
    assert of(rights, first, CLOUD).says is None, "words of colleagues went with their person"
    assert of(rights, first, MAIL).reference == "ticket 4711"
    assert said(rights) == (State.PASS, []), "that went away lawfully"
    with rights.db.begin() as session:
        session.execute(sa.delete(recipient_notice).where(recipient_notice.c.request_id == second))
    assert len(said(rights)[1]) == 2


def test_nothing_is_made_for_the_person_of_the_nightly_test(rights: Rights, amber: Person) -> None:
    system = rights.house.system
    ctx = system.job_context("privacy.selftest", rights.clock.now())
    done = selftest.run(rights.db, ctx, parts=rights.parts, gate=system.compliance.gate, shreds=system.shredding)
    assert done.problems == []
    with rights.db.read() as session:
        assert session.execute(sa.select(recipient_notice)).all() == []


def test_an_auditor_sees_notices_as_they_stood_at_the_end_of_their_period(
    rights: Rights, amber: Person, officer: Person
) -> None:
    hour, at, request_id = timedelta(hours=1), rights.clock.now(), rights.ask(amber)
    rights.clock.move(2 * hour)
    rights.work()
    rights.clock.move(2 * hour)
    note(rights, officer, of(rights, request_id, MAIL), says="addresses and dates of five letters")
    rights.clock.move(2 * hour)

    def open_by(end: datetime) -> dict[str, bool]:
        actor = Actor(
            id="acc_audit",
            kind=ActorKind.STAFF,
            roles=frozenset({roles.AUDITOR}),
            permissions=roles.ROLES[roles.AUDITOR],
            period=(at - hour, end),
        )
        with rights.db.read() as session:
            found = recipients.of_request(session, request_id, before=end)
            waiting = recipients.waiting(session, rights.house.system.context(actor))
        assert {one.id for one in waiting if one.request_id == request_id} == {one.id for one in found if one.is_open}
        assert all(one.says is None for one in found if one.is_open)
        return {one.name: one.is_open for one in found}

    assert open_by(at + hour) == {}
    assert open_by(at + 3 * hour) == {MAIL: True, CLOUD: True}
    assert open_by(at + 9 * hour) == {MAIL: False, CLOUD: True}
