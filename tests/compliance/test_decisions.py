"""What stands as decided by people has the event of its decision; what was only written into the database has not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.identity.models import factor
from app.kernel.clock import StillClock
from app.kernel.db import delete_for_good
from compliance import models
from compliance.attest import attestations, exceptions
from compliance.attest.attestations import Draft, Kind
from compliance.attest.models import attestation, baseline
from compliance.catalog.controls import PCI
from compliance.privacy import consent, moving, restrict, selftest
from compliance.privacy.models import (
    consent_receipt,
    consent_same,
    objection,
    request,
    request_step,
    restriction,
)
from compliance.probes.decided import begun, intervals, readings
from compliance.registers import breach_decision, breach_handling, breaches, processing
from compliance.registers.breaches import Assessment, Found
from compliance.registers.models import activity_approval, breach, breach_notice, breach_step, selftest_run
from compliance.retention import decided as retained
from compliance.retention import holds, policies
from compliance.retention.holds import Item
from compliance.retention.models import hold, hold_item, policy
from compliance.reviews import campaigns
from compliance.reviews.models import line
from compliance.scans import register
from compliance.scans.models import finding, scan
from compliance.states import State
from compliance.told import vouched
from ingest import models as log
from ingest.events.admin import AccessRecertified
from ingest.log import outbox
from tests.compliance.looking import look_at
from tests.compliance.office import agree, ctx, hold_on
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Installation, installed

START: Final = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        for name, role in (("olga", roles.COMPLIANCE_OFFICER), ("dora", roles.DPO), ("dirk", roles.DPO)):
            made.staff(name, role)
        for name in ("amber_one", "basil_two"):
            made.customer(name)
        yield made


def said(house: Installation) -> tuple[State, set[str]]:
    controls = house.system.controls
    seen = controls.observe(controls.parts.probes["papers.decided"], is_test_due=True)
    assert seen is not None
    assert seen.error is None
    return seen.verdict.state, {one.component for one in seen.reading.violations}


def rights(house: Installation) -> Rights:
    clock = house.system.clock
    assert isinstance(clock, StillClock)
    return Rights(house=house, clock=clock)


def decided(house: Installation) -> str:
    """Let people sign, agree to a period, place and release a hold, and consent; returns the hold's id."""
    system = house.system
    draft = Draft(framework=PCI, key="10.3.1", kind=Kind.STATEMENT, statement="Two operators can read the log")
    with system.db.begin() as session:
        paper = attestations.propose(session, draft, ctx(house, "olga"), desk=system.desk)
    assert paper.approval_id is not None
    agree(house, paper.approval_id, "dora")
    with system.db.begin() as session:
        why = "claims last six years here"
        asked = policies.propose(
            session, "rights.request", "P6Y", "", why, ctx(house, "olga"), approvals=system.approvals
        )
    agree(house, asked, "dora")
    order = hold_on("court-51", Item(kind="subject", value=house.people["amber_one"].account))
    with system.db.begin() as session:
        hold_id = holds.place(session, order, ctx(house, "olga"), parts=system.retention)
    for name in ("amber_one", "basil_two"):
        with system.db.begin() as session:
            consent.give(session, "news", rights(house).me(house.people[name]))
    return hold_id


