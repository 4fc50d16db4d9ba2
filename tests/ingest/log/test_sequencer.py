"""Numbering: gap-free, once each, nothing skipped, by one writer at a time."""

from __future__ import annotations

import json
import random
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.kernel.jobs import Pump, Step
from ingest import models
from ingest.log import outbox, read
from ingest.log.sequencer import LogDamaged, LogUnavailable, Sequencer
from tests.support import sealing
from tests.support.ground import Ground, make_ground


def sequences(ground: Ground, ids: list[str]) -> list[int | None]:
    with ground.db.read() as session:
        return [read.sequence_of(session, event_id) for event_id in ids]


def actions(ground: Ground) -> list[str]:
    with ground.db.read() as session:
        return [entry.kind for entry in sealing.every_entry(session)]


def test_committed_events_are_numbered_in_the_order_of_insertion(either_ground: Ground) -> None:
    ids = sealing.record(either_ground, *[sealing.failed_login() for _ in range(5)])

    assert sealing.sequencer(either_ground).drain() == 5
    assert sequences(either_ground, ids) == [1, 2, 3, 4, 5]
    assert sealing.assert_sound(either_ground) == 5


def test_a_late_commit_below_numbered_rows_gets_the_next_number(postgres_ground: Ground) -> None:
    ground, sequencer = postgres_ground, sealing.sequencer(postgres_ground)
    with ground.db.begin() as late:
        a = outbox.record(late, sealing.failed_login(), ground.ctx())
        (b,) = sealing.record(ground)
        assert sequencer.drain() == 1
        assert sequences(ground, [a, b]) == [None, 1]
    (c,) = sealing.record(ground)
    sequencer.drain()

    assert sequences(ground, [a, b, c]) == [2, 1, 3]
    assert sealing.assert_sound(ground) == 3


def test_aborted_and_repeated_records_burn_no_number(either_ground: Ground) -> None:
    ground, sequencer, dice = either_ground, sealing.sequencer(either_ground), random.Random(7)
    kept: list[str] = []
    for _ in range(1_000):
        try:
            with ground.db.begin() as session:
                event_id = outbox.record(session, sealing.failed_login(), ground.ctx())
                if dice.random() < 0.5:
                    raise InterruptedError
        except InterruptedError:
            continue
        kept.append(event_id)
        if dice.random() < 0.1:
            sequencer.drain()
            put_again(ground, dice.choice(kept))
    sequencer.drain()

    assert sequences(ground, kept) == list(range(1, len(kept) + 1))
    assert sealing.assert_sound(ground) == len(kept)
    assert sequencer.counted.repeats > 0


def put_again(ground: Ground, event_id: str) -> None:
    """Insert a row whose event the log has already, as a second import of the same file does."""
    with ground.db.begin() as session:
        row = outbox.row_of(session, sealing.failed_login(), ground.ctx(), event_id)
        outbox.insert_rendered(session, [row])


def test_an_event_that_the_log_has_is_dropped_with_a_count_before_numbers_are_given(ground: Ground) -> None:
    sequencer = sealing.sequencer(ground)
    (first,) = sealing.record(ground)
    sequencer.drain()
    put_again(ground, first)
    (second,) = sealing.record(ground)
    sequencer.drain()

    assert sequences(ground, [first, second]) == [1, 2]
    assert (sequencer.counted.events, sequencer.counted.repeats) == (2, 1)
    with ground.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(models.outbox)) == 0


def test_a_step_takes_no_more_than_a_batch(either_ground: Ground) -> None:
    sealing.record(either_ground, *[sealing.failed_login() for _ in range(1_201)])
    sequencer = sealing.sequencer(either_ground)
    batch = 200 if either_ground.db.is_sqlite else 1_000

    assert sequencer.step() is Step.BUSY
    assert sequencer.counted.events == batch
    sequencer.drain()
    assert sealing.assert_sound(either_ground) == 1_201
    assert sequencer.step() is Step.IDLE


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 64])
def test_the_tree_does_not_depend_on_the_batches(ground: Ground, batch: int) -> None:
    sealing.record(ground, *[sealing.failed_login() for _ in range(70)])

    sealing.sequencer(ground, batch_max=batch).drain()

    assert sealing.assert_sound(ground) == 70


