"""A process that removes a unit and is killed at one of the points where something outside its memory changes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.kernel.access import LOG_SEGMENT_PRUNE, service
from app.kernel.clock import StillClock
from app.kernel.context import Context
from app.kernel.crypto import Secret
from app.kernel.db import Database
from app.kernel.ids import RandomIds
from ingest.log import durable, forgetting
from ingest.log.archive import Archive
from ingest.log.outbox import RECORDING, Recording
from ingest.log.subject_keys import SubjectKeys
from ingest.settings import ArchiveSettings, DuckSettings
from ingest.store.duck import DuckStore
from ingest.store.duck_files import Files
from tests.ingest.log.forgotten_world import CLASS, DECEMBER, KEEP, MONTH, RUN, keeping


def killing_at(point: int) -> None:
    """Kill this process before the n-th change of a file, a database or the store."""
    left = [point]

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return call(*args, **options)

        return run

    for owner, names in (
        (durable, ("write", "append", "remove", "sync")),
        (Database, ("begin",)),
        (DuckStore, ("drop", "_copy")),
        (Files, ("remove", "checkpoint")),
    ):
        for name in names:
            setattr(owner, name, counted(getattr(owner, name)))


def run(url: str, folder: Path, point: int) -> None:
    clock = StillClock(DECEMBER)
    keys = SubjectKeys(Database(f"sqlite:///{folder / 'subject_keys.db'}"), Secret(b"k" * 32), clock)
    store = DuckStore(DuckSettings(folder=folder / "events"))
    store.open()
    parts = forgetting.Parts(
        db=Database(url, info={RECORDING: Recording(seal=keys.seal)}),
        store=store,
        target="duck-onepay",
        archive=Archive(ArchiveSettings(folder=folder / "archive")),
    )
    ctx = Context(actor=service("retention", LOG_SEGMENT_PRUNE), at=clock.now(), request_id="run_kill", ids=RandomIds())
    killing_at(point)
    forgetting.drop(CLASS, MONTH, keeping(KEEP), RUN, ctx, parts=parts)


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