def happened(house: Installation) -> None:
    """Let a scan find something, a breach be kept from the authority, and requests of people end in several ways."""
    system = house.system
    found = register.Found(severity=register.Severity.HIGH, component="web", says="An old library")
    entered = register.Draft(
        kind=register.Kind.INTERNAL,
        performed_on=date(2026, 11, 1),
        scanner="Lantern 4",
        authenticated=True,
        components=("web", "worker"),
        failed=("web",),
        findings=(found, found),
    )
    with system.db.begin() as session:
        register.enter(session, entered, ctx(house, "olga"))
        (mended, *_) = register.findings(session, ctx(house, "olga").actor)
        register.fix(session, mended.id, START.date(), ctx(house, "olga"))
        for key, statement in (
            ("12.6.1", "All were trained in autumn"),
            ("6.2.2", "A course"),
            ("6.2.2", "Another one"),
        ):
            draft = Draft(framework=PCI, key=key, kind=Kind.STATEMENT, statement=f"{statement}, as the list says")
            made = attestations.propose(session, draft, ctx(house, "olga"), desk=system.desk)
            if key == "12.6.1":
                attestations.withdraw(session, made.id, ctx(house, "olga"), desk=system.desk)
    known = Assessment(
        nature="A letter went to the house next door",
        categories=("contact",),
        people=1,
        records=1,
        consequences="A neighbour read one letter",
        measures="The neighbour gave it back",
        high_risk=False,
    )
    with system.db.begin() as session:
        one = Found(title="A letter went astray", aware_at=START - timedelta(hours=1))
        id_ = breach_handling.open_breach(session, one, ctx(house, "olga"), parts=system.registers)
    with system.db.begin() as session:
        breach_handling.assess(session, id_, known, ctx(house, "olga"))
        asked = breach_decision.propose(
            session, id_, breaches.NOTIFY, "to be on the safe side", ctx(house, "olga"), approvals=system.approvals
        )
    agree(house, asked, "dora")
    people = rights(house)
    people.calm()
    amber, basil = house.people["amber_one"], house.people["basil_two"]
    restricted, copied, taken_back = (people.ask(basil, "restriction"), people.ask(amber), people.ask(basil, "erasure"))
    people.work()
    with system.db.begin() as session:
        moving.withdraw(session, taken_back, people.me(basil), parts=people.parts)
        restrict.withdraw_restriction(session, restricted, people.me(basil), parts=people.parts)
    people.fetch(amber, copied)
    people.ask(amber, "restriction")
    for _ in range(2):  # the second stands beside the first
        people.ask(amber, "portability")
    people.ask(basil, "objection", purpose="profiling")
    taken_back = people.ask(amber, "objection", purpose="profiling")
    people.work()
    with system.db.begin() as session:
        moving.withdraw(session, taken_back, people.me(amber), parts=people.parts)
    with system.db.begin() as session:
        made = campaigns.open_by_hand(session, ctx(house, "olga"), sources=system.reviews)
        one = next(each for each in made.lines if each.holder == house.people["dora"].account)
        ref = (one.review_id, one.source, one.grant_ref)
        keep = campaigns.Decision.KEEP
        campaigns.decide(session, ref, keep, "They need it", ctx(house, "olga"), sources=system.reviews)
    night = system.job_context("privacy.selftest", system.clock.now())
    selftest.run(system.db, night, parts=people.parts, gate=system.compliance.gate, shreds=system.shredding)


@pytest.mark.parametrize("stands", ["recorded", "numbered", "stored"])
def test_what_nobody_decided_fails_accountability(house: Installation, stands: str) -> None:
    hold_id = decided(house)
    if stands == "numbered":
        house.system.sequencer.drain()  # the store is behind
    elif stands == "stored":
        house.arrive()
    assert said(house) == (State.PASS, set())
    with house.system.db.begin() as session:
        row = dict(session.execute(sa.select(attestation)).mappings().one())
        forged = {"id": "att_x", "key": "8.4.1", "kind": "not_applicable", "event_id": row["event_id"]}
        session.execute(sa.insert(attestation).values({**row, **forged}))
        session.execute(sa.update(policy).where(policy.c.state == "in_force").values(keep="P100Y", hash="0" * 64))
        session.execute(sa.update(hold).where(hold.c.id == hold_id).values(state="released", released_at=START))
        receipt = dict(session.execute(sa.select(consent_receipt)).mappings().first() or {})
        session.execute(sa.insert(consent_receipt).values({**receipt, "n": 99, "event_id": "evt_invented"}))
    assert said(house) == (State.FAIL, {"papers", "periods", "holds", "receipts"})


def a_scan_passes(session: Session) -> None:
    session.execute(sa.update(scan).values(passed=["web", "worker"]))


def a_finding_is_gone(session: Session) -> None:
    session.execute(sa.delete(finding).where(finding.c.id == sa.select(sa.func.min(finding.c.id)).scalar_subquery()))


def a_finding_is_mended(session: Session) -> None:
    session.execute(sa.update(finding).values(fixed_on="2026-11-01"))


