"""The home of a process: killed while it is made, asked for twice at once, and asked beside it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import lock
from app.migrations import run
from tests.failure.served import served, wait


class BrokenOff(Exception):
    """The process ended here."""


# Keys, then two histories of revisions, then the event store: all within half a second on a quiet machine.
MOMENTS = (0.05, 0.2, 0.45)


def test_killed_while_it_makes_its_home_it_goes_on_where_it_was(tmp_path: Path) -> None:
    for moment in MOMENTS:
        with served(tmp_path / f"after-{moment}" / "home") as process:
            process.start()
            while not process.home.exists():
                wait(0.005)
            wait(moment)
            process.kill()

            process.start()
            process.until_ready()
            process.until_caught_up()
            process.stop()

            sound = process.command("log", "verify")
            assert (sound.returncode, "log sound" in sound.stdout) == (0, True), sound.stdout + sound.stderr


@pytest.mark.parametrize("history", ["main", "keys"])
def test_a_migration_that_breaks_off_anywhere_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, history: str
) -> None:
    url, original = f"sqlite:///{tmp_path / 'onepay.db'}", run.one_off_engine
    statements: list[str] = []

    def breaking_off(at: int | None) -> Callable[[str], sa.Engine]:
        def make(url: str) -> sa.Engine:
            engine = original(url)
            statements.clear()

            @sa.event.listens_for(engine, "before_cursor_execute")
            def count(connection: object, cursor: object, statement: str, *_: object) -> None:
                statements.append(statement)
                if len(statements) == at:
                    raise BrokenOff

            return engine

        return make

    monkeypatch.setattr(run, "one_off_engine", breaking_off(None))
    run.upgrade(f"sqlite:///{tmp_path / 'whole.db'}", history)
    for at in range(3, len(statements) + 1, 7):
        monkeypatch.setattr(run, "one_off_engine", breaking_off(at))
        with pytest.raises(BrokenOff):
            run.upgrade(url, history)
        with closing(sqlite3.connect(tmp_path / "onepay.db")) as database:
            assert database.execute("SELECT name FROM sqlite_master").fetchall() == [], at
    monkeypatch.setattr(run, "one_off_engine", original)
    run.upgrade(url, history)
    run.check(url, history)


def test_a_second_process_names_the_first_and_leaves_it_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with served(home) as first, served(home) as second:
        first.start()
        first.until_ready()
        holder = lock.holder(home)

        second.start()
        assert second.process.wait(60) == 3
        assert f"process {first.process.pid}, http://localhost:{first.port}" in second.said()

        assert lock.holder(home) == holder
        assert first.is_ready()
        # Commands go through the process that has the home.
        status = first.command("status")
        assert status.returncode == 0, status.stderr
        assert "ok    Sequencer" in status.stdout
        assert json.loads(first.command("status", "--json").stdout)["log"]["state"] == "ok"
        first.stop()