def test_a_sequencer_that_starts_later_goes_on_where_the_tree_stands(ground: Ground) -> None:
    for _ in range(5):
        sealing.record(ground, *[sealing.failed_login() for _ in range(3)])
        sealing.sequencer(ground).drain()

    assert sealing.assert_sound(ground) == 15


def test_time_of_arrival_never_decreases_and_a_step_back_is_told_once(either_ground: Ground) -> None:
    ground, sequencer = either_ground, sealing.sequencer(either_ground)
    sealing.record(ground)
    sequencer.drain()
    newest = ground.clock.now()
    ground.clock.move(timedelta(seconds=-90))
    for _ in range(3):
        sealing.record(ground)
        sequencer.drain()
    ground.clock.move(timedelta(seconds=91))
    sealing.record(ground)
    sequencer.drain()

    with ground.db.read() as session:
        log = list(sealing.every_entry(session))
        (told,) = [entry for entry in log if entry.kind == "health.clock.drifted"]
        body = json.loads(read.body(session, told.sequence).body)
    assert [entry.ingested for entry in log] == [newest] * 5 + [newest + timedelta(seconds=1)]
    assert body["onepay"]["health"]["offset_ms"] == -90_000
    sealing.assert_sound(ground)


def test_a_small_step_back_is_not_told(ground: Ground) -> None:
    sequencer = sealing.sequencer(ground)
    sealing.record(ground)
    sequencer.drain()
    ground.clock.move(timedelta(seconds=-1))
    sealing.record(ground)
    sequencer.drain()

    assert actions(ground) == ["auth.login.failed"] * 2


def test_drift_does_not_stop_the_sequencer_when_the_log_is_full(ground: Ground) -> None:
    sequencer = sealing.sequencer(ground)
    sealing.record(ground)
    sequencer.drain()
    sealing.record(ground)
    ground.clock.move(timedelta(seconds=-90))
    ground.recording.is_full = True
    sequencer.drain()

    assert actions(ground) == ["auth.login.failed"] * 2


def test_the_lease_lets_one_work_until_it_is_silent(either_ground: Ground) -> None:
    ground = either_ground
    first, second = sealing.sequencer(ground, "first"), sealing.sequencer(ground, "second")
    sealing.record(ground)
    first.drain()
    sealing.record(ground)

    assert second.step() is Step.IDLE
    ground.clock.move(timedelta(seconds=9))
    assert second.step() is Step.IDLE
    ground.clock.move(timedelta(seconds=1))
    assert second.step() is Step.BUSY
    sealing.record(ground)
    assert first.step() is Step.IDLE
    assert second.drain() == 1
    assert sealing.assert_sound(ground) == 3


def test_a_lease_is_renewed_by_work(ground: Ground) -> None:
    first, second = sealing.sequencer(ground, "first"), sealing.sequencer(ground, "second")
    for _ in range(10):
        sealing.record(ground)
        first.drain()
        ground.clock.move(timedelta(seconds=4))
    sealing.record(ground)

    assert second.step() is Step.IDLE


def test_a_lease_from_a_clock_that_was_set_back_holds_nobody_up(ground: Ground) -> None:
    sealing.record(ground)
    sealing.sequencer(ground, "first").drain()
    ground.clock.move(timedelta(hours=-2))
    sealing.record(ground)

    assert sealing.sequencer(ground, "second").drain() >= 1


def test_a_process_of_the_same_name_takes_up_the_work_at_once(ground: Ground) -> None:
    sealing.record(ground)
    sealing.sequencer(ground, "embedded").drain()
    sealing.record(ground)

    assert sealing.sequencer(ground, "embedded").drain() == 1


