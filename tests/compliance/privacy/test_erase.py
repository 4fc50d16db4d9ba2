"""Two people erase a third after a wait: what goes is gone, what stays is named, every proof still holds."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.identity.models import contact, password
from app.identity.models import session as sessions
from app.kernel import crypto
from app.kernel.approvals import ApprovalMissing, Verdict
from app.kernel.errors import Forbidden, NotFound, SamePerson, WrongState
from compliance.contracts.personal import PersonalDataSource, Target
from compliance.privacy import erase
from compliance.privacy import rights as services
from compliance.privacy.gate import Gate
from compliance.privacy.models import erasure_target, request
from compliance.privacy.request import State
from compliance.retention import holds
from compliance.retention.models import hold as hold_table
from ingest import models as log
from ingest.log import checkpoint, merkle, proofs, read
from ingest.models import body as bodies
from tests.compliance.privacy.rights import Rights
from tests.compliance.privacy.test_access import send
from tests.support.installation import Person


@pytest.fixture
def staffed(either_rights: Rights) -> tuple[Rights, Person, Person]:
    officer = either_rights.house.staff("olive.erase", roles.COMPLIANCE_OFFICER)
    either_rights.house.staff("dan.erase", roles.DPO)
    dpo = either_rights.house.staff("dora.erase", roles.DPO)
    return either_rights, officer, dpo


def emptied(rights: Rights, person: Person, to: Person) -> None:
    """Send everything away, with a word that must go."""
    from payments import transfers, wallets
    from payments.money import EUR, Money
    from payments.transfers import TransferOrder

    ctx = rights.me(person)
    with rights.db.begin(posting=True) as session:
        (wallet,) = wallets.of(session, ctx.actor)
        order = TransferOrder(
            source=wallet.id, payee=str(to.handle), amount=Money(wallet.posted.minor, EUR), note="all of it"
        )
        transfers.execute(session, order, ctx, keys=rights.house.system.subject_keys)


def test_a_person_is_erased(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber, basil = rights.house.customer("amber_gone", euros=20), rights.house.customer("basil_stays", euros=5)
    send(rights, amber, basil, "secret of amber")
    send(rights, basil, amber, "secret of basil")
    emptied(rights, amber, basil)
    rights.calm()
    rights.house.arrive()
    checkpoint.sign(rights.db, rights.house.system.log_key, rights.clock.now())
    with rights.db.read() as session:
        size, root = read.head(session).size, read.head(session).root
        before = [(entry.leaf, proofs.proof(session, entry.sequence, size)) for entry in read.entries(session, 0, size)]

    request_id = rights.approved_erasure(amber, officer, dpo)
    found = rights.get(request_id)
    assert found.state is State.WAITING
    assert found.not_before == rights.clock.now() + timedelta(hours=72)
    assert found.approved_by == dpo.account
    with rights.db.read() as session:
        assert not Gate().allowed(session, amber.account, "profiling"), "restricted while it waits"
        assert session.scalar(sa.select(contact.c.id).where(contact.c.account_id == amber.account))
    rights.work()
    assert rights.get(request_id).state is State.WAITING
    rights.clock.move(timedelta(hours=72))
    rights.work()
    assert rights.get(request_id).state is State.CLOSED, [s.note for s in _steps(rights, request_id)]

    with rights.db.read() as session:
        body = erase.certificate(session, request_id)
        for table in (contact, password, sessions):
            assert not session.execute(sa.select(table).where(table.c.account_id == amber.account)).all()
        assert session.execute(sa.select(password).where(password.c.account_id == basil.account)).all()
    kept = {(line["store"], line["class"]) for line in body["stays"]}
    assert ("payments_entry", "ledger.postings") in kept
    assert all(line["law"] and line["until"] for line in body["stays"])
    assert {"account", "money"} <= set(body["keys_destroyed"])
    assert body["word"] == "pseudonymised"
    kinds = rights.kinds()
    assert {"key.subject_key.destroyed", "privacy.subject.erased", "privacy.request.completed"} <= set(kinds)

    # Nothing of hers can be read; what is his stays.
    everything = _everything(rights)
    assert "secret of amber" not in everything
    assert amber.address not in everything
    with rights.db.read() as session:
        keys = rights.house.system.subject_keys
        from payments import activity, wallets

        (wallet,) = wallets.of(session, rights.me(basil).actor)
        notes = [each.note for each in activity.list(session, rights.me(basil).actor, wallet.id, keys=keys).data]
    assert "secret of basil" in notes
    assert "secret of amber" not in notes

    # The books balance, and every proof of before still holds.
    with rights.db.read() as session:
        for sequence, (leaf, path) in enumerate(before):
            assert merkle.verify_inclusion(leaf, sequence, size, path, root)
        newest = read.head(session)
        way = proofs.consistency(session, size, newest.size)
        assert merkle.verify_consistency(size, root, newest.size, newest.root, way)


def _steps(rights: Rights, request_id: str) -> list[object]:
    from compliance.privacy import requests

    with rights.db.read() as session:
        return list(requests.steps(session, request_id))


def _everything(rights: Rights) -> str:
    """Return all text that lies in the database."""
    from tests.architecture.test_marks import ALL

    said = []
    with rights.db.read() as session:
        for _, metadata in ALL:
            for table in metadata.tables.values():
                for row in session.execute(sa.select(table)):
                    said.append(repr(tuple(row)))
    return "\n".join(said)


def test_the_last_letter_leads_to_the_certificate(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_letter", euros=7)
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    rights.work()
    letter = next(each for each in rights.letters_to(amber) if "/privacy/certificate/" in each)
    assert "stays until what keeps it is settled" in letter, "there is money in the wallet"
    assert "is erased as well" not in letter
    page = rights.house.browser().get("/privacy/certificate/" + letter.partition("/certificate/")[2].split()[0])
    with rights.db.read() as session:
        body = erase.certificate(session, request_id)
    assert (page.status_code, body["approved_root"] != "") == (200, True)
    for said in (request_id, body["irrecoverable_from"], body["event"], "Address"):
        assert said in page.text
    assert "app_contact" not in page.text
    assert rights.house.browser().get("/privacy/certificate/none").status_code == 404


def test_the_certificate_names_who_decided_and_another_reader_looked(staffed: tuple[Rights, Person, Person]) -> None:
    rights, _, dpo = staffed
    amber = rights.house.customer("amber_decided")
    rights.calm()
    request_id = rights.ask(amber, "erasure")
    rights.work()
    second = rights.house.staff("dina.erase", roles.DPO)
    ctx = rights.colleague(second, roles.DPO)
    with rights.db.begin() as session:
        approval = erase.propose(
            session, request_id, "as they asked", ctx, parts=rights.parts, approvals=rights.house.system.approvals
        )
    rights.vote(approval, rights.colleague(dpo, roles.DPO))
    rights.clock.move(timedelta(hours=72))
    rights.work()
    with rights.db.read() as session:
        body = erase.certificate(session, request_id)
        told = {
            json.loads(text)["event"]["action"]: json.loads(text)
            for text in session.scalars(sa.select(bodies.c.body).order_by(bodies.c.sequence))
        }
    assert body["decided_by"] == ["dpo", "dpo"]
    assert body["backups"].startswith("Backups are the operator's and end within 30 days")
    erased, completed = told["privacy.subject.erased"], told["privacy.request.completed"]
    assert body["event"] == erased["event"]["id"]
    assert erased["user"]["id"] != completed["user"]["id"] == erase.READER.id


def test_its_person_calls_it_off(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_back")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    with rights.db.begin() as session:
        services.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
    assert rights.get(request_id).state is State.WITHDRAWN
    with rights.db.read() as session:
        assert Gate().allowed(session, amber.account, "profiling")
    rights.clock.move(timedelta(hours=80))
    rights.work()
    with rights.db.read() as session:
        assert session.scalar(sa.select(contact.c.id).where(contact.c.account_id == amber.account))
        with pytest.raises(NotFound):
            erase.certificate(session, request_id)


def token_of(rights: Rights, person: Person, request_id: str) -> str:
    """Return the token of the link in the letter that can stop a request now."""
    linked = [each for each in rights.letters_to(person) if "/privacy/link/" in each]
    tokens = [each.partition("/privacy/link/")[2].split()[0] for each in linked]
    with rights.db.read() as session:
        known = session.scalar(sa.select(request.c.stop_hash).where(request.c.id == request_id))
    return next(token for token in tokens if crypto.sha256(token.encode()) == known)


def test_what_has_begun_cannot_be_stopped_by_the_link_of_its_letter(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_late")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    token = token_of(rights, amber, request_id)
    assert rights.get(request_id).may_be_called_off
    rights.clock.move(timedelta(hours=72))
    ctx = rights.house.system.job_context("privacy", rights.clock.now())
    with rights.db.begin() as session:
        erase.start(session, ctx, parts=rights.parts)
    erase.step(rights.db, request_id, ctx, parts=rights.parts, shreds=rights.house.system.shredding)
    assert rights.get(request_id).state is State.EXECUTING
    with rights.db.begin() as session, pytest.raises(WrongState):
        services.stop(session, token, rights.house.system.context(rights.me(amber).actor), parts=rights.parts)
    stranger = rights.house.browser("203.0.113.9")
    page = stranger.get(f"/privacy/link/{token}").text
    assert "cannot be stopped any more" in page
    assert "Stop the request" not in page
    rights.work()
    assert rights.get(request_id).state is State.CLOSED


def test_taking_back_another_request_leaves_the_restriction_of_an_erasure(
    staffed: tuple[Rights, Person, Person],
) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_other")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    for end in ("taken back", "stopped"):
        other = rights.ask(amber, "rectification", detail="my name")
        with rights.db.begin() as session:
            ctx = rights.me(amber)
            if end == "taken back":
                services.withdraw(session, other, ctx, parts=rights.parts)
            else:
                services.stop(session, token_of(rights, amber, other), ctx, parts=rights.parts)
        with rights.db.read() as session:
            assert not Gate().allowed(session, amber.account, "profiling"), end
    with rights.db.begin() as session:
        services.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
    with rights.db.read() as session:
        assert Gate().allowed(session, amber.account, "profiling")


def test_it_needs_a_second_person(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_two")
    rights.calm()
    request_id = rights.ask(amber, "erasure")
    rights.work()
    book = rights.house.system.approvals
    own = rights.staff(roles.COMPLIANCE_OFFICER, amber.account)
    with rights.db.begin() as session, pytest.raises(SamePerson):
        erase.propose(session, request_id, "as they asked", own, parts=rights.parts, approvals=book)
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        approval = erase.propose(session, request_id, "as they asked", ctx, parts=rights.parts, approvals=book)
    with pytest.raises(Forbidden):
        rights.vote(approval, ctx)
    with rights.db.begin() as session, pytest.raises(ApprovalMissing):
        erase.approve(session, request_id, ctx, parts=rights.parts, approvals=book, approval_id=approval)
    rights.vote(approval, rights.colleague(dpo, roles.DPO), Verdict.REJECTED, "the plan misses the wallet")
    assert rights.get(request_id).state is State.IN_REVIEW
    rights.clock.move(timedelta(days=5))
    rights.work()
    assert rights.get(request_id).state is State.IN_REVIEW


def test_money_in_a_wallet_keeps_what_it_needs_and_no_more(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_money", euros=30)
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
    with rights.db.read() as session:
        body = erase.certificate(session, request_id)
        assert session.scalar(sa.select(contact.c.id).where(contact.c.account_id == amber.account))
        assert not session.execute(sa.select(password).where(password.c.account_id == amber.account)).all()
    kept = {(line["store"], line["class"]) for line in body["stays"]}
    assert {("app_contact", "open_balance"), ("app_account", "open_balance")} <= kept
    assert "account" not in body["keys_destroyed"]


def test_what_was_erased_signs_in_no_more(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_door")
    browser = rights.house.browser()
    rights.clock.move(timedelta(minutes=1))
    browser.sign_in(amber)
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
    assert browser.get("/privacy").status_code == 303
    with pytest.raises(AssertionError):
        rights.house.browser().sign_in(amber)


def test_a_batch_is_done_once_and_goes_on_where_it_stopped(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_steps")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    ctx = rights.house.system.job_context("privacy", rights.clock.now())
    with rights.db.begin() as session:
        assert erase.start(session, ctx, parts=rights.parts) == request_id
        assert erase.start(session, ctx, parts=rights.parts) is None
    shreds = rights.house.system.shredding
    erase.step(rights.db, request_id, ctx, parts=rights.parts, shreds=shreds)
    with rights.db.read() as session:
        (first, *_), done = _done(session, request_id)
    assert done == 1
    assert first.category == "credential"
    with rights.db.begin() as session, pytest.raises(WrongState):
        services.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
    with rights.db.read() as session:
        rows, _ = _done(session, request_id)
    assert all(row.done == row.rows for row in rows if row.action == "delete")


def _done(session: object, request_id: str) -> tuple[list[object], int]:
    query = sa.select(erasure_target).where(erasure_target.c.request_id == request_id).order_by(erasure_target.c.place)
    rows = list(session.execute(query))  # type: ignore[attr-defined]
    return rows, sum(row.done_at is not None for row in rows)


def test_what_another_reader_still_sees_is_not_certified(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_seen")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    ctx = rights.house.system.job_context("privacy", rights.clock.now())
    shreds = rights.house.system.shredding
    with rights.db.begin() as session:
        erase.start(session, ctx, parts=rights.parts)
    while rights.get(request_id).state is State.EXECUTING:
        erase.step(rights.db, request_id, ctx, parts=rights.parts, shreds=shreds)
    with rights.db.begin() as session:
        row = session.execute(
            sa.select(erasure_target).where(
                erasure_target.c.request_id == request_id, erasure_target.c.store == "app_contact"
            )
        ).first()
        lost = {"id": row.ids[0], "account_id": amber.account, "account_kind": "customer", "kind": "email"}
        session.execute(sa.insert(contact).values(**lost, value_ct=b"x", lookup=b"x"))
    assert erase.step(rights.db, request_id, ctx, parts=rights.parts, shreds=shreds)
    assert rights.get(request_id).state is State.EXECUTING
    assert "still readable: 1 in app_contact" in str(_steps(rights, request_id)[-1])
    rights.work()
    assert rights.get(request_id).state is State.CLOSED


class Blind:
    """A source that sees a row for ever."""

    def __init__(self, inner: PersonalDataSource) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def remaining(self, session: Session, targets: Sequence[Target]) -> int:
        return 1


def test_an_erasure_that_never_comes_to_an_end_says_so(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_stuck")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    ctx = rights.house.system.job_context("privacy", rights.clock.now())
    shreds = rights.house.system.shredding
    with rights.db.begin() as session:
        erase.start(session, ctx, parts=rights.parts)
    sources = tuple(cast("PersonalDataSource", Blind(each)) for each in rights.parts.sources)
    stuck = replace(rights.parts, sources=sources)
    with pytest.raises(erase.ErasureUnfinished):
        erase.carry_out(rights.db, request_id, ctx, parts=stuck, shreds=shreds)
    with pytest.raises(NotFound), rights.db.read() as session:
        erase.certificate(session, request_id)
    erase.carry_out(rights.db, request_id, ctx, parts=rights.parts, shreds=shreds)
    assert rights.get(request_id).state is State.CLOSED


def test_an_older_database_brings_nobody_back(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_restored")
    rights.calm()
    with rights.db.read() as session:
        before = [
            dict(row)
            for row in session.execute(sa.select(contact).where(contact.c.account_id == amber.account)).mappings()
        ]
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    rights.work()
    from compliance.privacy.models import erasure_certificate, request

    with rights.db.begin() as session:  # as it was before
        session.execute(sa.insert(contact), before)
        session.execute(sa.delete(erasure_certificate))
        session.execute(sa.delete(erasure_target))
        session.execute(sa.delete(request).where(request.c.id == request_id))
    from compliance.privacy import journal

    ctx = rights.house.system.job_context("privacy", rights.clock.now())
    assert journal.replay(rights.db, ctx, parts=rights.parts, shreds=rights.house.system.shredding) == 1
    with rights.db.read() as session:
        assert not session.execute(sa.select(contact).where(contact.c.account_id == amber.account)).all()
        assert erase.certificate(session, request_id)["decided_by"] == [], "nobody decided it anew"
    assert journal.replay(rights.db, ctx, parts=rights.parts, shreds=rights.house.system.shredding) == 0


def test_a_hold_that_is_placed_meanwhile_keeps_its_rows_and_is_named_by_its_class_alone(
    staffed: tuple[Rights, Person, Person],
) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_held")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    ctx = rights.house.system.job_context("privacy", rights.clock.now())
    with rights.db.begin() as session:
        erase.start(session, ctx, parts=rights.parts)
        (kept,) = session.scalars(sa.select(contact.c.id).where(contact.c.account_id == amber.account))
        order = holds.Order(
            case="court-42",
            reason="a secret reason",
            authority="District court",
            review_on=rights.clock.now().date() + timedelta(days=90),
            items=(holds.Item(kind="object", value=kept),),
        )
        holds.place(session, order, rights.colleague(officer, roles.COMPLIANCE_OFFICER))
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
    with rights.db.read() as session:
        body = erase.certificate(session, request_id)
        assert session.scalar(sa.select(contact.c.id).where(contact.c.account_id == amber.account)) == kept
        assert not session.execute(sa.select(password).where(password.c.account_id == amber.account)).all()
    assert ("app_contact", "legal_hold") in {(line["store"], line["class"]) for line in body["stays"]}
    assert "account" not in body["keys_destroyed"], "what is held can still be read"
    assert accounts_address(rights, amber) == amber.address
    said = json.dumps(body) + "".join(rights.letters_to(amber)) + repr(_steps(rights, request_id))
    assert "secret reason" not in said
    assert "court-42" not in said


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
        "event": holds.Item(kind="object", value=event_id),
        "transfer": holds.Item(kind="object", value=body["onepay"]["transfer"]["id"]),
        "sequence": holds.Item(kind="sequences", value=f"{sequence}:{sequence}"),
    }
    order = holds.Order(
        case="court-45",
        reason="a payment in dispute",
        authority="District court",
        review_on=rights.clock.now().date() + timedelta(days=90),
        items=(items[by],),
    )
    with rights.db.begin() as session:
        holds.place(session, order, rights.colleague(officer, roles.COMPLIANCE_OFFICER))
    rights.clock.move(timedelta(hours=72))
    rights.work()
    with rights.db.read() as session:
        certificate = erase.certificate(session, request_id)
    assert "money" not in certificate["keys_destroyed"], "what is held can still be read"
    assert "security" in certificate["keys_destroyed"]
    assert ("log.money", "legal_hold") in {(line["store"], line["class"]) for line in certificate["stays"]}
    for _ in range(2):
        rights.clock.move(timedelta(hours=1))
        rights.work()
    with rights.db.read() as session:
        again = sa.select(request.c.id).where(request.c.subject == amber.account, request.c.kind == "erasure")
        assert session.scalars(again).all() == [request_id], "what a hold keeps is not erased again while it stands"


def test_a_hold_waits_for_the_batch_that_has_begun_and_is_seen_by_the_next(
    staffed: tuple[Rights, Person, Person],
) -> None:
    rights, officer, _ = staffed
    amber = rights.house.customer("amber_between")
    order = holds.Order(
        case="court-44",
        reason="a claim before court",
        authority="District court",
        review_on=rights.clock.now().date() + timedelta(days=90),
        items=(holds.Item(kind="subject", value=amber.account),),
    )
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    begun, placed = threading.Event(), threading.Event()

    def place() -> None:
        begun.wait(10)
        with rights.db.begin() as session:
            holds.place(session, order, ctx)
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
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    ctx = rights.house.system.job_context("privacy", rights.clock.now())
    with rights.db.begin() as session:
        erase.start(session, ctx, parts=rights.parts)
        (kept,) = session.scalars(sa.select(contact.c.id).where(contact.c.account_id == amber.account))
        order = holds.Order(
            case="court-43",
            reason="a claim before court",
            authority="District court",
            review_on=rights.clock.now().date() + timedelta(days=90),
            items=(holds.Item(kind="object", value=kept),),
        )
        hold = holds.place(session, order, rights.colleague(officer, roles.COMPLIANCE_OFFICER))
    for _ in range(2):
        rights.work()
    assert _following(rights, request_id) == [], "a hold in force keeps what it keeps"

    with rights.db.begin() as session:
        session.execute(sa.update(hold_table).where(hold_table.c.id == hold).values(state="released"))
    for _ in range(2):
        rights.work()
    (second,) = _following(rights, request_id)
    assert rights.get(second).state is State.CLOSED
    with rights.db.read() as session:
        first, body = erase.certificate(session, request_id), erase.certificate(session, second)
        assert not session.execute(sa.select(contact).where(contact.c.account_id == amber.account)).all()
    assert (first["completes"], body["completes"]) == (None, request_id)
    assert "account" in body["keys_destroyed"]
    assert "legal_hold" not in {line["class"] for line in body["stays"]}
    for _ in range(2):
        rights.work()
    assert _following(rights, request_id) == [second]
    assert _following(rights, second) == []


def _following(rights: Rights, request_id: str) -> list[str]:
    with rights.db.read() as session:
        return list(session.scalars(sa.select(request.c.id).where(request.c.linked_to == request_id)))


def accounts_address(rights: Rights, person: Person) -> str:
    from app.identity import accounts

    with rights.db.read() as session:
        return accounts.address_of(session, person.account, parts=rights.house.system.identity)
