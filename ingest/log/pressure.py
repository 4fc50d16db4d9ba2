"""Back-pressure: how far the outbox is behind, and from when on nothing more is taken. No event is ever dropped."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import service
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.ids import Ids, RandomIds
from app.kernel.jobs import Job
from ingest import models
from ingest.events.envelope import EventClass, Outcome
from ingest.events.health import LogLagged
from ingest.log import outbox
from ingest.log.outbox import LogFull, Recording

EVERY: Final = timedelta(seconds=2)


class State(StrEnum):
    """How it is, from good to bad."""

    OK = "ok"
    DEGRADED = "degraded"
    INCIDENT = "incident"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From which rows and age on the outbox is behind, and from which rows or free disk on it is full."""

    rows_degraded: int = 20_000
    rows_incident: int = 200_000
    rows_max: int = 2_000_000
    age_degraded: timedelta = timedelta(seconds=5)
    age_incident: timedelta = timedelta(seconds=60)
    disk_free_percent_min: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """What waits, how long the oldest has waited, how much disk is free, and what follows."""

    rows: int
    age: timedelta
    disk_free_percent: int
    state: State


class Watch:
    """Looks at the outbox now and then, closes recording while it is full, and records when its state changes."""

    def __init__(
        self, db: Database, recording: Recording, folder: Path, *, limits: Limits | None = None, ids: Ids | None = None
    ) -> None:
        """`folder` lies on the disk that the log grows on."""
        self._db = db
        self._recording = recording
        self._folder = folder
        self._limits = limits or Limits()
        self._ids = ids or RandomIds()
        self.newest: Pressure | None = None

    @property
    def is_degraded(self) -> bool:
        """Tell whether the log was behind when it was last looked at; imports wait then."""
        return self.newest is not None and self.newest.state is not State.OK

    def look(self, at: datetime) -> Pressure:
        """Measure, and let recording be refused or go on."""
        usage = shutil.disk_usage(self._folder)
        with self._db.read() as session:
            found = measure(session, at, self._limits, disk_free_percent=usage.free * 100 // usage.total)
        before, self.newest = self.newest, found
        self._recording.is_full = found.state is State.FULL
        if found.state is not (State.OK if before is None else before.state):
            self._tell(found, at)
        return found

    def job(self) -> Job:
        """Return the job that looks."""
        return Job(name="log.pressure", every=EVERY, run=lambda at: self.look(at).state.value)

    def _tell(self, found: Pressure, at: datetime) -> None:
        ctx = Context(actor=service("log"), at=at, request_id=self._ids.new("req", at), ids=self._ids)
        event = LogLagged(
            state=found.state.value,
            lag_ms=found.age // timedelta(milliseconds=1),
            outbox_rows=found.rows,
            outcome=Outcome.SUCCESS if found.state is State.OK else Outcome.FAILURE,
        )
        try:
            with self._db.begin() as session:
                outbox.record(session, event, ctx)
        except LogFull:
            return  # a full log cannot tell it in itself; health shows it


def measure(session: Session, at: datetime, limits: Limits, *, disk_free_percent: int) -> Pressure:
    """Return how the outbox stands; counts no further than the most it may hold."""
    waiting = models.outbox.c
    counted = sa.select(waiting.n).limit(limits.rows_max + 1).subquery()
    rows = session.scalar(sa.select(sa.func.count()).select_from(counted)) or 0
    # An imported event happened long ago; how long it waits here, its own time does not tell.
    oldest = session.scalar(
        sa.select(waiting.at).where(waiting["class"] != EventClass.EXTERNAL.value).order_by(waiting.n).limit(1)
    )
    age = max(at - oldest, timedelta(0)) if oldest is not None else timedelta(0)
    return Pressure(
        rows=rows, age=age, disk_free_percent=disk_free_percent, state=_state(rows, age, disk_free_percent, limits)
    )


def _state(rows: int, age: timedelta, disk_free_percent: int, limits: Limits) -> State:
    if rows > limits.rows_max or disk_free_percent < limits.disk_free_percent_min:
        return State.FULL
    if rows > limits.rows_incident or age > limits.age_incident:
        return State.INCIDENT
    if rows > limits.rows_degraded or age > limits.age_degraded:
        return State.DEGRADED
    return State.OK
