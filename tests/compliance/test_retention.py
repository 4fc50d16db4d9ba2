"""Old data goes under four eyes: dry run, two approvals, gone everywhere, certified; what is held stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.identity.models import contact
from app.identity.models import device as devices
from app.identity.models import session as sessions
from app.kernel import words
from app.kernel.access import Actor, ActorKind
from app.kernel.approvals import Verdict
from app.kernel.clock import StillClock, rfc3339
from app.kernel.context import Context
from app.kernel.crypto import Secret
from app.kernel.db import UtcDateTime, delete_for_good
from app.kernel.errors import Forbidden, Invalid, SamePerson, Unavailable
from app.kernel.marks import personal
from app.kernel.marks import technical as plain
from compliance.catalog.retention import shipped
from compliance.contracts.marked.owned import Ended
from compliance.contracts.personal import PersonalDataSource, Target
from compliance.contracts.tables import MarkedTables
from compliance.retention import (
    approving,
    binding,
    execute,
    held_events,
    holds,
    jobs,
    models,
    plan,
    policies,
    runs,
    shown,
)
from compliance.retention.binding import PeriodNotAgreed
from compliance.retention.holds import HoldInvalid, Item, Order
from compliance.retention.policies import PeriodUnknown, PolicyBelowFloor
from compliance.retention.runs import NothingDue, RunOpen
from ingest import models as log
from ingest.events.compliance import DocumentApproved
from ingest.events.privacy import RetentionPlanned
from ingest.log import forgetting, monitor, proofs, read, units
from ingest.log.store_check import Copy
from ingest.store.query import And, Eq, Window
from tests.compliance.office import agree, ctx, hold_on, opened
from tests.support.installation import Installation, installed

START = datetime(2026, 6, 2, 9, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> StillClock:
    return StillClock(START)


@pytest.fixture
def house(tmp_path: Path, clock: StillClock) -> Iterator[Installation]:
    """Five months ago: people, a technical event; and today."""
    with installed(tmp_path / "home", clock=clock) as made:
        five_months(made)
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each database in turn, as an installation is told of it."""
    return {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("server").fresh_database()}


def five_months(house: Installation) -> None:
    """Let an office begin and a customer sign up and pay in, and then let five months go by."""
    opened(house, "olga", "omar", "dora", "dirk")
    house.customer("amber_one", euros=20)
    house.arrive()
    house.system.signer.sign(START)
    house.system.clock.move(LATER - START)  # type: ignore[attr-defined]  # a still clock


def sessions_past(house: Installation, *names: str) -> None:
    """Let colleagues sign in, and the sessions of everybody be over for a hundred days."""
    for name in names:
        house.browser().sign_in(house.people[name], surface="staff")
    with house.system.db.begin() as session:
        session.execute(sa.update(sessions).values(ended_at=house.system.clock.now() - timedelta(days=100)))


def planned(house: Installation, class_: str) -> runs.Run:
    with house.system.db.begin() as session:
        made = runs.count(session, class_, ctx(house, "olga"), parts=house.system.retention)
        return runs.keep(session, made, ctx(house, "olga"), parts=house.system.retention)


def approved(house: Installation, run: runs.Run, *names: str) -> None:
    with house.system.db.begin() as session:
        approval = approving.propose(
            session, run.id, "due by its policy", ctx(house, "olga"), parts=house.system.retention
        )
    agree(house, approval, *names)


def carried_on(house: Installation) -> None:
    for job in jobs.jobs(house.system.ids, house.system.retention):
        if job.name == "retention.execute":
            job.run(house.system.clock.now())
    house.arrive()


def now(house: Installation, run: runs.Run) -> runs.Run:
    with house.system.db.read() as session:
        return runs.by_id(session, run.id)


def missed(house: Installation) -> set[str]:
    """Return of what the probe of Art. 5(2) misses something."""
    controls = house.system.controls
    seen = controls.observe(controls.parts.probes["papers.decided"], is_test_due=False)
    assert seen is not None
    return {one.component for one in seen.reading.violations if one.says.endswith("is gone")}


def is_sound(house: Installation) -> bool:
    system = house.system
    with system.db.read() as session:
        standing = system.shipper.standing(session)
    copy = Copy(name=standing.target, store=system.working_store, done=standing.done)
    return not monitor.verify(system.db, copy=copy, key=system.log_key, archive=system.archive).findings


def technical(house: Installation) -> list[int]:
    """Return the sequences of technical events of the past."""
    with house.system.db.read() as session:
        return list(
            session.scalars(
                sa.select(log.entry.c.sequence).where(
                    log.entry.c["class"] == "security", log.entry.c.ingested < START + timedelta(days=20)
                )
            )
        )


def proof_of(house: Installation, sequence: int, size: int) -> tuple[bytes, list[bytes]]:
    """Return the leaf of a sequence and its proof in a tree of some size."""
    with house.system.db.read() as session:
        (entry,) = read.entries(session, sequence - 1, sequence)
        return entry.leaf, proofs.proof(session, sequence, size)


def settle(house: Installation) -> None:
    """Bring everything into store and archive, without the jobs that would plan by themselves."""
    house.arrive()
    house.system.signer.sign(house.system.clock.now())
    house.arrive()


def keep_shorter(house: Installation) -> None:
    """Put a short period of the class security in force, past its floor: as if thirteen months had gone by."""
    house.system.clock.move(timedelta(days=400))  # type: ignore[attr-defined]  # a still clock


def test_a_month_of_events_goes_from_everywhere_and_every_proof_stands(house: Installation) -> None:
    system = house.system
    gone = technical(house)
    assert gone
    keep_shorter(house)
    settle(house)
    proof = proof_of(house, gone[0], gone[-1])
    run = planned(house, "security")
    assert run.total >= len(gone)
    assert run.facts["asks"][0].startswith("it is the first run of version 1")
    approved(house, run, "dora")
    assert now(house, run).state == runs.WAITING  # one is not enough
    with system.db.read() as session:
        approval = str(runs.by_id(session, run.id).approval_id)
    with system.db.begin() as session:
        system.approvals.decide(session, approval, Verdict.APPROVED, "", ctx(house, "dirk"))
    assert now(house, run).state == runs.APPROVED
    for _ in range(3):
        carried_on(house)
    done = now(house, run)
    assert (done.state, done.why) == (runs.CERTIFIED, "approved by two people")
    with system.db.read() as session:
        left = session.scalar(sa.select(sa.func.count()).select_from(log.body).where(log.body.c.sequence.in_(gone)))
        certificate = execute.certificate_of(session, run.id)
    assert left == 0
    assert certificate is not None
    assert certificate["body"]["removed"] == done.done == run.total
    assert certificate["body"]["approvers"] == 2
    assert is_sound(house)
    assert proof_of(house, gone[0], gone[-1]) == proof
    assert missed(house) == set()
    for hidden in (models.certificate, models.run):  # as whoever would hide that it ever was
        with house.system.db.begin() as session:
            delete_for_good(session)
            session.execute(sa.delete(hidden))
        assert missed(house) == {"runs"}


