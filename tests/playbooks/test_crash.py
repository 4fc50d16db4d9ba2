"""Killed at any statement, again and again, a playbook does each thing once and comes to its end."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from playbooks.models import action, command, execution
from tests.playbooks.books import CHILD, LONG, book
from tests.playbooks.test_execute import EACH_ONCE
from tests.playbooks.world import World, make_world
from tests.support import postgres

ROOT = Path(__file__).parents[2]
KILLED = -9
KILLS_MAX = 30


@pytest.fixture(scope="module")
def durable_server():
    with postgres.running(durable=True) as running:
        yield running


@pytest.mark.parametrize(("database", "life"), [("sqlite", (2, 60)), ("postgresql", (2, 120))])
def test_each_action_once_and_the_end_is_reached_whatever_is_killed(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, life: tuple[int, int]
) -> None:
    """Each process lives for so many statements: long enough that all get on, short enough to end in many places."""
    url = request.getfixturevalue("durable_server").fresh_database() if database == "postgresql" else None
    library = {"probe": book(LONG), "child": book(CHILD, "child")}
    world = make_world(tmp_path / "home", url, library=library)
    found = world.find("alr_probe", account="acc_victim", severity="critical", playbook="probe")
    dice, kills = random.Random(7), 0
    while is_running(world) and kills < KILLS_MAX:
        world.pass_time(minutes=2)
        kills += is_killed(world, tmp_path / "home", dice.randint(*life))

    world.pass_time(minutes=2)
    world.kept["network.block"].refuses.add("127.0.0.1")
    world.execute()

    assert kills >= 4
    assert world.acts() == EACH_ONCE
    assert {one.state.value for one in world.page(found).executions} == {"done"}
    with world.ground.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(action)) == len(EACH_ONCE)
        states = sorted(session.scalars(sa.select(command.c.state)))
    assert states == ["done"] * (len(EACH_ONCE) + 2) + ["failed"]
    assert len(world.events("incident.action.executed")) == len(EACH_ONCE)
    assert world.codes(found).count("playbook.ended") == 2
    world.close()


def is_running(world: World) -> bool:
    with world.ground.db.read() as session:
        return bool(session.scalar(sa.select(sa.func.count()).where(execution.c.state == "running")))


def is_killed(world: World, folder: Path, statements: int) -> bool:
    """Run the executor in a process of its own that lives for so many statements; it may reach its end before."""
    command_line = [sys.executable, "-m", "tests.playbooks.crashing", world.ground.db.url, str(folder)]
    done = subprocess.run(
        [*command_line, world.now.isoformat(), str(statements)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    if done.returncode == KILLED:
        return True
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr
    return False
