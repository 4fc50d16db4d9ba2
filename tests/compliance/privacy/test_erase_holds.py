"""What a legal hold keeps of an erasure stays, named by its class alone, and goes once the hold is released."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.identity.models import contact, password
from app.kernel.errors import Unavailable
from compliance.contracts.personal import Seed, Target
from compliance.contracts.tables import MarkedTables
from compliance.privacy import kinds, requests, trouble
from compliance.privacy.erasure import certificates, deciding, execution, planning
from compliance.privacy.models import request
from compliance.privacy.request import State
from compliance.retention import holds
from compliance.retention.holds import Item
from compliance.retention.models import hold as hold_table
from ingest import models as log
from ingest.events.key import SubjectKeyDestroyed, SubjectKeyKept
from ingest.log import read
from ingest.models import subject_key
from tests.compliance.office import hold_on
from tests.compliance.privacy.rights import Rights
from tests.compliance.privacy.test_access import send
from tests.compliance.privacy.test_erase import emptied
from tests.support.installation import Person


def test_a_hold_that_is_placed_meanwhile_keeps_its_rows_and_is_named_by_its_class_alone(
    staffed: tuple[Rights, Person, Person],
) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_held")
    request_id = rights.due_erasure(amber, officer, dpo)
    ctx = rights.job()
    with rights.db.begin() as session:
        deciding.start(session, ctx, parts=rights.parts)
        (kept,) = session.scalars(sa.select(contact.c.id).where(contact.c.account_id == amber.account))
        order = hold_on("court-42", Item(kind="object", value=kept), reason="a secret reason")
        holds.place(
            session, order, rights.colleague(officer, roles.COMPLIANCE_OFFICER), parts=rights.house.system.retention
        )
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
    with rights.db.read() as session:
        body = certificates.by_request(session, request_id)
        assert session.scalar(sa.select(contact.c.id).where(contact.c.account_id == amber.account)) == kept
        assert not session.execute(sa.select(password).where(password.c.account_id == amber.account)).all()
    assert ("app_contact", "legal_hold") in {(line["store"], line["class"]) for line in body["stays"]}
    assert "account" not in body["keys_destroyed"], "what is held can still be read"
    assert accounts_address(rights, amber) == amber.address
    first, then = sorted(rights.letters_to(amber), key=lambda one: "Since our last letter" in one)
    assert "This is the last letter we can write to you" in first
    assert "keeps some of your data, your address among it" in then
    with rights.db.read() as session:
        shown = {(one.store, one.held, one.law) for one in requests.items(session, request_id)}
    assert ("app_contact", 1, "GDPR Art. 17(3)(e)") in shown
    said = json.dumps(body) + "".join(rights.letters_to(amber)) + repr(rights.steps(request_id))
    assert "secret reason" not in said
    assert "court-42" not in said


def test_a_hold_that_stands_is_in_the_plan_the_approval_and_the_letter(
    staffed: tuple[Rights, Person, Person],
) -> None:
    rights, officer, dpo = staffed
    amber, colleague = rights.house.customer("amber_kept"), rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        (kept,) = session.scalars(sa.select(contact.c.id).where(contact.c.account_id == amber.account))
        order = hold_on("court-50", Item(kind="object", value=kept))
        holds.place(session, order, colleague, parts=rights.house.system.retention)
    with rights.db.read() as session:
        foreseen = planning.foresee(session, rights.me(amber), parts=rights.parts)
    assert any("keeps some of it until it is settled" in one for one in foreseen.obstacles)
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    with rights.db.read() as session:
        payload = deciding.payload(session, request_id)
        (render,) = [
            one.render for one in kinds.kinds(rights.parts, rights.parts.approvals) if one.name == "privacy.erasure"
        ]
    assert ["app_contact", "contact", 1, "it is settled", "GDPR Art. 17(3)(e)"] in payload["stays"]
    assert "app_contact" not in {store for store, _, _ in payload["goes"]}
    assert any(one.startswith("Stays until it is settled, GDPR Art. 17(3)(e): ") for one in render(payload))
    rights.clock.move(timedelta(hours=72))
    rights.work()
    letter = next(one for one in rights.letters_to(amber) if "/privacy/certificate/" in one)
    assert "- What a legal hold keeps: until it is settled" in letter
    assert "Your address stays until what keeps it is settled" in letter
    assert "This is the last letter" not in letter


def test_nothing_is_proposed_where_all_is_kept_and_what_is_kept_since_is_decided_again(
    staffed: tuple[Rights, Person, Person],
) -> None:
    rights, officer, dpo = staffed
    amber, colleague = rights.house.customer("amber_all"), rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    request_id = rights.due_erasure(amber, officer, dpo)
    with rights.db.begin() as session:
        order = hold_on("court-51", Item(kind="subject", value=amber.account))
        holds.place(session, order, colleague, parts=rights.house.system.retention)
    rights.work()
    assert rights.get(request_id).state is State.IN_REVIEW
    assert "is kept now" in repr(rights.steps(request_id))
    assert not [one for one in rights.letters_to(amber) if "/privacy/certificate/" in one]
    with pytest.raises(deciding.NothingGoes), rights.db.begin() as session:
        deciding.propose(
            session, request_id, "as they asked", colleague, parts=rights.parts, approvals=rights.house.system.approvals
        )


@pytest.mark.parametrize("by", ["event", "transfer", "sequence"])
def test_a_hold_on_an_event_keeps_the_key_that_opens_it(staffed: tuple[Rights, Person, Person], by: str) -> None:
    rights, officer, dpo = staffed
    amber, basil = rights.house.customer("amber_note", euros=20), rights.house.customer("basil_note", euros=5)
    send(rights, amber, basil, "note of amber")
    emptied(rights, amber, basil)
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.house.arrive()
    with rights.db.read() as session:
        of = log.entry.c
        kind = "transaction.transfer.settled"
        event_id, sequence = session.execute(
            sa.select(of.event_id, of.sequence).where(of.kind == kind).order_by(of.sequence).limit(1)
        ).one()
        body = json.loads(session.scalar(sa.select(log.body.c.body).where(log.body.c.sequence == sequence)))
    items = {
        "event": Item(kind="object", value=event_id),
        "transfer": Item(kind="object", value=body["onepay"]["transfer"]["id"]),
        "sequence": Item(kind="sequences", value=f"{sequence}:{sequence}"),
    }
    order = hold_on("court-45", items[by])
    with rights.db.begin() as session:
        holds.place(
            session, order, rights.colleague(officer, roles.COMPLIANCE_OFFICER), parts=rights.house.system.retention
        )
    rights.clock.move(timedelta(hours=72))
    rights.work()
    with rights.db.read() as session:
        certificate = certificates.by_request(session, request_id)
    assert "money" not in certificate["keys_destroyed"], "what is held can still be read"
    assert "security" in certificate["keys_destroyed"]
    assert ("log.money", "legal_hold") in {(line["store"], line["class"]) for line in certificate["stays"]}
    for _ in range(2):
        rights.clock.move(timedelta(hours=1))
        rights.work()
    with rights.db.read() as session:
        again = sa.select(request.c.id).where(request.c.subject == amber.account, request.c.kind == "erasure")
        assert session.scalars(again).all() == [request_id], "what a hold keeps is not erased again while it stands"


def test_a_hold_that_comes_while_the_log_is_waited_for_keeps_the_keys(
    staffed: tuple[Rights, Person, Person],
) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_waiting")
    request_id = rights.due_erasure(amber, officer, dpo)
    shreds = rights.house.system.shredding
    order = hold_on("court-47", Item(kind="subject", value=amber.account))
    came: list[str] = []

    def wait(event_id: str) -> None:
        if not came:
            with rights.db.begin() as session:
                came.append(
                    holds.place(
                        session,
                        order,
                        rights.colleague(officer, roles.COMPLIANCE_OFFICER),
                        parts=rights.house.system.retention,
                    )
                )

    ctx = rights.house.system.job_context("privacy", rights.clock.now())
    with rights.db.begin() as session:
        deciding.start(session, ctx, parts=rights.parts)
    execution.carry_out(rights.db, request_id, ctx, parts=rights.parts, shreds=replace(shreds, wait=wait))
    assert came
    with rights.db.read() as session:
        certificate = certificates.by_request(session, request_id)
    assert certificate["keys_destroyed"] == []
    assert {line["class"] for line in certificate["stays"]} >= {"legal_hold"}
    with shreds.keys.db.read() as keys:
        known = subject_key.c
        gone = sa.select(known["class"]).where(known.subject == amber.account, known.destroyed_at.is_not(None))
        assert keys.scalars(gone).all() == [], "not one went that the hold keeps"
    with rights.db.read() as session:
        destroyed, kept = (
            [tuple(one["onepay"]["key"]["classes"]) for one in read.documents_of(session, kind, containing=request_id)]
            for kind in (SubjectKeyDestroyed.kind, SubjectKeyKept.kind)
        )
    assert len(destroyed) == 1
    assert kept == destroyed, "the log takes back what it had said before it was so"


def test_a_hold_waits_for_the_batch_that_has_begun_and_is_seen_by_the_next(
    staffed: tuple[Rights, Person, Person],
) -> None:
    rights, officer, _ = staffed
    amber = rights.house.customer("amber_between")
    order = hold_on("court-44", Item(kind="subject", value=amber.account))
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    begun, placed = threading.Event(), threading.Event()

    def place() -> None:
        begun.wait(10)
        with rights.db.begin() as session:
            holds.place(session, order, ctx, parts=rights.house.system.retention)
        placed.set()

    other = threading.Thread(target=place)
    other.start()
    with rights.db.begin() as session:  # a batch
        assert holds.standing(session) == []
        begun.set()
        assert not placed.wait(0.5), "nobody is told that a hold stands that a batch under way does not know"
    other.join(10)
    with rights.db.begin() as session:
        assert [hold.case for hold in holds.standing(session)] == ["court-44"]


def test_what_a_hold_kept_goes_once_it_is_released_and_is_certified_again(
    staffed: tuple[Rights, Person, Person],
) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_released")
    request_id = rights.due_erasure(amber, officer, dpo)
    ctx = rights.job()
    with rights.db.begin() as session:
        deciding.start(session, ctx, parts=rights.parts)
        (kept,) = session.scalars(sa.select(contact.c.id).where(contact.c.account_id == amber.account))
        order = hold_on("court-43", Item(kind="object", value=kept))
        hold = holds.place(
            session, order, rights.colleague(officer, roles.COMPLIANCE_OFFICER), parts=rights.house.system.retention
        )
    for _ in range(2):
        rights.work()
    assert _following(rights, request_id) == [], "a hold in force keeps what it keeps"

    _release(rights, hold, officer, dpo)
    for _ in range(2):
        rights.work()
    (second,) = _following(rights, request_id)
    assert rights.get(second).state is State.CLOSED
    with rights.db.read() as session:
        first, body = certificates.by_request(session, request_id), certificates.by_request(session, second)
        assert not session.execute(sa.select(contact).where(contact.c.account_id == amber.account)).all()
    assert (first["completes"], body["completes"]) == (None, request_id)
    assert "account" in body["keys_destroyed"]
    assert "legal_hold" not in {line["class"] for line in body["stays"]}
    for _ in range(2):
        rights.work()
    assert _following(rights, request_id) == [second]
    assert _following(rights, second) == []


def test_what_cannot_be_completed_stops_no_other_and_is_tried_again(
    staffed: tuple[Rights, Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    rights, officer, dpo = staffed
    amber, basil = rights.house.customer("amber_away"), rights.house.customer("basil_there")
    rights.calm()
    firsts = [rights.approved_erasure(person, officer, dpo) for person in (amber, basil)]
    rights.clock.move(timedelta(hours=72))
    with rights.db.begin() as session:
        of = contact.c
        kept = session.scalars(sa.select(of.id).where(of.account_id.in_((amber.account, basil.account)))).all()
        order = hold_on("court-46", *(Item(kind="object", value=id) for id in kept))
        hold = holds.place(
            session, order, rights.colleague(officer, roles.COMPLIANCE_OFFICER), parts=rights.house.system.retention
        )
    rights.work()
    closed_at = [rights.get(id).closed_at for id in firsts]
    assert all(closed_at)
    _release(rights, hold, officer, dpo)
    rights.clock.move(timedelta(minutes=1))
    plan = MarkedTables.plan

    def fails(self: MarkedTables, session: Session, seeds: Set[Seed]) -> Iterator[Target]:
        if amber.account in {each.value for each in seeds}:
            raise Unavailable
        yield from plan(self, session, seeds)

    with monkeypatch.context() as patch:
        patch.setattr(MarkedTables, "plan", fails)
        for _ in range(2):
            rights.work()
    assert _following(rights, firsts[0]) == []
    (completed,) = _following(rights, firsts[1])
    assert rights.get(completed).state is State.CLOSED
    notes = [each.note or "" for each in rights.steps(firsts[0])]
    assert len([note for note in notes if note.startswith("completing failed")]) == 1, "set aside, not tried each time"
    assert [rights.get(id).closed_at for id in firsts] == closed_at, "what was closed is not closed again"
    assert _troubles(rights, firsts) == ["completing", None], "told of a request that is closed, too"

    rights.clock.move(timedelta(minutes=10))
    for _ in range(2):
        rights.work()
    (completed,) = _following(rights, firsts[0])
    assert rights.get(completed).state is State.CLOSED
    assert _troubles(rights, firsts) == [None, None]


def _release(rights: Rights, hold: str, officer: Person, dpo: Person) -> None:
    """Let two others agree that a hold is released."""
    approvals, asker = rights.house.system.approvals, rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        asked = holds.ask_release(session, hold, "the case is closed", asker, approvals=approvals)
    for person in (dpo, rights.house.people["dan.erase"]):
        rights.vote(asked, rights.colleague(person, roles.DPO))


@pytest.mark.parametrize("begun", [False, True])
def test_a_hold_that_no_event_released_lets_nobody_be_erased(
    staffed: tuple[Rights, Person, Person], begun: bool
) -> None:
    """Approved after somebody wrote into the database that it is released, or begun before: it waits, and says why."""
    rights, officer, dpo = staffed
    amber, colleague = rights.house.customer("amber_safe"), rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    request_id = rights.due_erasure(amber, officer, dpo)
    if begun:
        with rights.db.begin() as session:
            deciding.start(session, rights.job(), parts=rights.parts)
    order = hold_on("court-51", Item(kind="subject", value=amber.account))
    with rights.db.begin() as session:
        holds.place(session, order, colleague, parts=rights.house.system.retention)
        session.execute(sa.update(hold_table).values(state="released", released_at=rights.clock.now()))
    for _ in range(2):
        rights.work()
        rights.clock.move(timedelta(minutes=20))
    assert rights.get(request_id).state is (State.EXECUTING if begun else State.WAITING)
    with rights.db.read() as session:
        assert session.scalar(sa.select(contact.c.id).where(contact.c.account_id == amber.account))
        found = trouble.of_request(session, request_id)
    assert found is not None
    assert (found.code, found.tries) == ("hold_not_as_placed", 2)
    assert "put its rows back" in found.advice
    again = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    other = rights.ask(rights.house.customer("basil_safe"), "erasure")
    rights.calm()
    rights.work()
    with rights.db.begin() as session, pytest.raises(holds.HoldNotAsPlaced):
        deciding.propose(
            session, other, "as they asked", again, parts=rights.parts, approvals=rights.house.system.approvals
        )
    with rights.db.begin() as session:
        holds.place(session, order, again, parts=rights.house.system.retention)
    rights.clock.move(timedelta(minutes=20))
    rights.work()
    with rights.db.read() as session:
        assert session.scalar(sa.select(contact.c.id).where(contact.c.account_id == amber.account)), "it is held again"
        assert trouble.of_request(session, request_id) is None


def _troubles(rights: Rights, ids: Sequence[str]) -> list[str | None]:
    with rights.db.read() as session:
        return [found and found.what for found in (trouble.of_request(session, id) for id in ids)]


def _following(rights: Rights, request_id: str) -> list[str]:
    with rights.db.read() as session:
        return list(session.scalars(sa.select(request.c.id).where(request.c.linked_to == request_id)))


def accounts_address(rights: Rights, person: Person) -> str:
    from app.identity import accounts

    with rights.db.read() as session:
        return accounts.address_of(session, person.account, parts=rights.house.system.identity)