def test_an_approval_says_how_its_run_stands(house: Installation) -> None:
    sessions_past(house, "olga")
    run = planned(house, "session")
    approved(house, run, "dora", "dirk")

    def became() -> str | None:
        with house.system.db.begin() as session:
            approval = str(now(house, run).approval_id)
            return house.system.approvals.show(session, approval, ctx(house, "dora")).became

    assert became() == "It begins within a minute."
    carried_on(house)
    said = became()
    assert said is not None
    assert said.startswith(f"{now(house, run).done} rows gone, none kept for a case; certified on ")


def test_neither_who_planned_nor_who_proposed_approves(house: Installation) -> None:
    keep_shorter(house)
    settle(house)
    run = planned(house, "security")
    with house.system.db.begin() as session:
        approval = approving.propose(
            session, run.id, "due by its policy", ctx(house, "omar"), parts=house.system.retention
        )
    for name in ("olga", "omar"):
        with pytest.raises(SamePerson), house.system.db.begin() as session:
            house.system.approvals.decide(session, approval, Verdict.APPROVED, "", ctx(house, name))
    assert now(house, run).state == runs.WAITING


def test_a_refused_run_removes_nothing(house: Installation) -> None:
    keep_shorter(house)
    settle(house)
    run = planned(house, "security")
    with house.system.db.begin() as session:
        approval = approving.propose(
            session, run.id, "due by its policy", ctx(house, "olga"), parts=house.system.retention
        )
    with house.system.db.begin() as session:
        house.system.approvals.decide(session, approval, Verdict.REJECTED, "a case is coming", ctx(house, "dora"))
    carried_on(house)
    assert now(house, run).state == runs.ABORTED
    assert is_sound(house)


def test_a_mistyped_period_waits_for_two_people_at_its_first_run(house: Installation) -> None:
    system = house.system
    with system.db.begin() as session:
        approval = policies.propose(
            session, "session", "P5D", "", "five years, as for accounts", ctx(house, "olga"), approvals=system.approvals
        )
    agree(house, approval, "dora")
    with system.db.read() as session:
        policy = policies.in_force(session)["session"]
    assert (policy.keep.text, policy.version) == ("P5D", 2)
    browser = house.browser()
    browser.sign_in(house.people["olga"], surface="staff")
    with system.db.begin() as session:
        session.execute(sa.update(sessions).values(ended_at=system.clock.now() - timedelta(days=10)))
    jobs.plan_all(system.context(jobs._PLANNER), system.retention)
    with system.db.read() as session:
        (run,) = [one for one in runs.in_state(session, runs.PLANNED) if one.class_ == "session"]
    assert run.facts["asks"] == ["it is the first run of version 2, which keeps 5 days"]
    carried_on(house)
    assert now(house, run).state == runs.PLANNED
    with system.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(sessions))


def test_a_usual_run_within_the_standing_limit_needs_nobody(house: Installation) -> None:
    system = house.system
    for round_ in range(2):
        sessions_past(house, "olga")
        if round_ == 0:
            run = planned(house, "session")
            approved(house, run, "dora", "dirk")
        else:
            jobs.plan_all(system.context(jobs._PLANNER), system.retention)
        for _ in range(2):
            carried_on(house)
        system.clock.move(timedelta(minutes=2))  # type: ignore[attr-defined]  # a still clock
    with system.db.read() as session:
        done = [run for run in runs.in_state(session, runs.CERTIFIED) if run.class_ == "session"]
        assert session.scalar(sa.select(sa.func.count()).select_from(sessions)) == 0
    assert [run.why for run in done] == [
        "approved by two people",
        "approved by rule: within the standing limit of the class",
    ]


def test_what_a_hold_keeps_stays_and_the_rest_goes(house: Installation) -> None:
    system = house.system
    order = order_on(house, "claim-17")
    keep_shorter(house)
    settle(house)
    with system.db.begin() as session:
        hold_id = holds.place(session, order, ctx(house, "olga"), parts=house.system.retention)
    run = planned(house, "security")
    assert run.facts["conflicts"] == ["claim-17"]
    approved(house, run, "dora", "dirk")
    for _ in range(3):
        carried_on(house)
    done = now(house, run)
    assert done.state == runs.CERTIFIED
    assert done.skipped > 0
    assert done.done == run.total, "what was approved went, and what is held stayed"
    assert is_sound(house)

    with system.db.begin() as session:
        asker = ctx(house, "omar")
        approval = holds.ask_release(session, hold_id, "the case is closed", asker, approvals=system.approvals)
    with pytest.raises(SamePerson), system.db.begin() as session:  # who placed it does not release it
        system.approvals.decide(session, approval, Verdict.APPROVED, "", ctx(house, "olga"))
    agree(house, approval, "dora", "dirk")
    with system.db.read() as session:
        assert holds.active(session) == []


def test_a_month_that_tells_of_a_hold_that_stands_stays_until_it_is_released(house: Installation) -> None:
    """Else what the hold keeps would rest on its row alone, which whoever has the database can change."""
    system = house.system
    with system.db.begin() as session:
        hold_id = holds.place(session, order_on(house, "claim-17"), ctx(house, "olga"), parts=system.retention)
    settle(house)
    system.clock.move(timedelta(days=6 * 366))  # type: ignore[attr-defined]  # a still clock
    settle(house)
    with pytest.raises(NothingDue):
        planned(house, "privacy")
    with system.db.read() as session:
        policy = policies.in_force(session)["privacy"]
        made = plan.make(session, policy, system.clock.now(), parts=system.retention)
    (place,) = [one for one in made.places if one.store == "log privacy 2026-11"]
    assert place.count == place.held > 0
    assert made.conflicts == ("claim-17",)
    assert "privacy|2026-11" not in {batch.store for batch in made.batches}
    with system.db.begin() as session:
        assert [one.case for one in holds.standing(session)] == ["claim-17"]
        asker, book = ctx(house, "omar"), system.approvals
        asked = holds.ask_release(session, hold_id, "the case is closed", asker, approvals=book)
    agree(house, asked, "dora", "dirk")
    with system.db.read() as session:
        made = runs.count(session, "privacy", ctx(house, "olga"), parts=system.retention)
    assert "privacy|2026-11" in {batch.store for batch in made.batches}


