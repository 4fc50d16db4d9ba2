"""Nobody is erased on the word of a row or document that somebody wrote: whatever destroys asks the log."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.identity.models import contact
from app.kernel import crypto
from app.kernel.db import delete_for_good
from app.kernel.errors import Conflict
from compliance.certificates import CertificateDiffers
from compliance.privacy import requests, trouble, whose
from compliance.privacy.erasure import certificates, decided, deciding, execution, journal
from compliance.privacy.models import erasure_certificate, erasure_target, request, request_step
from compliance.privacy.request import FOLLOWING, Kind, State
from ingest import models as log
from ingest.events.privacy import SubjectErased
from ingest.log import outbox, read
from ingest.models import subject_key
from ingest.store.memory import MemoryStore
from ingest.store.query import Sequenced
from tests.compliance.privacy.rights import Rights
from tests.compliance.privacy.test_erase_execution import nowhere
from tests.support.installation import Person

FORGED = "req_forged"


def live(rights: Rights, person: Person) -> list[str]:
    """Return the classes in which somebody has a key."""
    of = subject_key.c
    with rights.house.system.shredding.keys.db.read() as keys:
        return sorted(keys.scalars(sa.select(of["class"]).where(of.subject == person.account, of.wrapped.is_not(None))))


def contacts(rights: Rights, person: Person) -> list[str]:
    with rights.db.read() as session:
        return list(session.scalars(sa.select(contact.c.id).where(contact.c.account_id == person.account)))


def replay(rights: Rights, **other: Any) -> int:
    """Do what the job of the journal does, and each start."""
    parts = replace(rights.parts, **other)
    return journal.replay(rights.db, rights.job(), parts=parts, shreds=rights.house.system.shredding)


def certify(session: Session, rights: Rights, request_id: str, **body: Any) -> None:
    """Write a certificate that nobody was given."""
    text = json.dumps({"certificate": "erasure", "request": request_id, **body})
    values = {"request_id": request_id, "body": text, "sha256": crypto.sha256(text.encode()).hex()}
    at = rights.clock.now()
    later = {"at": at, "irrecoverable_from": at + timedelta(days=30), "event_id": "evt_none"}
    session.execute(sa.insert(erasure_certificate).values(**values, **later))


def copied(session: Session, request_id: str, **values: Any) -> None:
    """Write a row of a request as another one's, changed."""
    row = session.execute(sa.select(request).where(request.c.id == request_id)).mappings().one()
    hashes = {"stop_hash": None, "certificate_hash": None}
    session.execute(sa.insert(request).values({**row, **hashes, "id": FORGED, "kind": Kind.ERASURE.value, **values}))


def end_privacy_events(rights: Rights) -> None:
    """End the bodies of all events about rights, as after the years of their class."""
    of = log.entry.c
    with rights.db.begin() as session:
        delete_for_good(session)
        session.execute(sa.delete(log.body).where(log.body.c["class"] == "privacy"))
        last = session.scalar(sa.select(sa.func.max(of.sequence)))
        unit = {"class": "privacy", "month": "2026-11", "first": 1, "last": last, "count": last, "held": 0}
        over = {"state": "gone", "run": "ret_one", "begun_at": rights.clock.now(), "ended_at": rights.clock.now()}
        session.execute(sa.insert(log.forgotten).values({**unit, **over}))


def document_of(rights: Rights, person: Person) -> bytes:
    """Return the event that somebody was erased as it would be rendered, of which nothing was recorded."""

    class Undone(Exception):
        pass

    event = SubjectErased(request=FORGED, classes=("account",), about=(person.account,))
    text = b""
    with contextlib.suppress(Undone), rights.db.begin() as session:
        id = outbox.record(session, event, rights.job())
        text = session.scalar(sa.select(log.outbox.c.body).where(log.outbox.c.id == id)) or b""
        raise Undone
    assert text
    return text


