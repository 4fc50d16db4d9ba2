"""What making reports needs of an installation, and what a maker is handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from app.kernel.approvals import Approvals
from app.kernel.clock import Clock
from app.kernel.context import Context
from app.kernel.db import Database
from compliance.engine.parts import Parts as Engine
from compliance.registers.parts import Registers
from ingest.log.archive import Archive
from ingest.log.rounds import Rounds
from ingest.store.port import EventStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How long a worker has before its work is taken from it, how often work is tried, how much is exported.

    What was exported of the trail holds bodies with addresses in clear: it is there to be fetched, for `export_kept`.
    """

    lease: timedelta = timedelta(minutes=2)
    tries_max: int = 3
    export_events_max: int = 1_000_000
    export_kept: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Made once by `compose`; files lie in the folder, one folder a report."""

    db: Database
    clock: Clock
    store: EventStore
    engine: Engine
    registers: Registers
    archive: Archive
    rounds: Rounds
    policy: Callable[[], str]
    approvals: Approvals
    folder: Path
    makers: Mapping[str, Maker]
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """One piece of work: what was asked, where its files go, and how it tells how far it is."""

    id: str
    kind: str
    params: Mapping[str, Any]
    since: datetime
    as_of: datetime
    asked_at: datetime
    folder: Path
    progress: Callable[[int, int], None]
    ctx: Context

    @property
    def is_past(self) -> bool:
        """Tell whether it is about an instant before it was asked for, when states are those of the history."""
        return self.as_of < self.asked_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a maker leaves: a note for people, the head it stands on, and how many findings the report has."""

    note: str = ""
    size: int | None = None
    root: str | None = None
    findings: int = 0
    events: tuple[Any, ...] = ()
    """Events to record beside the one that says that it was made."""


Maker: TypeAlias = Callable[[Making, Reports], Made]