def test_a_range_of_the_log_holds_no_more_of_a_month_than_lies_in_it(house: Installation) -> None:
    system = house.system
    for n in range(3):
        house.customer(f"amber_{n}", euros=3)
    keep_shorter(house)
    settle(house)
    with system.db.read() as session:
        unit = units.every(session, ("security",))[0]
        others = unit.last - unit.first + 1 - unit.count
        own = read.sequences_in(session, "security", unit.first - 1, unit.last)
    assert others > 0, "other classes lie between"
    assert late_in(house, f"security {unit.month}")

    # What other classes have in a range keeps nothing of this one, and a part keeps that part alone.
    half = own[len(own) // 2]
    with system.db.begin() as session:
        order = hold_on("claim-19", Item(kind="sequences", value=f"{unit.first}:{half}"))
        holds.place(session, order, ctx(house, "olga"), parts=house.system.retention)
    kept = own.index(half) + 1
    assert late_in(house, f"security {unit.month}") == f"{unit.count - kept} events are due for more than 48 h"
    run = planned(house, "security")
    (place,) = [one for one in run.facts["places"] if one["store"].startswith("log security")]
    assert (place["count"], place["held"]) == (unit.count, kept)
    rest = run.total - (unit.count - kept)
    approved(house, run, "dora", "dirk")
    for _ in range(3):
        carried_on(house)
    done = now(house, run)
    assert (done.state, done.done, done.skipped) == (runs.CERTIFIED, unit.count - kept + rest, kept)
    assert is_sound(house)


def late_in(house: Installation, month: str) -> str | None:
    """Return what the probe of storage says of a month of the log."""
    controls = house.system.controls
    seen = controls.observe(controls.parts.probes["privacy.storage"])
    assert seen is not None
    said = [one.says for one in seen.reading.violations if one.object_id == month]
    return said[0].partition(",")[0] if said else None


def test_a_hold_that_comes_between_plan_and_run_keeps_its_rows(house: Installation) -> None:
    system = house.system
    sessions_past(house, "olga", "dora")
    run = planned(house, "session")
    approved(house, run, "dora", "dirk")
    order = hold_on("claim-18", Item(kind="subject", value=house.people["olga"].account), reason="who was signed in")
    with system.db.begin() as session:
        holds.place(session, order, ctx(house, "omar"), parts=house.system.retention)
    for _ in range(2):
        carried_on(house)
    done = now(house, run)
    assert (done.state, done.done, done.skipped) == (runs.CERTIFIED, 2, 1)  # the customer's of sign-up goes as well
    with system.db.read() as session:
        left = session.scalars(sa.select(sessions.c.account_id)).all()
    assert list(left) == [house.people["olga"].account]


class Sparing:
    """A source that leaves the last row of each batch, and says that it removed all of them."""

    def __init__(self, inner: PersonalDataSource, *, is_honest: bool) -> None:
        self._inner, self._is_honest = inner, is_honest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def erase(self, session: Session, targets: Sequence[Target], ctx: Context) -> Counter[str]:
        done = self._inner.erase(session, targets[:-1], ctx)
        return done if self._is_honest else Counter({"delete": len(targets)})


@pytest.mark.parametrize("is_honest", [True, False])
def test_what_is_left_of_a_run_is_seen_and_nothing_is_certified(house: Installation, is_honest: bool) -> None:
    system = house.system
    sessions_past(house, "olga", "dora")
    run = planned(house, "session")
    approved(house, run, "dora", "dirk")
    sources = tuple(cast("PersonalDataSource", Sparing(one, is_honest=is_honest)) for one in system.retention.sources)
    lying = replace(system.retention, sources=sources)
    for _ in range(execute.LOOKS_MAX + 2):
        jobs.carry_on(system.context(jobs._EXECUTOR), system.context(jobs._READER), lying)
    house.arrive()
    done = now(house, run)
    assert done.state == runs.FAILED
    assert str(done.why).startswith("not verified: 1 of 3 rows of app_session")
    with system.db.read() as session:
        assert execute.certificate_of(session, run.id) is None
        assert session.scalar(sa.select(sa.func.count()).select_from(sessions)) == 1
    assert planned(house, "session").total == 1, "what is due is planned anew"


def test_a_row_whose_time_runs_anew_stays_and_is_accounted_for(house: Installation) -> None:
    system = house.system
    sessions_past(house, "olga", "dora")
    run = planned(house, "session")
    approved(house, run, "dora", "dirk")
    with system.db.begin() as session:
        anew = sa.update(sessions).where(sessions.c.account_id == house.people["olga"].account)
        session.execute(anew.values(ended_at=system.clock.now()))
    carried_on(house)
    with system.db.read() as session:
        certificate = execute.certificate_of(session, run.id)
    assert certificate is not None
    (place,) = certificate["body"]["places"]
    assert place == {"store": "app_session", "removed": 2, "held": 0, "no_longer_due": 1}


def test_a_hold_between_two_batches_keeps_what_is_left(house: Installation) -> None:
    system = house.system
    sessions_past(house, "olga", "dora")
    single = replace(system.retention, settings=replace(system.retention.settings, batch=1))
    with system.db.begin() as session:
        made = runs.count(session, "session", ctx(house, "olga"), parts=single)
        run = runs.keep(session, made, ctx(house, "olga"), parts=single)
    approved(house, run, "dora", "dirk")

    class Between(Sparing):
        """Places a hold on everybody once the first batch was done."""

        is_placed = False

        def erase(self, session: Session, targets: Sequence[Target], ctx_: Context) -> Counter[str]:
            done = self._inner.erase(session, targets, ctx_)
            if not Between.is_placed:
                Between.is_placed = True
                items = tuple(Item(kind="subject", value=person.account) for person in house.people.values())
                order = hold_on("claim-19", *items, reason="who was signed in")
                holds.place(session, order, ctx(house, "omar"), parts=house.system.retention)
            return done

    sources = tuple(cast("PersonalDataSource", Between(one, is_honest=True)) for one in single.sources)
    jobs.carry_on(system.context(jobs._EXECUTOR), system.context(jobs._READER), replace(single, sources=sources))
    done = now(house, run)
    assert (done.state, done.done, done.skipped) == (runs.CERTIFIED, 1, 2)
    with system.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(sessions)) == 2


