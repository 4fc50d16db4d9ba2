"""What was decided is what is done, what is secret stays so, and what colleagues wrote goes with its person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.identity.models import contact
from app.kernel import crypto
from app.kernel.errors import Invalid
from compliance.certificates import CertificateDiffers
from compliance.contracts.personal import FieldUnknown, Seed
from compliance.privacy import moving, rectify, requests, restrict
from compliance.privacy.erasure import certificates, deciding
from compliance.privacy.gate import Gate
from compliance.privacy.models import erasure_certificate, objection, request, request_step
from compliance.privacy.request import State
from compliance.retention import holds
from compliance.retention.holds import Item
from tests.compliance.office import hold_on
from tests.compliance.privacy.rights import Rights
from tests.compliance.privacy.test_erase import emptied
from tests.support.installation import Person


@pytest.fixture
def rights(either_rights: Rights) -> Rights:
    return either_rights


def as_officer(rights: Rights, officer: Person, do: Callable[..., Any], *given: Any, **more: Any) -> Any:
    """Do a thing as an officer in a transaction of its own."""
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        return do(session, *given, ctx, **more)


def test_nobody_here_leads_letters_elsewhere(rights: Rights, officer: Person) -> None:
    amber = rights.house.customer("amber")
    request_id = rights.ask(amber, "rectification", detail="my address is wrong")
    looked = rights.kinds().count("access.data.read")
    places = as_officer(rights, officer, rectify.correctable, request_id, parts=rights.parts)
    assert {place[0] for place in places} >= {"app_account"}
    assert not {"app_contact", "app_message"} & {place[0] for place in places}
    assert rights.kinds().count("access.data.read") == looked + 1
    with rights.db.read() as session:
        theirs = contact.c.account_id == amber.account
        before = session.execute(sa.select(contact.c.id, contact.c.value_ct).where(theirs)).one()
    with pytest.raises(FieldUnknown):
        as_officer(
            rights,
            officer,
            rectify.rectify,
            request_id,
            "app_contact",
            before.id,
            "value_ct",
            "mallory@evil.example",
            parts=rights.parts,
        )
    with rights.db.read() as session:
        assert session.execute(sa.select(contact.c.id, contact.c.value_ct).where(theirs)).one() == before


@pytest.mark.parametrize("name", ["\u202eevil", "a\x00b", "\ud800", "4027 1830 5521 4006", "x" * 400])
def test_a_corrected_name_is_a_name(rights: Rights, officer: Person, name: str) -> None:
    amber = rights.house.customer("amber")
    request_id = rights.ask(amber, "rectification", detail="my name is wrong")

    def correct(value: str) -> None:
        place = ("app_account", amber.account, "name_ct")
        as_officer(rights, officer, rectify.rectify, request_id, *place, value, parts=rights.parts)

    with pytest.raises(Invalid):
        correct(name)
    correct("  Amber   Finch-Vale ")
    with rights.db.read() as session:
        (source,) = [each for each in rights.parts.sources if each.name == "identity"]
        seeds = frozenset({Seed("subject", amber.account), Seed("account.id", amber.account)})
        said = [each.data for each in source.collect(session, seeds) if each.store == "app_account"]
    assert any(each.get("name_ct") == "Amber Finch-Vale" for each in said)


def test_what_was_approved_to_stay_is_decided_again(rights: Rights, officer: Person, dpo: Person) -> None:
    amber, basil = rights.house.customer("amber", euros=20), rights.house.customer("basil")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    emptied(rights, amber, basil)
    rights.clock.move(timedelta(hours=72))
    rights.work()
    found = rights.get(request_id)
    assert (found.state, found.not_before, found.approved_by) == (State.IN_REVIEW, None, None)
    assert any("Your erasure is looked at again" in letter for letter in rights.letters_to(amber))
    with rights.db.read() as session:
        assert session.scalar(sa.select(contact.c.id).where(contact.c.account_id == amber.account))
        assert Gate().allowed(session, amber.account, "profiling")
    book = rights.house.system.approvals
    ask: dict[str, Any] = {"parts": rights.parts, "approvals": book}
    approval = as_officer(rights, officer, deciding.propose, request_id, "all of it now", **ask)
    rights.vote(approval, rights.colleague(dpo, roles.DPO))
    rights.clock.move(timedelta(hours=72))
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
    with rights.db.read() as session:
        assert not session.scalar(sa.select(contact.c.id).where(contact.c.account_id == amber.account))


def test_what_came_since_is_erased_with_what_was_approved(rights: Rights, officer: Person, dpo: Person) -> None:
    amber = rights.house.customer("amber", euros=5)
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.house.browser().sign_in(amber)
    rights.clock.move(timedelta(hours=72))
    rights.work()
    assert rights.get(request_id).state is State.CLOSED


def test_of_a_hold_is_told_that_something_stays_and_nothing_else(rights: Rights, officer: Person) -> None:
    amber, basil = rights.house.customer("amber"), rights.house.customer("basil")
    rights.calm()
    order = hold_on("case-secret", Item(kind="subject", value=amber.account), reason="SECRETWORD of the court")
    as_officer(rights, officer, holds.place, order, parts=rights.house.system.retention)
    both = [rights.ask(person, "erasure") for person in (amber, basil)]
    rights.work()
    with rights.db.read() as session:
        shown = [[one for one in requests.items(session, id) if "events" not in one.store] for id in both]
    assert [(one.store, one.category) for one in shown[0]] == [(one.store, one.category) for one in shown[1]]
    assert all(one.held == one.found for one in shown[0])
    assert not [one for one in shown[0] if "hold" in one.store]
    browser = rights.house.browser()
    browser.sign_in(amber)
    said = browser.get(f"/privacy/requests/{both[0]}").text + browser.get("/privacy/erase").text
    assert "keeps some of it until it is settled" in said
    for secret in ("SECRETWORD", "case-secret", "Regional court"):
        assert secret not in said + repr(shown)


def test_what_colleagues_wrote_goes_with_its_person(rights: Rights, officer: Person, dpo: Person) -> None:
    amber = rights.house.customer("amber")
    review = rights.ask(amber, "human_review", detail="the transfer of 4 December")
    as_officer(rights, officer, rectify.complete, review, "SECRETWORD about her", parts=rights.parts)
    objected = rights.ask(amber, "objection", purpose="profiling")
    why = "SECRETWORD weighed"
    as_officer(rights, officer, restrict.decide_objection, objected, "upheld", why, parts=rights.parts)
    late = rights.ask(amber, "rectification", detail="my name")
    as_officer(rights, officer, moving.extend, late, "SECRETWORD takes long", parts=rights.parts)
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
    with rights.db.read() as session:
        said = [
            *session.scalars(sa.select(request.c.outcome).where(request.c.subject == amber.account)),
            *session.scalars(sa.select(request_step.c.note)),
            *session.scalars(sa.select(objection.c.grounds)),
        ]
    assert not [each for each in said if each and "SECRETWORD" in each]


def test_a_certificate_that_was_changed_is_not_shown(rights: Rights, officer: Person, dpo: Person) -> None:
    amber = rights.house.customer("amber")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    rights.work()

    def read(session: Session) -> Any:
        return certificates.by_request(session, request_id)

    with rights.db.read() as session:
        assert read(session)["request"] == request_id
        body = session.scalar(sa.select(erasure_certificate.c.body))
    assert body is not None
    changed = body.replace('"law":"GDPR Art. 17"', '"law":"none"')
    assert changed != body
    for sha256 in (crypto.sha256(body.encode()).hex(), crypto.sha256(changed.encode()).hex()):
        with rights.db.begin() as session:
            session.execute(sa.update(erasure_certificate).values(body=changed, sha256=sha256))
        with rights.db.read() as session, pytest.raises(CertificateDiffers):
            read(session)
    # Nor one whose event was taken away, or said to be another: that nothing contradicts it proves nothing.
    for event_id in (None, "evt_nothing", rights.steps(request_id)[0].event_id):
        with rights.db.begin() as session:
            of = request_step.c
            session.execute(
                sa.update(request_step)
                .where(of.request_id == request_id, of.state == "closed")
                .values(event_id=event_id)
            )
        with rights.db.read() as session, pytest.raises(CertificateDiffers):
            read(session)