def a_finding_is_open_again(session: Session) -> None:
    mine = sa.select(sa.func.min(finding.c.id)).where(finding.c.fixed_on.is_not(None)).scalar_subquery()
    session.execute(sa.update(finding).where(finding.c.id == mine).values(fixed_on=None, fixed_at=None))


def a_breach_is_gone(session: Session) -> None:
    for table in (breach_notice, breach_step, breach):
        session.execute(sa.delete(table))


def a_breach_is_gone_but_for_its_steps(session: Session) -> None:
    session.execute(sa.delete(breach))


def a_breach_has_more_time(session: Session) -> None:
    session.execute(sa.update(breach).values(due_at=START + timedelta(days=30)))


def a_breach_of_more_people(session: Session) -> None:
    session.execute(sa.update(breach).values(people=breach.c.people + 1))


def requests_are_gone(session: Session) -> None:
    open_ = sa.select(request.c.id).where(request.c.kind == "restriction", request.c.state == "executed")
    session.execute(sa.delete(request_step).where(request_step.c.request_id.in_(open_)))
    session.execute(sa.delete(request).where(request.c.id.in_(open_)))


def a_request_is_due_later(session: Session) -> None:
    session.execute(sa.update(request).where(request.c.state == "executed").values(due="2027-11-30"))


def a_request_is_due_at_a_later_hour(session: Session) -> None:
    later = START + timedelta(days=300)
    session.execute(sa.update(request).where(request.c.state == "executed").values(due_at=later))


def a_request_was_received_later(session: Session) -> None:
    session.execute(sa.update(request).where(request.c.state == "executed").values(received_on="2027-11-30"))


def a_request_of_another_right(session: Session) -> None:
    session.execute(sa.update(request).where(request.c.state == "executed").values(kind="human_review"))


def a_request_refused_beside_another(session: Session) -> None:
    ended_beside_another(session, request.c.state == "executed", "refused")


def a_request_closed_beside_another(session: Session) -> None:
    ended_beside_another(session, request.c.kind == "erasure", "closed")


def ended_beside_another(session: Session, which: sa.ColumnElement[bool], state: str) -> None:
    """End a request with one that there is not, by a step without an event."""
    (id_,) = session.scalars(sa.select(request.c.id).where(which))
    session.execute(sa.update(request).where(request.c.id == id_).values(state=state, linked_to="req_x"))
    session.execute(sa.insert(request_step).values(request_id=id_, state=state, at=START, role="you"))


def a_receipt_is_gone(session: Session) -> None:
    newest = sa.select(sa.func.max(consent_receipt.c.n)).scalar_subquery()
    session.execute(sa.delete(consent_receipt).where(consent_receipt.c.n == newest))


def a_restriction_is_gone(session: Session) -> None:
    session.execute(sa.delete(restriction).where(restriction.c.lifted_at.is_(None)))


def an_objection_is_gone(session: Session) -> None:
    session.execute(sa.delete(objection))


def a_night_is_gone(session: Session) -> None:
    session.execute(sa.delete(selftest_run))


def a_scan_is_gone(session: Session) -> None:
    session.execute(sa.delete(scan))


def a_paper_is_back(session: Session) -> None:
    session.execute(sa.update(attestation).where(attestation.c.key == "12.6.1").values(state="in_force"))


def a_paper_is_back_and_of_today(session: Session) -> None:
    """Signed anew, says the row: after it was taken back."""
    mine = sa.update(attestation).where(attestation.c.key == "12.6.1")
    session.execute(mine.values(state="in_force", signed_at=START + timedelta(days=1)))


def an_older_paper_is_back(session: Session) -> None:
    mine = attestation.c.key == "6.2.2"
    session.execute(sa.update(attestation).where(mine, attestation.c.version == 2).values(state="superseded"))
    session.execute(sa.update(attestation).where(mine, attestation.c.version == 1).values(state="in_force"))


def a_review_kept(session: Session) -> None:
    values = {"review_id": "rev_x", "source": "roles", "grant_ref": "rol_x", "holder": "acc_x", "what": "dpo"}
    session.execute(sa.insert(line).values(**values, since=START, decision="keep", decided_at=START))


