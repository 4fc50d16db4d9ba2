"""Long work of a command, told while it goes on, and verdicts kept when it is done."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Final, TypeVar

from sqlalchemy.orm import Session

from app.commands.lines import Line, progress, text
from app.compose import System
from app.kernel.access import Actor
from app.kernel.context import Context
from app.kernel.errors import Unavailable

Result = TypeVar("Result")
PROGRESS_SECONDS: Final = 0.5


class HungUp(Exception):
    """Whoever asked has gone; the work ends at its next step, and what it had kept by then stands."""


class Stopping(Unavailable):
    """The process that serves this home is stopping; give the command again once it is back, or stopped."""

    code = "process_stopping"


class Note:
    """What long work tells while it goes on: how far it is. Telling it ends the work where nobody wants the rest."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._hung_up = Event()
        self.newest: tuple[int, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Say how far the work is, or raise `HungUp` or `Stopping`."""
        self.go_on()
        self.newest = (done, total)

    def go_on(self) -> None:
        """Raise `HungUp` where whoever asked has gone, and `Stopping` where the process ends."""
        if self._hung_up.is_set():
            raise HungUp
        if self._system.is_draining:
            raise Stopping

    def hang_up(self) -> None:
        """Say that whoever asked has gone."""
        self._hung_up.set()


def telling(system: System, unit: str, work: Callable[[Note], Result]) -> Generator[Line, None, Result]:
    """Do long work beside, and yield how far it has come while it goes on; short work is told by its result alone.

    That somebody hung up shows when they are told something, so long work says early how far it is.
    """
    note = Note(system)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="command") as beside:
        going_on = beside.submit(work, note)
        try:
            while not futures.wait([going_on], timeout=PROGRESS_SECONDS).done:
                if note.newest is not None:
                    yield progress(*note.newest, unit)
            return going_on.result()
        finally:
            note.hang_up()


def catch_up(system: System) -> None:
    """Bring what waits into the log and the store, where nobody serves the home and so nothing else does."""
    if system.is_served:
        return
    system.sequencer.drain()
    while system.shipper.step().value == "busy":
        pass


def recorded(system: System, actor: Actor, record: Callable[[Session, Context], object]) -> Iterator[Line]:
    """Record a verdict; one that the log cannot take is told all the same: it is asked for when something fails."""
    try:
        with system.db.begin() as session:
            record(session, system.context(actor))
    except Unavailable as error:
        yield text(f"This verdict could not be recorded: {error} ({error.code})")
