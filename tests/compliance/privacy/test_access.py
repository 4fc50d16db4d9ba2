"""A person asks for their data and gets all of it, and nothing of anybody else."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.identity.models import message
from app.kernel.access import Acr
from app.kernel.errors import NotFound, SamePerson, StepUpRequired, WrongState
from compliance.contracts.tables import MarkedTables
from compliance.privacy import collecting, delivery, identity, intake, jobs, moving, packing, requests, trouble
from compliance.privacy.models import package as copies
from compliance.privacy.models import request as asked
from compliance.privacy.package import cell
from compliance.privacy.packing import DiskFull
from compliance.privacy.parts import CoolDown, ExtensionLate, KindUnknown, PackageGone, ReceiptInvalid
from compliance.privacy.request import Asked, RequestFilter, State
from ingest.log import checkpoint
from payments import transfers
from payments.money import EUR, Money
from payments.transfers import TransferOrder
from tests.compliance.privacy.rights import Copy, Rights
from tests.support.installation import Person


def send(rights: Rights, source: Person, target: Person, note: str) -> None:
    from payments import wallets

    ctx = rights.me(source)
    with rights.db.begin(posting=True) as session:
        (wallet,) = wallets.of(session, ctx.actor)
        order = TransferOrder(source=wallet.id, payee=str(target.handle), amount=Money(250, EUR), note=note)
        transfers.execute(session, order, ctx, keys=rights.house.system.subject_keys)


def test_all_of_a_person_is_in_the_copy_and_nothing_of_another(either_rights: Rights) -> None:
    rights = either_rights
    amber, basil = rights.house.customer("amber_all", euros=20), rights.house.customer("basil_all", euros=20)
    send(rights, amber, basil, "marker-of-amber")
    send(rights, basil, amber, "marker-from-basil")
    ctx = rights.me(amber)
    with rights.db.begin() as session:
        for source in rights.parts.sources:
            if isinstance(source, MarkedTables) and source.name in ("detectors", "playbooks", "privacy"):
                source.plant(session, amber.account, "zz-amber", ctx)
                source.plant(session, basil.account, "yy-basil", ctx)
    rights.calm()
    copy = rights.copy_of(amber)
    said = copy.everything()
    wanted = [
        marker
        for source in rights.parts.sources
        if isinstance(source, MarkedTables) and source.name in ("detectors", "playbooks", "privacy")
        for marker in source.markers("zz-amber")
    ]
    assert [marker for marker in wanted if marker not in said] == []
    assert "marker-of-amber" in said
    assert "Amber Finch" in said
    assert amber.address in said
    assert "20.00 EUR" in said
    assert "yy-basil" not in said
    assert "marker-from-basil" not in said
    assert basil.address not in said
    assert basil.account not in said
    assert "basil_all" in said, "the payee is named as they were written"
    assert copy.json("manifest.json")["complete"] is True


def test_the_manifest_names_every_store_and_the_request_itself_is_in_the_copy(rights: Rights) -> None:
    amber = rights.house.customer("amber_manifest", euros=5)
    rights.calm()
    copy = rights.copy_of(amber)
    manifest = copy.json("manifest.json")
    stores = {(each["store"], each["category"]) for each in manifest["stores"]}
    held = [info for source in rights.parts.sources for info in source.stores()]
    files = {info.name for info in held if info.kind == "files"}
    assert stores == {(info.name, info.category) for info in held if info.name not in files}
    assert any(record["store"] == "compliance_request" for record in copy.json("data/behaviour.json"))
    assert {each["store"] for each in manifest["not_searched"]} == {"backups", "caches", "mail", "vault"} | files
    for name, digest in manifest["files"].items():
        from app.kernel import crypto

        assert crypto.sha256(copy.zip.read(name)).hex() == digest


def test_the_proofs_verify_offline_and_hold_no_body_of_another(rights: Rights, tmp_path: Path) -> None:
    amber, basil = rights.house.customer("amber_proof", euros=20), rights.house.customer("basil_proof", euros=20)
    send(rights, basil, amber, "secret of basil")
    rights.calm()
    copy = rights.copy_of(amber)
    copy.zip.extractall(tmp_path)
    verifier = tmp_path / "proofs" / "onepay_verify.py"
    done = subprocess.run(
        [sys.executable, str(verifier), str(tmp_path / "proofs" / "log.zip")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    entries = sorted((tmp_path / "proofs" / "entries").iterdir())
    assert entries, "the transfer is about both"
    policy = str(tmp_path / "proofs" / "policy")
    for entry in entries:
        line = [sys.executable, str(verifier), str(entry), "--policy", policy]
        done = subprocess.run(line, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert basil.account not in copy.everything()


def test_words_that_attack_come_out_inert(rights: Rights) -> None:
    amber, basil = rights.house.customer("amber_evil", euros=20), rights.house.customer("basil_evil")
    send(rights, amber, basil, '=HYPERLINK("http://evil.example")<script>alert(1)</script>')
    rights.calm()
    copy = rights.copy_of(amber)
    for name in copy.zip.namelist():
        if name.endswith(".csv"):
            assert not re.search(r"(?m)(^|,|\")[=@+]HYPERLINK", copy.text(name))
        if name.endswith(".html"):
            assert "<script" not in copy.text(name)
            assert "default-src 'none'" in copy.text(name)
            assert not re.search(r"(src|href)=", copy.text(name))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+49", "'+49"),
        ("-x", "'-x"),
        ("@a", "'@a"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("  =1+1", "'  =1+1"),
        (-5, -5),
        ("-59.15 EUR", "-59.15 EUR"),
        ("-59.15 EUR+1", "'-59.15 EUR+1"),
        ("-1+2", "'-1+2"),
        ("a=b", "a=b"),
    ],
)
def test_no_cell_is_a_formula_and_numbers_stay_numbers(value: object, shown: object) -> None:
    assert cell(value) == shown


def test_the_copy_for_elsewhere_holds_what_was_given_and_observed_alone(rights: Rights) -> None:
    amber = rights.house.customer("amber_port", euros=5)
    rights.calm()
    copy = rights.copy_of(amber, "portability")
    made = copy.json("portability/art20.json")
    assert {record["origin"] for record in made["records"]} <= {"provided", "observed"}
    assert any(record["category"] == "name" for record in made["records"])
    assert not any(
        record["store"].startswith(("detectors_", "playbooks_", "app_session")) for record in made["records"]
    )
    assert "report.html" not in copy.zip.namelist()
    schema = copy.json("portability/art20.schema.json")
    assert set(made) == set(schema["required"])


def test_a_copy_needs_a_fresh_proof_to_be_asked_and_each_time_to_be_fetched(rights: Rights) -> None:
    amber = rights.house.customer("amber_fresh")
    rights.calm()
    with rights.db.begin() as session, pytest.raises(StepUpRequired):
        intake.ask(session, Asked(kind="access"), rights.me(amber, fresh=False), parts=rights.parts)
    with rights.db.begin() as session, pytest.raises(StepUpRequired):
        intake.ask(session, Asked(kind="access"), rights.me(amber, acr=Acr.PWD), parts=rights.parts)
    request_id = rights.ask(amber)
    rights.work()
    with pytest.raises(StepUpRequired):
        rights.fetch(amber, request_id, fresh=False)
    once = rights.me(amber)
    with rights.db.begin() as session:
        delivery.fetch(session, request_id, once, parts=rights.parts)
    with rights.db.begin() as session, pytest.raises(StepUpRequired):
        delivery.fetch(session, request_id, once, parts=rights.parts)
    rights.fetch(amber, request_id)


def test_it_is_fetched_five_times_and_then_gone(rights: Rights) -> None:
    amber = rights.house.customer("amber_five")
    rights.calm()
    request_id = rights.ask(amber)
    rights.work()
    copies = {rights.fetch(amber, request_id) for _ in range(5)}
    assert len(copies) == 1
    with pytest.raises(PackageGone):
        rights.fetch(amber, request_id)
    rights.work()
    assert rights.get(request_id).state is State.CLOSED
    assert not packing.path(request_id, rights.parts).exists()
    assert rights.kinds().count("privacy.package.delivered") >= 5


def test_after_seven_days_it_is_gone_with_its_key(rights: Rights) -> None:
    amber = rights.house.customer("amber_week")
    rights.calm()
    request_id = rights.ask(amber)
    rights.work()
    file = packing.path(request_id, rights.parts)
    assert file.exists()
    rights.clock.move(timedelta(days=7))
    with pytest.raises(PackageGone):
        rights.fetch(amber, request_id)
    rights.work()
    assert not file.exists()
    assert rights.get(request_id).state is State.CLOSED


def test_what_lies_on_the_disk_says_nothing(rights: Rights) -> None:
    amber = rights.house.customer("amber_disk")
    rights.calm()
    request_id = rights.ask(amber)
    rights.work()
    sealed = packing.path(request_id, rights.parts).read_bytes()
    assert b"amber" not in sealed
    assert b"PK\x03\x04" not in sealed[:64]


def test_of_another_there_is_nothing(rights: Rights) -> None:
    amber, basil = rights.house.customer("amber_own"), rights.house.customer("basil_own")
    rights.calm()
    request_id = rights.ask(amber)
    rights.work()
    with pytest.raises(NotFound):
        rights.fetch(basil, request_id)
    with rights.db.begin() as session, pytest.raises(NotFound):
        requests.own_story(session, request_id, rights.me(basil))
    with rights.db.begin() as session, pytest.raises(NotFound):
        moving.withdraw(session, request_id, rights.me(basil), parts=rights.parts)


def test_a_request_that_somebody_made_theirs_hands_out_nothing(rights: Rights) -> None:
    """Not its copy and not its page, and what is collected for another is not made theirs by turning it back."""
    amber, basil = rights.house.customer("amber_thief"), rights.house.customer("basil_victim")
    rights.calm()
    mine, theirs = rights.ask(amber), rights.ask(basil)
    rights.work()

    def turn(request_id: str, to: Person) -> None:
        with rights.db.begin() as session:
            session.execute(sa.update(asked).where(asked.c.id == request_id).values(subject=to.account))

    turn(theirs, amber)
    with pytest.raises(NotFound):
        rights.fetch(amber, theirs)
    with rights.db.read() as session:
        assert [one.id for one in requests.own_requests(session, rights.me(amber))] == [mine]
        with pytest.raises(NotFound):
            requests.own_story(session, theirs, rights.me(amber))
    turn(theirs, basil)
    assert rights.fetch(basil, theirs)

    late = rights.ask(amber)
    turn(late, basil)
    rights.work()
    assert rights.get(late).state is State.SCOPED, "nothing is collected about somebody who did not ask"
    with rights.db.read() as session:
        said = trouble.of_request(session, late)
    assert said is not None
    assert said.code == "request_differs"
    turn(late, amber)
    rights.clock.move(timedelta(minutes=2))
    rights.work()
    assert rights.fetch(amber, late)


def test_a_copy_opens_for_nobody_but_whom_it_is_about(rights: Rights) -> None:
    """Though the row of its request, and the event that took it, named somebody else."""
    amber, basil = rights.house.customer("amber_bound"), rights.house.customer("basil_bound")
    rights.calm()
    request_id = rights.ask(amber)
    rights.work()
    with rights.db.read() as session:
        row = session.execute(sa.select(copies).where(copies.c.request_id == request_id)).one()
    found = rights.get(request_id)
    assert delivery._opened(row, found, rights.parts)
    with pytest.raises(PackageGone):
        delivery._opened(row, replace(found, subject=basil.account), rights.parts)


def test_after_a_change_of_a_way_in_it_waits_three_days_and_says_so(rights: Rights) -> None:
    from app.identity import mfa

    amber = rights.house.customer("amber_cool")
    rights.calm()
    own = rights.me(amber)
    with rights.db.begin() as session:
        identity = rights.house.system.identity
        secret = mfa.offer(session, amber.account, "ses_x", "x", parts=identity).secret
        mfa.take(session, amber.account, "ses_x", rights.house.code(secret), own, parts=identity)
    rights.clock.move(timedelta(minutes=2))
    request_id = rights.ask(amber)
    assert "nothing is given out before" in rights.letters_to(amber)[-1]
    rights.work()
    with pytest.raises(CoolDown, match=r"can be fetched from \d+ \w+ \d{4}, \d\d:\d\d"):
        rights.fetch(amber, request_id)
    due = rights.get(request_id).due
    rights.clock.move(timedelta(hours=72))
    assert rights.fetch(amber, request_id)
    assert rights.get(request_id).due == due, "a cool-down never stops the clock"


def test_a_second_request_stands_beside_the_first_and_delivers_nothing(rights: Rights) -> None:
    amber = rights.house.customer("amber_twice")
    rights.calm()
    officer = rights.staff(roles.COMPLIANCE_OFFICER)
    first = rights.ask(amber)
    with rights.db.begin() as session:
        today = rights.get(first).received_on
        second = intake.enter(
            session, Asked(kind="access", channel="letter"), amber.account, today, officer, parts=rights.parts
        )
    assert rights.get(second).linked_to == first
    assert not rights.get(second).is_verified
    rights.work()
    assert rights.get(first).state is State.READY
    assert rights.get(second).state is State.IDENTITY
    with pytest.raises(NotFound):
        rights.fetch(amber, second)


def test_not_me_stops_it_and_opens_no_copy(rights: Rights) -> None:
    amber = rights.house.customer("amber_not_me")
    rights.calm()
    request_id = rights.ask(amber)
    rights.work()
    (letter,) = [each for each in rights.letters_to(amber) if "is ready" in each]
    token = letter.partition("/privacy/link/")[2].split()[0]
    with rights.db.begin() as session:
        ctx = rights.house.system.context(rights.me(amber).actor)
        assert moving.stop(session, token, ctx, parts=rights.parts) == request_id
    with pytest.raises(PackageGone):
        rights.fetch(amber, request_id)
    rights.work()
    assert not packing.path(request_id, rights.parts).exists()
    kinds = rights.kinds()
    assert "privacy.request.stopped" in kinds
    assert "auth.activity.disowned" in kinds
    with rights.db.begin() as session, pytest.raises(NotFound):
        moving.stop(session, "no-such-token", ctx, parts=rights.parts)


class Broken:
    """A source of which a statement fails."""

    name = "broken"

    def __init__(self, of: object) -> None:
        self._of = of

    def stores(self) -> object:
        return self._of.stores()  # type: ignore[attr-defined]

    def seeds(self, session: object, seeds: object) -> object:
        return frozenset()

    def collect(self, session: Session, seeds: object) -> object:
        return session.execute(sa.text("SELECT 1 FROM no_such_table"))


def test_a_store_that_cannot_be_searched_keeps_the_copy_back_until_somebody_signs(either_rights: Rights) -> None:
    rights = either_rights
    amber = rights.house.customer("amber_broken", euros=5)
    rights.calm()
    request_id = rights.ask(amber)
    rights.house.arrive()
    checkpoint.sign(rights.db, rights.house.system.log_key, rights.clock.now())
    whole = rights.parts
    broken = tuple(Broken(each) if each.name == "payments" else each for each in whole.sources)
    parts = replace(whole, sources=broken)  # type: ignore[arg-type]
    ctx = rights.house.system.job_context("privacy", rights.clock.now())
    jobs.execute(rights.db, ctx, parts, rights.house.system.shredding)
    found = rights.get(request_id)
    assert (found.state, found.is_incomplete) == (State.IN_REVIEW, True)
    with pytest.raises(WrongState):
        rights.fetch(amber, request_id)
    with rights.db.read() as session:
        skipped = {item.store: item.skipped for item in requests.items(session, request_id) if item.skipped}
    assert skipped["payments_entry"] in ("OperationalError", "ProgrammingError")
    (payments,) = (each for each in whole.sources if each.name == "payments")
    assert set(skipped) <= {info.name for info in payments.stores()}, "what comes after it was searched"
    own = rights.staff(roles.DPO, amber.account)
    with rights.db.begin() as session, pytest.raises(SamePerson):
        packing.sign_incomplete(session, request_id, "the rest follows by letter", own, parts=rights.parts)
    with rights.db.begin() as session:
        packing.sign_incomplete(
            session, request_id, "the rest follows by letter", rights.staff(roles.DPO), parts=rights.parts
        )
    copy = Copy(rights.fetch(amber, request_id))
    assert copy.json("manifest.json")["complete"] is False
    assert "What could not be searched" in copy.text("report.html")


def test_every_record_is_counted_where_it_lies_and_a_letter_that_went_is_one(rights: Rights) -> None:
    amber = rights.house.customer("amber_counted", euros=20)
    rights.house.browser().sign_in(amber)
    rights.house.turn()  # letters are handed over, and their texts go
    rights.calm()
    with rights.db.read() as session:
        found = collecting.collect(session, rights.parts.sources, amber.account)
        letters = session.scalar(sa.select(sa.func.count()).where(message.c.account_id == amber.account))
        gone = session.scalar(sa.select(sa.func.count()).where(message.c.content_ct == b""))
    counted = {(each.info.name, each.info.category): each.found for each in found.searched}
    have = Counter((record.store, record.category) for record in found.records)
    assert have.items() <= counted.items()
    assert gone
    assert have["app_message", "communication"] == letters


def test_a_copy_that_fails_is_told_among_the_tasks_and_adds_one_step(
    rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    amber = rights.house.customer("amber_unwritten")
    rights.calm()
    request_id = rights.ask(amber)
    rights.house.arrive()
    before = len(rights.steps(request_id))
    with monkeypatch.context() as patch:
        patch.setattr(packing, "_write", failing)
        for _ in range(3):
            rights.work()
            rights.clock.move(packing.AGAIN)
    officer = rights.staff(roles.COMPLIANCE_OFFICER).actor
    with rights.db.read() as session:
        (found,) = trouble.stuck(session, officer)
    assert (found.request_id, found.what, found.code, found.tries) == (request_id, packing.PACKING, DiskFull.code, 3)
    assert len(rights.steps(request_id)) == before + 1
    rights.work()
    assert rights.get(request_id).state is State.READY
    with rights.db.read() as session:
        assert trouble.stuck(session, officer) == []


def failing(*_: object) -> None:
    raise DiskFull


def test_who_comes_too_late_leaves_the_copy_of_who_was_faster(rights: Rights) -> None:
    amber = rights.house.customer("amber_raced")
    rights.calm()
    request_id = rights.ask(amber)
    taken = []
    for _ in range(2):  # the first one is slow, so that its claim runs out
        with rights.db.begin() as session:
            claimed = packing.claim(
                session, rights.house.system.job_context("privacy", rights.clock.now()), parts=rights.parts
            )
        assert claimed is not None
        assert claimed.id == request_id
        taken.append(claimed)
        rights.clock.move(packing.CLAIM)
    slow, fast = taken
    for each in (fast, slow):
        ctx = rights.house.system.job_context("privacy", rights.clock.now())
        packing.make(rights.db, each, ctx, parts=rights.parts)
    with rights.db.begin() as session:
        packing.fail(session, slow, OSError("no room"), ctx, parts=rights.parts)
    assert rights.get(request_id).state is State.READY
    assert rights.fetch(amber, request_id)[:2] == b"PK"
    assert not list(rights.parts.folder.glob("*.draft"))


@pytest.mark.parametrize(("module", "limit"), [(packing, "BYTES_MAX"), (collecting, "RECORDS_MAX")])
def test_what_is_too_large_is_given_to_a_person_and_not_tried_again(
    rights: Rights, monkeypatch: pytest.MonkeyPatch, module: object, limit: str
) -> None:
    amber = rights.house.customer(f"amber_large_{limit[:3].lower()}")
    rights.calm()
    request_id = rights.ask(amber)
    monkeypatch.setattr(module, limit, 1)
    rights.work()
    assert rights.get(request_id).state is State.IN_REVIEW
    with rights.db.read() as session:
        before = requests.steps(session, request_id)
    assert "package_parts" in str(before[-1].note)
    rights.clock.move(timedelta(minutes=2))
    rights.work()
    with rights.db.read() as session:
        assert requests.steps(session, request_id) == before


def test_a_full_disk_says_so_and_is_tried_again(rights: Rights, tmp_path: Path) -> None:
    amber = rights.house.customer("amber_full")
    rights.calm()
    request_id = rights.ask(amber)
    file = tmp_path / "no folder"
    file.write_text("where no folder can be made")
    ctx = rights.house.system.job_context("privacy", rights.clock.now())
    away = replace(rights.parts, folder=file / "copies")
    rights.house.arrive()
    jobs.execute(rights.db, ctx, away, rights.house.system.shredding)
    found = rights.get(request_id)
    assert found.state is State.SCOPED
    with rights.db.read() as session:
        assert "package_unwritten" in str(requests.steps(session, request_id)[-1].note)
    rights.clock.move(timedelta(minutes=2))
    rights.work()
    assert rights.get(request_id).state is State.READY


def test_twice_run_is_once_made(rights: Rights) -> None:
    amber = rights.house.customer("amber_again")
    rights.calm()
    request_id = rights.ask(amber)
    rights.work()
    first = rights.fetch(amber, request_id)
    rights.work()
    assert rights.fetch(amber, request_id) == first


def test_who_looked_is_told_by_purpose_and_role(rights: Rights) -> None:
    from app.identity import people

    amber = rights.house.customer("amber_looked")
    admin = rights.staff(roles.ADMINISTRATOR, "acc_01M00000000000000000000ADM")
    with rights.db.begin() as session:
        people.detail(session, amber.account, admin, parts=rights.house.system.identity)
    rights.calm()
    copy = rights.copy_of(amber)
    rows = copy.table("access_history.csv")
    assert (rows[0]["role"], rows[0]["system"]) == ("Administrator", "Page of your account")
    assert any(row["system"] == "Preparing the copy of your data" for row in rows)
    assert "acc_01M00000000000000000000ADM" not in copy.everything()


def test_letters_are_sent_on_receipt_and_when_it_is_ready(rights: Rights) -> None:
    amber = rights.house.customer("amber_letters")
    rights.calm()
    rights.ask(amber)
    rights.work()
    letters = rights.letters_to(amber)
    assert any("We have your request" in letter and "/privacy/link/" in letter for letter in letters)
    assert any("The copy of your data is ready" in letter for letter in letters)
    assert not any("Amber Finch" in letter for letter in letters)


def test_an_officer_enters_a_letter_and_the_clock_stands_while_identity_is_open(rights: Rights) -> None:
    amber = rights.house.customer("amber_letter")
    officer = rights.staff(roles.COMPLIANCE_OFFICER)
    today = rights.clock.now().date()
    wanted = Asked(kind="access", channel="letter")
    with rights.db.begin() as session, pytest.raises(ReceiptInvalid):
        intake.enter(session, wanted, amber.account, today + timedelta(days=1), officer, parts=rights.parts)
    with rights.db.begin() as session, pytest.raises(ReceiptInvalid):
        intake.enter(session, wanted, amber.account, today - timedelta(days=61), officer, parts=rights.parts)
    with rights.db.begin() as session, pytest.raises(KindUnknown):
        intake.enter(session, Asked(kind="everything"), amber.account, today, officer, parts=rights.parts)
    with rights.db.begin() as session, pytest.raises(NotFound):
        intake.enter(session, wanted, "acc_nobody", today, officer, parts=rights.parts)
    own = rights.staff(roles.COMPLIANCE_OFFICER, amber.account)
    with rights.db.begin() as session, pytest.raises(SamePerson):
        intake.enter(session, wanted, amber.account, today, own, parts=rights.parts)
    with rights.db.begin() as session:
        request_id = intake.enter(session, wanted, amber.account, today, officer, parts=rights.parts)
        identity.ask(session, request_id, officer, parts=rights.parts)
    before = rights.get(request_id)
    rights.clock.move(timedelta(days=5))
    with rights.db.begin() as session:
        identity.answer(
            session,
            request_id,
            "called back on the number we knew",
            rights.staff(roles.COMPLIANCE_OFFICER),
            parts=rights.parts,
        )
    after = rights.get(request_id)
    assert after.paused_days == 4
    assert after.due > before.due
    assert after.state is State.SCOPED
    kinds = rights.kinds()
    assert {"privacy.request.paused", "privacy.request.resumed", "privacy.request.identified"} <= set(kinds)


def test_it_is_extended_once_and_only_before_it_is_late(rights: Rights) -> None:
    amber = rights.house.customer("amber_extend")
    officer = rights.staff(roles.COMPLIANCE_OFFICER)
    today = rights.clock.now().date()
    with rights.db.begin() as session:
        request_id = intake.enter(
            session, Asked(kind="rectification", detail="my name"), amber.account, today, officer, parts=rights.parts
        )
        late = intake.enter(
            session, Asked(kind="rectification", detail="other"), amber.account, today, officer, parts=rights.parts
        )
        moving.extend(session, request_id, "many stores hold it", officer, parts=rights.parts)
    assert rights.get(request_id).is_extended
    with rights.db.begin() as session, pytest.raises(ExtensionLate):
        moving.extend(session, request_id, "many stores hold it", officer, parts=rights.parts)
    rights.clock.move(timedelta(days=40))
    with rights.db.begin() as session, pytest.raises(ExtensionLate):
        moving.extend(session, late, "many stores hold it", rights.staff(roles.COMPLIANCE_OFFICER), parts=rights.parts)
    with rights.db.begin() as session:
        overdue = requests.listed(session, RequestFilter(is_overdue=True), rights.staff(roles.DPO))
        assert late in [each.id for each in overdue]
        assert request_id not in [each.id for each in overdue]
        story = requests.story(session, late, rights.staff(roles.DPO), parts=rights.parts)
    assert story.request.detail == "other"
