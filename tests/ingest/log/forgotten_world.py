"""A log of two months with an archive and a store, whose first month is over: what tests of forgetting begin with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from app.kernel.access import LOG_SEGMENT_PRUNE, service
from app.kernel.context import Context
from ingest.events.health import HeartbeatSent
from ingest.log import forgetting, forgotten, monitor, read
from ingest.log.archive import Archive
from ingest.log.forgetting import Held, Keeping
from ingest.log.store_check import Copy
from ingest.settings import ArchiveSettings, ShipperSettings
from ingest.shipper import Shipper
from ingest.store.port import EventStore
from tests.support import sealing
from tests.support.ground import Ground

CLASS: Final = "security"
MONTH: Final = "2026-11"
NEXT: Final = "2026-12"
RUN: Final = "run_retention"
NOVEMBER: Final = datetime(2026, 11, 20, tzinfo=UTC)
DECEMBER: Final = datetime(2026, 12, 2, tzinfo=UTC)
COUNT: Final = 40
KEEP: Final = {"case-7": [2, 3, 5, 999], "case-8": [3, 8, 75]}
"""3 is kept twice; 1 and 4 are no security events, 75 lies in the next month, 999 nowhere."""
HELD: Final = [2, 3, 5, 8]


def keeping(by_case: Mapping[str, Collection[int]]) -> Keeping:
    """Return who answers that this is held, whenever they are asked."""
    return lambda lo, hi: Held(by_case=by_case)


@dataclass(kw_only=True)
class World:
    """The parts of a log that forgets."""

    ground: Ground
    store: EventStore
    archive: Archive
    shipper: Shipper

    @property
    def parts(self) -> forgetting.Parts:
        return forgetting.Parts(db=self.ground.db, store=self.store, target=self.shipper.target, archive=self.archive)

    def grow(self, count: int) -> None:
        events = [HeartbeatSent(component="web") if n % 3 == 0 else sealing.failed_login() for n in range(count)]
        sealing.record(self.ground, *events)
        self.arrive()

    def arrive(self) -> None:
        sealing.sequencer(self.ground, "forgetting").drain()
        self.archive.advance(self.ground.db, self.ground.clock.now())
        self.shipper.drain()
        self.store.settle()

    def ctx(self) -> Context:
        return self.ground.ctx(service("retention", LOG_SEGMENT_PRUNE))

    def drop(self, keep: dict[str, list[int]] | None = None) -> forgetting.Dropped:
        return forgetting.drop(CLASS, MONTH, keeping(KEEP if keep is None else keep), RUN, self.ctx(), parts=self.parts)

    def size(self) -> int:
        with self.ground.db.read() as session:
            return read.head(session).size

    def remaining(self, class_: str = CLASS, month: str = MONTH) -> forgetting.Remaining:
        with self.ground.db.read() as session:
            return forgetting.remaining(session, class_, month, store=self.store, archive=self.archive)

    def dropped(self, lo: int, hi: int) -> int:
        with self.ground.db.read() as session:
            return forgotten.dropped(session, lo, hi)

    def findings(self) -> list[str]:
        copy = Copy(name=self.shipper.target, store=self.store, done=self.size())
        return [str(one) for one in monitor.verify(self.ground.db, copy=copy, archive=self.archive).findings]


def built(ground: Ground, store: EventStore, folder: Path) -> World:
    """Return a world over an open store: 60 events in November, 30 in December, archived and shipped."""
    world = World(
        ground=ground,
        store=store,
        archive=Archive(ArchiveSettings(folder=folder / "archive"), ids=ground.ids),
        shipper=Shipper(ground.db, store, ground.clock, settings=ShipperSettings(), ids=ground.ids),
    )
    ground.clock.move(NOVEMBER - ground.clock.now())
    world.grow(30)
    ground.clock.move(timedelta(days=1))
    world.grow(30)
    ground.clock.move(DECEMBER - ground.clock.now())
    world.grow(30)
    world.arrive()
    return world
