"""Late events that join two long episodes leave one alert with every event of both, whatever their number."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from detectors import alerts
from detectors.alerts import AlertState, Verdict
from detectors.models import alert_event
from ingest.store.memory import MemoryStore
from tests.support.ground import START
from tests.support.pipeline import ANALYST, Pipeline, make_pipeline

# More than twice what one statement inserts.
EACH = 450
APART = 2_000


def failures(pipeline: Pipeline, seconds: range) -> None:
    for second in seconds:
        at = START + timedelta(seconds=second)
        pipeline.record(at, "auth.login.failed", **{"source.ip": "198.18.7.9", "user.hash": "h"})
    pipeline.detect()


def test_merging_keeps_every_event_and_names_the_survivor(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path / "home", store=MemoryStore())
    failures(pipeline, range(EACH))
    failures(pipeline, range(APART, APART + EACH))
    apart = pipeline.alerts(slug="login_burst_source")
    assert [one.events for one in apart] == [EACH, EACH]

    failures(pipeline, range(EACH, APART, 5))
    (one,) = pipeline.alerts(slug="login_burst_source")
    joining = len(range(EACH, APART, 5))
    assert one.id == min(found.id for found in apart)
    assert (one.events, one.state) == (2 * EACH + joining, AlertState.OPEN)
    assert one.reason == f"{one.events} refused sign-ins from 198.18.7.9 within 41 min"
    with pipeline.ground.db.read() as session:
        kept = session.scalars(sa.select(alert_event.c.sequence).where(alert_event.c.alert_id == one.id)).all()
        other = alerts.by_id(session, max(found.id for found in apart), ANALYST)
        left = session.scalar(sa.select(sa.func.count()).where(alert_event.c.alert_id == other.id))
    assert len(set(kept)) == one.events
    assert (other.state, other.merged_into, left) == (AlertState.MERGED, one.id, 0)
    pipeline.close()


def test_what_joins_a_closed_alert_with_one_that_nobody_judged_is_open(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path / "home", store=MemoryStore())
    failures(pipeline, range(12))
    (first,) = pipeline.alerts(slug="login_burst_source")
    with pipeline.ground.db.begin() as session:
        alerts.close(session, first.id, Verdict.FALSE_POSITIVE, "A scanner of ours.", pipeline.ground.ctx(ANALYST))
    failures(pipeline, range(900, 912))

    failures(pipeline, range(20, 900, 29))  # late, and so thin that the peak stays what it was
    (one,) = pipeline.alerts(slug="login_burst_source")
    assert (one.id, one.state, one.verdict) == (first.id, AlertState.OPEN, None)
    with pipeline.ground.db.read() as session:
        assert [one.kind for one in alerts.revisions(session, first.id, ANALYST)][-1] == "reopened"
    pipeline.close()
