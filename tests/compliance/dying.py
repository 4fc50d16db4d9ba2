"""A process that carries retention runs on until it is killed at the statement whose number is given."""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from app import config
from app.compose import make_system
from app.kernel.clock import StillClock
from app.kernel.db import Database
from compliance.retention import jobs


def run(home: Path, database: str, at: datetime, stop_after: int) -> None:
    made = config.load({}, home=home, **({"database_url": database} if database else {}))
    system = make_system(made, clock=StillClock(at))
    _arm(system.db, stop_after)
    for _ in range(3):
        for job in jobs.jobs(system.ids, system.retention):
            if job.name == "retention.execute":
                job.run(at)
    system.close()


def _arm(db: Database, stop_after: int) -> None:
    seen = [0]

    def count(*_: object) -> None:
        seen[0] += 1
        if seen[0] == stop_after:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(db.engine, "before_cursor_execute", count)
    sa.event.listen(db.engine, "commit", count)


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], datetime.fromisoformat(sys.argv[3]), int(sys.argv[4]))
