"""A process that does a piece of work and is killed at one of its changes, again and again, as `kill -9` would.

A change is a statement or commit of a database, or a file below the home that is opened to be written, renamed or
removed. What is loaded is forked for each try, so that a kill costs no start of Python.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from app import config, jobs
from app.compose import System, make_system
from app.kernel.clock import StillClock

ROOT: Final = Path(__file__).parents[2]
KILLED: Final = -signal.SIGKILL
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES: Final = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")


def _turns(*names: str, times: int = 1) -> Callable[[System, datetime], None]:
    def work(system: System, at: datetime) -> None:
        for _ in range(times):
            for job in jobs.all_jobs(system):
                if job.name in names:
                    job.run(at)

    return work


WORKS: Final[Mapping[str, Callable[[System, datetime], None]]] = {
    "retention": _turns("retention.execute", times=3),
    "privacy": _turns("privacy.execute"),
    "reports": _turns("compliance.reports", times=2),
}


def killed(work: str, home: Path, url: str, at: datetime, pace: timedelta, numbers: Sequence[int]) -> list[int]:
    """Try a piece of work once for each number, later by the pace each time, killed at its change of that number.

    Returns how the tries ended: 0, or `KILLED`.
    """
    words = [work, str(home), url, at.isoformat(), str(pace.total_seconds()), json.dumps(list(numbers))]
    line = [sys.executable, "-m", "tests.support.killing", *words]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    ends: list[int] = json.loads(done.stdout)
    assert set(ends) <= {0, KILLED}, done.stderr
    return ends


def _try(work: str, home: Path, url: str, at: datetime, number: int) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            made = config.load({}, home=home, **({"database_url": url} if url else {}))
            system = make_system(made, clock=StillClock(at))
            _arm(system, home, number)
            WORKS[work](system, at)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _arm(system: System, home: Path, number: int) -> None:
    seen = [0]

    def change(*_: object) -> None:
        seen[0] += 1
        if seen[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, args: tuple[object, ...]) -> None:
        is_write = event == "open" and isinstance(args[2], int) and args[2] & _WRITES
        if (is_write or event in _CHANGES) and str(args[0]).startswith(str(home)):
            change()

    for db in (system.db, system.keys_db):
        sa.event.listen(db.engine, "before_cursor_execute", change)
        sa.event.listen(db.engine, "commit", change)
    sys.addaudithook(hook)


def main(work: str, home: Path, url: str, at: datetime, pace: timedelta, numbers: Sequence[int]) -> None:
    """Try once a number, and write how the tries ended."""
    ends = [_try(work, home, url, at + pace * place, number) for place, number in enumerate(numbers)]
    sys.stdout.write(json.dumps(ends))


if __name__ == "__main__":
    main(
        sys.argv[1],
        Path(sys.argv[2]),
        sys.argv[3],
        datetime.fromisoformat(sys.argv[4]),
        timedelta(seconds=float(sys.argv[5])),
        json.loads(sys.argv[6]),
    )
