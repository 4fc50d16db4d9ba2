"""A process that carries playbooks out until it is killed; it says when it begins."""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from app.kernel.clock import StillClock
from app.kernel.crypto import Secret
from app.kernel.db import Database
from app.kernel.ids import RandomIds
from ingest.log.outbox import RECORDING, Recording
from ingest.log.subject_keys import SubjectKeys
from playbooks.engine import shipped
from playbooks.engine.execute import Executor
from tests.playbooks.books import CHILD, LONG, book
from tests.playbooks.world import containments


def run(url: str, folder: Path, at: datetime, stop_after: int) -> None:
    """Run the executor and die at the statement whose number is given, as if killed from outside."""
    keys = SubjectKeys(Database(f"sqlite:///{folder / 'subject_keys.db'}"), Secret(b"k" * 32), StillClock(at))
    db = Database(url, info={RECORDING: Recording(seal=keys.seal)})
    kept = containments()
    kept["network.block"].refuses.add("127.0.0.1")
    parts = shipped.parts(kept, library={"probe": book(LONG), "child": book(CHILD, "child")})
    _arm(db, stop_after)
    Executor(db, StillClock(at), RandomIds(), parts).run()
    sys.stdout.write("end\n")


def _arm(db: Database, stop_after: int) -> None:
    seen = 0

    @sa.event.listens_for(db.engine, "before_cursor_execute")
    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == stop_after:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3]), int(sys.argv[4]))
