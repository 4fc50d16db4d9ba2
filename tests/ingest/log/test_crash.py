"""Killed at any instant, the log has every acknowledged event once, and what it signed it still is."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from ingest import models
from ingest.log import checkpoint, merkle, monitor, read
from ingest.log.checkpoint import LogKey
from tests.support import sealing
from tests.support.ground import Ground

ROOT = Path(__file__).parents[3]


def until_killed(url: str, folder: Path, seed: int, seconds: float) -> list[str]:
    """Run the process, kill it some time after its first commit, return what it acknowledged."""
    command = [sys.executable, "-m", "tests.ingest.log.crashing", url, str(folder), str(seed)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        first = process.stdout.readline()
        threading.Timer(seconds, process.kill).start()
        rest = process.stdout.read()
        process.wait(30)
    assert process.returncode == -9
    # A line that the kill cut short acknowledges nothing.
    return [line for line in (first + rest).split("\n")[:-1] if line]


@pytest.mark.parametrize(("database", "kills"), [("sqlite", 10), ("postgresql", 5)])
def test_nothing_acknowledged_is_lost_or_doubled_by_kills(
    request: pytest.FixtureRequest, tmp_path: Path, key: LogKey, database: str, kills: int
) -> None:
    ground: Ground = request.getfixturevalue("ground" if database == "sqlite" else "postgres_ground")
    home, dice = tmp_path / "home", random.Random(5)
    (home / "keys").symlink_to(key.folder)
    acknowledged: list[str] = []
    for seed in range(kills):
        acknowledged += until_killed(ground.db.url, home, seed, dice.uniform(0.02, 0.4))

    ground.clock.move(sealing.FAR)
    sealing.sequencer(ground, "crashing").drain()
    checkpoint.sign(ground.db, key, ground.clock.now())

    size = sealing.assert_sound(ground)
    with ground.db.read() as session:
        recorded = list(session.scalars(sa.select(models.entry.c.event_id)))
        signed = session.execute(sa.select(models.checkpoint)).all()
        roots = {row.size: merkle.root(merkle.edge_at(read.tree(session), row.size)) for row in signed}
    assert len(set(acknowledged)) == len(acknowledged) > 0
    assert set(acknowledged) <= set(recorded)
    assert len(set(recorded)) == size
    assert {row.size: row.root for row in signed} == roots
    assert monitor.verify(ground.db, key=key).findings == ()
