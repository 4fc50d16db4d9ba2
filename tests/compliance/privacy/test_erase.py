"""Two people erase a third after a wait: what goes is gone, what stays is named, every proof still holds."""

from __future__ import annotations

import hashlib
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.identity.models import contact, password
from app.identity.models import session as sessions
from app.kernel import crypto
from app.kernel.approvals import ApprovalMissing, Verdict
from app.kernel.clock import parse_rfc3339
from app.kernel.errors import Forbidden, NotFound, SamePerson, WrongState
from compliance.privacy import requests
from compliance.privacy import rights as services
from compliance.privacy.erasure import certificates, deciding, execution
from compliance.privacy.events import is_about
from compliance.privacy.gate import Gate
from compliance.privacy.models import erasure_certificate, request
from compliance.privacy.request import State
from ingest.log import checkpoint, merkle, proofs, read, verify
from ingest.models import body as bodies
from tests.compliance.privacy.rights import Rights
from tests.compliance.privacy.test_access import send
from tests.support.installation import Person


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
    assert rights.get(request_id).state is State.CLOSED, [s.note for s in rights.steps(request_id)]

    with rights.db.read() as session:
        body = certificates.by_request(session, request_id)
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
        body = certificates.by_request(session, request_id)
    assert (page.status_code, body["approved_root"] != "") == (200, True)
    not_before = f"{parse_rfc3339(body['irrecoverable_not_before']):%-d %B %Y, %H:%M} UTC"
    for said in (request_id, not_before, body["event"], "Address"):
        assert said in page.text
    assert "app_contact" not in page.text
    for path in ("/privacy/certificate/none", "/privacy/certificate/none/file"):
        assert rights.house.browser().get(path).status_code == 404


def test_a_plan_counts_each_event_of_the_log(staffed: tuple[Rights, Person, Person]) -> None:
    rights, _, _ = staffed
    amber = rights.house.customer("amber_counted", euros=7)
    rights.calm()
    request_id = rights.ask(amber, "erasure")
    rights.work()
    with rights.db.read() as session:
        shown = {one.store: one for one in requests.items(session, request_id) if one.category == "behaviour"}
        documents = [json.loads(text) for text in session.scalars(sa.select(bodies.c.body))]
    planned = [one for one in documents if is_about(one, {amber.account})]
    for class_ in ("security", "money"):
        events = sum(one["onepay"]["class"] == class_ for one in planned)
        assert events > 1
        assert (shown[f"log.{class_}"].found, shown[f"log.{class_}"].held) == (events, events)


def test_the_file_of_a_certificate_is_proven_offline(staffed: tuple[Rights, Person, Person], tmp_path: Path) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_file")
    rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    rights.work()
    letter = next(each for each in rights.letters_to(amber) if "/privacy/certificate/" in each)
    link = "/privacy/certificate/" + letter.partition("/certificate/")[2].split()[0]
    assert rights.house.browser().get(f"{link}/file").status_code == 503, "no checkpoint covers it yet"
    rights.house.arrive()
    checkpoint.sign(rights.db, rights.house.system.log_key, rights.clock.now())
    page, answer = rights.house.browser().get(link), rights.house.browser().get(f"{link}/file")
    assert f'href="{link}/file"' in page.text
    pack = tmp_path / "certificate.zip"
    pack.write_bytes(answer.data)
    assert verify.main([str(pack)]) == 0
    with zipfile.ZipFile(pack) as files:
        written = hashlib.sha256(files.read("certificate.json")).hexdigest()
        said = [json.loads(line)["body"] for line in files.read(verify.BODIES).splitlines()]
    kinds = {one["event"]["action"]: one for one in said}
    assert set(kinds) == {"privacy.subject.erased", "privacy.request.completed"}
    assert written in json.dumps(kinds["privacy.request.completed"])
    assert written in page.text
    assert officer.account not in answer.data.decode("latin-1")
    with zipfile.ZipFile(pack) as files, zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        for name in files.namelist():
            data = files.read(name)
            other.writestr(name, data.replace(b"erased", b"kept") if name == verify.CERTIFICATE else data)
    assert verify.main([str(tmp_path / "other.zip")]) == 1, "a certificate that was changed is none"
    with rights.db.begin() as session:
        session.execute(sa.delete(erasure_certificate))
    assert rights.house.browser().get(link).status_code == 409, "it was written, and is gone"


