"""A process that records, numbers and signs until it is killed; it prints each event id once its commit returned."""

from __future__ import annotations

import random
import sys
import threading
from pathlib import Path

from app.kernel.access import ANONYMOUS
from app.kernel.clock import SystemClock
from app.kernel.context import Context
from app.kernel.crypto import KeyFolder, Secret
from app.kernel.db import Database
from ingest.log import checkpoint, outbox
from ingest.log.outbox import RECORDING, Recording
from ingest.log.sequencer import Sequencer
from ingest.log.subject_keys import SubjectKeys
from tests.support import sealing


def run(url: str, folder: Path, seed: int) -> None:
    clock, dice = SystemClock(), random.Random(seed)
    keys = SubjectKeys(Database(f"sqlite:///{folder / 'subject_keys.db'}"), Secret(b"k" * 32), clock)
    db = Database(url, info={RECORDING: Recording(seal=keys.seal)})
    key = checkpoint.load(KeyFolder(folder / "keys"), "onepay.example/log")
    sequencer = Sequencer(db, clock, holder="crashing", batch_max=dice.choice([1, 7, 200]))

    def number() -> None:
        while True:
            sequencer.step()
            checkpoint.sign(db, key, clock.now())

    threading.Thread(target=number, daemon=True).start()
    while True:
        ctx = Context(actor=ANONYMOUS, at=clock.now(), request_id="req_crash")
        with db.begin() as session:
            ids = outbox.record_many(session, [sealing.failed_login()] * dice.randint(1, 20), ctx)
        sys.stdout.write("".join(f"{event_id}\n" for event_id in ids))
        sys.stdout.flush()


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
