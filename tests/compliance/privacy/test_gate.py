"""Consent, objection and restriction stop uses at once, and a person decides what goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel.approvals import ApprovalChanged, Verdict
from app.kernel.errors import Forbidden, ReasonMissing, SamePerson, WrongState
from compliance.catalog import purposes
from compliance.privacy import consent, intake, rectify, restrict, wording
from compliance.privacy import rights as services
from compliance.privacy.consent import PurposeUnknown
from compliance.privacy.gate import Gate
from compliance.privacy.models import consent_receipt, objection, request, request_step
from compliance.privacy.parts import DetailMissing
from compliance.privacy.request import Asked, State
from compliance.privacy.wording import AlreadySame
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Person

GATE = Gate()


@pytest.fixture(scope="module")
def officer(rights: Rights) -> Person:
    return rights.house.staff("olive.gate", roles.COMPLIANCE_OFFICER)


@pytest.fixture(scope="module")
def dpo(rights: Rights) -> Person:
    rights.house.staff("dan.gate", roles.DPO)
    return rights.house.staff("dora.gate", roles.DPO)


def may(rights: Rights, person: Person, purpose: str) -> bool:
    with rights.db.read() as session:
        return GATE.allowed(session, person.account, purpose)


def test_a_consent_purpose_is_off_until_given_and_off_again_in_the_same_transaction(either_rights: Rights) -> None:
    rights = either_rights
    amber = rights.house.customer("amber_consent")
    assert not may(rights, amber, "news")
    with rights.db.begin() as session:
        consent.give(session, "news", rights.me(amber))
        assert GATE.allowed(session, amber.account, "news")
    assert may(rights, amber, "news")
    assert not may(rights, amber, "page_use"), "each purpose for itself"
    with rights.db.begin() as session:
        consent.withdraw(session, "news", rights.me(amber, fresh=False))
        assert not GATE.allowed(session, amber.account, "news")
    with rights.db.read() as session:
        actions = [receipt.action for receipt in consent.receipts(session, amber.account)]
    assert actions == ["given", "withdrawn"]
    assert [kind for kind in rights.kinds() if kind.startswith("privacy.consent")] == [
        "privacy.consent.given",
        "privacy.consent.withdrawn",
    ]


def test_receipts_are_never_changed(either_rights: Rights) -> None:
    rights = either_rights
    amber = rights.house.customer("amber_receipt")
    with rights.db.begin() as session:
        consent.give(session, "news", rights.me(amber))
    with pytest.raises(sa.exc.DatabaseError), rights.db.begin() as session:
        session.execute(sa.update(consent_receipt).values(action="withdrawn"))


def test_a_new_text_carries_no_consent_over(rights: Rights, monkeypatch: pytest.MonkeyPatch) -> None:
    amber = rights.house.customer("amber_text")
    with rights.db.begin() as session:
        consent.give(session, "news", rights.me(amber))
    known = dict(purposes.shipped())
    known["news"] = replace(known["news"], version=2, text="You may write to me about everything.")
    monkeypatch.setattr(purposes, "shipped", lambda: known)
    assert not may(rights, amber, "news")
    with rights.db.read() as session:
        (standing,) = [each for each in consent.standings(session, amber.account) if each.purpose.id == "news"]
    assert standing.is_stale
    assert not standing.is_given


def test_two_people_carry_consent_over_to_a_text_that_says_the_same(
    either_rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    rights = either_rights
    officer, dpo = (
        rights.colleague(rights.house.staff(name, role), role)
        for name, role in (("olive", roles.COMPLIANCE_OFFICER), ("dora", roles.DPO))
    )
    amber, first = rights.house.customer("amber_same"), purposes.shipped()["news"]
    with rights.db.begin() as session:
        consent.give(session, "news", rights.me(amber))

    def ship(version: int, text: str) -> None:
        known = {**purposes.shipped(), "news": replace(first, version=version, text=text)}
        monkeypatch.setattr(purposes, "shipped", lambda: known)

    def ask() -> str:
        with rights.db.begin() as session:
            return wording.propose(session, "news", first.text_hash, officer, approvals=rights.house.system.approvals)

    ship(2, "You may write to me by e-mail about what is new at OnePay; one press in the privacy centre ends it.")
    approval = ask()
    assert not may(rights, amber, "news"), "one person alone says nothing"
    ship(3, "You may write to me about everything.")
    with rights.db.begin() as session:
        outcome = rights.house.system.approvals.decide(session, approval, Verdict.APPROVED, "", dpo)
    assert isinstance(outcome.error, ApprovalChanged)
    assert not may(rights, amber, "news"), "what was approved is not what is asked now"
    ship(2, "You may write to me by e-mail about what is new at OnePay; one press in the privacy centre ends it.")
    rights.vote(ask(), dpo)
    assert may(rights, amber, "news")
    with rights.db.read() as session:
        assert [one.holds for one in consent.tallies(session, officer)] == [True]
    with pytest.raises(AlreadySame):
        ask()
    with rights.db.begin() as session:
        consent.withdraw(session, "news", rights.me(amber))
    assert not may(rights, amber, "news")


@pytest.mark.parametrize("purpose", ["service", "nothing", ""])
def test_what_rests_on_no_consent_is_not_consented_to(rights: Rights, purpose: str) -> None:
    amber = rights.house.customer(f"amber_no_{purpose[:3]}")
    with rights.db.begin() as session, pytest.raises(PurposeUnknown):
        consent.give(session, purpose, rights.me(amber))


def test_restriction_stops_what_must_stop_and_leaves_what_goes_on(either_rights: Rights) -> None:
    rights = either_rights
    amber, basil = rights.house.customer("amber_restrict"), rights.house.customer("basil_restrict")
    assert may(rights, amber, "profiling")
    request_id = rights.ask(amber, "restriction")
    assert rights.get(request_id).state is State.EXECUTED
    for purpose, goes_on in (
        ("service", True),
        ("accounting", True),
        ("security", True),
        ("claims", True),
        ("profiling", False),
        ("training", False),
    ):
        assert may(rights, amber, purpose) is goes_on, purpose
        assert may(rights, basil, purpose)
    with rights.db.read() as session:
        assert GATE.refused(session, "profiling") == {amber.account}
        assert GATE.refused(session, "service") == frozenset()
    with rights.db.begin() as session:
        services.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
    assert may(rights, amber, "profiling")
    assert {"privacy.subject.restricted", "privacy.subject.released"} <= set(rights.kinds())


def test_one_restriction_does_not_end_with_another(rights: Rights) -> None:
    amber = rights.house.customer("amber_twice")
    first, second = rights.ask(amber, "restriction"), rights.ask(amber, "restriction")
    for request_id, goes_on in ((second, False), (first, True)):
        with rights.db.begin() as session:
            services.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
        assert may(rights, amber, "profiling") is goes_on


def test_what_stands_outlives_the_request_that_brought_it(rights: Rights, officer: Person) -> None:
    amber, basil, clara = (rights.house.customer(f"{name}_stands") for name in ("amber", "basil", "clara"))
    upheld, overruled = (rights.ask(each, "objection", purpose="profiling") for each in (amber, basil))
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        for request_id, decision in ((upheld, "upheld"), (overruled, "compelling_grounds")):
            restrict.decide_objection(session, request_id, decision, "weighed, see note", ctx, parts=rights.parts)
    restricted = rights.ask(clara, "restriction")
    with rights.db.begin() as session:  # as one that was answered and closed, while what it brought goes on
        now = rights.clock.now()
        session.execute(sa.update(request).where(request.c.id == restricted).values(state="closed", closed_at=now))
    source = next(each for each in rights.parts.sources if each.name == "privacy")
    later = rights.clock.now() + timedelta(days=3 * 366)
    with rights.db.begin() as session:
        found = list(source.due(session, "rights.request", later, 1_000))
        source.erase(session, found, rights.house.system.context(ctx.actor))
        left = set(session.scalars(sa.select(request.c.id)))
        standing = set(session.scalars(sa.select(objection.c.subject)))
        parts_left = session.execute(sa.select(request_step.c.n).where(request_step.c.request_id == upheld)).all()
    assert not left & {upheld, overruled, restricted}
    assert not parts_left
    assert amber.account in standing
    assert basil.account not in standing
    assert [may(rights, each, "profiling") for each in (amber, basil, clara)] == [False, True, False]
    assert may(rights, clara, "service")


def test_two_people_lift_a_restriction_and_its_person_is_told_first(
    rights: Rights, officer: Person, dpo: Person
) -> None:
    amber = rights.house.customer("amber_lift")
    request_id = rights.ask(amber, "restriction")
    book = rights.house.system.approvals
    with rights.db.begin() as session:
        ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
        approval = restrict.ask_lift(
            session, request_id, "the data was corrected", ctx, parts=rights.parts, approvals=book
        )
    rights.vote(approval, rights.colleague(dpo, roles.DPO))
    assert not may(rights, amber, "profiling")
    assert any("restriction of your data ends" in letter for letter in rights.letters_to(amber))
    rights.clock.move(timedelta(days=3))
    rights.work()
    assert may(rights, amber, "profiling")
    assert rights.get(request_id).state is State.CLOSED


def test_objecting_to_news_ends_it_at_once(rights: Rights) -> None:
    amber = rights.house.customer("amber_news")
    with rights.db.begin() as session:
        consent.give(session, "news", rights.me(amber))
    request_id = rights.ask(amber, "objection", purpose="news")
    assert not may(rights, amber, "news")
    assert rights.get(request_id).state is State.CLOSED


@pytest.mark.parametrize(("decision", "goes_on"), [("upheld", False), ("compelling_grounds", True)])
def test_an_objection_stops_a_use_until_it_is_decided(
    rights: Rights, officer: Person, decision: str, goes_on: bool
) -> None:
    amber = rights.house.customer(f"amber_{decision[:6]}")
    request_id = rights.ask(amber, "objection", purpose="profiling")
    assert not may(rights, amber, "profiling")
    assert may(rights, amber, "training")
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session, pytest.raises(ReasonMissing):
        restrict.decide_objection(session, request_id, decision, "no", ctx, parts=rights.parts)
    with rights.db.begin() as session:
        restrict.decide_objection(session, request_id, decision, "weighed, see note", ctx, parts=rights.parts)
    assert may(rights, amber, "profiling") is goes_on
    with rights.db.begin() as session, pytest.raises(WrongState):
        restrict.decide_objection(session, request_id, decision, "weighed, see note", ctx, parts=rights.parts)


@pytest.mark.parametrize("purpose", ["security", "service", "nothing", None])
def test_what_cannot_be_objected_to_is_said(rights: Rights, purpose: str | None) -> None:
    amber = rights.house.customer(f"amber_o_{(purpose or 'x')[:3]}")
    with pytest.raises(DetailMissing):
        rights.ask(amber, "objection", purpose=purpose)


def test_a_wrong_name_is_corrected_and_told(rights: Rights, officer: Person) -> None:
    amber = rights.house.customer("amber_name")
    rights.calm()
    request_id = rights.ask(amber, "rectification", detail="My name is Amber Finch-Vale")
    assert rights.get(request_id).detail == "My name is Amber Finch-Vale"
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        rectify.rectify(
            session, request_id, "app_account", amber.account, "name_ct", "Amber Finch-Vale", ctx, parts=rights.parts
        )
        rectify.complete(session, request_id, "Your name is corrected.", ctx, parts=rights.parts)
    assert rights.get(request_id).state is State.CLOSED
    copy = rights.copy_of(amber)
    assert "Amber Finch-Vale" in copy.text("data/name.json")
    assert "privacy.record.rectified" in rights.kinds()


def test_nobody_corrects_what_is_of_somebody_else_or_their_own(rights: Rights, officer: Person) -> None:
    from app.kernel.errors import NotFound
    from compliance.contracts.personal import FieldUnknown

    amber, basil = rights.house.customer("amber_mine"), rights.house.customer("basil_mine")
    request_id = rights.ask(amber, "rectification", detail="my name")
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session, pytest.raises(NotFound):
        rectify.rectify(session, request_id, "app_account", basil.account, "name_ct", "Amber", ctx, parts=rights.parts)
    with rights.db.begin() as session, pytest.raises(FieldUnknown):
        rectify.rectify(session, request_id, "no_table", "x", "name_ct", "Amber", ctx, parts=rights.parts)
    own = rights.staff(roles.COMPLIANCE_OFFICER, amber.account)
    with rights.db.begin() as session, pytest.raises(SamePerson):
        rectify.rectify(session, request_id, "app_account", amber.account, "name_ct", "Amber", own, parts=rights.parts)
    with rights.db.begin() as session, pytest.raises(Forbidden):
        rectify.rectify(
            session, request_id, "app_account", amber.account, "name_ct", "Amber", rights.me(amber), parts=rights.parts
        )


def test_a_person_looks_again_at_what_a_machine_decided(rights: Rights, officer: Person) -> None:
    amber = rights.house.customer("amber_review")
    with pytest.raises(DetailMissing):
        rights.ask(amber, "human_review")
    request_id = rights.ask(amber, "human_review", detail="the transfer of 4 December")
    assert rights.get(request_id).state is State.IN_REVIEW
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        rectify.complete(session, request_id, "We looked: the limit applied.", ctx, parts=rights.parts)
    assert any("the limit applied" in letter for letter in rights.letters_to(amber))


def test_a_refusal_takes_two_people_and_names_the_authority(rights: Rights, officer: Person, dpo: Person) -> None:
    amber = rights.house.customer("amber_refused")
    request_id = rights.ask(amber, "rectification", detail="I was never here")
    book = rights.house.system.approvals
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        approval = rectify.ask_refusal(
            session, request_id, "The entries are right, as the log shows.", ctx, parts=rights.parts, approvals=book
        )
    assert rights.get(request_id).state is State.IN_REVIEW
    assert not any("cannot do" in letter for letter in rights.letters_to(amber))
    with pytest.raises(Forbidden):
        rights.vote(approval, ctx)
    rights.vote(approval, rights.colleague(dpo, roles.DPO))
    assert rights.get(request_id).state is State.REFUSED
    (letter,) = [letter for letter in rights.letters_to(amber) if "cannot do" in letter]
    assert "as the log shows" in letter
    assert "authority" in letter
    assert "court" in letter


def test_each_kind_can_be_entered_and_begins_once_identity_is_shown(rights: Rights, officer: Person) -> None:
    amber = rights.house.customer("amber_enter")
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    today = rights.clock.now().date()
    with rights.db.begin() as session:
        request_id = intake.enter(
            session, Asked(kind="restriction", channel="letter"), amber.account, today, ctx, parts=rights.parts
        )
    assert may(rights, amber, "profiling")
    with rights.db.begin() as session:
        services.answer_identity(session, request_id, "called back on a known number", ctx, parts=rights.parts)
    assert not may(rights, amber, "profiling")