def an_objection_decided(session: Session) -> None:
    values = {"id": "obj_x", "subject": "acc_x", "purpose": "news", "at": START, "decided_at": START}
    session.execute(sa.insert(objection).values(**values, decision="compelling_grounds"))


def words_said_to_be_the_same(session: Session) -> None:
    values = {"purpose": "news", "before": "a" * 64, "now": "b" * 64, "approval_id": "apr_x", "at": START}
    session.execute(sa.insert(consent_same).values(**values))


def a_night_that_passed(session: Session) -> None:
    counts = dict.fromkeys(("stores", "planted", "found", "left"), 1)
    times = {"night": "2026-11-02", "started_at": START, "ended_at": START}
    known = {"subject": "acc_x", "held": [], "problems": [], "result": "passed", "event_id": "evt_x"}
    session.execute(sa.insert(selftest_run).values(id="slf_x", **counts, **times, **known))


def letters_left_out(session: Session) -> None:
    session.execute(sa.update(breach).values(letters_exception="Nobody has to know of this"))


def a_hold_keeps_nothing(session: Session) -> None:
    session.execute(sa.delete(hold_item))


def a_hold_ended(session: Session) -> None:
    session.execute(sa.update(hold).values(state="ended"))


def a_hold_is_gone(session: Session) -> None:
    session.execute(sa.delete(hold_item))
    session.execute(sa.delete(hold))


def a_hold_is_released(session: Session) -> None:
    session.execute(sa.update(hold).values(state="released", released_at=START))


def a_hold_is_looked_at_later(session: Session) -> None:
    session.execute(sa.update(hold).values(review_on="2040-01-01"))


def a_hold_of_another_officer(session: Session) -> None:
    session.execute(sa.update(hold).values(placed_by="acc_x"))


def a_receipt_of_another(session: Session) -> None:
    one, other = session.execute(sa.select(consent_receipt).order_by(consent_receipt.c.n)).mappings().all()
    session.execute(sa.insert(consent_receipt).values({**one, "n": 99, "event_id": other["event_id"]}))


def a_withdrawal_turned(session: Session) -> None:
    (one, _) = session.execute(sa.select(consent_receipt).order_by(consent_receipt.c.n)).mappings().all()
    session.execute(sa.insert(consent_receipt).values({**one, "n": 99, "action": "withdrawn"}))


def a_period_of_another_length(session: Session) -> None:
    session.execute(sa.update(policy).where(policy.c.state == "in_force").values(keep="P100Y"))


def a_period_nobody_knew(session: Session) -> None:
    (one,) = session.execute(sa.select(policy).where(policy.c.state == "in_force")).mappings().all()
    forged = {"id": "pol_x", "class": "message.sent", "version": 2, "keep": "P1D"}
    session.execute(sa.insert(policy).values({**one, **forged}))


def the_period_that_was_shipped(session: Session) -> None:
    session.execute(sa.delete(policy))


def a_request_withdrawn(session: Session) -> None:
    session.execute(sa.update(request).where(request.c.state == "executed").values(state="withdrawn"))


def a_request_closed_by_a_step(session: Session) -> None:
    row = session.execute(sa.select(request).where(request.c.state == "executed")).mappings().one()
    session.execute(sa.update(request).where(request.c.id == row["id"]).values(state="stopped"))
    step = {"request_id": row["id"], "state": "stopped", "at": START, "role": "you"}
    session.execute(sa.insert(request_step).values(step))


def a_request_of_another(session: Session) -> None:
    others = sa.select(sa.func.max(request.c.subject)).scalar_subquery()
    session.execute(sa.update(request).where(request.c.state == "executed").values(subject=others))
    session.execute(sa.update(request).where(request.c.state == "withdrawn").values(subject="acc_somebody"))


def a_restriction_lifted(session: Session) -> None:
    session.execute(sa.update(restriction).where(restriction.c.lifted_at.is_(None)).values(lifted_at=START))


def a_breach_kept(session: Session) -> None:
    session.execute(sa.update(breach).values(decision="no_notice", state="no_notice", closed_at=START))


