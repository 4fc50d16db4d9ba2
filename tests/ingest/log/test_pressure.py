"""Back-pressure: from when on the log is behind, from when on it is full, and that each change is told once."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from ingest.log import pressure, read
from ingest.log.outbox import LogFull
from ingest.log.pressure import Limits, State, Watch
from tests.support import sealing
from tests.support.ground import Ground

SMALL = Limits(rows_degraded=2, rows_incident=4, rows_max=6, disk_free_percent_min=0)


def watch(ground: Ground, folder: Path, limits: Limits = SMALL) -> Watch:
    return Watch(ground.db, ground.recording, folder, limits=limits, ids=ground.ids)


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        (0, "ok"),
        (2, "ok"),
        (3, "degraded"),
        (4, "degraded"),
        (5, "incident"),
        (6, "incident"),
        (7, "full"),
        (9, "full"),
    ],
)
def test_rows_beyond_a_limit_change_the_state(either_ground: Ground, rows: int, state: str) -> None:
    ground = either_ground
    if rows:
        sealing.record(ground, *[sealing.failed_login() for _ in range(rows)])

    with ground.db.read() as session:
        assert pressure.measure(session, ground.clock.now(), SMALL, disk_free_percent=50).state == state


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, "ok"), (5, "ok"), (6, "degraded"), (60, "degraded"), (61, "incident")]
)
def test_age_beyond_a_limit_changes_the_state(ground: Ground, seconds: int, state: str) -> None:
    sealing.record(ground)
    ground.clock.move(timedelta(seconds=seconds))

    with ground.db.read() as session:
        assert pressure.measure(session, ground.clock.now(), Limits(), disk_free_percent=50).state == state


@pytest.mark.parametrize(("percent", "state"), [(5, "ok"), (4, "full")])
def test_a_disk_almost_full_closes_the_log(ground: Ground, percent: int, state: str) -> None:
    with ground.db.read() as session:
        assert pressure.measure(session, ground.clock.now(), Limits(), disk_free_percent=percent).state == state


def test_a_full_log_refuses_until_there_is_room_and_keeps_everything(ground: Ground, tmp_path: Path) -> None:
    watching, sequencer = watch(ground, tmp_path), sealing.sequencer(ground)
    sealing.record(ground, *[sealing.failed_login() for _ in range(7)])
    watching.look(ground.clock.now())

    with pytest.raises(LogFull) as refused:
        sealing.record(ground)
    assert (refused.value.code, refused.value.retry_after) == ("log_full", 5)

    sequencer.drain()
    watching.look(ground.clock.now())
    sealing.record(ground)
    sequencer.drain()
    assert sealing.assert_sound(ground) >= 8


def test_each_change_of_state_is_told_once(ground: Ground, tmp_path: Path) -> None:
    watching, sequencer = watch(ground, tmp_path), sealing.sequencer(ground)
    watching.look(ground.clock.now())
    sealing.record(ground, *[sealing.failed_login() for _ in range(3)])
    for _ in range(3):
        watching.look(ground.clock.now())
    assert watching.is_degraded
    sequencer.drain()
    for _ in range(3):
        watching.look(ground.clock.now())
    sequencer.drain()

    assert not watching.is_degraded
    with ground.db.read() as session:
        bodies = [json.loads(body.body) for body in read.bodies(session, 3, read.head(session).size)]
    assert [(body["event"]["action"], body["event"]["outcome"]) for body in bodies] == [
        ("health.log.lagged", "failure"),
        ("health.log.lagged", "success"),
    ]
    assert bodies[0]["onepay"]["health"]["log"]["state"] == State.DEGRADED


def test_the_job_says_the_state(ground: Ground, tmp_path: Path) -> None:
    assert watch(ground, tmp_path).job().run(ground.clock.now()) == "ok"