def test_a_hold_that_comes_once_a_month_has_begun_to_go_is_kept_from_it(
    house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = house.system
    keep_shorter(house)
    settle(house)
    run = planned(house, "security")
    approved(house, run, "dora", "dirk")
    away = Unavailable("The store does not answer.")

    def gone(*_: object, **__: object) -> None:
        raise away

    with monkeypatch.context() as broken:  # written down, and then the store is away
        broken.setattr(system.retention.log.store, "drop", gone)
        carried_on(house)
    assert now(house, run).state == runs.EXECUTING
    order = order_on(house, "claim-20")
    with system.db.begin() as session:
        holds.place(session, order, ctx(house, "olga"), parts=house.system.retention)
    for _ in range(3):
        carried_on(house)
    done = now(house, run)
    assert done.state == runs.CERTIFIED
    assert done.skipped > 0
    assert is_sound(house)


def test_a_plan_that_was_changed_after_approval_is_not_carried_out(house: Installation) -> None:
    system = house.system
    sessions_past(house, "olga")
    run = planned(house, "session")
    approved(house, run, "dora", "dirk")
    with system.db.begin() as session:  # as whoever has the database may
        session.execute(sa.update(models.target).values(leaves=["app_account|everybody|name|delete"]))
    carried_on(house)
    done = now(house, run)
    assert done.state == runs.ABORTED
    assert str(done.why).startswith("root moved")
    with system.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(sessions)) == 2


def planned_event(house: Installation) -> str:
    """Return the event that says that a plan was made, which lets nobody carry it out."""
    house.system.sequencer.drain()
    of = log.entry.c
    with house.system.db.read() as session:
        kind = RetentionPlanned.kind
        return str(session.scalar(sa.select(of.event_id).where(of.kind == kind).order_by(of.sequence.desc()).limit(1)))


@pytest.mark.parametrize("forged", ["state", "asks", "another", "planned"])
def test_a_run_that_nobody_approved_removes_nothing(house: Installation, forged: str) -> None:
    """Written into the database as approved, a plan that asks people ends at its first step, and says why."""
    keep_shorter(house)
    sessions_past(house, "olga")
    run = planned(house, "security")
    assert run.facts["asks"]
    values: dict[str, Any] = {"state": runs.APPROVED, "approved_at": house.system.clock.now()}
    if forged == "asks":
        values["facts"] = {**run.facts, "asks": []}
    elif forged == "planned":
        values["approved_event"] = planned_event(house)
    elif forged == "another":
        five = planned(house, "session")
        approved(house, five, "dora", "dirk")
        values |= {"approved_event": now(house, five).approved_event, "approval_id": now(house, five).approval_id}
    with house.system.db.begin() as session:
        session.execute(sa.update(models.run).where(models.run.c.id == run.id).values(values))
    carried_on(house)
    found = now(house, run)
    assert (found.state, found.done) == (runs.ABORTED, 0)
    assert found.why == "not decided: the log knows of nobody who approved this run"


@pytest.mark.parametrize("forged", ["again", "later"])
def test_an_approved_run_is_carried_out_once_and_over_what_was_approved(house: Installation, forged: str) -> None:
    """One that ended is over, whatever its row says, and one that reaches further was approved by nobody."""
    sessions_past(house, "olga")
    run = planned(house, "session")
    approved(house, run, "dora", "dirk")
    values: dict[str, Any] = {"before": run.before + timedelta(days=9)}
    if forged == "again":
        with house.system.db.begin() as session:
            runs.abort(session, now(house, run), runs.Ending.POLICY_CHANGED, "", ctx(house, "olga"))
        values = {"state": runs.APPROVED}
    with house.system.db.begin() as session:
        session.execute(sa.update(models.run).where(models.run.c.id == run.id).values(values))
    carried_on(house)
    found = now(house, run)
    assert (found.state, found.done) == (runs.ABORTED, 0)
    says = "says that this run is over" if forged == "again" else "knows of nobody who approved this run"
    assert found.why == f"not decided: the log {says}"


def test_a_first_run_asks_people_whatever_rows_say_of_earlier_ones(house: Installation) -> None:
    sessions_past(house, "olga")
    run = planned(house, "session")
    done = {"state": runs.CERTIFIED, "certified_at": house.system.clock.now(), "total": 1_000_000}
    with house.system.db.begin() as session:
        session.execute(sa.update(models.run).where(models.run.c.id == run.id).values(done))
    assert planned(house, "session").facts["asks"] == ["it is the first run of version 1, which keeps 90 days"]


def test_a_new_policy_ends_runs_of_the_old_one(house: Installation) -> None:
    system = house.system
    sessions_past(house, "olga")
    run = planned(house, "session")
    approved(house, run, "dora", "dirk")
    with system.db.begin() as session:
        approval = policies.propose(
            session, "session", "P1Y", "", "an authority asked for it", ctx(house, "olga"), approvals=system.approvals
        )
    with system.db.read() as session:
        shown = system.approvals.show(session, str(approval), ctx(house, "dora"))
    assert shown.lines is not None
    assert "Nothing becomes due that was not." in shown.lines
    agree(house, approval, "dora")
    carried_on(house)
    assert str(now(house, run).why).startswith("policy changed")


def kept_for(house: Installation, keep: str) -> None:
    """Let two people agree to another period of sessions."""
    book, asked = house.system.approvals, "it is asked for so here"
    with house.system.db.begin() as session:
        approval = policies.propose(session, "session", keep, "", asked, ctx(house, "olga"), approvals=book)
    agree(house, approval, "dora")


def shipped_again(session: Session) -> None:
    session.execute(sa.delete(models.policy).where(models.policy.c["class"] == "session"))


