"""A process that carries erasures out until it is killed at the statement whose number is given."""

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
from compliance.privacy import jobs


def run(home: Path, database: str, at: datetime, stop_after: int) -> None:
    made = config.load({}, home=home, **({"database_url": database} if database else {}))
    system = make_system(made, clock=StillClock(at))
    seen = [0]
    for db in (system.db, system.keys_db):
        _arm(db, seen, stop_after)
    (job, *_) = jobs.jobs(system.db, system.ids, system.compliance.privacy, lambda: system.shredding)
    job.run(at)
    system.close()
    sys.stdout.write("end\n")


def _arm(db: Database, seen: list[int], stop_after: int) -> None:
    @sa.event.listens_for(db.engine, "before_cursor_execute")
    def count(*_: object) -> None:
        seen[0] += 1
        if seen[0] == stop_after:
            os.kill(os.getpid(), signal.SIGKILL)

    @sa.event.listens_for(db.engine, "commit")
    def committing(*_: object) -> None:
        count()


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], datetime.fromisoformat(sys.argv[3]), int(sys.argv[4]))