def a_breach_undecided(session: Session) -> None:
    session.execute(sa.update(breach).values(decision=None, decided_at=None, state="assessing"))


def a_baseline_nobody_approved(session: Session) -> None:
    matrix = {
        "id": "bas_x",
        "name": "role_matrix",
        "version": 9,
        "sha256": "0" * 64,
        "body": {},
        "proposed_by": "acc_x",
    }
    session.execute(sa.insert(baseline).values(**matrix, state="in_force", approved_at=START, event_id="evt_x"))


def a_register_nobody_approved(session: Session) -> None:
    body = {"controller": "OnePay", "activities": {}}
    values = {
        "id": "par_x",
        "body": json.dumps(body),
        "sha256": processing.digest(body),
        "reason": "",
        "state": "approved",
    }
    known = {"proposed_by": "acc_x", "proposed_at": START, "approved_at": START, "event_id": "evt_x"}
    session.execute(sa.insert(activity_approval).values(**values, **known))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("home"), clock=StillClock(START)) as made:
        for name, role in (("olga", roles.COMPLIANCE_OFFICER), ("dora", roles.DPO), ("dirk", roles.DPO)):
            made.staff(name, role)
        for name in ("amber_one", "basil_two"):
            made.customer(name)
        decided(made)
        happened(made)
        made.arrive()
        assert said(made) == (State.PASS, set())
        yield made


def test_an_exception_that_ended_may_be_granted_again_in_the_same_words(house: Installation) -> None:
    system, clock = house.system, house.system.clock
    assert isinstance(clock, StillClock)
    words = {"why": "The new authenticators arrive", "until": START + timedelta(days=9)}
    draft = exceptions.Draft(framework=PCI, key="8.4.1", kind=exceptions.Kind.ACCEPTED_RISK, **words)
    with system.db.begin() as session:
        session.execute(
            sa.update(factor).where(factor.c.account_id == house.people["olga"].account).values(removed_at=START)
        )
    assert system.controls.observe(system.controls.parts.probes["identity.two_factors"]) is not None
    for is_ended in (True, False):
        with system.db.begin() as session:
            made = exceptions.propose(session, draft, ctx(house, "olga"), desk=system.desk)
        agree(house, made.approval_id, "dora")
        clock.move(timedelta(minutes=5))
        if is_ended:
            with system.db.begin() as session:
                exceptions.end(session, made.id, "by mistake, says who granted it", ctx(house, "olga"))
            clock.move(timedelta(minutes=5))
    assert said(house)[1] == set()


class Undone(Exception):
    """Nothing of this stays."""


def of_another_day(*columns: sa.Column[Any]) -> Callable[[Session], None]:
    """Let rows say that what they tell of happened three days earlier."""

    def forge(session: Session) -> None:
        for column in columns:
            table = column.table
            assert isinstance(table, sa.Table)
            for at in session.scalars(sa.select(column).where(column.is_not(None)).distinct()).all():
                session.execute(sa.update(table).where(column == at).values({column.name: at - timedelta(days=3)}))

    return forge


def an_answer_before_its_day(session: Session) -> None:
    (id_,) = session.scalars(sa.select(request.c.id).where(request.c.state == "executed"))
    early, of = START - timedelta(days=3), request_step.c
    session.execute(sa.update(request).where(request.c.id == id_).values(answered_at=early))
    session.execute(sa.update(request_step).where(of.request_id == id_, of.state == "executed").values(at=early))


def a_review_of_another_grant(session: Session) -> None:
    """Say of another grant of the same holder what was decided about one."""
    kept = session.execute(sa.select(line).where(line.c.decision.is_not(None))).mappings().one()
    session.execute(sa.insert(line).values({**kept, "grant_ref": "rol_x"}))
    session.execute(sa.update(line).where(line.c.grant_ref == kept["grant_ref"]).values(decision=None, decided_at=None))