def older_again(session: Session) -> None:
    of = models.policy.c
    mine = sa.update(models.policy).where(of["class"] == "session")
    session.execute(mine.where(of.state == policies.IN_FORCE).values(state=policies.SUPERSEDED))
    session.execute(mine.where(of.version == 2).values(state=policies.IN_FORCE))


def nightly(house: Installation) -> str | None:
    """Let a night go by: what is due is counted, and what goes by rule is carried out."""
    house.system.clock.move(timedelta(days=1))  # type: ignore[attr-defined]  # a still clock
    (plan_,) = [job for job in jobs.jobs(house.system.ids, house.system.retention) if job.name == "retention.plan"]
    said = plan_.run(house.system.clock.now())
    carried_on(house)
    carried_on(house)
    return said


def test_a_class_that_cannot_be_counted_stops_no_other(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions_past(house, "omar")
    count = runs.count

    def away(session: Session, class_: str, ctx: Context, *, parts: Any) -> Any:
        if class_ == min(policies.in_force(session)):
            raise Unavailable
        return count(session, class_, ctx, parts=parts)

    monkeypatch.setattr(runs, "count", away)
    assert str(nightly(house)) == "1 classes not counted, 1 runs planned"


def sessions_left(house: Installation) -> int:
    with house.system.db.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(sessions)) or 0


@pytest.mark.parametrize("again", [shipped_again, older_again])
def test_an_older_period_that_is_put_in_force_again_removes_nothing(
    house: Installation, again: Callable[[Session], None]
) -> None:
    """People agreed to keep longer since; a row that says otherwise plans, approves and carries out nothing."""
    if again is older_again:
        kept_for(house, "P60D")
    sessions_past(house, "omar")
    first = planned(house, "session")
    approved(house, first, "dora", "dirk")
    carried_on(house)
    carried_on(house)
    assert now(house, first).state == runs.CERTIFIED
    kept_for(house, "P180D")
    sessions_past(house, "olga", "dirk")
    nightly(house)
    kept = sessions_left(house)
    assert kept == 2, "sessions that ended 100 days ago are kept by what people agreed to"
    with house.system.db.begin() as session:
        delete_for_good(session)
        again(session)
    assert "1 classes refused" in str(nightly(house))
    assert sessions_left(house) == kept
    with pytest.raises(PeriodNotAgreed):
        planned(house, "session")
    kept_for(house, "P180D")
    with house.system.db.read() as session:
        found = policies.in_force(session)["session"]
        assert found.version == (3 if again is shipped_again else 4), "what the log says is counted on"
        assert binding.troubles(session) == {}


def test_a_run_by_a_period_that_does_not_bind_ends_at_its_first_step(house: Installation) -> None:
    """Also where it was planned and approved before the older period was put in force again."""
    sessions_past(house, "olga")
    run = planned(house, "session")
    with house.system.db.read() as session:
        shipped_ = policies.in_force(session)["session"]
    kept_for(house, "P180D")
    approved(house, run, "dora", "dirk")
    with house.system.db.begin() as session:
        delete_for_good(session)
        shipped_again(session)
    assert run.policy_hash == shipped_.hash
    carried_on(house)
    found = now(house, run)
    assert (found.state, found.done) == (runs.ABORTED, 0)
    assert found.why == "period not agreed: version 1 is in force, and people agreed to version 2 since"


def test_a_period_whose_approval_ended_lets_nothing_go_by_rule(house: Installation) -> None:
    """The log says no more which period was agreed: two people are asked each time, until it is agreed to again."""
    kept_for(house, "P60D")
    sessions_past(house, "omar")
    first = planned(house, "session")
    approved(house, first, "dora", "dirk")
    carried_on(house)
    carried_on(house)
    house.arrive()
    with house.system.db.begin() as session:
        delete_for_good(session)
        said = sa.select(log.entry.c.sequence).where(log.entry.c.kind == DocumentApproved.kind)
        session.execute(sa.delete(log.body).where(log.body.c.sequence.in_(said)))
    sessions_past(house, "olga")
    with pytest.raises(PeriodNotAgreed):
        planned(house, "session")
    unit = {"class": "governance", "month": "2026-11", "first": 1, "last": 10_000, "count": 1, "held": 0}
    with house.system.db.begin() as session:
        row = {**unit, "state": "gone", "run": "ret_x", "begun_at": LATER, "ended_at": LATER}
        session.execute(sa.insert(log.forgotten).values(row))
    run = planned(house, "session")
    assert [why for why in run.facts["asks"] if "says no more" in why]
    with house.system.db.begin() as session:  # as whoever has the database may
        session.execute(sa.update(models.run).where(models.run.c.id == run.id).values(facts={**run.facts, "asks": []}))
        runs.approve(session, now(house, run), "approved by rule", ctx(house, "olga"))
    carried_on(house)
    assert now(house, run).why == "not decided: the log knows of nobody who approved this run"
    again = planned(house, "session")
    approved(house, again, "dora", "dirk")
    carried_on(house)
    carried_on(house)
    assert now(house, again).state == runs.CERTIFIED


def test_a_shorter_period_says_what_becomes_due_by_it(house: Installation) -> None:
    system, at = house.system, house.system.clock.now()
    with system.db.begin() as session:
        approval = policies.propose(
            session, "governance", "P2Y", "", "two are enough", ctx(house, "olga"), approvals=system.approvals
        )
        shown = system.approvals.show(session, str(approval), ctx(house, "dora"))
    begin, end = at.replace(year=at.year - 5), at.replace(year=at.year - 2)
    says = f"This becomes due though it was not: what ended from {begin:%-d %B %Y} to {end:%-d %B %Y}."
    assert any(line.startswith(says) for line in shown.lines or ())


@pytest.mark.parametrize("class_", sorted(shipped()))
def test_the_ground_of_every_class_passes_as_one(class_: str) -> None:
    ground = shipped()[class_].ground
    assert words.checked(ground, param="ground", shortest=policies.GROUND_MIN, longest=policies.REASON_MAX) == ground


