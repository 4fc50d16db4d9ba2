"""What presses, counted: by one statement each, without a row about anybody, for whoever may see and sign it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel.access import Actor, ActorKind
from app.kernel.clock import StillClock
from app.kernel.errors import Forbidden
from compliance import pressing
from compliance.attest import attestations
from compliance.attest.models import attestation
from compliance.catalog.controls import PCI
from compliance.privacy import moving, recipients
from compliance.privacy.recipients import RECEIPT, Answer
from compliance.registers import breach_handling, breaches, processors
from compliance.registers.breaches import Found
from compliance.registers.models import breach
from compliance.registers.processors import Entry
from ingest.models import outbox
from tests.compliance.office import ctx, opened
from tests.compliance.privacy.rights import Rights
from tests.compliance.test_statements import said
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        opened(made, "olga", "dora", "ines")
        made.customer("amber_one", euros=5)
        yield made


@pytest.fixture
def rights(house: Installation) -> Rights:
    clock = house.system.clock
    assert isinstance(clock, StillClock)
    rights = Rights(house=house, clock=clock)
    rights.calm()
    return rights


def auditor(begin: datetime, end: datetime) -> Actor:
    return Actor(
        id="acc_audit",
        kind=ActorKind.STAFF,
        roles=frozenset({roles.AUDITOR}),
        permissions=roles.ROLES[roles.AUDITOR],
        period=(begin, end),
    )


def test_open_requests_are_counted_with_their_nearest_day(rights: Rights) -> None:
    officer, amber = ctx(rights.house, "olga").actor, rights.house.people["amber_one"]
    with rights.db.read() as session:
        asked = pressing.requests(session, officer, rights.clock.now())
        assert (asked.waiting, asked.answered, asked.due_at) == (0, 0, None)
    first = rights.ask(amber, "rectification", detail="My name is Amber")
    rights.clock.move(DAY)
    second = rights.ask(amber, "erasure")
    with rights.db.read() as session:
        asked = pressing.requests(session, officer, rights.clock.now())
        assert (asked.waiting, asked.due_at) == (2, rights.get(first).due_at)
    with rights.db.begin() as session:
        moving.withdraw(session, first, rights.me(amber), parts=rights.parts)
    with rights.db.read() as session:
        asked = pressing.requests(session, officer, rights.clock.now())
        assert (asked.waiting, asked.due_at) == (1, rights.get(second).due_at)


def test_what_waits_is_told_by_how_late_it_is_and_apart_from_what_has_its_answer(rights: Rights) -> None:
    officer, amber = ctx(rights.house, "olga").actor, rights.house.people["amber_one"]
    rights.ask(amber, "restriction")
    late = rights.ask(amber, "rectification", detail="My name is Amber")

    def asked(at: datetime) -> tuple[int, ...]:
        with rights.db.read() as session:
            of = pressing.requests(session, officer, at)
        assert of.due_at == rights.get(late).due_at, "a restriction that stands has its answer"
        return of.waiting, of.late, of.soon, of.behind, of.answered

    found = rights.get(late)
    ours = datetime.combine(found.internal_due, datetime.min.time(), UTC)
    assert asked(START) == (1, 0, 0, 0, 1)
    assert asked(ours) == (1, 0, 0, 0, 1), "our own day itself is not late"
    assert asked(ours + DAY) == (1, 0, 0, 1, 1)
    assert asked(found.due_at - DAY) == (1, 0, 1, 1, 1)
    assert asked(found.due_at) == (1, 1, 0, 0, 1)


def test_to_an_auditor_only_what_came_in_their_period_counts(rights: Rights) -> None:
    rights.ask(rights.house.people["amber_one"], "erasure")
    at = rights.clock.now()
    with rights.db.begin() as session:
        breach_handling.open_breach(
            session,
            Found(title="A mailbox was read", aware_at=at),
            ctx(rights.house, "olga"),
            parts=rights.house.system.registers,
        )
    for actor, count in ((auditor(at - DAY, at + DAY), 1), (auditor(at - 9 * DAY, at - DAY), 0)):
        with rights.db.read() as session:
            assert pressing.requests(session, actor, at).waiting == count
            assert (pressing.breach_due(session, actor) is not None) == bool(count)


def test_the_clock_of_a_breach_counts_until_it_is_told_or_kept(rights: Rights) -> None:
    officer, at = ctx(rights.house, "olga"), rights.clock.now()
    with rights.db.begin() as session:
        breach_handling.open_breach(
            session, Found(title="A mailbox was read", aware_at=at), officer, parts=rights.house.system.registers
        )
    for state, due in (
        (breaches.SUSPECTED, at + 3 * DAY),
        (breaches.ASSESSING, at + 3 * DAY),
        (breaches.TO_NOTIFY, at + 3 * DAY),
        (breaches.NOTIFIED, None),
        (breaches.NO_NOTICE, None),
        (breaches.COMPLETE, None),
    ):
        with rights.db.begin() as session:
            session.execute(sa.update(breach).values(state=state))
        with rights.db.read() as session:
            assert pressing.breach_due(session, officer.actor) == due, state


def test_the_day_of_a_notice_stands_until_it_is_answered(rights: Rights) -> None:
    officer = ctx(rights.house, "olga")
    entry = Entry(
        name="Harbour Hosting Ltd",
        does="works for us",
        purposes=("service",),
        countries=("DE",),
        review_on=date(2027, 6, 1),
    )
    with rights.db.begin() as session:
        processors.add(session, entry, officer)
    request_id = rights.ask(rights.house.people["amber_one"], "restriction")
    with rights.db.read() as session:
        (one,) = recipients.of_request(session, request_id)
        assert pressing.notice_due(session, officer.actor) == one.due_at
        assert pressing.tasks(session, officer.actor, officer.at) == 1
    given = Answer(answer=RECEIPT, on=rights.clock.now().date(), reference="ticket 4711")
    with rights.db.begin() as session:
        recipients.answer(session, one.id, given, ctx(rights.house, "olga"), parts=rights.parts)
    with rights.db.read() as session:
        assert pressing.notice_due(session, officer.actor) is None
        assert pressing.tasks(session, officer.actor, officer.at) == 0


def test_a_paper_counts_from_thirty_days_before_its_end_for_who_may_sign(rights: Rights) -> None:
    officer = ctx(rights.house, "olga")
    with rights.db.begin() as session:
        signed = attestations.propose(
            session,
            attestations.Draft(
                framework=PCI, key="12.1.1", kind=attestations.Kind.STATEMENT, statement="It is published and known"
            ),
            officer,
            desk=rights.house.system.desk,
        )
        session.execute(sa.update(attestation).values(state="in_force", expires_at=START + 60 * DAY))
    assert signed.id
    reader = auditor(START - DAY, START + 90 * DAY)
    for days, for_officer in ((29, 0), (30, 1), (61, 1)):
        with rights.db.read() as session:
            assert pressing.tasks(session, officer.actor, START + days * DAY) == for_officer, days
            assert pressing.tasks(session, reader, START + days * DAY) == 0, "who signs nothing has nothing to sign"


def test_counting_reads_no_row_about_a_person_and_asks_once(rights: Rights) -> None:
    rights.ask(rights.house.people["amber_one"], "erasure")
    officer = ctx(rights.house, "olga")
    with rights.db.read() as session:
        before = session.scalar(sa.select(sa.func.count()).select_from(outbox))
    for count in (
        lambda session: pressing.requests(session, officer.actor, officer.at),
        lambda session: pressing.breach_due(session, officer.actor),
        lambda session: pressing.notice_due(session, officer.actor),
        lambda session: pressing.tasks(session, officer.actor, officer.at),
    ):
        with rights.db.read() as session, said(rights.db) as statements:
            count(session)
        (statement,) = [one for one in statements if "SELECT" in one]
        assert "count(" in statement or "min(" in statement
        assert not {"subject", "detail_ct", "outcome", "statement"} & set(statement.replace(",", " ").split())
    with rights.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(outbox)) == before


def test_who_sees_no_requests_is_told_of_none(rights: Rights) -> None:
    analyst = ctx(rights.house, "ines").actor
    with rights.db.read() as session:
        with pytest.raises(Forbidden):
            pressing.requests(session, analyst, rights.clock.now())
        for count in (pressing.breach_due, pressing.notice_due):
            with pytest.raises(Forbidden):
                count(session, analyst)
