"""What other processes do to a ledger in the tests of races and crashes."""

from __future__ import annotations

import itertools
import os
import random
from pathlib import Path
from typing import Any

from app.kernel.clock import SystemClock
from app.kernel.context import Context
from app.kernel.db import Database
from ingest.log.outbox import RECORDING, Recording
from payments import ledger
from payments.ledger import Operation
from tests.payments.ledger.bookkeeping import CLERK, Ledger
from tests.support.ground import Ground


class Caller:
    """A process of its own with a connection of its own; ids carry its number."""

    def __init__(self, url: str, number: int) -> None:
        self.db = Database(url, info={RECORDING: Recording(seal=lambda *_: None)})
        ground = Ground(db=self.db, keys_db=self.db, subject_keys=None, recording=None, clock=SystemClock())
        self.maker = Ledger(ground=ground, numbers=itertools.count(number * 1_000_000))

    def post(self, *operations: Operation) -> list[str]:
        ctx = Context(actor=CLERK, at=SystemClock().now(), request_id="req_test")
        with self.db.begin(posting=True) as session:
            outcomes = ledger.post(session, operations, ctx)
        return [outcome.refused.code.value if outcome.refused else "ok" for outcome in outcomes]


def post_bulks(url: str, number: int, books: list[str], rounds: int, answers: Any) -> None:
    """Move money between many books in batches of random order; report what each batch met."""
    caller, draw = Caller(url, number), random.Random(number)
    for _ in range(rounds):
        pairs = [draw.sample(books, 2) for _ in range(draw.randint(1, 20))]
        try:
            caller.post(*(caller.maker.move(source, target, draw.randint(1, 50)) for source, target in pairs))
            answers.put("posted")
        except Exception as error:  # noqa: BLE001 - whatever it is, the test prints it
            answers.put(repr(error))
    caller.db.close()


def capture_once(url: str, number: int, answers: Any, start: Any) -> None:
    """Try to capture the same hold as everybody else, at the same moment."""
    caller = Caller(url, number)
    start.wait()
    answers.put(caller.post(caller.maker.capture("hld_1", "a", "b", 60))[0])
    caller.db.close()


def post_until_killed(url: str, number: int, told: str) -> None:
    """Move a cent again and again, and note each id durably once its commit was acknowledged."""
    caller = Caller(url, number)
    with Path(told).open("a") as out:
        while True:
            operation = caller.maker.move("a", "b", 1)
            caller.post(operation)
            out.write(operation.id + "\n")
            out.flush()
            os.fsync(out.fileno())
