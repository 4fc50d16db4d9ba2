"""Where controls stand: red by a true fault and green after repair, stale by itself, without a hole in the history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from app.identity.models import account, factor
from app.kernel.access import (
    COMPLIANCE_CONTROL_READ,
    COMPLIANCE_CONTROL_RUN,
    COMPLIANCE_EVIDENCE_READ,
    Actor,
    ActorKind,
    service,
)
from app.kernel.clock import StillClock
from app.kernel.context import Source
from app.kernel.db import delete_for_good
from app.kernel.errors import NotFound
from compliance import models
from compliance.catalog.controls import PCI
from compliance.contracts.probes import Look, Reading
from compliance.engine import history, rerun, settle, standing
from compliance.engine.observe import Observer
from compliance.engine.sealed import row_hash
from compliance.engine.standing import Standing
from compliance.retention import decided
from compliance.states import Reason, State
from compliance.told import has_ended
from ingest import models as log
from ingest.events.admin import RoleGranted
from ingest.events.auth import LoginFailed
from ingest.events.health import JobFailed
from ingest.log import outbox, read
from ingest.store.query import Where, Window
from playbooks.models import incident
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
READER = service("officer", COMPLIANCE_CONTROL_READ, COMPLIANCE_EVIDENCE_READ, COMPLIANCE_CONTROL_RUN)


@pytest.fixture
def clock() -> StillClock:
    return StillClock(START)


@pytest.fixture
def house(tmp_path: Path, clock: StillClock) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=clock) as made:
        made.staff("ada", "administrator")
        made.browser().sign_in(made.people["ada"], surface="staff")
        made.arrive()
        yield made


def observe(house: Installation, *names: str) -> None:
    controls = house.system.controls
    for name in names:
        assert controls.observe(controls.parts.probes[name]) is not None
    house.arrive()


def stands(house: Installation, key: str) -> Standing:
    with house.system.db.read() as session:
        return standing.all_of(session, house.system.clock.now(), house.system.controls.parts)[PCI, key]


def told(house: Installation, kind: str) -> list[str]:
    """Return what the log was told of a kind: the value of the control, in order."""
    entry, body = log.entry, log.body
    with house.system.db.read() as session:
        rows = session.execute(
            sa.select(body.c.body)
            .join(entry, entry.c.sequence == body.c.sequence)
            .where(entry.c.kind == kind)
            .order_by(entry.c.sequence)
        )
        return [row.body.decode() for row in rows]


def take_factor_away(house: Installation, at: datetime | None) -> None:
    """What somebody with the database at hand writes."""
    with house.system.db.begin() as session:
        session.execute(
            sa.update(factor).where(factor.c.account_id == house.people["ada"].account).values(removed_at=at)
        )


def test_a_control_turns_red_by_a_true_fault_and_green_after_repair(house: Installation, clock: StillClock) -> None:
    observe(house, "identity.two_factors")
    assert stands(house, "8.4.1").state is State.PASS
    take_factor_away(house, START)
    clock.move(timedelta(minutes=8))
    observe(house, "identity.two_factors")
    found = stands(house, "8.4.1")
    assert found.state is State.FAIL
    with house.system.db.read() as session:
        (leg,) = found.legs
        seen = rerun.find(session, str(leg.observation_id), READER)
    assert [one["object_id"] for one in seen.violations] == [house.people["ada"].account]
    assert len(told(house, "health.control.failed")) == 1
    assert '"control":"8.4.1"' in told(house, "health.control.failed")[0]

    take_factor_away(house, None)
    clock.move(timedelta(minutes=8))
    observe(house, "identity.two_factors")
    assert stands(house, "8.4.1").state is State.PASS
    assert len(told(house, "health.control.restored")) == 1
    with house.system.db.read() as session:
        found_all = history.intervals(session, READER, START, clock.now() + timedelta(seconds=1), key=(PCI, "8.4.1"))
        first = history.first_in_place(session)[PCI, "8.4.1"]
    states = [one.state for one in found_all[PCI, "8.4.1"]]
    assert states[-3:] == [State.PASS, State.FAIL, State.PASS]
    (outage,) = history.outages(found_all[PCI, "8.4.1"], first)
    assert outage.to_at is not None
    assert outage.to_at - outage.from_at == timedelta(minutes=8)
    assert history.outages(found_all[PCI, "8.4.1"][-2:], first) == [outage], "also one that began before a period"
    assert history.outages(found_all[PCI, "8.4.1"], None) == []


def test_a_clock_that_was_ahead_puts_nothing_off_and_proves_nothing(house: Installation, clock: StillClock) -> None:
    clock.move(timedelta(days=7))
    house.system.controls.run(clock.now())
    assert stands(house, "8.4.1").state is State.PASS
    clock.move(-timedelta(days=7))
    assert stands(house, "8.4.1").state is State.STALE, "seen at an instant that has not come"
    take_factor_away(house, START)
    house.system.controls.run(clock.now())
    assert stands(house, "8.4.1").state is State.FAIL


def test_a_state_that_was_written_over_is_not_believed(house: Installation, clock: StillClock) -> None:
    take_factor_away(house, START)
    observe(house, "identity.two_factors")
    assert stands(house, "8.4.1").state is State.FAIL
    never = clock.now() + timedelta(days=900)
    with house.system.db.begin() as session:
        of = models.probe
        this = sa.update(of).where(of.c.name == "identity.two_factors")
        session.execute(this.values(state="PASS", reason=None, observed_at=never, due_at=never))
    now = stands(house, "8.4.1")
    assert (now.state, now.reason) == (State.NOT_EVALUABLE, Reason.NOT_AS_SEALED)
    house.system.controls.run(clock.now())
    assert stands(house, "8.4.1").state is State.FAIL, "it is asked again, whatever was written"


@pytest.mark.parametrize("forged", ["none", "another", "row", "ended"])
def test_a_probe_stands_as_its_own_reading_that_lies_as_it_was_sealed(house: Installation, forged: str) -> None:
    observe(house, "identity.dormant")
    take_factor_away(house, START)
    observe(house, "identity.two_factors")
    house.arrive()
    of, kept = models.probe, models.observation
    ended = over(house) if forged == "ended" else ""
    with house.system.db.begin() as session:
        delete_for_good(session)
        ids = dict(session.execute(sa.select(of.c.name, of.c.observation_id)).all())
        if forged == "row":
            row = dict(
                session.execute(sa.select(kept).where(kept.c.id == ids["identity.two_factors"])).mappings().one()
            )
            session.execute(sa.delete(kept).where(kept.c.id == row["id"]))
            session.execute(sa.insert(kept).values({**row, "state": "PASS", "violations": [], "total": 0}))
        if forged == "ended":
            row = dict(session.execute(sa.select(kept).where(kept.c.probe == "identity.dormant")).mappings().one())
            row |= {"id": "obs_forged", "probe": "identity.two_factors", "event_id": ended}
            session.execute(sa.insert(kept).values({**row, "sha256": row_hash(row)}))
        mine = ids["identity.two_factors"]
        named = {"none": None, "another": ids["identity.dormant"], "row": mine, "ended": "obs_forged"}
        this = sa.update(of).where(of.c.name == "identity.two_factors")
        session.execute(this.values(state="PASS", reason=None, observation_id=named[forged]))
    now = stands(house, "8.4.1")
    assert (now.state, now.reason) == (State.NOT_EVALUABLE, Reason.NOT_AS_SEALED)
    with house.system.db.read() as session:
        seen = {one.id: one.is_as_sealed for one in rerun.of_probe(session, "identity.two_factors", READER)}
    assert seen[str(named["ended" if forged == "ended" else "row"])] is (forged not in ("row", "ended"))


def happens(house: Installation, *, with_source: bool) -> None:
    """Let a stranger fail to sign in; without a source nobody knows who it was, which violates 10.2.2."""
    ctx = house.system.context(Actor(id=None, kind=ActorKind.UNKNOWN))
    source = Source(ip="198.18.0.9") if with_source else Source()
    event = LoginFailed(identifier="0" * 64, step="password", reason="password", new_device=True)
    with house.system.db.begin() as session:
        outbox.record(session, event, replace(ctx, source=source))
    house.arrive()


def seen_by(house: Installation, probe: str) -> list[sa.Row[tuple[object, ...]]]:
    """Return the readings of a probe that are kept, the oldest first."""
    of = models.observation
    with house.system.db.read() as session:
        return list(session.execute(sa.select(of).where(of.c.probe == probe).order_by(of.c.ended_at, of.c.id)).all())


def set_back(house: Installation, probe: str, observation: str, **more: object) -> None:
    """Let the row of a probe name an older reading, which passed."""
    with house.system.db.begin() as session:
        this = sa.update(models.probe).where(models.probe.c.name == probe)
        session.execute(this.values(observation_id=observation, state="PASS", reason=None, **more))


@pytest.mark.parametrize("deleted", ["nothing", "reading", "reading and body"])
def test_a_probe_that_was_set_back_to_an_older_reading_is_not_believed(
    house: Installation, clock: StillClock, deleted: str
) -> None:
    probe = "identity.two_factors"
    observe(house, probe)
    take_factor_away(house, START)
    clock.move(timedelta(minutes=8))
    observe(house, probe)
    good, bad = seen_by(house, probe)
    set_back(house, probe, good.id)
    with house.system.db.begin() as session:
        delete_for_good(session)
        if deleted != "nothing":
            session.execute(sa.delete(models.observation).where(models.observation.c.id == bad.id))
        if deleted == "reading and body":
            number = sa.select(log.entry.c.sequence).where(log.entry.c.event_id == bad.event_id).scalar_subquery()
            session.execute(sa.delete(log.body).where(log.body.c.sequence == number))
    now = stands(house, "8.4.1")
    assert (now.state, now.reason) == (State.NOT_EVALUABLE, Reason.NOT_AS_SEALED)
    clock.move(timedelta(minutes=8))
    house.system.controls.run(clock.now())
    house.arrive()
    assert stands(house, "8.4.1").state is State.FAIL
    assert told(house, "health.control.restored") == []


def test_a_reading_that_was_told_a_moment_ago_counts_before_the_log_numbers_it(
    house: Installation, clock: StillClock
) -> None:
    probe, controls = "identity.two_factors", house.system.controls
    observe(house, probe)
    take_factor_away(house, START)
    clock.move(timedelta(minutes=8))
    assert controls.observe(controls.parts.probes[probe]) is not None
    good, bad = seen_by(house, probe)
    assert stands(house, "8.4.1").state is State.FAIL
    set_back(house, probe, good.id)
    assert stands(house, "8.4.1").reason is Reason.NOT_AS_SEALED
    with house.system.db.begin() as session:
        delete_for_good(session)
        session.execute(sa.delete(models.observation).where(models.observation.c.id == bad.id))
    assert stands(house, "8.4.1").reason is Reason.NOT_AS_SEALED


def test_a_failure_of_a_window_is_not_set_back_to_what_passed_before_it(house: Installation, clock: StillClock) -> None:
    probe = "log.complete_entries"
    happens(house, with_source=True)
    observe(house, probe)
    (good,) = seen_by(house, probe)
    happens(house, with_source=False)
    clock.move(timedelta(minutes=10))
    observe(house, probe)
    clock.move(timedelta(minutes=70))
    happens(house, with_source=True)
    observe(house, probe)
    assert stands(house, "10.2.2").state is State.FAIL, "it is held, though a newer window passed"
    set_back(house, probe, good.id)
    assert stands(house, "10.2.2").reason is Reason.NOT_AS_SEALED
    clock.move(timedelta(minutes=10))
    happens(house, with_source=True)
    observe(house, probe)
    assert stands(house, "10.2.2").state is State.FAIL, "what was sealed stands, whatever its row said"
    set_back(house, probe, seen_by(house, probe)[1].id)  # the very failure, under a state that it never had
    assert stands(house, "10.2.2").reason is Reason.NOT_AS_SEALED
    clock.move(timedelta(minutes=70))
    happens(house, with_source=True)
    observe(house, probe)
    assert stands(house, "10.2.2").state is State.FAIL
    clock.move(timedelta(hours=23))
    happens(house, with_source=True)
    observe(house, probe)
    assert stands(house, "10.2.2").legs[0].state is State.PASS, "it has stood for a day"


def test_no_event_is_hidden_from_a_window_by_a_row_that_says_it_was_read(
    house: Installation, clock: StillClock
) -> None:
    probe = "log.complete_entries"
    happens(house, with_source=True)
    observe(house, probe)
    happens(house, with_source=False)
    with house.system.db.begin() as session:
        head = read.head(session).size
        session.execute(sa.update(models.probe).where(models.probe.c.name == probe).values(sealed_hi=head))
    clock.move(timedelta(hours=2))
    happens(house, with_source=True)
    observe(house, probe)
    assert stands(house, "10.2.2").state is State.FAIL
    first, second = seen_by(house, probe)
    assert first.hi == second.lo
    with house.system.db.begin() as session:
        delete_for_good(session)
        session.execute(sa.delete(models.observation).where(models.observation.c.id == second.id))
    set_back(house, probe, first.id, sealed_hi=second.hi)
    assert stands(house, "10.2.2").reason is Reason.NOT_AS_SEALED
    clock.move(timedelta(hours=2))
    observe(house, probe)
    assert stands(house, "10.2.2").state is State.FAIL, "what was read by a reading that is gone is read again"


def over(house: Installation) -> str:
    """Return the id of an event of operations whose body ended with its month, as retention leaves it."""
    system = house.system
    with system.db.begin() as session:
        id = outbox.record(session, JobFailed(job="x", run="run_x", error_type="E"), system.context(service("test")))
    house.arrive()
    with system.db.begin() as session:
        entry = session.execute(sa.select(log.entry).where(log.entry.c.event_id == id)).one()
        place = {"class": "operations", "month": "2026-11", "first": entry.sequence, "last": entry.sequence}
        done = {"count": 1, "held": 0, "state": "gone", "run": "ret_x", "begun_at": START, "ended_at": START}
        session.execute(sa.insert(log.forgotten).values({**place, **done}))
        session.execute(sa.delete(log.body).where(log.body.c.sequence == entry.sequence))
    return id


def test_a_run_rests_on_no_event_of_something_else_that_ended(house: Installation) -> None:
    ended = over(house)
    run = SimpleNamespace(
        id="ret_forged",
        policy="session v1",
        policy_hash="00",
        before=START,
        root="00",
        facts={"asks": []},
        approved_event=ended,
        approved_at=START,
        is_open=True,
    )
    with house.system.db.read() as session:
        assert not decided.is_approved(session, run)  # type: ignore[arg-type]  # what it reads of a run
        run.is_open = False
        assert not decided.is_approved(session, run)  # type: ignore[arg-type]  # as above
        assert not has_ended(session, "compliance.document.approved", START)
        assert has_ended(session, JobFailed.kind, START)
        assert not has_ended(session, JobFailed.kind, START + timedelta(minutes=1))


def test_a_probe_reads_on_behind_windows_in_which_nothing_happened_and_says_how_far(
    house: Installation, clock: StillClock
) -> None:
    """A window is cut where it holds too much; a probe that has not caught up has not looked at what is there now."""
    controls = house.system.controls
    parts = replace(controls.parts, settings=replace(controls.parts.settings, window_max=10))
    system, probe = house.system, parts.probes["identity.grants"]
    slow = Observer(system.db, system.working_store, system.clock, system.ids, parts)
    ctx = replace(system.context(Actor(id=None, kind=ActorKind.UNKNOWN)), source=Source(ip="198.18.0.9"))
    with system.db.begin() as session:
        for _ in range(45):
            failed = LoginFailed(identifier="0" * 64, step="password", reason="password", new_device=True)
            outbox.record(session, failed, ctx)
    house.arrive()

    def row() -> sa.Row[tuple[object, ...]]:
        with system.db.read() as session:
            return session.execute(sa.select(models.probe).where(models.probe.c.name == probe.name)).one()

    looks = []
    while not looks or looks[-1].observed_at is None:
        clock.move(timedelta(minutes=1))
        assert slow.observe(probe) is not None
        looks.append(row())
        assert len(looks) < 12
    assert [one.due_at <= clock.now() for one in looks] == [True] * (len(looks) - 1) + [False]
    assert [one.sealed_hi for one in looks[:3]] == [10, 20, 30]
    giver = Actor(id="acc_x", kind=ActorKind.STAFF, roles=frozenset({"administrator"}))
    with system.db.begin() as session:
        granted = RoleGranted(target="acc_y", target_roles=("analyst",), about=("acc_y",))
        outbox.record(session, granted, replace(system.context(giver), source=Source(ip="198.18.0.9")))
    house.arrive()
    for _ in range(2):
        clock.move(timedelta(hours=1, minutes=1))
        assert slow.observe(probe) is not None
    assert row().state == State.FAIL


def test_the_log_is_not_said_to_stand_where_the_witness_is_away_or_no_night_was_compared(
    house: Installation, clock: StillClock
) -> None:
    system = house.system

    def judged(*, away: bool = False) -> State:
        house.arrive()
        system.signer.sign(clock.now())
        if away:
            with system.db.begin() as session:
                session.execute(sa.update(log.witness).values(size=seen, missed_since=START, error="away"))
        system.rounds.sample(clock.now())
        observe(house, "log.integrity")
        return stands(house, "10.3.4").state

    assert judged() is State.PASS
    with system.db.read() as session:
        seen = session.scalar(sa.select(log.witness.c.size))
    clock.move(timedelta(minutes=5))
    assert judged(away=True) is State.PASS, "what was signed a moment ago may be on its way to it"
    clock.move(timedelta(minutes=11))
    assert judged(away=True) is State.NOT_EVALUABLE, "however lately something was signed"
    assert judged() is State.PASS, "it is back"
    clock.move(timedelta(hours=27))
    assert judged() is State.NOT_EVALUABLE, "no night was compared"
    system.rounds.full(clock.now())
    assert judged() is State.PASS


def test_a_dead_worker_shows_by_itself_and_leaves_no_hole(house: Installation, clock: StillClock) -> None:
    house.turn_whole()
    assert stands(house, "8.4.1").state is State.PASS
    observed = stands(house, "8.4.1").observed_at
    assert observed is not None
    clock.move(timedelta(minutes=16))
    assert stands(house, "8.4.1").state is State.STALE
    clock.move(timedelta(minutes=30))
    house.turn_whole()
    with house.system.db.read() as session:
        found = history.intervals(session, READER, START, clock.now() + timedelta(seconds=1), key=(PCI, "8.4.1"))
    intervals = found[PCI, "8.4.1"]
    stale = [one for one in intervals if one.state is State.STALE]
    assert [(one.from_at, one.to_at) for one in stale] == [(observed + timedelta(minutes=15), clock.now())]
    ends = [one.to_at for one in intervals[:-1]]
    assert ends == [one.from_at for one in intervals[1:]]


def test_the_share_in_place_is_counted_in_seconds(house: Installation, clock: StillClock) -> None:
    observe(house, "identity.two_factors")
    take_factor_away(house, START)
    clock.move(timedelta(minutes=10))
    observe(house, "identity.two_factors")
    clock.move(timedelta(minutes=5))
    since, until = START - timedelta(minutes=5), clock.now()
    with house.system.db.read() as session:
        found = history.intervals(session, READER, since, until, key=(PCI, "8.4.1"))[PCI, "8.4.1"]
    assert history.share_in_place(found, since, until) == (600, 1200)


def test_the_windows_of_a_window_probe_join(house: Installation, clock: StillClock) -> None:
    for number in range(6):
        house.customer(f"amber_{number}")
        house.arrive()
        observe(house, "log.complete_entries")
        clock.move(timedelta(minutes=40))
    table = models.observation
    with house.system.db.read() as session:
        rows = session.execute(
            sa.select(table.c.lo, table.c.hi).where(table.c.probe == "log.complete_entries").order_by(table.c.hi)
        ).all()
    assert rows[0].lo == 0
    assert len(rows) >= 3
    assert [row.lo for row in rows[1:]] == [row.hi for row in rows[:-1]]


def test_what_the_store_lacks_is_not_judged_and_not_skipped(house: Installation, clock: StillClock) -> None:
    observe(house, "log.complete_entries")
    system = house.system
    real = system.working_store

    class Lacking:
        """The store, one document short."""

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

        def coverage(self, lo: int, hi: int) -> int:
            return max(0, real.coverage(lo, hi) - 1)

    house.customer("amber_one")
    house.arrive()
    clock.move(timedelta(minutes=8))
    controls = type(system.controls)(system.db, Lacking(), system.clock, system.ids, system.controls.parts)  # type: ignore[arg-type]
    seen = controls.observe(controls.parts.probes["log.complete_entries"])
    assert seen is not None
    assert (seen.verdict.state, seen.verdict.reason) == (State.NOT_EVALUABLE, Reason.COVERAGE)
    assert seen.window.hi == seen.window.lo
    clock.move(timedelta(minutes=2))
    again = system.controls.observe(system.controls.parts.probes["log.complete_entries"])
    assert again is not None
    assert again.window.lo == seen.window.lo
    assert again.verdict.state is State.PASS


def test_what_was_wrong_in_a_window_stands_for_a_day(house: Installation, clock: StillClock) -> None:
    """The next window does not repair it, and one in which nothing happens takes no verdict away."""
    system = house.system

    def looked() -> State:
        observe(house, "log.complete_entries")
        with system.db.read() as session:
            return standing.rows(session)["log.complete_entries"].state

    happens(house, with_source=True)
    assert looked() is State.PASS
    clock.move(timedelta(hours=2))
    assert looked() is State.PASS, "nothing happened, so nothing was wrong"
    happens(house, with_source=False)
    assert looked() is State.FAIL
    clock.move(timedelta(hours=2))
    happens(house, with_source=True)
    assert looked() is State.FAIL
    clock.move(timedelta(hours=23))
    happens(house, with_source=True)
    assert looked() is State.PASS


def test_a_window_read_again_says_the_same_or_is_contradicted(house: Installation, clock: StillClock) -> None:
    observe(house, "log.complete_entries", "identity.dormant")
    system = house.system
    ctx = system.context(READER)
    with system.db.read() as session:
        (seen,) = rerun.of_probe(session, "log.complete_entries", READER)
        (state,) = rerun.of_probe(session, "identity.dormant", READER)
    assert seen.number.startswith("EV-")
    again = rerun.rerun(seen.number, ctx, db=system.db, store=system.working_store, parts=system.controls.parts)
    assert again.is_same
    with pytest.raises(rerun.NotReplayable, match="that moment is gone"):
        rerun.rerun(state.number, ctx, db=system.db, store=system.working_store, parts=system.controls.parts)
    with pytest.raises(NotFound):
        rerun.rerun("EV-999999999", ctx, db=system.db, store=system.working_store, parts=system.controls.parts)
    with pytest.raises(rerun.EvidenceNumberInvalid):
        rerun.rerun("EV-12x", ctx, db=system.db, store=system.working_store, parts=system.controls.parts)

    class Miscounting:
        """The store, one event too many."""

        def __getattr__(self, name: str) -> object:
            return getattr(system.working_store, name)

        def count(self, where: Where, window: Window) -> int:
            return system.working_store.count(where, window) + 1

    clock.move(timedelta(minutes=70))
    happens(house, with_source=True)
    store: Any = Miscounting()  # it has every verb of a store
    miscounted = Observer(system.db, store, system.clock, system.ids, system.controls.parts)
    assert miscounted.observe(system.controls.parts.probes["log.complete_entries"], is_test_due=True) is not None
    house.arrive()
    newest = seen_by(house, "log.complete_entries")[-1]
    assert newest.id != seen.id
    assert not rerun.rerun(
        newest.id, ctx, db=system.db, store=system.working_store, parts=system.controls.parts
    ).is_same
    house.arrive()
    assert len(told(house, "compliance.evidence.contradicted")) == 1


def test_what_was_changed_is_not_read_again_and_said_to_be_the_same(house: Installation) -> None:
    observe(house, "log.complete_entries")
    system, kept = house.system, models.observation
    (seen,) = seen_by(house, "log.complete_entries")
    row = dict(seen._mapping)
    changed = {**row, "build": "another", "host": "elsewhere"}
    assert row_hash(row) == seen.sha256
    assert row_hash(changed) != seen.sha256
    with system.db.begin() as session:  # as whoever has the database may
        delete_for_good(session)
        session.execute(sa.delete(kept).where(kept.c.id == seen.id))
        session.execute(sa.insert(kept).values(changed))
    with pytest.raises(rerun.NotAsSealed) as refused:
        rerun.rerun(
            seen.id,
            system.context(READER),
            db=system.db,
            store=system.working_store,
            parts=system.controls.parts,
        )
    assert refused.value.code == "not_as_sealed"


def test_an_observation_never_changes(house: Installation) -> None:
    observe(house, "identity.dormant")
    with pytest.raises(sa.exc.DBAPIError, match="never changes"), house.system.db.begin() as session:
        session.execute(sa.update(models.observation).values(state="PASS"))


def test_equal_readings_of_an_hour_are_one_piece_of_evidence(house: Installation, clock: StillClock) -> None:
    for _ in range(8):
        observe(house, "identity.dormant")
        clock.move(timedelta(minutes=10))
    with house.system.db.read() as session:
        assert len(rerun.of_probe(session, "identity.dormant", READER)) == 2


@pytest.mark.parametrize("behind", [timedelta(0), timedelta(milliseconds=5)])
def test_two_workers_do_not_ask_one_probe_at_once(house: Installation, clock: StillClock, behind: timedelta) -> None:
    controls = house.system.controls
    probe, inner = controls.parts.probes["identity.dormant"], list[object]()

    def read(look: Look) -> Reading:
        clock.move(-behind)  # the other's clock, a little apart
        inner.append(controls.observe(probe))
        clock.move(behind)
        return probe.read(look)

    assert controls.observe(replace(probe, read=read)) is not None
    assert set(inner) == {None}, "asked again, and nobody but the first got it"


def test_a_probe_that_fails_stops_nobody_and_is_told_once(house: Installation, clock: StillClock) -> None:
    controls = house.system.controls

    def broken(look: object) -> object:
        raise LookupError("a table went away")

    probe = replace(controls.parts.probes["identity.dormant"], read=broken)  # type: ignore[arg-type]
    parts = replace(controls.parts, probes={**controls.parts.probes, probe.name: probe})
    failing = type(controls)(house.system.db, house.system.working_store, clock, house.system.ids, parts)
    for _ in range(2):
        failing.run(clock.now())
        clock.move(timedelta(minutes=2))
        house.arrive()
    found = stands(house, "8.2.6")
    assert (found.state, found.reason) == (State.NOT_EVALUABLE, Reason.PROBE_ERROR)
    assert stands(house, "8.4.1").state is State.PASS
    assert len(told(house, "health.job.failed")) == 1


def test_rows_without_probe_or_for_a_deployment_say_so(house: Installation) -> None:
    assert stands(house, "10.6.1").reason is Reason.NO_PROBE
    assert stands(house, "1.3.1").reason is Reason.PROFILE
    assert stands(house, "issuer").state is State.NOT_APPLICABLE
    assert stands(house, "12.1.1").reason is Reason.NEVER_ATTESTED
    assert stands(house, "7.2.1").state is State.NOT_EVALUABLE  # nobody has approved the matrix yet


def test_a_matrix_of_the_past_is_what_was_written_down(house: Installation, clock: StillClock) -> None:
    before = clock.now() - timedelta(minutes=1)
    house.turn_whole()
    clock.move(timedelta(minutes=1))
    catalogue = house.system.controls.parts.catalogue
    with house.system.db.read() as session:
        assert set(history.as_of(session, READER, before, catalogue).values()) == {State.NOT_EVALUABLE}
        assert history.as_of(session, READER, clock.now(), catalogue)[PCI, "8.4.1"] is State.PASS


def test_settling_twice_writes_nothing_twice(house: Installation) -> None:
    house.turn_whole()
    system = house.system
    with system.db.begin() as session:
        assert settle.settle(session, system.context(READER), parts=system.controls.parts) == []
    assert house.waiting_kinds() == []


def test_a_locked_account_with_a_live_session_is_found(house: Installation) -> None:
    with house.system.db.begin() as session:
        session.execute(sa.update(account).values(state="closed"))
    observe(house, "identity.leavers")
    assert stands(house, "8.2.5").state is State.FAIL


def test_a_failing_critical_control_becomes_an_incident(house: Installation, clock: StillClock) -> None:
    observe(house, "identity.two_factors")
    take_factor_away(house, START)
    clock.move(timedelta(minutes=8))
    observe(house, "identity.two_factors")
    house.turn_whole()
    house.turn_whole()
    with house.system.db.read() as session:
        found = session.execute(sa.select(incident.c.playbook, incident.c.severity)).all()
    assert [tuple(row) for row in found] == [("control_failure", 2)]


def test_a_flipped_byte_turns_the_integrity_of_the_log_red_until_it_is_put_back(
    house: Installation, clock: StillClock
) -> None:
    observe(house, "log.integrity")
    assert (stands(house, "10.3.4").state, stands(house, "10.3.4").reason) == (
        State.NOT_EVALUABLE,
        Reason.NOT_OBSERVED,
    ), "nobody watched the log for as long as the clock stood still"
    house.system.rounds.sample(clock.now())
    observe(house, "log.integrity")
    assert stands(house, "10.3.4").state is State.PASS
    with house.system.db.begin() as session:
        row = session.execute(sa.select(log.body).where(log.body.c.sequence == 3)).one()
        flipped = bytes([row.body[0] ^ 1]) + row.body[1:]
        session.execute(sa.update(log.body).where(log.body.c.sequence == 3).values(body=flipped))
    clock.move(timedelta(minutes=3))
    observe(house, "log.integrity")
    assert stands(house, "10.3.4").state is State.FAIL
    with house.system.db.read() as session:
        (leg,) = [leg for leg in stands(house, "10.3.4").legs if leg.state is State.FAIL]
        seen = rerun.find(session, str(leg.observation_id), READER)
    assert seen.violations[0]["says"] == "the body of #3 is not what was sealed"
    with house.system.db.begin() as session:
        session.execute(sa.update(log.body).where(log.body.c.sequence == 3).values(body=row.body))
    clock.move(timedelta(minutes=3))
    observe(house, "log.integrity")
    assert stands(house, "10.3.4").state is State.PASS