def test_the_certificate_names_who_decided_and_another_reader_looked(staffed: tuple[Rights, Person, Person]) -> None:
    rights, _, dpo = staffed
    amber = rights.house.customer("amber_decided")
    rights.calm()
    request_id = rights.ask(amber, "erasure")
    rights.work()
    second = rights.house.staff("dina.erase", roles.DPO)
    ctx = rights.colleague(second, roles.DPO)
    with rights.db.begin() as session:
        approval = deciding.propose(
            session, request_id, "as they asked", ctx, parts=rights.parts, approvals=rights.house.system.approvals
        )
    rights.vote(approval, rights.colleague(dpo, roles.DPO))
    rights.clock.move(timedelta(hours=72))
    rights.work()
    with rights.db.read() as session:
        body = certificates.by_request(session, request_id)
        told = {
            json.loads(text)["event"]["action"]: json.loads(text)
            for text in session.scalars(sa.select(bodies.c.body).order_by(bodies.c.sequence))
        }
    assert body["decided_by"] == ["dpo", "dpo"]
    assert body["backups"].startswith("Backups are the operator's and end within 30 days")
    erased, completed = told["privacy.subject.erased"], told["privacy.request.completed"]
    assert body["event"] == erased["event"]["id"]
    assert erased["user"]["id"] != completed["user"]["id"] == execution.READER.id


def test_its_person_calls_it_off(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_back")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    with rights.db.begin() as session:
        services.withdraw(session, request_id, rights.me(amber), parts=rights.parts)
    assert rights.get(request_id).state is State.WITHDRAWN
    assert any("Nothing was erased." in letter for letter in rights.letters_to(amber))
    browser = rights.house.browser()
    browser.sign_in(amber)
    page = browser.get(f"/privacy/requests/{request_id}").text
    assert "Nothing was erased." in page
    assert "What stays and what goes" not in page
    with rights.db.read() as session:
        assert Gate().allowed(session, amber.account, "profiling")
    rights.clock.move(timedelta(hours=80))
    rights.work()
    with rights.db.read() as session:
        assert session.scalar(sa.select(contact.c.id).where(contact.c.account_id == amber.account))
        with pytest.raises(NotFound):
            certificates.by_request(session, request_id)


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
    ctx = rights.job()
    with rights.db.begin() as session:
        deciding.start(session, ctx, parts=rights.parts)
    execution.step(rights.db, request_id, ctx, parts=rights.parts, shreds=rights.house.system.shredding)
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
        deciding.propose(session, request_id, "as they asked", own, parts=rights.parts, approvals=book)
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        approval = deciding.propose(session, request_id, "as they asked", ctx, parts=rights.parts, approvals=book)
    with pytest.raises(Forbidden):
        rights.vote(approval, ctx)
    with rights.db.begin() as session, pytest.raises(ApprovalMissing):
        deciding.approve(session, request_id, ctx, parts=rights.parts, approvals=book, approval_id=approval)
    rights.vote(approval, rights.colleague(dpo, roles.DPO), Verdict.REJECTED, "the plan misses the wallet")
    assert rights.get(request_id).state is State.IN_REVIEW
    rights.clock.move(timedelta(days=5))
    rights.work()
    assert rights.get(request_id).state is State.IN_REVIEW


def test_money_in_a_wallet_keeps_what_it_needs_and_no_more(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_money", euros=30)
    request_id = rights.due_erasure(amber, officer, dpo)
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
    with rights.db.read() as session:
        body = certificates.by_request(session, request_id)
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
    request_id = rights.due_erasure(amber, officer, dpo)
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
    assert browser.get("/privacy").status_code == 303
    with pytest.raises(AssertionError):
        rights.house.browser().sign_in(amber)


def test_whoever_decides_reads_what_else_goes_than_the_plan_holds(staffed: tuple[Rights, Person, Person]) -> None:
    """Such as the letter that tells of their approval: no page says that nothing else goes."""
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_told")
    request_id = rights.ask(amber, "erasure")
    rights.work()
    ctx, approvals = rights.colleague(officer, roles.COMPLIANCE_OFFICER), rights.house.system.approvals
    with rights.db.begin() as session:
        approval = deciding.propose(session, request_id, "as they asked", ctx, parts=rights.parts, approvals=approvals)
    browser = rights.house.browser()
    browser.sign_in(dpo, surface="staff")
    page = browser.get(f"/approvals/{approval}").text
    assert "This will be done</h2>" in page
    assert "and nothing else" not in page
    assert "such as the letter that tells them of this, goes with it unless it has to stay" in page
    letters = len(rights.letters_to(amber))
    rights.vote(approval, rights.colleague(dpo, roles.DPO))
    assert len(rights.letters_to(amber)) == letters + 1
    rights.clock.move(timedelta(hours=72))
    rights.work()
    with rights.db.read() as session:
        body = certificates.by_request(session, request_id)
    assert body["approved_root"] != body["plan_root"], "the letter of the approval went as well"
    assert "the letter that told of the approval" in (certificates.why_plans_differ(body) or "")
