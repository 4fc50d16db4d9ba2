"""A process that rolls an epoch and is killed at one of the points where something outside its memory changes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.kernel import crypto
from app.kernel.access import service
from app.kernel.clock import StillClock
from app.kernel.context import Context
from app.kernel.crypto import KeyFolder
from app.kernel.db import Database
from app.kernel.ids import RandomIds
from ingest.log import durable, shredding
from ingest.log.epochs import EpochFolder
from ingest.log.outbox import RECORDING, Recording
from ingest.log.subject_keys import SubjectKeys
from tests.support.ground import START


def killing_at(point: int) -> None:
    """Kill this process before the n-th change of a file or a database."""
    left = [point]

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return call(*args, **options)

        return run

    shredding.BATCH = 4
    for owner, names in (
        (durable, ("overwrite", "remove", "sync")),
        (crypto, ("write_private_once",)),
        (Database, ("begin",)),
        (shredding, ("_moved",)),
    ):
        for name in names:
            setattr(owner, name, counted(getattr(owner, name)))


def run(url: str, keys_url: str, folder: Path, point: int) -> None:
    clock = StillClock(START)
    keys = SubjectKeys(Database(keys_url), EpochFolder(KeyFolder(folder / "keys")), clock)
    db = Database(url, info={RECORDING: Recording(seal=keys.seal)})
    ctx = Context(actor=service("privacy"), at=clock.now(), request_id="run_kill", ids=RandomIds())
    killing_at(point)
    shredding.roll_epoch(ctx, parts=shredding.Parts(keys=keys, db=db))


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