@pytest.mark.parametrize(
    ("forge", "component"),
    [
        pytest.param(of_another_day(attestation.c.signed_at), "papers", id="a_paper_signed_earlier"),
        pytest.param(of_another_day(selftest_run.c.ended_at), "nights", id="a_night_of_another_day"),
        pytest.param(of_another_day(restriction.c.lifted_at), "restrictions", id="a_restriction_lifted_earlier"),
        pytest.param(of_another_day(breach.c.decided_at), "breaches", id="a_breach_decided_earlier"),
        pytest.param(of_another_day(finding.c.fixed_at), "scans", id="a_finding_mended_earlier"),
        pytest.param(of_another_day(line.c.decided_at), "reviews", id="a_review_of_another_day"),
        pytest.param(of_another_day(scan.c.entered_at), "scans", id="a_scan_entered_earlier"),
        (an_answer_before_its_day, "requests"),
        (a_review_of_another_grant, "reviews"),
        (a_baseline_nobody_approved, "papers"),
        (a_register_nobody_approved, "papers"),
        (a_paper_is_back, "papers"),
        (a_paper_is_back_and_of_today, "papers"),
        (an_older_paper_is_back, "papers"),
        (a_review_kept, "reviews"),
        (an_objection_decided, "objections"),
        (words_said_to_be_the_same, "wordings"),
        (a_night_that_passed, "nights"),
        (letters_left_out, "breaches"),
        (a_scan_passes, "scans"),
        (a_finding_is_gone, "scans"),
        (a_finding_is_mended, "scans"),
        (a_finding_is_open_again, "scans"),
        (a_scan_is_gone, "scans"),
        (a_breach_is_gone, "breaches"),
        (a_breach_is_gone_but_for_its_steps, "breaches"),
        (a_breach_has_more_time, "breaches"),
        (a_breach_of_more_people, "breaches"),
        (requests_are_gone, "requests"),
        (a_request_is_due_later, "requests"),
        (a_request_is_due_at_a_later_hour, "requests"),
        (a_request_was_received_later, "requests"),
        (a_request_of_another_right, "requests"),
        (a_request_refused_beside_another, "requests"),
        (a_request_closed_beside_another, "requests"),
        (a_receipt_is_gone, "receipts"),
        (a_restriction_is_gone, "restrictions"),
        (an_objection_is_gone, "objections"),
        (a_night_is_gone, "nights"),
        (a_hold_keeps_nothing, "holds"),
        (a_hold_ended, "holds"),
        (a_hold_is_gone, "holds"),
        (a_hold_is_released, "holds"),
        (a_hold_is_looked_at_later, "holds"),
        (a_hold_of_another_officer, "holds"),
        (a_receipt_of_another, "receipts"),
        (a_withdrawal_turned, "receipts"),
        (a_period_of_another_length, "periods"),
        (a_period_nobody_knew, "periods"),
        (the_period_that_was_shipped, "periods"),
        (a_request_withdrawn, "requests"),
        (a_request_closed_by_a_step, "requests"),
        (a_request_of_another, "requests"),
        (a_restriction_lifted, "restrictions"),
        (a_breach_kept, "breaches"),
        (a_breach_undecided, "breaches"),
    ],
)
def test_a_row_that_says_more_than_its_event_is_named(
    lived: Installation, forge: Callable[[Session], None], component: str
) -> None:
    controls = lived.system.controls
    probe = controls.parts.probes["papers.decided"]
    with contextlib.suppress(Undone), lived.system.db.begin() as session:
        delete_for_good(session)
        forge(session)
        seen = probe.read(look_at(lived, session))
        raise Undone
    assert {one.component for one in seen.violations} == {component}


def test_an_erasure_that_nobody_approved_erases_nobody(house: Installation) -> None:
    """Neither where it waits, nor where it has begun, nor where it was turned to somebody else."""
    people = rights(house)
    people.calm()
    request_id = people.ask(house.people["amber_one"], "erasure")
    people.work()
    innocent = house.people["basil_two"]
    for state in ("waiting", "executing"):
        values = {"state": state, "subject": innocent.account, "not_before": START, "claimed_until": None}
        with house.system.db.begin() as session:
            session.execute(sa.update(request).where(request.c.id == request_id).values(values))
        people.work()
        assert people.get(request_id).state.value == state
        with house.system.db.read() as session:
            assert people.parts.people.exists(session, innocent.account)
        assert "requests" in said(house)[1]


