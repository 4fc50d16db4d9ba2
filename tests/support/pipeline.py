"""The whole way of an event: outbox, sequencer, log, shipper, store, detectors; small, on a still clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import SOC_ALERT_READ, SOC_ALERT_TRIAGE, SOC_RULE_READ, Actor, ActorKind, service
from app.kernel.context import Context
from detectors import alerts, catalog
from detectors.models import alert
from detectors.ports import FindingSink
from detectors.runner import Runner
from detectors.samples import expand, made
from detectors.settings import DetectorSettings
from detectors.sigma.ast import Rule
from ingest.events.detection import FindingEvent
from ingest.log import outbox
from ingest.log.sequencer import Sequencer
from ingest.settings import DuckSettings, ShipperSettings
from ingest.shipper import Shipper
from ingest.store.duck import DuckStore
from ingest.store.port import EventStore
from tests.support.ground import Ground, make_ground

ANALYST = Actor(
    id="acc_analyst",
    kind=ActorKind.STAFF,
    permissions=frozenset({SOC_ALERT_READ, SOC_ALERT_TRIAGE, SOC_RULE_READ}),
)


@dataclass(kw_only=True)
class Pipeline:
    """What a test of detection does: record events, let them arrive, run the rules, read the alerts."""

    ground: Ground
    store: EventStore
    sequencer: Sequencer
    shipper: Shipper
    runner: Runner

    def record(self, at: datetime, kind: str, **values: Any) -> str:
        """Record one event of a kind at an instant; values are by ECS path."""
        event, source = made(kind, values)
        ctx = Context(actor=service("test"), at=at, request_id="req_test", source=source, ids=self.ground.ids)
        with self.ground.db.begin() as session:
            return outbox.record(session, event, ctx)

    def arrive(self) -> None:
        """Number what was recorded and bring it into the store."""
        self.sequencer.drain()
        while self.shipper.step().value == "busy":
            pass

    def detect(self) -> None:
        self.arrive()
        self.runner.drain()

    def alerts(self, **filters: Any) -> list[alerts.Alert]:
        with self.ground.db.read() as session:
            return list(alerts.list_page(session, ANALYST, state=None, **filters))

    def row_count(self) -> int:
        with self.ground.db.read() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(alert))

    def close(self) -> None:
        self.store.close()
        self.ground.close()


def no_sink(session: Session, finding: FindingEvent, ctx: Context, **facts: object) -> str | None:
    """Take nothing: for rules that are tested alone."""
    return None


def make_pipeline(
    folder: Path,
    rules: list[Rule] | None = None,
    *,
    store: EventStore | None = None,
    sink: FindingSink = no_sink,
    settings: DetectorSettings | None = None,
    url: str | None = None,
) -> Pipeline:
    ground = make_ground(folder, url)
    if store is None:
        store = DuckStore(DuckSettings(folder=folder / "events"))
        store.open()
    return Pipeline(
        ground=ground,
        store=store,
        sequencer=Sequencer(ground.db, ground.clock, holder="test", ids=ground.ids),
        shipper=Shipper(ground.db, store, ground.clock, settings=ShipperSettings(), ids=ground.ids),
        runner=Runner(
            ground.db,
            store,
            ground.clock,
            ground.ids,
            rules if rules is not None else list(catalog.shipped()),
            sink=sink,
            settings=settings,
        ),
    )


__all__ = ["ANALYST", "Pipeline", "expand", "made", "make_pipeline", "no_sink"]