def test_refusals_have_their_codes(house: Installation) -> None:
    system = house.system

    def propose(keep: str, class_: str = "money") -> None:
        with system.db.begin() as session:
            asker = ctx(house, "olga")
            policies.propose(session, class_, keep, "", "as it should be", asker, approvals=system.approvals)

    with pytest.raises(PolicyBelowFloor, match="10 years at the least"):
        propose("P5M")
    with pytest.raises(PeriodUnknown):
        propose("five years")
    for nothing in ("P0D", "PT0S", "P0Y"):
        with pytest.raises(PeriodUnknown, match="no time at all"):
            propose(nothing, "session")
    propose("PT0S", "credential")  # is shipped so: a password goes as it is replaced
    with pytest.raises(NothingDue):
        planned(house, "session")
    with pytest.raises(Forbidden), system.db.read() as session:
        runs.count(session, "session", ctx(house, "dora"), parts=system.retention)
    good = hold_on("claim-1", Item(kind="class", value="session"))
    for wrong in (
        {"case": "Claim 1"},
        {"review_on": date(2020, 1, 1)},
        {"items": ()},
        {"items": (Item(kind="sequences", value="9:1"),)},
        {"items": (Item(kind="class", value="nothing"),)},
        {"items": (Item(kind="people", value="all"),)},
    ):
        with pytest.raises(HoldInvalid), system.db.begin() as session:
            holds.place(session, replace(good, **wrong), ctx(house, "olga"), parts=house.system.retention)
    with system.db.begin() as session:
        holds.place(session, good, ctx(house, "olga"), parts=house.system.retention)
    with pytest.raises(holds.CaseTaken), system.db.begin() as session:
        holds.place(session, good, ctx(house, "olga"), parts=house.system.retention)


@pytest.mark.parametrize(
    ("class_", "keep", "code"),
    [
        ("card.sensitive", "P5Y", "policy_above_ceiling"),
        ("card.sensitive", "PT16M", "policy_above_ceiling"),
        ("card.sensitive", "PT15M", None),
        ("aml.cdd", "P90Y", "policy_above_ceiling"),
        ("aml.cdd", "P10Y1D", "policy_above_ceiling"),
        ("aml.cdd", "P10Y", None),
        ("aml.cdd", "P1826D", "policy_below_floor"),
        ("aml.cdd", "P1827D", None),
        ("rights.package", "P99Y", "policy_above_ceiling"),
        ("account.contact", "P50Y", "policy_above_ceiling"),
        ("session", "P400D", "policy_above_ceiling"),
        ("backup", "P0D", "policy_below_floor"),
        ("backup", "P60D", None),
    ],
)
def test_a_period_keeps_between_floor_and_ceiling(
    house: Installation, class_: str, keep: str, code: str | None
) -> None:
    book = house.system.approvals

    def propose() -> None:
        with house.system.db.begin() as session:
            policies.propose(session, class_, keep, "", "because of this reason", ctx(house, "olga"), approvals=book)

    if code is None:
        return propose()
    with pytest.raises(Invalid) as refused:
        propose()
    assert refused.value.code == code


def test_one_run_of_a_class_at_a_time(house: Installation) -> None:
    keep_shorter(house)
    settle(house)
    planned(house, "security")
    with pytest.raises(RunOpen):
        planned(house, "security")


def test_a_plan_that_nobody_proposes_lapses(house: Installation) -> None:
    keep_shorter(house)
    settle(house)
    run = planned(house, "security")
    house.system.clock.move(timedelta(hours=73))  # type: ignore[attr-defined]  # a still clock
    jobs.plan_all(house.system.context(jobs._PLANNER), house.system.retention)
    assert now(house, run).state == runs.EXPIRED


def auditor(begin: datetime, end: datetime) -> Actor:
    """Return an auditor with a period locked to them."""
    held = frozenset({roles.AUDITOR})
    return Actor(
        id="acc_audit", kind=ActorKind.STAFF, roles=held, permissions=roles.ROLES[roles.AUDITOR], period=(begin, end)
    )


def test_an_auditor_sees_what_stood_in_their_period_alone(house: Installation) -> None:
    system, day = house.system, timedelta(days=1)
    at = system.clock.now()
    before, inside, after = (
        auditor(at - 9 * day, at - day),
        auditor(at - day, at + day),
        auditor(at + 5 * day, at + 9 * day),
    )
    house.browser().sign_in(house.people["olga"], surface="staff")
    order = hold_on("claim-21", Item(kind="subject", value=house.people["olga"].account), reason="who was signed in")
    with system.db.begin() as session:
        session.execute(sa.update(sessions).values(ended_at=at - timedelta(days=100)))
        holds.place(session, order, ctx(house, "olga"), parts=house.system.retention)
    run = planned(house, "session")
    with system.db.begin() as session:
        approval = policies.propose(
            session, "session", "P1Y", "", "an authority asked for it", ctx(house, "olga"), approvals=system.approvals
        )
    agree(house, approval, "dora")
    with system.db.begin() as session:
        session.execute(sa.update(models.hold).values(released_at=at + 2 * day, state=holds.RELEASED))
    with system.db.read() as session:
        for who, cases, ids, version, versions in (
            (before, [], [], 1, 0),
            (inside, ["claim-21"], [run.id], 2, 1),
            (after, [], [run.id], 2, 1),
        ):
            assert [hold.case for hold in holds.listed(session, who)] == cases
            assert [one.id for one in shown.listed(session, who)] == ids
            assert shown.totals(session, who).due == (run.total if ids else 0)
            assert policies.seen(session, who)["session"].version == version
            assert len(policies.history(session, "session", who)) == versions
        officer = ctx(house, "olga").actor
        assert [hold.case for hold in holds.listed(session, officer)] == ["claim-21"]
        assert policies.seen(session, officer) == policies.in_force(session)
        assert [one.state for who in (inside, officer) for one in holds.listed(session, who)] == ["active", "released"]


def test_an_auditor_sees_runs_as_they_stood_at_the_end_of_their_period(house: Installation) -> None:
    system, hour = house.system, timedelta(hours=1)
    sessions_past(house, "olga")
    begin, run, seen = system.clock.now(), planned(house, "session"), list[tuple[str, int, int]]()
    ends = [system.clock.now() + hour]
    system.clock.move(2 * hour)  # type: ignore[attr-defined]  # a still clock
    approved(house, run, "dora", "dirk")
    ends.append(system.clock.now() + hour)
    system.clock.move(2 * hour)  # type: ignore[attr-defined]  # a still clock
    for _ in range(2):
        carried_on(house)
    ends.append(system.clock.now() + hour)
    assert now(house, run).state == runs.CERTIFIED
    with system.db.read() as session:
        for end in ends:
            who = auditor(begin - hour, end)
            (one,) = [each for each in shown.listed(session, who) if each.id == run.id]
            totals = shown.totals(session, who)
            seen.append((one.state, totals.due, sum(totals.gone.values())))
    gone = now(house, run).done
    assert seen == [(runs.PLANNED, run.total, 0), (runs.APPROVED, 0, 0), (runs.CERTIFIED, 0, gone)]


