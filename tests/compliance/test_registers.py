"""Breaches by their clock and two people, the record of processing by its hash, processors by their eight points."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel.access import Actor, ActorKind
from app.kernel.approvals import Verdict
from app.kernel.clock import StillClock
from app.kernel.context import Context
from app.kernel.errors import Forbidden, NotFound, SamePerson, WrongState
from compliance.catalog import purposes
from compliance.registers import breach_decision, breach_handling, breaches, jobs, processing, processors
from compliance.registers.breach_handling import (
    AwarenessInvalid,
    BreachIncomplete,
    LateReasonMissing,
    PeopleUntold,
    RiskDecided,
)
from compliance.registers.breach_log import BreachDiffers
from compliance.registers.breaches import Assessment, Breach, Found
from compliance.registers.models import activity_approval, breach, processor
from compliance.registers.processors import POINTS, Entry, ProcessorInvalid, ProcessorKnown
from compliance.states import State
from ingest.models import outbox
from tests.compliance.privacy.rights import Rights
from tests.dashboards.desk import Room
from tests.support.installation import installed

START = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)  # a Friday: weekends count
KNOWN = Assessment(
    nature="A mailbox with letters of customers was read by a stranger",
    categories=("contact", "communication"),
    people=140,
    records=900,
    consequences="Letters could be used to deceive those who wrote them",
    measures="The mailbox was closed and its owner has a new factor",
    high_risk=True,
)


@pytest.fixture
def rights(tmp_path: Path) -> Iterator[Rights]:
    clock = StillClock(START)
    with installed(tmp_path / "home", clock=clock) as made:
        made.staff("olga", roles.COMPLIANCE_OFFICER)
        made.staff("dora", roles.DPO)
        made.staff("dirk", roles.DPO)
        yield Rights(house=made, clock=clock)


def as_(rights: Rights, name: str) -> Context:
    role = roles.COMPLIANCE_OFFICER if name == "olga" else roles.DPO
    return rights.colleague(rights.house.people[name], role)


def opened(rights: Rights, ago: timedelta = timedelta(hours=1), **more: str) -> str:
    ctx = as_(rights, "olga")
    found = Found(title="A mailbox was read", aware_at=rights.clock.now() - ago, **more)
    with rights.db.begin() as session:
        return breach_handling.open_breach(session, found, ctx, parts=rights.house.system.registers)


def assessed(rights: Rights, made: Assessment = KNOWN) -> str:
    id_ = opened(rights)
    with rights.db.begin() as session:
        breach_handling.assess(session, id_, made, as_(rights, "olga"))
    return id_


def now(rights: Rights, id_: str) -> Breach:
    with rights.db.read() as session:
        return breaches.get(session, id_)


def said(rights: Rights, name: str) -> tuple[State, list[str]]:
    observer = rights.house.system.controls
    seen = observer.observe(observer.parts.probes[name], is_test_due=True)
    assert seen is not None
    assert seen.error is None
    return seen.verdict.state, [one.says for one in seen.reading.violations]


def decided(rights: Rights, id_: str, decision: str, by: str = "dora") -> None:
    approvals = rights.house.system.approvals
    with rights.db.begin() as session:
        reasons = "Strangers may deceive the people concerned"
        approval = breach_decision.propose(session, id_, decision, reasons, as_(rights, "olga"), approvals=approvals)
    rights.vote(approval, as_(rights, by))


def test_the_clock_runs_to_the_minute_through_the_weekend(rights: Rights) -> None:
    id_ = opened(rights)
    assert now(rights, id_).due_at == START - timedelta(hours=1) + timedelta(hours=72)
    assert said(rights, "privacy.breaches")[0] is State.PASS
    rights.clock.move(timedelta(hours=71, minutes=1))
    assert said(rights, "privacy.breaches") == (State.FAIL, ["is past its 72 hours without a decision"])


def test_nobody_was_aware_after_it_was_written_down(rights: Rights) -> None:
    with pytest.raises(AwarenessInvalid):
        opened(rights, -timedelta(minutes=1))
    id_ = opened(rights)
    rights.clock.move(timedelta(hours=5))
    ctx = as_(rights, "olga")
    later = START + timedelta(minutes=1)
    with rights.db.begin() as session, pytest.raises(AwarenessInvalid):
        breach_handling.correct_awareness(session, id_, later, "the mail came later", ctx)
    earlier = START - timedelta(hours=6)
    with rights.db.begin() as session:
        breach_handling.correct_awareness(session, id_, earlier, "the night shift had seen it", ctx)
    found = now(rights, id_)
    assert found.due_at == earlier + timedelta(hours=72)
    assert [(step.what, step.before, step.after) for step in found.steps][-1] == (
        "awareness",
        "2026-11-27T15:00:00.000000Z",
        "2026-11-27T10:00:00.000000Z",
    )


def test_one_incident_is_one_breach(rights: Rights) -> None:
    incident = Room(installation=rights.house).incident()
    assert opened(rights, incident=incident) == opened(rights, incident=incident)


def test_two_people_decide_and_the_notice_is_drafted(rights: Rights) -> None:
    incident = Room(installation=rights.house).incident()
    id_ = opened(rights, incident=incident)
    approvals, ctx = rights.house.system.approvals, as_(rights, "olga")
    with rights.db.begin() as session, pytest.raises(BreachIncomplete):
        breach_decision.propose(session, id_, breaches.NOTIFY, "so that they know", ctx, approvals=approvals)
    with rights.db.begin() as session:
        breach_handling.assess(session, id_, KNOWN, ctx)
    with rights.db.begin() as session, pytest.raises(WrongState):
        breach_handling.notify(session, id_, breaches.AUTHORITY, "We tell you of a breach", ctx)
    decided(rights, id_, breaches.NOTIFY)
    found = now(rights, id_)
    assert (found.state, found.decision) == (breaches.TO_NOTIFY, breaches.NOTIFY)
    text = breach_handling.draft(found, parts=rights.house.system.registers, contact="dpo@onepay.example")
    for part in (incident, KNOWN.nature, "about 140 people", "dpo@onepay.example", KNOWN.consequences, KNOWN.measures):
        assert part in text
    with rights.db.begin() as session:
        breach_handling.notify(session, id_, breaches.AUTHORITY, text, ctx)
    assert said(rights, "privacy.breaches") == (State.PASS, [])
    with rights.db.begin() as session, pytest.raises(PeopleUntold):
        breach_handling.complete(session, id_, ctx)
    with rights.db.begin() as session:
        breach_handling.notify(session, id_, breaches.AUTHORITY, "More is known: it was forty people", ctx)
        breach_handling.notify(session, id_, breaches.PEOPLE, "Your letters were read by a stranger", ctx)
        breach_handling.complete(session, id_, ctx)
    assert [(one.recipient, one.phase) for one in now(rights, id_).notices] == [
        ("authority", 1),
        ("authority", 2),
        ("people", 1),
    ]
    kinds = rights.kinds()
    assert [kinds.count(f"privacy.breach.{one}") for one in ("opened", "assessed", "notified")] == [1, 3, 3]


def test_who_proposed_does_not_decide(rights: Rights) -> None:
    id_ = assessed(rights)
    approvals = rights.house.system.approvals
    with rights.db.begin() as session:
        approval = breach_decision.propose(
            session,
            id_,
            breaches.KEEP,
            "Nothing in it leads to anybody",
            as_(rights, "dora"),
            approvals=approvals,
        )
    with pytest.raises(SamePerson):
        rights.vote(approval, as_(rights, "dora"))
    rights.vote(approval, as_(rights, "dirk"), Verdict.REJECTED, "It leads to people")
    found = now(rights, id_)
    assert (found.decision, found.approval_id) == (None, None)


def test_what_changed_meanwhile_is_not_what_was_decided(rights: Rights) -> None:
    id_ = assessed(rights)
    approvals = rights.house.system.approvals
    with rights.db.begin() as session:
        approval = breach_decision.propose(
            session,
            id_,
            breaches.KEEP,
            "Nothing in it leads to anybody",
            as_(rights, "olga"),
            approvals=approvals,
        )
    with rights.db.begin() as session:
        session.execute(sa.update(breach).values(people=1_000_000))
    rights.vote(approval, as_(rights, "dora"))
    assert now(rights, id_).decision is None


def test_a_late_notice_says_why(rights: Rights) -> None:
    id_ = assessed(rights)
    rights.clock.move(timedelta(hours=72))
    decided(rights, id_, breaches.NOTIFY)
    ctx = as_(rights, "olga")
    with rights.db.begin() as session, pytest.raises(LateReasonMissing):
        breach_handling.notify(session, id_, breaches.AUTHORITY, "We tell you of a breach", ctx)
    assert said(rights, "privacy.breaches")[1] == ["is to be notified, and its 72 hours are over"]
    with rights.db.begin() as session:
        why = "We could not tell before whose letters these were"
        text = "We tell you of a breach"
        made = breach_handling.notify(session, id_, breaches.AUTHORITY, text, ctx, late_reason=why)
    assert made.late_reason == why
    assert said(rights, "privacy.breaches") == (State.PASS, [])


def test_people_at_high_risk_are_written_to_or_it_says_why_not(rights: Rights) -> None:
    id_ = assessed(rights)
    decided(rights, id_, breaches.NOTIFY)
    assert said(rights, "privacy.high_risk") == (State.PASS, [])
    rights.clock.move(timedelta(hours=73))
    assert said(rights, "privacy.high_risk")[0] is State.FAIL
    with rights.db.begin() as session, pytest.raises(Forbidden):
        breach_handling.except_letters(session, id_, "The mail was encrypted", as_(rights, "olga"))
    with rights.db.begin() as session:
        why = "The mail was encrypted, and the key was elsewhere"
        breach_handling.except_letters(session, id_, why, as_(rights, "dora"))
    assert said(rights, "privacy.high_risk") == (State.PASS, [])


def test_one_person_takes_back_no_risk_that_two_decided_on(rights: Rights) -> None:
    id_ = assessed(rights)
    decided(rights, id_, breaches.NOTIFY)
    with rights.db.begin() as session, pytest.raises(RiskDecided):
        breach_handling.assess(session, id_, replace(KNOWN, high_risk=False), as_(rights, "olga"))
    with rights.db.begin() as session:
        breach_handling.assess(session, id_, replace(KNOWN, people=90), as_(rights, "dora"))
    step = now(rights, id_).steps[-1]
    assert "140 people" in str(step.before)
    assert "90 people" in str(step.after)
    with rights.db.begin() as session, pytest.raises(SamePerson):
        breach_handling.except_letters(session, id_, "The mail was encrypted", as_(rights, "dora"))


def test_a_risk_that_was_taken_out_of_its_row_is_forgotten_by_nobody(rights: Rights) -> None:
    id_ = assessed(rights)
    decided(rights, id_, breaches.NOTIFY)
    with rights.db.begin() as session:
        breach_handling.notify(session, id_, breaches.AUTHORITY, "We tell you of a breach", as_(rights, "olga"))
    assert said(rights, "papers.decided") == (State.PASS, [])
    with rights.db.begin() as session:
        session.execute(sa.update(breach).values(high_risk=False, people=0))
    assert said(rights, "papers.decided") == (State.FAIL, ["is not as it was assessed"])
    acts = (
        (breach_handling.complete, (), BreachDiffers),
        (breach_handling.correct_awareness, (START - timedelta(hours=3), "the night shift saw it"), BreachDiffers),
        (breach_handling.assess, (replace(KNOWN, high_risk=False),), RiskDecided),
    )
    for act, given, error in acts:
        with pytest.raises(error), rights.db.begin() as session:
            act(session, id_, *given, as_(rights, "olga"))  # type: ignore[operator]  # what they have in common
    with rights.db.begin() as session:
        breach_handling.assess(session, id_, KNOWN, as_(rights, "olga"))
    assert said(rights, "papers.decided") == (State.PASS, [])
    with rights.db.begin() as session, pytest.raises(PeopleUntold):
        breach_handling.complete(session, id_, as_(rights, "olga"))


@pytest.mark.parametrize("changed", [{"consequences": "None that anybody knows"}, {"categories": ["contact"]}])
def test_nothing_is_decided_on_an_assessment_that_nobody_wrote(rights: Rights, changed: dict[str, object]) -> None:
    id_ = assessed(rights)
    approvals, ctx = rights.house.system.approvals, as_(rights, "olga")
    with rights.db.begin() as session:
        session.execute(sa.update(breach).values(**changed))
    with rights.db.begin() as session, pytest.raises(BreachDiffers):
        breach_decision.propose(session, id_, breaches.KEEP, "Nothing leads to anybody", ctx, approvals=approvals)


def test_the_register_is_approved_by_its_hash_and_its_difference_is_shown(
    rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = rights.house.system.registers
    assert said(rights, "privacy.register")[1] == ["was never approved as it lies there"]
    with rights.db.begin() as session:
        approval = processing.propose(session, "the first one", as_(rights, "olga"), parts=parts)
    with rights.db.begin() as session, pytest.raises(processing.RegisterUnchanged):
        processing.propose(session, "the first one", as_(rights, "olga"), parts=parts)
    rights.vote(approval, as_(rights, "dora"))
    assert said(rights, "privacy.register") == (State.PASS, [])
    assert "compliance.document.approved" in rights.kinds()
    with rights.db.read() as session:
        last = processing.approved(session)
        assert last is not None
        assert last.sha256 == processing.digest(processing.document(session, parts=parts))
    # A processor in another country changes what was approved.
    with rights.db.begin() as session:
        processors.add(session, entry(countries=("US",), transfer="Standard contractual clauses"), as_(rights, "olga"))
        changed = processing.differences(last.body, processing.document(session, parts=parts))
    assert ("service", "processors", "", "Mail GmbH") in changed
    assert ("service", "transfers", "", "US") in changed
    assert said(rights, "privacy.register")[1] == ["differs in 2 places from the one that was approved"]
    # Whoever writes what runs now over what was approved has approved nothing.
    with rights.db.begin() as session:
        now = processing.document(session, parts=parts)
        session.execute(sa.update(activity_approval).values(body=json.dumps(now), sha256=processing.digest(now)))
    assert said(rights, "privacy.register") == (State.FAIL, ["was never approved as it lies there"])


def test_a_purpose_nobody_names_is_a_store_left_out(rights: Rights, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = {name: one for name, one in purposes.shipped().items() if name != "rights"}
    monkeypatch.setattr(processing.purposes, "shipped", lambda: fewer)
    with rights.db.read() as session:
        left_out = processing.undocumented(session, parts=rights.house.system.registers)
    assert ("compliance_request", "stands in no activity") in left_out


def entry(**more: object) -> Entry:
    said = {
        "name": "Mail GmbH",
        "does": "Delivers our letters",
        "purposes": ("service",),
        "countries": ("DE",),
        "contract": "DPA of 2026-03-01",
        "points": dict.fromkeys(POINTS, "section 4"),
        "review_on": date(2027, 3, 1),
    }
    return Entry(**{**said, **more})  # type: ignore[arg-type]  # fields of the entry


def test_a_processor_has_eight_points_a_country_and_its_attestation(rights: Rights) -> None:
    today = rights.clock.now().date()
    ctx = as_(rights, "olga")
    with rights.db.begin() as session:
        id_ = processors.add(session, entry(points={}, has_cards=True, countries=("DE", "US")), ctx)
        lacks = processors.get(session, id_).lacks(today)
    assert len([one for one in lacks if one.startswith("no word that")]) == 8
    assert "nothing that allows the transfer to US" in lacks
    assert "no attestation of compliance that holds" in lacks
    with rights.db.begin() as session:
        for point in POINTS:
            processors.tick(session, id_, point, "section 4", ctx)
        whole = entry(has_cards=True, aoc_on=date(2026, 5, 1), aoc_until=date(2027, 5, 1))
        processors.change(session, id_, whole, ctx)
        assert processors.get(session, id_).lacks(today) == []
        assert processors.get(session, id_).lacks(date(2027, 6, 1)) == [
            "no attestation of compliance that holds",
            "was to be looked at by 2027-03-01",
        ]
    with rights.db.begin() as session:
        days = [date(2027, 1, 1), date(2027, 2, 1), date(2027, 2, 2), date(2027, 2, 23), date(2027, 3, 1)]
        told = [bool(processors.reminders(session, day)) for day in days]
    assert told == [False, True, False, True, True]


def changes(rights: Rights) -> list[dict[str, str]]:
    """Return what events say of changes of settings and registers, oldest first."""
    with rights.db.read() as session:
        query = sa.select(outbox.c.body).where(outbox.c.kind == "admin.setting.changed").order_by(outbox.c.n)
        return [json.loads(body)["onepay"]["change"] for body in session.scalars(query)]


def test_each_change_of_a_processor_leaves_its_event_without_a_word_of_it(rights: Rights) -> None:
    ctx = as_(rights, "olga")
    with rights.db.begin() as session:
        id_ = processors.add(session, entry(points={}), ctx)
        added = processors.digest(processors.get(session, id_))
    with rights.db.begin() as session:
        processors.tick(session, id_, "audits", "section 9", ctx)
        ticked = processors.digest(processors.get(session, id_))
    with rights.db.begin() as session:
        processors.change(session, id_, entry(points={"audits": "section 9"}, countries=("DE", "IE")), ctx)
        moved = processors.digest(processors.get(session, id_))
    with rights.db.begin() as session:
        processors.change(session, id_, entry(points={"audits": "section 9"}, countries=("DE", "IE")), ctx)
    for _ in range(2):
        with rights.db.begin() as session:
            processors.end(session, id_, ctx)
    thing = f"processor.{id_}"
    assert changes(rights) == [
        {"object": thing, "field": "entry", "after": added},
        {"object": thing, "field": "points.audits", "before": added, "after": ticked},
        {"object": thing, "field": "countries", "before": ticked, "after": moved},
        {"object": thing, "field": "review", "before": moved, "after": moved},
        {"object": thing, "field": "end", "before": moved},
    ]
    assert len({added, ticked, moved}) == 3


def test_processors_of_a_past_instant_are_as_they_were_or_counted(rights: Rights) -> None:
    ctx, hour, first = as_(rights, "olga"), timedelta(hours=1), rights.clock.now()
    with rights.db.begin() as session:
        same = processors.add(session, entry(name="Same GmbH"), ctx)
        changed = processors.add(session, entry(name="Changed GmbH"), ctx)
        ended = processors.add(session, entry(name="Ended GmbH"), ctx)
        processors.appoint(session, "dpo@onepay.example", "On the pages", "The board", "Nobody instructs them", ctx)
    rights.clock.move(hour)
    later = as_(rights, "olga")
    with rights.db.begin() as session:
        processors.change(session, changed, entry(name="Changed GmbH", countries=("IE",)), later)
        processors.end(session, ended, later)
        new = processors.add(session, entry(name="New GmbH"), later)
        processors.appoint(session, "new@onepay.example", "On the pages", "The board", "Nobody instructs them", later)
    for at, known, untold, contact in (
        (first - hour, [], 0, None),
        (first, [ended, same], 1, "dpo@onepay.example"),
        (first + hour, [changed, new, same], 0, "new@onepay.example"),
    ):
        with rights.db.read() as session:
            found, rest = processors.as_of(session, at)
            officer = processors.appointed(session, at)
        assert ([one.id for one in found], rest) == (known, untold)
        assert (officer.contact if officer else None) == contact


def test_one_name_stands_once_among_processors_that_work_for_us(rights: Rights) -> None:
    ctx = as_(rights, "olga")
    with rights.db.begin() as session:
        first = processors.add(session, entry(name="One GmbH"), ctx)
        processors.add(session, entry(name="Two GmbH"), ctx)
    with pytest.raises(ProcessorKnown), rights.db.begin() as session:
        processors.change(session, first, entry(name="Two GmbH"), ctx)
    with rights.db.begin() as session:
        processors.change(session, first, entry(name="One GmbH", countries=("IE",)), ctx)
        processors.end(session, first, ctx)
        again = processors.add(session, entry(name="One GmbH"), ctx)
    assert again != first
    for act in (
        lambda session: processors.change(session, first, entry(name="One GmbH"), ctx),
        lambda session: processors.tick(session, first, "audits", "section 9", ctx),
    ):
        with pytest.raises(WrongState), rights.db.begin() as session:
            act(session)
    # Nobody goes around the register either.
    with pytest.raises(sa.exc.IntegrityError), rights.db.begin() as session:
        session.execute(sa.update(processor).values(name="One GmbH", ended_at=None))


def test_a_refused_change_of_a_processor_leaves_no_event(rights: Rights) -> None:
    with pytest.raises(ProcessorInvalid), rights.db.begin() as session:
        processors.add(session, entry(countries=("Germany",)), as_(rights, "olga"))
    with pytest.raises(NotFound), rights.db.begin() as session:
        processors.end(session, "prc_none", as_(rights, "olga"))
    assert changes(rights) == []


def test_the_officer_is_named_by_versions_and_no_word_of_them_is_in_the_log(rights: Rights) -> None:
    said = ("dpo@onepay.example", "On the privacy pages", "The board", "Nobody instructs them")
    with rights.db.begin() as session:
        processors.appoint(session, *said, as_(rights, "olga"))
    with rights.db.begin() as session:
        processors.appoint(session, "privacy@onepay.example", *said[1:], as_(rights, "dora"))
    assert changes(rights) == [
        {"object": "dpo", "field": "contact, published, reports_to, independence", "after": "1"},
        {"object": "dpo", "field": "contact", "before": "1", "after": "2"},
    ]
    with rights.db.read() as session:
        assert not any(b"privacy@onepay" in body for body in session.scalars(sa.select(outbox.c.body)))


@pytest.mark.parametrize(
    "wrong", [{"purposes": ("magic",)}, {"countries": ("Germany",)}, {"points": {"ninth": "x"}}, {"purposes": ()}]
)
def test_what_cannot_be_of_a_processor_is_said(rights: Rights, wrong: dict[str, object]) -> None:
    with rights.db.begin() as session, pytest.raises(ProcessorInvalid):
        processors.add(session, entry(**wrong), as_(rights, "olga"))


def test_whoever_wrote_a_processor_down_is_told_of_its_day(rights: Rights) -> None:
    system, olga = rights.house.system, rights.house.people["olga"]
    with rights.db.begin() as session:
        soon = rights.clock.now().date() + timedelta(days=7)
        processors.add(session, entry(review_on=soon), as_(rights, "olga"))
    work = jobs.job(system.db, system.ids, system.desk.remind)
    assert work.run(rights.clock.now()) == "1 reminders"
    assert work.run(rights.clock.now()) is None
    assert any("Mail GmbH is to be looked at by 2026-12-04" in letter for letter in rights.letters_to(olga))


def test_an_auditor_sees_breaches_and_processors_of_their_period_alone(rights: Rights) -> None:
    day, at = timedelta(days=1), rights.clock.now()
    first = opened(rights)
    with rights.db.begin() as session:
        processors.add(session, entry(), as_(rights, "dora"))
        session.execute(sa.update(breach).values(closed_at=at + 2 * day))
        session.execute(sa.update(processor).values(ended_at=at + 2 * day))
    staff = as_(rights, "dora")
    for begin, end, is_seen in (
        (at - 9 * day, at - day, False),
        (at - day, at + day, True),
        (at + day, at + 9 * day, True),
        (at + 5 * day, at + 9 * day, False),
    ):
        actor = Actor(
            id="acc_audit",
            kind=ActorKind.STAFF,
            roles=frozenset({roles.AUDITOR}),
            permissions=roles.ROLES[roles.AUDITOR],
            period=(begin, end),
        )
        with rights.db.read() as session:
            found = breaches.register(session, staff.acting_as(actor))
            assert [one.id for one in found] == ([first] if is_seen else [])
            assert len(processors.register(session, staff.acting_as(actor))) == is_seen


def test_a_register_of_many_breaches_is_read_by_as_many_statements_as_one_of_few(rights: Rights) -> None:
    counts, room = [], Room(installation=rights.house)
    for _ in range(3):
        opened(rights, incident=room.incident())
        said: list[str] = []

        def note(_conn: object, _cursor: object, statement: str, *_: object, into: list[str] = said) -> None:
            into.append(statement)

        sa.event.listen(rights.db.engine, "before_cursor_execute", note)
        try:
            with rights.db.read() as session:
                found = breaches.register(session, as_(rights, "dora"))
        finally:
            sa.event.remove(rights.db.engine, "before_cursor_execute", note)
        assert all(one.steps for one in found)
        counts.append(len(said))
    assert len(set(counts)) == 1
