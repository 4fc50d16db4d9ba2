"""An auditor's screens are locked to their period: what was signed, scanned, seen and named after it is not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.identity.models import factor, role_grant
from app.kernel.access import Actor, ActorKind
from app.kernel.approvals import Verdict
from app.kernel.clock import StillClock
from app.kernel.errors import NotFound
from compliance import models, posture, pressing
from compliance.attest import analyses, attestations, exceptions
from compliance.catalog.controls import PCI
from compliance.engine import history, past, rerun
from compliance.privacy import consent
from compliance.registers import breach_decision, breach_handling, breaches, processors
from compliance.reviews import campaigns
from compliance.scans import register
from compliance.scans import standing as quarters
from compliance.scans.register import Draft, Found, Kind, Severity
from compliance.states import State
from tests.compliance.office import ctx, opened
from tests.dashboards.desk import Room
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PROBE = "identity.two_factors"
SIGNED = "quuxsigned this autumn by us"


@pytest.fixture
def clock() -> StillClock:
    return StillClock(START)


@pytest.fixture
def house(tmp_path: Path, clock: StillClock) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=clock) as made:
        opened(made, "olga", "dora")
        yield made


def written(house: Installation) -> None:
    """Let people sign, except, analyse, scan and name an officer, all of today."""
    now, desk = house.system.clock.now(), house.system.desk
    who = [f"quux{part}" for part in ("mail@onepay.example", " page", " board", " independent")]
    with house.system.db.begin() as session:
        olga = ctx(house, "olga")
        paper = attestations.Draft(framework=PCI, key="12.6.1", kind=attestations.Kind.STATEMENT, statement=SIGNED)
        attestations.propose(session, paper, olga, desk=desk)
        risk = exceptions.Kind.ACCEPTED_RISK
        why = "quuxexcept until they arrive"
        excuse = exceptions.Draft(framework=PCI, key="8.4.1", kind=risk, why=why, until=now + 5 * DAY)
        exceptions.propose(session, excuse, olga, desk=desk)
        said = {name: f"quuxanalysis of {name}" for name in analyses.FIELDS}
        analysis = analyses.Draft(requirement="10.4.2.1", frequency="P7D", body=said)
        analyses.propose(session, analysis, olga, desk=desk)
        scan = Draft(
            kind=Kind.INTERNAL,
            performed_on=now.date(),
            scanner="quuxscanner",
            authenticated=True,
            components=("quuxweb",),
            failed=("quuxweb",),
            findings=(Found(severity=Severity.HIGH, component="quuxweb", says="quuxfinding is open"),),
        )
        register.enter(session, scan, olga)
        processors.appoint(session, *who, ctx(house, "dora"))


def seen(house: Installation, begin: datetime, end: datetime) -> list[str]:
    """Return which of it an auditor of a period sees."""
    staff = ctx(house, "olga")
    auditor = auditor_of(begin, end)
    with house.system.db.read() as session:
        found = {
            "attestation": attestations.listed(session, auditor),
            "attestation of its row": attestations.listed(session, auditor, of=(PCI, "12.6.1")),
            "exception": exceptions.listed(session, auditor),
            "analysis": analyses.listed(session, auditor),
            "scan": register.listed(session, auditor),
            "finding": register.findings(session, auditor),
            "quarter": quarters.of_kind(session, Kind.INTERNAL, date(2027, 1, 1), anchor=date(2026, 1, 1), until=end)
            .quarters[-1]
            .passes,
            "officer": processors.officer_seen(session, staff.acting_as(auditor)),
        }
    return [name for name, value in found.items() if value]


def test_an_auditor_sees_what_stood_in_their_period_and_nothing_after_it(house: Installation) -> None:
    written(house)
    everything = seen(house, START - DAY, START + DAY)
    assert len(everything) == 8
    assert seen(house, START - 9 * DAY, START - DAY) == []
    assert seen(house, START - 9 * DAY, START) == []
    with house.system.db.begin() as session:
        for table in (
            attestations.models.attestation,
            attestations.models.exception,
            attestations.models.risk_analysis,
        ):
            session.execute(sa.update(table).values(state="withdrawn"))
    left = seen(house, START + 800 * DAY, START + 900 * DAY)
    assert left == ["finding", "quarter", "officer"]


def turned(house: Installation, clock: StillClock) -> list[str]:
    """Let 8.4.1 pass, fail two days later and pass four days later; return the readings, the oldest first."""
    system, of = house.system, models.observation
    account = house.people["olga"].account
    for day, removed_at in ((0, None), (2, START), (4, None)):
        with system.db.begin() as session:
            session.execute(sa.update(factor).where(factor.c.account_id == account).values(removed_at=removed_at))
        clock.move(START + day * DAY - clock.now())
        assert system.controls.observe(system.controls.parts.probes[PROBE]) is not None
    house.arrive()
    with system.db.read() as session:
        return list(session.scalars(sa.select(of.c.id).where(of.c.probe == PROBE).order_by(of.c.ended_at)))


def auditor_of(begin: datetime, end: datetime) -> Actor:
    return Actor(
        id="acc_audit",
        kind=ActorKind.STAFF,
        roles=frozenset({roles.AUDITOR}),
        permissions=roles.ROLES[roles.AUDITOR],
        period=(begin, end),
    )


def test_an_auditor_reads_the_evidence_of_their_period_alone(house: Installation, clock: StillClock) -> None:
    ids = turned(house, clock)
    auditor = auditor_of(START + DAY, START + 4 * DAY)
    with house.system.db.read() as session:
        assert [one.id for one in rerun.of_probe(session, PROBE, auditor)] == [ids[1]]
        assert rerun.find(session, ids[1], auditor).id == ids[1]
        for outside in (ids[0], ids[2]):
            number = rerun.find(session, outside, ctx(house, "olga").actor).number
            for named in (outside, number):
                with pytest.raises(NotFound):
                    rerun.find(session, named, auditor)


def test_an_auditor_sees_states_as_they_were_in_their_period(house: Installation, clock: StillClock) -> None:
    turned(house, clock)
    now, parts, key = clock.now() + DAY, house.system.controls.parts, (PCI, "8.4.1")
    begin, end = START + DAY, START + 3 * DAY
    auditor, before, officer = auditor_of(begin, end), auditor_of(START - 9 * DAY, START), ctx(house, "olga").actor
    failed = START + 2 * DAY
    with house.system.db.read() as session:
        found = history.intervals(session, auditor, START - DAY, now, key=key)[key]
        assert history.intervals(session, before, START - DAY, now) == {}
        assert len(history.intervals(session, officer, START - DAY, now, key=key)[key]) > len(found)
        states = {
            at: history.as_of(session, auditor, at, parts.catalogue)[key] for at in (START, begin, failed, end, now)
        }
        (stood, never) = (past.all_of(session, one, now, parts.catalogue)[key] for one in (auditor, before))
        shown = posture.of_now(session, auditor, now, parts)
        present = posture.of_now(session, officer, now, parts)
        first = history.first_known(session, auditor)[key]
    assert (found[0].from_at, found[-1].state, found[-1].from_at, found[-1].to_at) == (begin, State.FAIL, failed, None)
    assert states == {
        START: State.NOT_EVALUABLE,  # before their period
        begin: found[0].state,
        failed: State.FAIL,
        end: State.FAIL,
        now: State.FAIL,
    }
    assert (stood.state, never.state, never.legs) == (State.FAIL, State.NOT_EVALUABLE, [])
    assert first == begin
    assert [one.control.key for one, since in shown.failing if since == failed and one.control.key == "8.4.1"]
    assert (shown.is_past, shown.at < end, present.is_past) == (True, True, False)
    assert all(begin <= one.at < end for one in shown.changes)
    assert (PCI, "8.4.1", State.FAIL) in {(one.framework, one.key, one.after) for one in shown.changes}
    assert "8.4.1" not in {one.control.key for one, _ in present.failing}


def test_an_auditor_reads_of_reviews_what_was_decided_in_their_period(house: Installation, clock: StillClock) -> None:
    with house.system.db.begin() as session:
        made = campaigns.open_by_hand(session, ctx(house, "olga"), sources=house.system.reviews)
    one = next(line for line in made.lines if line.holder == house.people["dora"].account)
    clock.move(2 * DAY)
    with house.system.db.begin() as session:
        ref = (one.review_id, one.source, one.grant_ref)
        keep = campaigns.Decision.KEEP
        campaigns.decide(session, ref, keep, "They need it", ctx(house, "olga"), sources=house.system.reviews)

    def decisions(begin: datetime, end: datetime) -> list[int]:
        with house.system.db.read() as session:
            found = campaigns.listed(session, auditor_of(begin, end))
        return [sum(line.decided_at is not None for line in review.lines) for review in found]

    assert decisions(START - DAY, START + 3 * DAY) == [1]
    assert decisions(START - DAY, START + 2 * DAY) == [0], "it was decided after their period"
    assert decisions(START - DAY, START) == []
    with house.system.db.begin() as session:
        session.execute(sa.update(campaigns.models.review).values(closed_at=clock.now(), open=None))
    with house.system.db.read() as session:
        (then,) = campaigns.listed(session, auditor_of(START - DAY, START + 2 * DAY))
    assert (then.closed_at, then.left) == (None, len(then.lines)), "all lines waited, as nobody knew what came"


def test_the_matrix_of_an_auditor_is_that_of_the_end_of_their_period(house: Installation, clock: StillClock) -> None:
    turned(house, clock)
    room = Room(installation=house)
    selma = room.desk("selma", roles.AUDITOR)
    period = {"period_from": START + DAY, "period_until": START + 3 * DAY}
    with house.system.db.begin() as session:
        session.execute(sa.update(role_grant).where(role_grant.c.account_id == selma.person.account).values(**period))
    for words in ("", "?at=2026-11-06"):
        drawn = selma.draw("/console/compliance/controls", words)
        assert "as of 05 Nov 2026 08:59 UTC" in drawn
    shown = selma.draw("/console/compliance/controls", "?sel=pci:8.4.1")
    assert "A probe sees what must not be" in shown
    drawn = selma.draw("/console/compliance/posture")
    assert "as of 05 Nov 2026 08:59 UTC" in drawn
    assert "Not then." in drawn


def test_the_tasks_of_an_auditor_press_as_they_did_at_the_end_of_their_period(
    house: Installation, clock: StillClock
) -> None:
    written(house)
    clock.move(20 * DAY)
    selma = Room(installation=house).desk("selma", roles.AUDITOR)
    period = {"period_from": START - DAY, "period_until": START + 3 * DAY}
    with house.system.db.begin() as session:
        session.execute(sa.update(role_grant).where(role_grant.c.account_id == selma.person.account).values(**period))
        session.execute(sa.update(attestations.models.attestation).values(expires_at=START + 40 * DAY))
    drawn = selma.draw("/console/compliance/tasks")
    assert "as of 05 Nov 2026 08:59 UTC" in drawn
    assert SIGNED in drawn
    assert SIGNED not in selma.draw("/console/compliance/tasks", "?how=soon"), "37 days were left then"


def test_the_pages_of_an_auditor_say_nothing_of_what_came_after(house: Installation, clock: StillClock) -> None:
    room = Room(installation=house)
    selma, dan = room.desk("selma", roles.AUDITOR), room.desk("dan", roles.DPO)
    period = {"period_from": START - 80 * DAY, "period_until": START - 40 * DAY}
    with house.system.db.begin() as session:
        session.execute(sa.update(role_grant).where(role_grant.c.account_id == selma.person.account).values(**period))
    written(house)
    for slug in ("tasks", "scans", "processors", "breaches"):
        path = f"/console/compliance/{slug}"
        assert "quux" not in selma.draw(path), slug
        assert slug == "breaches" or "quux" in dan.draw(path), slug


def worked(house: Installation, clock: StillClock) -> list[datetime]:
    """Work a breach to its end, a step a day; return the instants after which it was assessed, decided, told, done."""
    at = clock.now()
    known = breaches.Assessment(
        nature="A mailbox was read by a stranger",
        categories=("contact",),
        people=140,
        records=None,
        consequences="Letters could deceive people",
        measures="The mailbox was secured anew",
        high_risk=False,
    )
    with house.system.db.begin() as session:
        found = breaches.Found(title="A mailbox was read", aware_at=at)
        id_ = breach_handling.open_breach(session, found, ctx(house, "olga"), parts=house.system.registers)

    def proposed(session: Session) -> None:
        approvals = house.system.approvals
        words = "strangers may deceive people"
        asked.append(
            breach_decision.propose(session, id_, breaches.NOTIFY, words, ctx(house, "olga"), approvals=approvals)
        )

    def again(session: Session) -> None:
        breach_handling.assess(session, id_, replace(known, people=900), ctx(house, "olga"))

    asked, ends = list[str](), list[datetime]()
    for act in (
        lambda session: breach_handling.assess(session, id_, known, ctx(house, "olga")),
        proposed,
        lambda session: house.system.approvals.decide(session, asked[0], Verdict.APPROVED, "", ctx(house, "dora")),
        lambda session: breach_handling.notify(
            session, id_, breaches.AUTHORITY, "We tell you of a breach", ctx(house, "olga")
        ),
        again,
        lambda session: breach_handling.complete(session, id_, ctx(house, "olga")),
    ):
        clock.move(timedelta(hours=6))
        with house.system.db.begin() as session:
            act(session)
        ends.append(clock.now() + timedelta(hours=1))
    return ends


def test_an_auditor_sees_a_breach_as_it_stood_at_the_end_of_their_period(
    house: Installation, clock: StillClock
) -> None:
    seen, at = list[tuple[str, str | None, str | None, int, int]](), clock.now()
    ends = [at + timedelta(hours=1), *worked(house, clock)]
    for end in ends:
        with house.system.db.read() as session:
            auditor = ctx(house, "olga").acting_as(auditor_of(at - DAY, end))
            (one,) = breaches.register(session, auditor)
            runs_out = pressing.breach_due(session, auditor.actor)
        seen.append((one.state, one.decision, one.reasons, len(one.notices), len(one.steps)))
        assert (runs_out == one.due_at) == (one.state in breaches.RUNNING)
        assert (one.closed_at is not None) == (one.state == breaches.COMPLETE)
    why = "strangers may deceive people"
    assert seen == [
        (breaches.SUSPECTED, None, None, 0, 1),
        (breaches.ASSESSING, None, None, 0, 2),
        (breaches.ASSESSING, None, why, 0, 3),
        (breaches.TO_NOTIFY, breaches.NOTIFY, why, 0, 4),
        (breaches.NOTIFIED, breaches.NOTIFY, why, 1, 5),
        (breaches.NOTIFIED, breaches.NOTIFY, why, 1, 6),
        (breaches.COMPLETE, breaches.NOTIFY, why, 1, 7),
    ]


def test_what_was_known_of_a_breach_is_not_what_was_written_over_it(house: Installation, clock: StillClock) -> None:
    at, ends = clock.now(), worked(house, clock)

    def known(end: datetime) -> tuple[str | None, int | None]:
        with house.system.db.read() as session:
            (one,) = breaches.register(session, ctx(house, "olga").acting_as(auditor_of(at - DAY, end)))
        return one.nature, one.people

    assert known(at + timedelta(hours=1)) == (None, None)
    assert known(ends[0]) == (breaches.WRITTEN_OVER, None)
    assert known(ends[4]) == ("A mailbox was read by a stranger", 900)


def test_consents_are_counted_as_they_stood_at_the_end_of_the_period(house: Installation, clock: StillClock) -> None:
    amber = house.customer("amber_agrees")
    me = house.system.context(
        Actor(
            id=amber.account,
            kind=ActorKind.CUSTOMER,
            roles=frozenset({roles.CUSTOMER}),
            permissions=roles.ROLES[roles.CUSTOMER],
        )
    )
    at = clock.now()
    for days, act in ((1, consent.give), (2, consent.withdraw)):
        clock.move(at + days * DAY - clock.now())
        with house.system.db.begin() as session:
            act(session, "news", replace(me, at=clock.now()))

    def counted(end: datetime) -> list[tuple[int, int]]:
        with house.system.db.read() as session:
            found = consent.tallies(session, ctx(house, "olga").acting_as(auditor_of(at - DAY, end)))
        return [(one.given, one.withdrawn) for one in found]

    assert counted(at + DAY) == []
    assert counted(at + 2 * DAY) == [(1, 0)]
    assert counted(at + 3 * DAY) == [(0, 1)]


def test_the_pages_of_an_auditor_draw_runs_breaches_and_consents_of_their_period(
    house: Installation, clock: StillClock
) -> None:
    at = clock.now()
    ends = worked(house, clock)
    selma = Room(installation=house).desk("selma", roles.AUDITOR)
    period = {"period_from": at - DAY, "period_until": ends[0]}
    with house.system.db.begin() as session:
        session.execute(sa.update(role_grant).where(role_grant.c.account_id == selma.person.account).values(**period))
        (one,) = breaches.every(session)
    drawn = selma.draw("/console/compliance/breaches", f"?sel={one.id}")
    assert "as of 02 Nov 2026 15:59 UTC" in drawn
    assert "Not decided." in drawn
    assert "being assessed" in drawn
    assert "notice to authority" not in drawn
    for slug in ("retention", "consent"):
        assert "as of 02 Nov 2026 15:59 UTC" in selma.draw(f"/console/compliance/{slug}"), slug