def test_a_run_is_seen_in_each_period_it_was_open_in_and_never_as_it_ended_after_it(house: Installation) -> None:
    system, day, at = house.system, timedelta(days=1), house.system.clock.now()
    sessions_past(house, "olga")
    run = planned(house, "session")
    system.clock.move(2 * day)  # type: ignore[attr-defined]  # a still clock
    approved(house, run, "dora", "dirk")
    system.clock.move(2 * day)  # type: ignore[attr-defined]  # a still clock
    with system.db.begin() as session:
        runs.abort(session, now(house, run), runs.Ending.ROOT_MOVED, "seen late", ctx(house, "olga"))
    assert now(house, run).ended_at == system.clock.now()

    def shown_in(begin: int, end: int) -> list[tuple[str, str | None, bool]]:
        with system.db.read() as session:
            found = shown.listed(session, auditor(at + begin * day, at + end * day))
        return [(one.state, one.why, one.approval_id is not None) for one in found]

    assert shown_in(-2, 1) == [(runs.PLANNED, None, False)], "nobody had proposed it"
    assert shown_in(1, 4) == [(runs.APPROVED, None, True)], "nobody knew that it would be aborted"
    assert shown_in(3, 4) == [(runs.APPROVED, None, True)], "it was open, and nothing happened to it"
    assert shown_in(3, 9) == [(runs.ABORTED, "root moved: seen late", True)]
    assert shown_in(5, 9) == []
    with system.db.begin() as session:
        session.execute(sa.update(models.run).values(ended_at=None))
    assert shown_in(1, 9) == [(runs.APPROVED, None, True)], "when it ended was not written down before"
    assert shown_in(5, 9) == []


def test_a_plan_that_waits_or_lapses_is_shown_so_once_it_did(house: Installation) -> None:
    system, day, at = house.system, timedelta(days=1), house.system.clock.now()
    sessions_past(house, "olga")
    lapsed = planned(house, "session")
    system.clock.move(system.retention.settings.plan_valid + day)  # type: ignore[attr-defined]  # a still clock
    with system.db.begin() as session:
        runs.expire(session, ctx(house, "olga"), parts=system.retention)
    ended = system.clock.now()
    waits = planned(house, "session")
    system.clock.move(day)  # type: ignore[attr-defined]  # a still clock
    with system.db.begin() as session:
        approving.propose(session, waits.id, "due by its policy", ctx(house, "olga"), parts=system.retention)
    states = {lapsed.id: runs.EXPIRED, waits.id: runs.WAITING}
    for end, known in (
        (ended, {lapsed.id: runs.PLANNED}),
        (ended + day, {lapsed.id: runs.EXPIRED, waits.id: runs.PLANNED}),
        (ended + 2 * day, states),
    ):
        with system.db.read() as session:
            found = shown.listed(session, auditor(at - day, end))
        assert {one.id: one.state for one in found} == known


def test_what_was_asked_before_payloads_named_rows_or_events_is_decided_as_it_was_asked(house: Installation) -> None:
    system = house.system
    sessions_past(house, "olga")
    run = planned(house, "session")
    said = approving.payload_of(run)
    assert said.pop("things") == f"{run.total} rows"
    with system.db.begin() as session:
        asked = system.approvals.ask(
            session, approving.APPROVAL, said, ctx(house, "olga"), object_id=run.id, reason="due by its policy"
        )
        runs.move(session, run.id, (runs.PLANNED,), runs.WAITING, approval_id=asked)
    agree(house, asked, "dora", "dirk")
    assert now(house, run).state == runs.APPROVED


def test_what_is_gone_is_counted_over_all_runs_and_not_over_those_that_are_shown(house: Installation) -> None:
    system = house.system
    sessions_past(house, "olga")
    run = planned(house, "session")
    approved(house, run, "dora", "dirk")
    carried_on(house)
    assert now(house, run).state == runs.CERTIFIED
    with system.db.begin() as session:
        (row,) = session.execute(sa.select(models.run)).mappings()
        later = system.clock.now() + timedelta(hours=1)
        others = [
            {**row, "id": f"ret_{n}", "state": runs.EXPIRED, "planned_at": later} for n in range(shown.LIST_MAX + 1)
        ]
        session.execute(sa.insert(models.run), others)
    officer = ctx(house, "olga").actor
    with system.db.read() as session:
        assert run.id not in {one.id for one in shown.listed(session, officer)}
        assert shown.totals(session, officer).gone == {"session": run.total}


def order_on(house: Installation, case: str) -> Order:
    """Return an order to keep all that is about amber."""
    return hold_on(case, Item(kind="subject", value=house.people["amber_one"].account))


def placed_beside(house: Installation, case: str) -> None:
    """Place a hold in another thread, as another worker would, and wait until it stands."""

    def place() -> None:
        with house.system.db.begin() as session:
            holds.place(session, order_on(house, case), ctx(house, "omar"), parts=house.system.retention)

    with ThreadPoolExecutor(1) as other:
        other.submit(place).result()