def test_an_event_that_ended_vouches_for_one_row(house: Installation) -> None:
    """Two rows of the same second, and one event: somebody wrote the other one."""
    system, at = house.system, house.system.clock.now()
    with system.db.begin() as session:
        for seconds in (0, 60):
            event = AccessRecertified(target="acc_x", decision="keep", why="They need it", about=("acc_x",))
            outbox.record(session, event, system.job_context("compliance", at + timedelta(seconds=seconds)))
    house.arrive()
    size = {"first": 1, "last": 10_000, "count": 1, "held": 0, "state": "gone", "run": "ret_x"}
    kind, row = AccessRecertified.kind, {"class": AccessRecertified.event_class.value, "month": "2026-11"}
    with system.db.begin() as session:
        delete_for_good(session)
        session.execute(sa.delete(log.body).where(log.body.c["class"] == row["class"]))
        session.execute(sa.insert(log.forgotten).values(**row, begun_at=at, ended_at=at, **size))
    with system.db.read() as session:
        rows = {"one": at, "two": at, "three": at + timedelta(seconds=60), "four": at + timedelta(seconds=30)}
        found = vouched(session, kind, {key: (key, at) for key, at in rows.items()}, says=lambda said: said)
    assert found == {"one", "three"}


def test_what_was_decided_in_a_month_that_ended_is_no_forgery(house: Installation) -> None:
    hold_id = decided(house)
    with house.system.db.begin() as session:
        asked = holds.ask_release(
            session, hold_id, "the case is closed", ctx(house, "olga"), approvals=house.system.approvals
        )
    agree(house, asked, "dora", "dirk")
    house.arrive()
    assert said(house)[0] is State.PASS
    classes = ("governance", "privacy")
    with house.system.db.begin() as session:
        delete_for_good(session)
        session.execute(sa.delete(log.body).where(log.body.c["class"].in_(classes)))
    assert said(house)[0] is State.FAIL, "bodies that nobody removed lawfully prove nothing"
    size = {"first": 1, "last": 10_000, "count": 1, "held": 0, "state": "gone", "run": "ret_x"}
    with house.system.db.begin() as session:
        for class_ in classes:
            row = {"class": class_, "month": "2026-11", "begun_at": START, "ended_at": START, **size}
            session.execute(sa.insert(log.forgotten).values(row))
    assert said(house) == (State.PASS, set())


def _judged(house: Installation) -> None:
    """Let a control pass, fail and pass again."""
    system, probe = house.system, "identity.two_factors"
    clock = system.clock
    assert isinstance(clock, StillClock)
    account = house.people["olga"].account
    for removed_at in (None, START, None):
        with system.db.begin() as session:
            session.execute(sa.update(factor).where(factor.c.account_id == account).values(removed_at=removed_at))
        clock.move(timedelta(minutes=10))
        assert system.controls.observe(system.controls.parts.probes[probe]) is not None
    house.arrive()


_FAILED: Final = sa.and_(models.interval.c.key == "8.4.1", models.interval.c.state == State.FAIL.value)
_OPEN: Final = sa.and_(models.interval.c.key == "8.4.1", models.interval.c.to_at.is_(None))


@pytest.mark.parametrize(
    ("forged", "says"),
    [
        (sa.update(models.interval).where(_FAILED).values(state="PASS"), "says what no event says of"),
        (sa.update(models.interval).where(_FAILED).values(reason="timeout"), "says what no event says of"),
        (sa.update(models.interval).where(_FAILED).values(to_at=models.interval.c.from_at), "says what no event"),
        (sa.update(models.interval).where(_OPEN).values(state="EXCEPTED"), "says what no event says of"),
        (sa.delete(models.interval).where(_FAILED), "lacks what began"),
        (sa.delete(models.interval).where(models.interval.c.key == "8.4.1"), "lacks what began"),
    ],
    ids=["state", "reason", "end", "open", "deleted", "all deleted"],
)
def test_a_history_that_is_not_what_the_log_was_told_is_named(
    house: Installation, forged: sa.Update | sa.Delete, says: str
) -> None:
    _judged(house)
    assert said(house) == (State.PASS, set())
    with house.system.db.begin() as session:
        delete_for_good(session)
        assert session.execute(forged).rowcount > 0  # type: ignore[attr-defined]  # it has a row count
        _, found = intervals.written(look_at(house, session))
    assert [(one.object_id, one.says.startswith(says)) for one in found] == [(f"{PCI} 8.4.1", True)]
    assert said(house) == (State.FAIL, {"intervals"})


