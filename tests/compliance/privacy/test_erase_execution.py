"""An erasure goes batch by batch, each done once; another reader looks, and what comes back is erased again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.identity.models import contact
from app.kernel.errors import NotFound, SamePerson, WrongState
from compliance.contracts.personal import PersonalDataSource, Target
from compliance.privacy import rectify
from compliance.privacy import rights as services
from compliance.privacy.erasure import certificates, deciding, execution, journal
from compliance.privacy.models import erasure_certificate, erasure_target, request
from compliance.privacy.request import State
from ingest import models as log
from ingest.events.privacy import SubjectErased
from ingest.log import shredding
from ingest.log.archive import Archive
from ingest.models import subject_key
from ingest.settings import ArchiveSettings
from ingest.store.memory import MemoryStore
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Person


def test_a_batch_is_done_once_and_goes_on_where_it_stopped(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_steps")
    request_id = rights.due_erasure(amber, officer, dpo)
    ctx = rights.job()
    with rights.db.begin() as session:
        assert deciding.start(session, ctx, parts=rights.parts) == request_id
        assert deciding.start(session, ctx, parts=rights.parts) is None
    shreds = rights.house.system.shredding
    execution.step(rights.db, request_id, ctx, parts=rights.parts, shreds=shreds)
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
    request_id = rights.due_erasure(amber, officer, dpo)
    ctx = rights.job()
    shreds = rights.house.system.shredding
    with rights.db.begin() as session:
        deciding.start(session, ctx, parts=rights.parts)
    while rights.get(request_id).state is State.EXECUTING:
        execution.step(rights.db, request_id, ctx, parts=rights.parts, shreds=shreds)
    with rights.db.begin() as session:
        row = session.execute(
            sa.select(erasure_target).where(
                erasure_target.c.request_id == request_id, erasure_target.c.store == "app_contact"
            )
        ).first()
        lost = {"id": row.ids[0], "account_id": amber.account, "account_kind": "customer", "kind": "email"}
        session.execute(sa.insert(contact).values(**lost, value_ct=b"x", lookup=b"x"))
    assert execution.step(rights.db, request_id, ctx, parts=rights.parts, shreds=shreds)
    assert rights.get(request_id).state is State.EXECUTING
    assert "still readable: 1 in app_contact" in str(rights.steps(request_id)[-1])
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
    request_id = rights.due_erasure(amber, officer, dpo)
    ctx = rights.job()
    shreds = rights.house.system.shredding
    with rights.db.begin() as session:
        deciding.start(session, ctx, parts=rights.parts)
    sources = tuple(cast("PersonalDataSource", Blind(each)) for each in rights.parts.sources)
    stuck = replace(rights.parts, sources=sources)
    with pytest.raises(execution.ErasureUnfinished):
        execution.carry_out(rights.db, request_id, ctx, parts=stuck, shreds=shreds)
    with pytest.raises(NotFound), rights.db.read() as session:
        certificates.by_request(session, request_id)
    execution.carry_out(rights.db, request_id, ctx, parts=rights.parts, shreds=shreds)
    assert rights.get(request_id).state is State.CLOSED


@pytest.mark.parametrize("knows", ["store", "archive"])
def test_an_older_database_brings_nobody_back(staffed: tuple[Rights, Person, Person], knows: str) -> None:
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
    with rights.db.begin() as session:  # as it was before
        session.execute(sa.insert(contact), before)
        session.execute(sa.delete(erasure_certificate))
        session.execute(sa.delete(erasure_target))
        session.execute(sa.delete(request).where(request.c.id == request_id))
    ctx, parts, shreds = rights.job(), rights.parts, rights.house.system.shredding
    if knows == "archive":
        rights.house.arrive()
        rights.house.system.signer.sign(rights.clock.now())
        with rights.db.begin() as session:
            of = log.entry.c
            told = session.scalar(sa.select(of.sequence).where(of.kind == SubjectErased.kind))
            session.execute(sa.update(log.head).values(size=told - 1))
        assert rights.parts.archive.size >= told
        # The store was put back with the database, and nothing numbers meanwhile.
        parts, shreds = replace(parts, store=MemoryStore()), replace(shreds, wait=None)
        assert journal.replay(rights.db, ctx, parts=replace(parts, archive=nowhere(rights)), shreds=shreds) == 0
    assert journal.replay(rights.db, ctx, parts=parts, shreds=shreds) == 1
    with rights.db.read() as session:
        assert not session.execute(sa.select(contact).where(contact.c.account_id == amber.account)).all()
        assert certificates.by_request(session, request_id)["decided_by"] == [], "nobody decided it anew"
    assert journal.replay(rights.db, ctx, parts=parts, shreds=shreds) == 0


def test_whom_a_part_of_an_older_database_brought_back_is_erased_again(staffed: tuple[Rights, Person, Person]) -> None:
    """The certificate stands, and beside it rows of its person that somebody copied from a backup."""
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_copied")
    rights.calm()
    mine = sa.select(contact).where(contact.c.account_id == amber.account)
    with rights.db.read() as session:
        before = [dict(row) for row in session.execute(mine).mappings()]
    first = rights.approved_erasure(amber, officer, dpo)
    rights.clock.move(timedelta(hours=72))
    rights.work()
    ctx, shreds = rights.job(), rights.house.system.shredding
    assert journal.replay(rights.db, ctx, parts=rights.parts, shreds=shreds) == 0
    with rights.db.begin() as session:
        session.execute(sa.insert(contact), before)
    assert journal.replay(rights.db, ctx, parts=rights.parts, shreds=shreds) == 1
    with rights.db.read() as session:
        assert not session.execute(mine).all()
        again = session.execute(sa.select(request.c.id).where(request.c.linked_to == first)).scalar_one()
        assert certificates.by_request(session, again)["completes"] == first
    assert journal.replay(rights.db, ctx, parts=rights.parts, shreds=shreds) == 0


def test_an_older_database_of_keys_opens_nothing_of_whom_was_erased(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_keys")
    known, keys = subject_key.c, rights.house.system.shredding.keys
    rights.due_erasure(amber, officer, dpo)
    with keys.db.read() as session:
        before = [dict(row) for row in session.execute(sa.select(subject_key)).mappings()]
    rights.work()
    with keys.db.begin() as session:  # as it was before
        session.execute(sa.delete(subject_key))
        session.execute(sa.insert(subject_key), before)
    with keys.db.read() as session:
        assert shredding.remaining(session, amber.account, [row["class"] for row in before])
    shreds = rights.house.system.shredding
    assert journal.replay(rights.db, rights.job(), parts=rights.parts, shreds=shreds) == 0
    with keys.db.read() as session:
        mine = sa.select(known["class"]).where(known.subject == amber.account, known.wrapped.is_not(None))
        assert session.scalars(mine).all() == []
        others = sa.select(sa.func.count()).where(known.subject != amber.account, known.wrapped.is_not(None))
        assert session.scalar(others), "of nobody else"


def nowhere(rights: Rights) -> Archive:
    """Return an archive that holds nothing."""
    return Archive(ArchiveSettings(folder=rights.house.system.settings.home / "nowhere"), ids=rights.house.system.ids)


def test_who_approved_leaves_it_to_somebody_else_to_ask_for_a_refusal(staffed: tuple[Rights, Person, Person]) -> None:
    rights, officer, dpo = staffed
    amber = rights.house.customer("amber_refused")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)

    def ask(person: Person, role: str) -> str:
        ctx, book = rights.colleague(person, role), rights.house.system.approvals
        with rights.db.begin() as session:
            return rectify.ask_refusal(
                session, request_id, "It is not so at all.", ctx, parts=rights.parts, approvals=book
            )

    with pytest.raises(SamePerson):
        ask(dpo, roles.DPO)
    assert ask(officer, roles.COMPLIANCE_OFFICER)