@pytest.mark.parametrize("moment", ["while holds are looked for", "while what is held is copied"])
def test_a_hold_placed_while_a_month_goes_keeps_its_events(
    tmp_path: Path, database: dict[str, Any], moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with installed(tmp_path / "home", clock=StillClock(START), **database) as house:
        five_months(house)
        keep_shorter(house)
        settle(house)
        run = planned(house, "security")
        approved(house, run, "dora", "dirk")
        module, name = (held_events, "sequences") if "looked" in moment else (forgetting, "_copy_held")
        real, done = getattr(module, name), []

        def beside(*given: Any) -> Any:
            answer = real(*given)
            if not done:
                done.append(moment)
                placed_beside(house, "claim-23")
            return answer

        monkeypatch.setattr(module, name, beside)
        for _ in range(3):
            carried_on(house)
        ended = now(house, run)
        assert (ended.state, done) == (runs.CERTIFIED, [moment])
        with house.system.db.read() as session:
            held = set(session.scalars(sa.select(log.held.c.sequence)))
        of = house.people["amber_one"].account
        unit = Window(lo=0, hi=max(held, default=0))
        about = house.system.store.count(And((Eq("onepay.class", "security"), Eq("onepay.subject.id", of))), unit)
        assert len(held) == ended.skipped == about > 0
        assert is_sound(house)


def test_a_run_that_breaks_off_stops_no_other(house: Installation) -> None:
    system = house.system
    sessions_past(house, "olga")
    with system.db.begin() as session:
        session.execute(sa.update(devices).values(last_seen_at=system.clock.now() - timedelta(days=500)))
    broken, sound = planned(house, "device"), planned(house, "session")
    for run in (broken, sound):
        approved(house, run, "dora", "dirk")

    class Breaking(Sparing):
        def erase(self, session: Session, targets: Sequence[Target], ctx: Context) -> Counter[str]:
            if targets[0].retention == "device":
                raise ZeroDivisionError
            return self._inner.erase(session, targets, ctx)

    sources = tuple(cast("PersonalDataSource", Breaking(one, is_honest=True)) for one in system.retention.sources)
    parts = replace(system.retention, sources=sources)
    said = jobs.carry_on(system.context(jobs._EXECUTOR), system.context(jobs._READER), parts)
    assert said == "3 runs carried on, 1 of them broke off"  # one was carried out and certified
    assert now(house, sound).state == runs.CERTIFIED
    assert (now(house, broken).state, now(house, broken).why) == (runs.EXECUTING, "broke off: ZeroDivisionError")


def test_two_who_plan_in_the_same_moment_have_one_run(
    tmp_path: Path, database: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with installed(tmp_path / "home", clock=StillClock(LATER), **database) as house:
        house.staff("olga", roles.COMPLIANCE_OFFICER)
        sessions_past(house, "olga")
        monkeypatch.setattr(runs, "_demand_no_other", lambda session, class_: None)  # both looked before either planned
        first = planned(house, "session")
        with pytest.raises(RunOpen):
            planned(house, "session")
        with house.system.db.read() as session:
            assert [one.id for one in runs.in_state(session, *runs.OPEN)] == [first.id]


def test_a_run_takes_no_more_rows_than_it_may_whatever_tables_they_lie_in(house: Installation) -> None:
    metadata, about = sa.MetaData(), personal("device.id", "owner", retention="device")
    for name in ("app_first", "app_second"):
        sa.Table(
            name,
            metadata,
            sa.Column("id", sa.Integer, primary_key=True, info=plain()),
            sa.Column("owner", sa.Text, info=about),
            sa.Column("at", UtcDateTime, info=plain()),
        )
    ended = dict.fromkeys(metadata.tables, Ended(column="at", retention="device"))
    tables = MarkedTables("few", metadata, hashing=Secret(b"h" * 32), ended=ended)
    with house.system.db.begin() as session:
        metadata.create_all(session.connection())
        for table in metadata.tables.values():
            session.execute(sa.insert(table), [{"id": n, "owner": "acc_1", "at": START} for n in range(3)])
        found = [target.store for target in tables.due(session, "device", LATER, 4)]
        session.rollback()
    assert found == ["app_first"] * 3 + ["app_second"]


def test_what_is_retired_is_written_over_on_sqlite(house: Installation) -> None:
    system = house.system
    house.browser().sign_in(house.people["olga"], surface="staff")
    with system.db.begin() as session:
        session.execute(sa.text("PRAGMA secure_delete = OFF"))
        (source,) = [one for one in system.retention.sources if one.name == "identity"]
        targets = list(source.due(session, "session", system.clock.now() + timedelta(days=1), 9))
        source.erase(session, targets, ctx(house, "olga"))
        assert session.scalar(sa.text("PRAGMA secure_delete")) == 1


def test_a_certificate_says_that_backups_are_the_operators_and_end_by_the_policy_in_force(house: Installation) -> None:
    system = house.system
    with system.db.begin() as session:
        asker = ctx(house, "olga")
        approval = policies.propose(
            session, "backup", "P45D", "", "the operator keeps them longer", asker, approvals=system.approvals
        )
    agree(house, approval, "dora")
    sessions_past(house, "olga")
    run = planned(house, "session")
    approved(house, run, "dora", "dirk")
    carried_on(house)
    with system.db.read() as session:
        certificate = execute.certificate_of(session, run.id)
    assert certificate is not None
    not_before = system.clock.now() + timedelta(days=45)
    assert certificate["irrecoverable_from"] == not_before
    # What is still to happen is promised by nobody: no day from which, and what it rests on.
    assert "irrecoverable_from" not in certificate["body"]
    assert certificate["body"]["irrecoverable_not_before"] == rfc3339(not_before)
    assert "It rests on this: that backups end" in certificate["body"]["why_not_before"]
    assert certificate["body"]["backups"].startswith("Backups are the operator's and end within 45 days")


def test_a_hold_names_what_there_is(house: Installation) -> None:
    """What names nobody and nothing would stand and keep nothing."""
    system, amber = house.system, house.people["amber_one"]
    house.arrive()
    with system.db.read() as session:
        contact_id = session.scalar(sa.select(contact.c.id).where(contact.c.account_id == amber.account))
        event_id, size = session.execute(
            sa.select(log.entry.c.event_id, log.entry.c.sequence).order_by(log.entry.c.sequence.desc()).limit(1)
        ).one()

    def held(kind: str, value: str) -> None:
        with system.db.begin() as session:
            case = f"claim-of-{len(holds.active(session))}"
            order = hold_on(case, Item(kind=kind, value=value))
            holds.place(session, order, ctx(house, "olga"), parts=system.retention)

    for kind, value in (
        ("subject", amber.address),
        ("subject", "@amber_one"),
        ("subject", amber.account.upper()),
        ("subject", "acc_nobody"),
        ("object", "acc_nobody"),
        ("object", "[1,2]"),
        ("object", "9" * 60),
        ("sequences", f"{size + 1_000}:{size + 2_000}"),
    ):
        with pytest.raises(holds.HoldsNothing):
            held(kind, value)
    for kind, value in (
        ("subject", amber.account),
        ("object", amber.account),
        ("object", contact_id),
        ("object", event_id),
        ("sequences", f"{size}:{size + 2_000}"),
    ):
        held(kind, value)