def test_two_sequencers_and_many_producers_lose_and_double_nothing(either_ground: Ground) -> None:
    ground, stop = either_ground, threading.Event()
    recorded: list[str] = []
    # The same name, so that the lease keeps neither from trying.
    racers = [sealing.sequencer(ground, "same", batch_max=7) for _ in range(2)]

    def produce(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(40):
            try:
                with ground.db.begin() as session:
                    ids = outbox.record_many(session, [sealing.failed_login()] * dice.randint(1, 5), ground.ctx())
                    if dice.random() < 0.2:
                        raise InterruptedError
            except InterruptedError:
                continue
            recorded.extend(ids)

    def race(racer: Sequencer) -> None:
        while not stop.is_set():
            racer.step()

    racing = [threading.Thread(target=race, args=[racer]) for racer in racers]
    producing = [threading.Thread(target=produce, args=[seed]) for seed in range(3)]
    for thread in (*racing, *producing):
        thread.start()
    for thread in producing:
        thread.join()
    stop.set()
    for thread in racing:
        thread.join()
    racers[0].drain()

    assert sorted(sequences(ground, recorded)) == list(range(1, len(recorded) + 1))
    assert sealing.assert_sound(ground) == len(recorded)
    assert sum(racer.counted.events for racer in racers) == len(recorded)


def test_waiting_ends_when_the_event_is_numbered(ground: Ground) -> None:
    sequencer = sealing.sequencer(ground)
    pump = Pump("sequence", sequencer.step, idle_seconds=60)
    ground.db.committed.append(pump.wake)
    pump.start()
    try:
        (event_id,) = sealing.record(ground)
        assert sequencer.wait(event_id, 5) == 1
    finally:
        pump.stop()


def test_waiting_in_a_process_that_does_not_number_sees_it_too(ground: Ground) -> None:
    (event_id,) = sealing.record(ground)
    other = threading.Timer(0.05, sealing.sequencer(ground).drain)
    other.start()

    assert sealing.sequencer(ground, "web").wait(event_id, 5) == 1
    other.join()


def test_waiting_for_a_log_that_stands_still_is_refused(ground: Ground) -> None:
    (event_id,) = sealing.record(ground)

    with pytest.raises(LogUnavailable):
        sealing.sequencer(ground).wait(event_id, 0.05)


@pytest.mark.parametrize("state", ["rollback", "fork", "paused"])
def test_nothing_is_numbered_while_the_head_is_not_sound(ground: Ground, state: str) -> None:
    with ground.db.begin() as session:
        session.execute(sa.update(models.head).values(state=state))
    sealing.record(ground)

    assert sealing.sequencer(ground).drain() == 0


@pytest.mark.parametrize(
    "statement",
    [
        sa.update(models.entry).values(kind="x"),
        sa.delete(models.entry),
        sa.update(models.node).values(hash=b"x"),
        sa.delete(models.node),
    ],
    ids=["update entry", "delete entry", "update node", "delete node"],
)
def test_the_database_refuses_to_change_what_is_sealed(either_ground: Ground, statement: sa.Executable) -> None:
    sealing.record(either_ground)
    sealing.sequencer(either_ground).drain()

    with pytest.raises(sa.exc.IntegrityError, match="append-only"), either_ground.db.begin() as session:
        session.execute(statement)

    assert sealing.assert_sound(either_ground) == 1


def test_nothing_is_added_to_a_tree_that_does_not_fit_its_head(ground: Ground) -> None:
    sealing.record(ground, *[sealing.failed_login() for _ in range(3)])
    sealing.sequencer(ground).drain()
    with ground.db.begin() as session:
        session.execute(sa.update(models.head).values(root=b"\0" * 32))
    sealing.record(ground)

    with pytest.raises(LogDamaged):
        sealing.sequencer(ground).drain()


def test_a_log_may_be_filled_on_either_database_and_gives_one_root(either_ground: Ground, tmp_path: object) -> None:
    sealing.record(either_ground, *[sealing.failed_login() for _ in range(9)])
    with either_ground.db.begin() as session:
        rows = [dict(row._mapping) for row in session.execute(sa.select(models.outbox).order_by(models.outbox.c.n))]
    sealing.sequencer(either_ground).drain()
    other = make_ground(tmp_path / "other")
    with other.db.begin() as session:
        session.execute(sa.insert(models.outbox), rows)
    sealing.sequencer(other).drain()

    with either_ground.db.read() as left, other.db.read() as right:
        assert read.head(left).root == read.head(right).root
    other.close()