def test_a_certificate_that_no_event_completed_ends_no_keys(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber, basil = rights.house.customer("amber_certified"), rights.house.customer("basil_living")
    erased = rights.due_erasure(amber, officer, dpo)
    rights.work()
    before = live(rights, basil)
    assert before
    with rights.db.begin() as session:
        certify(session, rights, FORGED, subject=basil.account, keys_destroyed=before)
        # Nor that of somebody who was erased, said to be about him: in its words, or beside its event as well.
        text = session.scalar(sa.select(erasure_certificate.c.body).where(erasure_certificate.c.request_id == erased))
        assert text is not None
        other = text.replace(amber.account, basil.account)
        values = {"body": other, "sha256": crypto.sha256(other.encode()).hex()}
        session.execute(sa.update(erasure_certificate).where(erasure_certificate.c.request_id == erased).values(values))
    assert replay(rights) == 0
    assert live(rights, basil) == before
    end_privacy_events(rights)
    assert replay(rights) == 0
    assert live(rights, basil) == before, "an event that ended says of nobody that it was they"


@pytest.mark.parametrize("text", ["", "[]", '{"subject": [], "keys_destroyed": 3}'])
def test_a_certificate_that_is_none_stops_nothing(rights: Rights, text: str) -> None:
    at = rights.clock.now()
    with rights.db.begin() as session:
        session.execute(sa.delete(erasure_certificate).where(erasure_certificate.c.request_id == FORGED))
        values = {"request_id": FORGED, "body": text, "sha256": "0" * 64, "at": at, "event_id": "evt_none"}
        session.execute(sa.insert(erasure_certificate).values(**values, irrecoverable_from=at + timedelta(days=9)))
    assert replay(rights) == 0
    with rights.db.read() as session, pytest.raises(CertificateDiffers):
        certificates.by_request(session, FORGED)


def test_rows_that_say_somebody_was_erased_erase_nobody(staffed: tuple[Rights, Person, Person]) -> None:
    rights, _, _ = staffed
    basil = rights.house.customer("basil_closed")
    rights.calm()
    asked = rights.ask(basil)
    rights.work()
    there = contacts(rights, basil)
    with rights.db.begin() as session:
        copied(session, asked, state="closed", closed_at=rights.clock.now(), answered_at=rights.clock.now())
        step = {"request_id": FORGED, "state": "closed", "at": rights.clock.now(), "role": "you"}
        session.execute(sa.insert(request_step).values(step))
        target = {"request_id": FORGED, "place": 0, "source": "identity", "store": "app_contact", "ids": there}
        kept = {"category": "contact", "action": "delete", "retention": "account", "rows": len(there), "fields": []}
        session.execute(sa.insert(erasure_target).values(**target, **kept))
        certify(session, rights, FORGED, subject=basil.account, keys_destroyed=[])
    assert replay(rights) == 0
    assert contacts(rights, basil) == there
    assert live(rights, basil)


@pytest.mark.parametrize("behind", [False, True])
def test_a_document_that_somebody_put_into_the_store_erases_nobody(
    staffed: tuple[Rights, Person, Person], behind: bool
) -> None:
    """At the place of another event, or behind the end of the log, where only keys that went bear it out."""
    rights, _, _ = staffed
    basil = rights.house.customer("basil_stored")
    rights.work()
    there, text = contacts(rights, basil), document_of(rights, basil)
    with rights.db.read() as session:
        sequence = read.head(session).size + 1 if behind else 1
    store = MemoryStore()
    forged = Sequenced(sequence=sequence, ingested=rights.clock.now(), hash="0" * 64, body=text)
    assert store.append([forged]).stored == 1
    assert replay(rights, store=store) == 0
    assert contacts(rights, basil) == there
    assert live(rights, basil)


def test_a_line_that_somebody_put_into_the_archive_erases_nobody(staffed: tuple[Rights, Person, Person]) -> None:
    """What was signed says what the archive held, and so what of it is believed."""
    rights, _, _ = staffed
    basil = rights.house.customer("basil_archived")
    rights.house.arrive()
    rights.house.system.signer.sign(rights.clock.now())
    archive, there, text = rights.parts.archive, contacts(rights, basil), document_of(rights, basil)
    with rights.db.begin() as session:
        before = read.head(session).size - 1
        session.execute(sa.update(log.head).values(size=before))
    file = archive.folder / "body" / SubjectErased.event_class.value / "open.ndjson"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as lines:
        lines.write(b'{"body":%b,"salt":"AAAA","sequence":%d}\n' % (text, before + 1))
    assert list(archive.bodies(SubjectErased.event_class.value, before))
    assert replay(rights) == 0
    assert contacts(rights, basil) == there


def test_a_request_that_was_made_another_ones_is_not_erased_again(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber, basil = rights.house.customer("amber_once"), rights.house.customer("basil_instead")
    rights.calm()
    mine = sa.select(contact).where(contact.c.account_id == amber.account)
    with rights.db.read() as session:
        before = [dict(row) for row in session.execute(mine).mappings()]
    erased = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    rights.work()
    there = contacts(rights, basil)
    with rights.db.begin() as session:
        session.execute(sa.insert(contact), before)
        session.execute(sa.delete(erasure_certificate))
        values = {"subject": basil.account, "state": "executing"}
        session.execute(sa.update(request).where(request.c.id == erased).values(values))
    assert replay(rights) == 0
    assert contacts(rights, basil) == there


@pytest.mark.parametrize("has_ended", [False, True])
def test_what_completes_an_erasure_is_of_whom_its_event_still_names(
    staffed: tuple[Rights, Person, Person], has_ended: bool
) -> None:
    rights, officer, dpo = staffed
    amber, basil = rights.house.customer("amber_gone"), rights.house.customer("basil_following")
    first = rights.due_erasure(amber, officer, dpo)
    rights.work()
    there = contacts(rights, basil)
    if has_ended:
        end_privacy_events(rights)
    with rights.db.begin() as session:
        of = erasure_certificate.c
        text = session.scalar(sa.select(of.body).where(of.request_id == first))
        assert text is not None
        other = text.replace(amber.account, basil.account)
        values = {"body": other, "sha256": crypto.sha256(other.encode()).hex()}
        session.execute(sa.update(erasure_certificate).where(of.request_id == first).values(values))
        ends = dict.fromkeys(("answered_at", "closed_at", "approval_id", "claimed_until"))
        waits = {"state": "waiting", "not_before": rights.clock.now(), "subject": basil.account}
        copied(session, first, channel=FOLLOWING, linked_to=first, **waits, **ends)
        step = {"request_id": FORGED, "state": "waiting", "at": rights.clock.now(), "role": "you"}
        session.execute(sa.insert(request_step).values(step))
    for _ in range(2):
        rights.work()
    assert rights.get(FORGED).state is State.WAITING
    assert contacts(rights, basil) == there
    with rights.db.read() as session:
        said = trouble.of_request(session, FORGED)
    assert said is not None
    assert said.code == ("decision_ended" if has_ended else "certificate_differs")


def test_each_step_of_an_erasure_asks_whom_it_was_decided_for(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber, basil = rights.house.customer("amber_begun"), rights.house.customer("basil_swapped")
    request_id = rights.due_erasure(amber, officer, dpo)
    ctx, shreds = rights.job(), rights.house.system.shredding
    with rights.db.begin() as session:
        execution.begin(session, requests.get(session, request_id), ctx, parts=rights.parts)
    with rights.db.begin() as session:
        session.execute(sa.update(request).where(request.c.id == request_id).values(subject=basil.account))
    with pytest.raises(decided.ErasureUndecided):
        execution.step(rights.db, request_id, ctx, parts=rights.parts, shreds=shreds)
    with rights.db.begin() as session, pytest.raises(Conflict):
        execution.begin(session, requests.get(session, request_id), ctx, parts=rights.parts)
    assert contacts(rights, basil)
    assert live(rights, basil)


def test_nobody_is_erased_who_did_not_ask(staffed: tuple[Rights, Person, Person]) -> None:
    """Those who decide see whom the row names, so the log is asked before it is put before them, and again."""
    rights, officer, dpo = staffed
    amber, basil = rights.house.customer("amber_asked"), rights.house.customer("basil_silent")
    rights.calm()
    request_id, there = rights.ask(amber, "erasure"), contacts(rights, basil)

    def turn(to: Person) -> None:
        with rights.db.begin() as session:
            session.execute(sa.update(request).where(request.c.id == request_id).values(subject=to.account))

    turn(basil)
    rights.work()
    assert rights.get(request_id).state is State.SCOPED, "not even planned"
    turn(amber)
    rights.clock.move(timedelta(minutes=11))
    rights.work()
    ctx, ask = rights.colleague(officer, roles.COMPLIANCE_OFFICER), {"approvals": rights.house.system.approvals}
    turn(basil)
    with rights.db.begin() as session, pytest.raises(whose.RequestDiffers):
        deciding.propose(session, request_id, "as they asked", ctx, parts=rights.parts, **ask)
    turn(amber)
    with rights.db.begin() as session:
        approval = deciding.propose(session, request_id, "as they asked", ctx, parts=rights.parts, **ask)
        decide = deciding.payload(session, request_id)
    assert decide["subject"] == amber.account
    rights.vote(approval, rights.colleague(dpo, roles.DPO))
    turn(basil)
    rights.clock.move(timedelta(hours=72))
    rights.work()
    assert rights.get(request_id).state is State.WAITING
    assert contacts(rights, basil) == there


def test_a_certificate_is_shown_by_the_link_of_its_own_request(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber, basil = rights.house.customer("amber_link"), rights.house.customer("basil_link")
    first = rights.due_erasure(amber, officer, dpo)
    rights.work()
    other = rights.ask(basil)
    token = crypto.token()
    with rights.db.begin() as session:
        of = erasure_certificate.c
        row = session.execute(sa.select(erasure_certificate).where(of.request_id == first)).mappings().one()
        session.execute(sa.insert(erasure_certificate).values({**row, "request_id": other}))
        completed = requests.event_of_state(session, first, State.CLOSED)
        step = {"request_id": other, "state": "closed", "at": rights.clock.now(), "role": "you", "event_id": completed}
        session.execute(sa.insert(request_step).values(step))
        values = {"state": "closed", "certificate_hash": crypto.sha256(token.encode())}
        session.execute(sa.update(request).where(request.c.id == other).values(values))
    with rights.db.read() as session:
        assert certificates.by_request(session, first)["request"] == first
        with pytest.raises(CertificateDiffers):
            certificates.by_link(session, token)


def test_an_erasure_that_the_store_alone_knows_is_borne_out_by_its_keys(
    staffed: tuple[Rights, Person, Person],
) -> None:
    """The database is older than the store, and the archive is not there: the keys say who was erased."""
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_stored")
    rights.calm()
    with rights.db.read() as session:
        mine = sa.select(contact).where(contact.c.account_id == amber.account)
        before = [dict(row) for row in session.execute(mine).mappings()]
    request_id = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    rights.work()
    with rights.db.begin() as session:  # as it was before
        session.execute(sa.insert(contact), before)
        for table in (erasure_certificate, erasure_target):
            session.execute(sa.delete(table))
        session.execute(sa.delete(request).where(request.c.id == request_id))
        of = log.entry.c
        told = session.scalar(sa.select(of.sequence).where(of.kind == SubjectErased.kind)) or 0
        session.execute(sa.update(log.head).values(size=told - 1))
    parts = replace(rights.parts, archive=nowhere(rights))
    shreds = replace(rights.house.system.shredding, wait=None)  # nothing numbers meanwhile
    assert journal.replay(rights.db, rights.job(), parts=parts, shreds=shreds) == 1
    assert contacts(rights, amber) == []
