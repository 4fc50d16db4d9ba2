"""Recurring work: what a job is, and the guarded loop in which jobs, pumps and runners go round."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.access import Permission
from app.kernel.errors import Unavailable
from app.kernel.logs import logger

BACKOFF_SECONDS_MAX: Final = 60.0
_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of recurring work. `run` takes the instant it is run at and returns a note for people, or nothing."""

    name: str
    every: timedelta
    run: Callable[[datetime], str | None]
    permission: Permission | None = None


class Step(StrEnum):
    """What one turn of a pump did."""

    BUSY = "busy"
    IDLE = "idle"


def guarded(name: str, call: Callable[[], object]) -> BaseException | None:
    """Call once; an exception is logged and returned, never raised. The one home of the broad catch.

    Whatever the call keeps (a cursor, a row, a window) must be kept in a transaction that its exception undid.
    """
    try:
        call()
    except Unavailable as error:
        # Something else is away, as it may be; where in our code it was missed tells nobody anything.
        _log.warning("work waits", extra={"onepay__job": name, "error__type": type(error).__name__})
        return error
    except Exception as error:  # noqa: BLE001 - a failing job must not stop the others
        _log.exception("work failed", extra={"onepay__job": name})
        return error
    return None


def guarded_alone(session: Session, name: str, call: Callable[[], object]) -> BaseException | None:
    """Do as `guarded` within a transaction that goes on: what fails is undone by itself.

    PostgreSQL answers nothing more in a transaction in which a statement failed, unless that is undone first.
    """

    def alone() -> None:
        with session.begin_nested():
            call()

    return guarded(name, alone)


class Pump:
    """A thread that turns a step until stopped: at once while there is work, else when woken or after a pause."""

    def __init__(self, name: str, step: Callable[[], Step], *, idle_seconds: float) -> None:
        self.name = name
        self._step = step
        self._idle_seconds = idle_seconds
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to turn."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there may be work."""
        self._wake.set()

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """End after the present step and wait for it."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            outcome: list[Step] = []
            failed = guarded(self.name, lambda: outcome.append(self._step()))  # noqa: B023 - called at once
            if failed is not None:
                self._failures += 1
                self._stopping.wait(min(BACKOFF_SECONDS_MAX, 0.5 * 2**self._failures))
                continue
            self._failures = 0
            if outcome[0] is Step.IDLE:
                self._wake.wait(self._idle_seconds)