def test_an_interval_that_retention_ended_is_not_missed(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    _judged(house)
    with house.system.db.begin() as session:
        delete_for_good(session)
        session.execute(sa.delete(models.interval).where(_FAILED))
        monkeypatch.setattr(retained, "ended_until", lambda _session: {"evidence": START + timedelta(days=1)})
        assert intervals.written(look_at(house, session))[1] == []
        session.execute(sa.delete(models.interval).where(_OPEN))
        (open_one,) = intervals.written(look_at(house, session))[1]
    assert open_one.object_id == f"{PCI} 8.4.1", "what has not ended is ended by nobody"


def test_a_reading_that_is_gone_or_was_changed_is_named(house: Installation) -> None:
    _judged(house)
    of = models.observation
    with house.system.db.begin() as session:
        delete_for_good(session)
        rows = session.execute(sa.select(of).where(of.c.probe == "identity.two_factors").order_by(of.c.ended_at)).all()
        session.execute(sa.delete(of).where(of.c.id.in_([rows[0].id, rows[1].id])))
        session.execute(sa.insert(of).values({**rows[0]._mapping, "probe": "identity.dormant"}))
        look = look_at(house, session)
        (count, changed), (_, gone) = readings.lying(look), begun.gone(look)
    assert count == 2
    assert {(one.component, one.object_id, one.says) for one in (*changed, *gone)} == {
        ("readings", rows[0].id, "does not lie as it was sealed"),
        ("readings", rows[1].event_id, "began as the log says, and is gone"),
    }
    assert said(house) == (State.FAIL, {"readings"})


def _old_readings(house: Installation) -> sa.Row[tuple[object, ...]]:
    """Let readings grow two months old, and return the one that nobody will find again."""
    _judged(house)
    clock, of = house.system.clock, models.observation
    assert isinstance(clock, StillClock)
    clock.move(timedelta(days=65))
    with house.system.db.begin() as session:
        row = session.execute(sa.select(of).order_by(of.c.id).limit(1)).one()
        delete_for_good(session)
        session.execute(sa.delete(of).where(of.c.id == row.id))
    return row


def test_an_old_reading_that_is_deleted_is_missed_at_once(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    row = _old_readings(house)
    with house.system.db.read() as session:
        look = look_at(house, session)
        assert list(readings.gone(look)[1]) == [row.event_id]
        monkeypatch.setattr(retained, "ended_until", lambda _session: {"evidence": START})
        assert list(readings.gone(look)[1]) == [row.event_id]
        monkeypatch.setattr(retained, "ended_until", lambda _session: {"evidence": START + timedelta(days=30)})
        assert begun.gone(look)[1] == [], "what retention ended is not missed"


def test_an_old_reading_whose_place_another_took_is_named_in_its_turn_and_from_then_on(house: Installation) -> None:
    row, of = _old_readings(house), models.observation
    system, clock = house.system, house.system.clock
    assert isinstance(clock, StillClock)

    def named() -> list[list[str]]:
        """Return what is gone, at each of two turns of a month."""
        found = []
        for _ in range(2):
            clock.move(readings.TURN)
            with system.db.read() as session:
                found.append(list(readings.gone(look_at(house, session))[1]))
        return found

    with system.db.begin() as session:
        session.execute(sa.insert(of).values({**row._mapping, "event_id": "evt_invented"}))
    assert sorted(named()) == [[], [row.event_id]]
    one = {"component": "readings", "object_id": row.event_id, "says": readings.GONE}
    reading = {"id": "obs_x", "probe": readings.PROBE, "event_id": "evt_x", "violations": [one]}
    with system.db.begin() as session:
        session.execute(sa.insert(of).values({**row._mapping, **reading}))
    assert named() == [[row.event_id], [row.event_id]]
