"""What the probes over requests, consents and periods say while something is wrong, and once it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.kernel.clock import StillClock
from compliance.engine.verdict import Canary
from compliance.privacy import consent, intake, moving, rectify, restrict
from compliance.privacy.gate import Gate
from compliance.privacy.models import objection, request, request_step, restriction
from compliance.privacy.request import Asked
from compliance.probes import usage
from compliance.retention import runs
from compliance.states import State
from ingest.events.access import DataRead
from ingest.log import outbox
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Person, installed

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


@pytest.fixture
def rights(tmp_path: Path) -> Iterator[Rights]:
    clock = StillClock(START)
    with installed(tmp_path / "home", clock=clock) as made:
        made.customer("amber_one")
        made.staff("olga", roles.COMPLIANCE_OFFICER)
        clock.move(timedelta(days=4))
        yield Rights(house=made, clock=clock)


@pytest.fixture
def person(rights: Rights) -> Person:
    return rights.house.people["amber_one"]


def said(rights: Rights, name: str) -> tuple[State, list[str]]:
    """Ask a probe now; return its state and what it names."""
    observer = rights.house.system.controls
    seen = observer.observe(observer.parts.probes[name], is_test_due=True)
    assert seen is not None
    assert seen.error is None
    return seen.verdict.state, [one.says for one in seen.reading.violations]


def test_a_clock_that_ran_out_fails_article_12(rights: Rights, person: Person) -> None:
    assert said(rights, "privacy.clocks") == (State.NOT_APPLICABLE, [])
    request_id = rights.ask(person, "human_review", detail="Why was my payment refused?")
    assert said(rights, "privacy.clocks")[0] is State.PASS
    rights.clock.move(timedelta(days=33))
    state, says = said(rights, "privacy.clocks")
    assert state is State.FAIL
    assert "is not answered" in says[0]
    with rights.db.begin() as session:  # what is kept of its day beside it is not believed
        session.execute(sa.update(request).values(due="2031-01-01", due_at=rights.clock.now() + timedelta(days=900)))
    assert said(rights, "privacy.clocks") == (state, says)
    ctx = rights.colleague(rights.house.people["olga"], roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        rectify.complete(session, request_id, "It was right, since the wallet was empty.", ctx, parts=rights.parts)
    assert "was answered after" in said(rights, "privacy.clocks")[1][0]  # late stays late for a quarter
    rights.clock.move(timedelta(days=91))
    assert said(rights, "privacy.clocks")[0] is State.PASS


def test_an_extension_in_time_is_none_that_was_late(rights: Rights, person: Person) -> None:
    ctx = rights.colleague(rights.house.people["olga"], roles.COMPLIANCE_OFFICER)
    today = rights.clock.now().date()
    with rights.db.begin() as session:
        id_ = intake.enter(session, Asked(kind="access"), person.account, today, ctx, parts=rights.parts)
        moving.extend(session, id_, "many stores and two of us ill", ctx, parts=rights.parts)
    assert said(rights, "privacy.clocks")[0] is State.PASS
    late = rights.clock.now() + timedelta(days=60)
    with rights.db.begin() as session:
        session.execute(sa.update(request).where(request.c.id == id_).values(extended_at=late))
    assert said(rights, "privacy.clocks")[1] == ["was extended after its first day, 2026-12-29"]


def test_what_is_due_and_waits_for_nobody_fails_storage(rights: Rights, person: Person) -> None:
    assert said(rights, "privacy.storage")[0] is State.PASS
    request_id = rights.ask(person, "objection", purpose="news")  # ends at once
    rights.clock.move(timedelta(days=366 * 3 + 1))
    state, says = said(rights, "privacy.storage")
    assert not [one for one in says if "compliance_request" in one]
    rights.clock.move(timedelta(days=3))
    state, says = said(rights, "privacy.storage")
    assert state is State.FAIL
    observer = rights.house.system.controls
    seen = observer.observe(observer.parts.probes["privacy.storage"], is_test_due=True)
    assert seen is not None
    assert "rights.request compliance_request" in {one.object_id for one in seen.reading.violations}
    assert request_id


def test_an_open_run_excuses_what_it_names_and_nothing_else_of_its_class(rights: Rights, person: Person) -> None:
    def closed_long_ago(detail: str) -> None:
        request_id, then = rights.ask(person, "human_review", detail=detail), START - timedelta(days=366 * 4)
        done = {"state": "closed", "answered_at": then, "closed_at": then, "received_on": then.date().isoformat()}
        with rights.db.begin() as session:
            session.execute(sa.update(request).where(request.c.id == request_id).values(**done))

    closed_long_ago("Why was my payment refused?")
    assert said(rights, "privacy.storage")[0] is State.FAIL
    ctx = rights.colleague(rights.house.people["olga"], roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        parts = rights.house.system.retention
        runs.keep(session, runs.count(session, "rights.request", ctx, parts=parts), ctx, parts=parts)
    observer = rights.house.system.controls
    seen = observer.observe(observer.parts.probes["privacy.storage"], is_test_due=True)
    assert seen is not None
    assert (seen.verdict.state, seen.tested.canary) == (State.PASS, Canary.CAUGHT)

    closed_long_ago("And why was the other one?")
    state, says = said(rights, "privacy.storage")
    assert state is State.FAIL
    assert says == ["1 are due for more than 48 h, and no open run names them"]


def test_every_purpose_and_store_has_its_basis(rights: Rights) -> None:
    assert said(rights, "privacy.basis") == (State.PASS, [])
    rights.clock.move(timedelta(days=730))
    state, says = said(rights, "privacy.basis")
    assert state is State.FAIL
    assert "was weighed on 2026-11-01" in says


def test_a_use_after_consent_was_taken_back_fails_article_7(rights: Rights, person: Person) -> None:
    with rights.db.begin() as session:
        consent.give(session, "news", rights.me(person))
    assert said(rights, "privacy.consent")[0] is State.PASS
    with rights.db.begin() as session:
        consent.withdraw(session, "news", rights.me(person))
    assert said(rights, "privacy.consent")[0] is State.PASS
    # Somebody writes all the same: an event of that purpose about the person, ten minutes later.
    rights.clock.move(timedelta(minutes=10))
    ctx = rights.house.system.context(rights.me(person).actor)
    with rights.db.begin() as session:
        read = DataRead(view="newsletter", count=1, about=(person.account,))
        outbox.record(session, read, replace(ctx, purpose="news"))
    rights.house.arrive()
    state, says = said(rights, "privacy.consent")
    assert state is State.FAIL
    assert says == ["used data for news without a receipt that stood"]


def test_a_correction_without_its_hashes_fails_articles_5_and_16(rights: Rights, person: Person) -> None:
    request_id = rights.ask(person, "rectification", detail="My name is spelled wrong")
    ctx = rights.colleague(rights.house.people["olga"], roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        place = ("app_account", person.account, "name_ct", "Amber Fynch")
        rectify.rectify(session, request_id, *place, ctx, parts=rights.parts)
        rectify.complete(session, request_id, "Your name is right now.", ctx, parts=rights.parts)
    rights.house.arrive()
    assert said(rights, "privacy.corrections") == (State.PASS, [])
    step = request_step
    with rights.db.begin() as session:
        of = step.c.note.startswith("corrected:")
        session.execute(sa.update(step).where(of).values(event_id="evt_lost"))
    rights.clock.move(timedelta(minutes=11))
    assert said(rights, "privacy.corrections")[1] == ["changed a value that the log does not know"]


def test_a_restriction_that_is_not_in_force_fails_article_18(rights: Rights, person: Person) -> None:
    request_id = rights.ask(person, "restriction")
    assert said(rights, "privacy.restrictions") == (State.PASS, [])
    with rights.db.begin() as session:
        session.execute(sa.update(restriction).values(lifted_at=rights.clock.now()))
    state, says = said(rights, "privacy.restrictions")
    assert (state, says) == (State.FAIL, ["was carried out, and no restriction stands"])
    assert request_id


def test_an_objection_nobody_decides_fails_article_21(rights: Rights, person: Person) -> None:
    request_id = rights.ask(person, "objection", purpose="profiling")
    assert said(rights, "privacy.objections") == (State.PASS, [])
    rights.clock.move(timedelta(days=35))
    assert said(rights, "privacy.objections")[1] == ["is not decided, and its day has ended"]
    ctx = rights.colleague(rights.house.people["olga"], roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        grounds = "Misuse of this account was shown by a court."
        restrict.decide_objection(session, request_id, "compelling_grounds", grounds, ctx, parts=rights.parts)
        due = session.scalar(sa.select(request.c.due).where(request.c.id == request_id))
    # Deciding late is no way out: it is told as long as a late answer is, whatever day is kept beside the request.
    assert said(rights, "privacy.objections") == (State.FAIL, [f"was decided after {due}"])
    with rights.db.begin() as session:
        later = rights.clock.now() + timedelta(days=99)
        session.execute(sa.update(request).where(request.c.id == request_id).values(due_at=later, due="2099-01-01"))
    assert said(rights, "privacy.objections")[1] == [f"was decided after {due}"]
    rights.clock.move(timedelta(days=90))
    assert said(rights, "privacy.objections") == (State.PASS, [])
    with rights.db.begin() as session:
        session.execute(sa.update(objection).values(grounds=None))
    assert said(rights, "privacy.objections")[1] == ["was overruled and no ground is kept"]


def test_an_objection_is_late_whatever_day_of_receipt_is_written_over_it(rights: Rights, person: Person) -> None:
    request_id = rights.ask(person, "objection", purpose="profiling")
    rights.clock.move(timedelta(days=45))
    today = rights.clock.now().date().isoformat()
    assert said(rights, "papers.decided") == (State.PASS, [])
    with rights.db.begin() as session:
        session.execute(sa.update(request).where(request.c.id == request_id).values(received_on=today))
    assert said(rights, "privacy.objections") == (State.FAIL, ["is not decided, and its day has ended"])
    assert said(rights, "papers.decided") == (State.FAIL, ["was received on another day than its event says"])


def test_an_objection_that_was_upheld_stands_whatever_became_of_a_later_one(rights: Rights, person: Person) -> None:
    """The gate decides: what once was granted is not taken back by a later one that was overruled."""
    ctx = rights.colleague(rights.house.people["olga"], roles.COMPLIANCE_OFFICER)
    grounds = "Misuse of this account was shown by a court."
    for decision in ("upheld", "compelling_grounds"):
        request_id = rights.ask(person, "objection", purpose="profiling")
        rights.clock.move(timedelta(minutes=1))
        with rights.db.begin() as session:
            restrict.decide_objection(session, request_id, decision, grounds, ctx, parts=rights.parts)
    gate = Gate()
    with rights.db.read() as session:
        assert not gate.allowed(session, person.account, "profiling")
    assert said(rights, "privacy.objections") == (State.PASS, [])

    class Lenient(Gate):
        """A gate that goes by the newest decision alone."""

        def allowed(self, session: Session, subject: str, purpose: str) -> bool:
            return True

    observer = rights.house.system.controls
    (probe,) = (one for one in usage.probes(rights.parts, Lenient()) if one.name == "privacy.objections")
    seen = observer.observe(probe, is_test_due=True)
    assert seen is not None
    assert [one.says for one in seen.reading.violations] == ["stands, and profiling goes on"]


def test_an_answer_that_no_step_tells_of_is_named(rights: Rights, person: Person) -> None:
    request_id = rights.ask(person, "access")
    with rights.db.begin() as session:
        session.execute(sa.update(request).where(request.c.id == request_id).values(answered_at=rights.clock.now()))
    assert said(rights, "privacy.clocks")[1] == ["says that it was answered, and no step of it does"]


def test_an_objection_whose_row_is_gone_is_named(rights: Rights, person: Person) -> None:
    request_id = rights.ask(person, "objection", purpose="training")
    with rights.db.begin() as session:
        session.execute(sa.delete(objection).where(objection.c.request_id == request_id))
    assert said(rights, "privacy.objections") == (State.FAIL, ["is in review, and nothing stops training meanwhile"])
