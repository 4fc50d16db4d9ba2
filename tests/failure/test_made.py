"""The home of a process: killed while it is made, asked for twice at once, and asked beside it."""

from __future__ import annotations

from pathlib import Path

from app import lock
from tests.failure.served import served, wait

# Keys, then two histories of revisions, then the event store: all within half a second on a quiet machine.
MOMENTS = (0.0, 0.05, 0.15, 0.3, 0.5)


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
        assert "unsequenced" in status.stdout
        first.stop()
