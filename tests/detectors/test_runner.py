"""The runner: no sequence unread, nothing twice, one broken rule alone, and a gap that is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import StillClock
from app.kernel.context import Context
from app.kernel.errors import ReasonMissing
from app.kernel.metrics import Metrics
from app.kernel.words import NoText, SecretInText
from detectors import alerts
from detectors.alerts import AlertState, Verdict
from detectors.models import coverage
from detectors.runner import standings
from detectors.settings import DetectorSettings
from ingest import models as ingest
from ingest.events.detection import FindingEvent
from ingest.log import read
from ingest.store.memory import MemoryStore
from ingest.store.port import StoreUnavailable, walk
from ingest.store.query import Appended, Eq, Order, Search, Sequenced
from tests.support.ground import START
from tests.support.pipeline import ANALYST, Pipeline, make_pipeline

IP = "198.18.7.9"


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    made = make_pipeline(tmp_path / "home", store=MemoryStore())
    yield made
    made.close()


class Losing(MemoryStore):
    """Loses sequence 4 the first time, and says it took it."""

    is_losing = True

    def append(self, documents: Sequence[Sequenced]) -> Appended:
        kept = [one for one in documents if not (self.is_losing and one.sequence == 4)]
        self.is_losing = self.is_losing and len(kept) == len(documents)
        done = super().append(kept)
        return replace(done, stored=done.stored + len(documents) - len(kept))


class Away(MemoryStore):
    """Does not answer readers while it is away."""

    is_away = False

    def coverage(self, lo: int, hi: int) -> int:
        if self.is_away:
            raise StoreUnavailable
        return super().coverage(lo, hi)


def burst(pipeline: Pipeline, *, since: int = 0, count: int = 10, ip: str = IP) -> None:
    for n in range(count):
        at = START + timedelta(seconds=since + n)
        pipeline.record(at, "auth.login.failed", **{"source.ip": ip, "user.hash": "h"})


def kinds(pipeline: Pipeline) -> Counter[str]:
    pipeline.arrive()
    with pipeline.ground.db.read() as session:
        size = read.head(session).size
        return Counter(entry.kind for entry in read.entries(session, 0, size))


def test_every_rule_covers_every_sequence_once(pipeline: Pipeline) -> None:
    for n in range(3):
        burst(pipeline, since=n * 1_000)
        pipeline.detect()
    with pipeline.ground.db.read() as session:
        head = read.head(session).size
        found = standings(session, pipeline.runner.rules, ANALYST, START)
    assert len(found) == len(pipeline.runner.rules)
    for one in found:
        assert one.lag == head - one.sequence
        assert list(one.covered) == [(0, one.sequence)]


def test_a_broken_rule_fails_alone_and_recovers_without_a_gap(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = pipeline.runner._detectors["login_burst_source"]
    monkeypatch.setitem(pipeline.runner._detectors, "login_burst_source", Broken())
    burst(pipeline)
    pipeline.detect()
    assert "login_burst_source" not in {one.slug for one in pipeline.alerts()}
    assert "login_burst_account" in {one.slug for one in pipeline.alerts()}
    assert kinds(pipeline)["detection.rule.failing"] == 1

    monkeypatch.setitem(pipeline.runner._detectors, "login_burst_source", broken)
    clock(pipeline).move(timedelta(minutes=10))
    pipeline.detect()
    assert [one.slug for one in pipeline.alerts(slug="login_burst_source")] == ["login_burst_source"]
    assert kinds(pipeline)["detection.rule.recovered"] == 1
    with pipeline.ground.db.read() as session:
        found = {one.rule.slug: one for one in standings(session, pipeline.runner.rules, ANALYST, START)}
    one = found["login_burst_source"]
    assert list(one.covered) == [(0, one.sequence)]


def lags(pipeline: Pipeline) -> dict[str, int]:
    with pipeline.ground.db.read() as session:
        return {one.rule.slug: one.lag for one in standings(session, pipeline.runner.rules, ANALYST, START)}


class Broken:
    def evaluate(self, *given: object) -> None:
        raise ZeroDivisionError


def test_a_broken_rule_costs_the_others_no_turn(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pipeline.runner._detectors, "login_burst_source", Broken())
    burst(pipeline)
    pipeline.arrive()
    pipeline.runner.run()
    for _ in range(4):
        clock(pipeline).move(timedelta(hours=1))
        burst(pipeline, since=3_600)
        pipeline.arrive()
        # The broken one is due again, stands lowest, and fails again.
        pipeline.runner.run()
        assert {slug for slug, lag in lags(pipeline).items() if lag} == {"login_burst_source"}
    assert kinds(pipeline)["detection.rule.failing"] == 1


def test_a_finding_that_nobody_can_take_stops_its_rule_alone(tmp_path: Path) -> None:
    is_broken = True

    def sink(session: Session, finding: FindingEvent, ctx: Context, **facts: object) -> None:
        if is_broken and finding.rule == "login_burst_source":
            raise ZeroDivisionError

    pipeline = make_pipeline(tmp_path / "home", store=MemoryStore(), sink=sink)
    burst(pipeline)
    pipeline.arrive()
    pipeline.runner.run()
    slugs = {one.slug for one in pipeline.alerts()}
    assert "login_burst_account" in slugs
    assert "login_burst_source" not in slugs
    assert [slug for slug, lag in lags(pipeline).items() if lag] == ["login_burst_source"]
    assert kinds(pipeline)["detection.rule.failing"] == 1

    is_broken = False
    clock(pipeline).move(timedelta(minutes=10))
    pipeline.detect()
    assert [one.slug for one in pipeline.alerts(slug="login_burst_source")] == ["login_burst_source"]
    assert kinds(pipeline)["detection.rule.recovered"] == 1
    pipeline.close()


def test_a_store_that_lags_in_between_ends_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Losing()
    store.is_losing = False
    pipeline = make_pipeline(tmp_path / "home", store=store)
    monkeypatch.setitem(pipeline.runner._detectors, "login_burst_source", Broken())
    burst(pipeline, count=3)
    pipeline.detect()
    covered = store.coverage
    monkeypatch.setattr(store, "coverage", lambda lo, hi: 0)
    clock(pipeline).move(timedelta(minutes=10))
    pipeline.runner.run()
    monkeypatch.setattr(store, "coverage", covered)
    clock(pipeline).move(timedelta(minutes=10))
    pipeline.detect()
    assert kinds(pipeline)["detection.rule.failing"] == 1
    monkeypatch.undo()
    clock(pipeline).move(timedelta(minutes=10))
    pipeline.detect()
    assert kinds(pipeline)["detection.rule.recovered"] == 1
    pipeline.close()


def test_a_gap_in_the_store_stops_every_rule_and_is_told_once(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path / "home", store=Losing())
    burst(pipeline)
    pipeline.arrive()
    for _ in range(4):
        pipeline.runner.run()
        clock(pipeline).move(timedelta(seconds=45))
    assert pipeline.alerts() == []
    assert kinds(pipeline)["detection.coverage.broken"] == 1
    assert pipeline.shipper.resend() == [range(4, 5)]
    pipeline.detect()
    assert "login_burst_source" in {one.slug for one in pipeline.alerts()}
    pipeline.close()


def test_what_was_lawfully_dropped_is_no_gap_and_is_counted_as_dropped(tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path / "home", store=MemoryStore())
    burst(pipeline)
    pipeline.arrive()
    store, at = pipeline.store, clock(pipeline).now()
    assert isinstance(store, MemoryStore)
    store.drop("security", START + timedelta(days=60), {})
    pipeline.runner.run()
    with pipeline.ground.db.begin() as session:
        unit = {"class": "security", "month": f"{START:%Y-%m}", "first": 1, "last": 10, "count": 10, "held": 0}
        done = {"state": "gone", "run": "run_1", "begun_at": at, "ended_at": at}
        session.execute(sa.insert(ingest.forgotten).values({**unit, **done}))
    pipeline.detect()
    with pipeline.ground.db.read() as session:
        rows = session.execute(sa.select(coverage.c.lo, coverage.c.present, coverage.c.dropped)).all()
    assert rows
    assert {(row.lo, row.dropped) for row in rows} == {(0, 10)}
    assert "detection.coverage.broken" not in kinds(pipeline)
    pipeline.close()


def test_two_runners_have_one_effect_and_no_failure(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A second worker that handled the same slice meanwhile wins; what the first found is dropped."""
    burst(pipeline)
    pipeline.arrive()
    evaluate, once = pipeline.runner._evaluate, []

    def slowly(slugs: list[str], piece: object) -> object:
        found = evaluate(slugs, piece)
        if not once:
            once.append(1)
            pipeline.runner.drain()
        return found

    monkeypatch.setattr(pipeline.runner, "_evaluate", slowly)
    with caplog.at_level("WARNING"):
        assert pipeline.runner.run() is None
    assert caplog.records == []
    pipeline.runner.run()
    assert len(pipeline.alerts(slug="login_burst_source")) == 1


def test_a_store_that_is_away_makes_nobody_failing(tmp_path: Path) -> None:
    store = Away()
    pipeline = make_pipeline(tmp_path / "home", store=store)
    burst(pipeline)
    pipeline.arrive()
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        pipeline.runner.run()
    store.is_away = False
    pipeline.detect()
    assert kinds(pipeline)["detection.rule.failing"] == 0
    assert len(pipeline.alerts(slug="login_burst_source")) == 1
    pipeline.close()


def test_an_alert_closed_by_a_person_stays_closed_until_something_new(pipeline: Pipeline) -> None:
    burst(pipeline)
    pipeline.detect()
    found = pipeline.alerts(slug="login_burst_source")[0]
    with pipeline.ground.db.begin() as session:
        alerts.close(session, found.id, Verdict.FALSE_POSITIVE, "A scanner of ours.", pipeline.ground.ctx(ANALYST))
    pipeline.detect()
    assert pipeline.alerts(slug="login_burst_source")[0].state is AlertState.CLOSED
    burst(pipeline, since=4_000)
    pipeline.detect()
    states = [one.state for one in pipeline.alerts(slug="login_burst_source")]
    assert sorted(states) == [AlertState.CLOSED, AlertState.OPEN]


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("card 4111 1111 1111 1111, seen in the log", SecretInText),
        ("they wrote password=hunter2222 there", SecretInText),
        ("turned \u202e round by a mark", NoText),
        ("a few words too many " * 30, ReasonMissing),
    ],
)
def test_a_verdict_has_no_reason_with_what_may_stand_nowhere(
    pipeline: Pipeline, reason: str, error: type[Exception]
) -> None:
    burst(pipeline)
    pipeline.detect()
    found = pipeline.alerts(slug="login_burst_source")[0]
    with pipeline.ground.db.begin() as session, pytest.raises(error):
        alerts.close(session, found.id, Verdict.FALSE_POSITIVE, reason, pipeline.ground.ctx(ANALYST))
    assert pipeline.alerts(slug="login_burst_source")[0].state is AlertState.OPEN


def test_an_alert_that_grows_after_it_was_closed_reopens_undecided(pipeline: Pipeline) -> None:
    burst(pipeline)
    pipeline.detect()
    first = pipeline.alerts(slug="login_burst_source")[0]
    with pipeline.ground.db.begin() as session:
        alerts.close(session, first.id, Verdict.FALSE_POSITIVE, "A scanner of ours.", pipeline.ground.ctx(ANALYST))
    burst(pipeline, since=5, count=2 * first.peak)
    pipeline.detect()
    found = pipeline.alerts(slug="login_burst_source")[0]
    assert (found.id, found.state) == (first.id, AlertState.OPEN)
    assert (found.verdict, found.verdict_reason, found.closed_by) == (None, None, None)
    with pipeline.ground.db.read() as session:
        grown = alerts.revisions(session, first.id, ANALYST)
    assert [one.kind for one in grown] == ["opened", "reopened"]
    assert kinds(pipeline)["detection.finding.closed"] == 1
    assert kinds(pipeline)["detection.finding.reopened"] == 1


def test_every_event_of_a_finding_names_rule_and_techniques(pipeline: Pipeline) -> None:
    burst(pipeline)
    pipeline.detect()
    one = pipeline.alerts(slug="login_burst_source")[0]
    with pipeline.ground.db.begin() as session:
        alerts.close(session, one.id, Verdict.FALSE_POSITIVE, "A scanner of ours.", pipeline.ground.ctx(ANALYST))
        alerts.reopen(session, one.id, pipeline.ground.ctx(ANALYST))
    pipeline.arrive()
    found = walk(pipeline.store, Search(where=Eq("onepay.finding.id", one.id), order=Order.SEQUENCE, limit=100))
    told = {document["event"]["action"]: (document["rule"], document["threat"]) for document in found}
    rule = pipeline.runner.rules[one.slug]
    named = {"id": rule.slug, "version": rule.content_hash, "name": rule.title}
    kinds_ = [f"detection.finding.{kind}" for kind in ("closed", "raised", "reopened")]
    assert sorted(told) == kinds_
    assert list(told.values()) == [(named, {"technique": {"id": list(rule.techniques)}})] * 3
    assert (one.rule_title, rule.techniques != ()) == (rule.title, True)


def test_slices_of_any_size_find_the_same(tmp_path: Path) -> None:
    found = []
    for size in (1, 3, 10_000):
        made = make_pipeline(
            tmp_path / f"home-{size}", store=MemoryStore(), settings=DetectorSettings(run_events_max=size)
        )
        burst(made)
        burst(made, since=20, ip="198.18.7.10")
        made.detect()
        found.append(sorted((one.slug, tuple(one.group.items()), one.first_at, one.last_at) for one in made.alerts()))
        made.close()
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("limits", [{"group_history_max": 4}, {"groups_per_query_max": 1}])
def test_groups_asked_for_apart_find_the_same(tmp_path: Path, limits: dict[str, int]) -> None:
    """A long history is read group by group; one group is read whole however long it is."""
    found = []
    for name, settings in (("whole", DetectorSettings()), ("apart", DetectorSettings(**limits))):
        made = make_pipeline(tmp_path / name, store=MemoryStore(), settings=settings)
        for n in range(5):
            burst(made, since=n, ip=f"198.18.7.{n}")
        made.detect()
        found.append(sorted((one.slug, tuple(one.group.items()), one.events, one.peak) for one in made.alerts()))
        made.close()
    assert found[0] == found[1]
    assert len(found[0]) > 5


def test_an_alert_names_so_many_events_and_counts_all(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "EVIDENCE_ROWS_MAX", 12)
    for n in range(4):
        burst(pipeline, since=10 * n)
        pipeline.detect()
        pipeline.detect()  # read again, nothing is added
    [one] = pipeline.alerts(slug="login_burst_source")
    with pipeline.ground.db.read() as session:
        rows = alerts.evidence(session, one.id, ANALYST)
    assert (len(rows), one.events) == (12, 40)
    assert (one.first_at, one.last_at) == (START, START + timedelta(seconds=39))


def test_a_reason_tells_of_the_whole_alert_at_each_revision(tmp_path: Path) -> None:
    """An alert grows far beyond what the rule reads again: its sentence counts what it counts."""
    said: list[tuple[str, int]] = []

    def sink(session: Session, finding: FindingEvent, ctx: Context, **facts: object) -> None:
        if finding.rule == "login_burst_source":
            said.append((str(facts["reason"]), finding.count))

    pipeline = make_pipeline(tmp_path / "home", store=MemoryStore(), sink=sink)
    for n in range(4):
        for second in range(n * 600, (n + 1) * 600, 20):
            burst(pipeline, since=second, count=1)
        pipeline.detect()
    burst(pipeline, since=5, count=1)  # late, of the very first window
    pipeline.detect()
    [one] = pipeline.alerts(slug="login_burst_source")
    pipeline.close()
    assert [count for _, count in said] == [30, 60, 90, 120, 121]
    assert [reason.partition(" ")[0] for reason, _ in said] == [str(count) for _, count in said]
    assert one.reason == said[-1][0] == f"121 refused sign-ins from {IP} within 40 min"


def test_how_far_the_slowest_rule_is_behind(pipeline: Pipeline) -> None:
    pipeline.detect()
    pipeline.detect()
    with pipeline.ground.db.read() as session:
        rest = pipeline.runner.behind(session, START).events
    burst(pipeline)
    pipeline.arrive()
    for seconds, is_late in ((119, False), (121, True)):
        with pipeline.ground.db.read() as session:
            found = pipeline.runner.behind(session, clock(pipeline).now() + timedelta(seconds=seconds))
        assert (found.events - rest, found.is_late) == (10, is_late)


def test_the_lag_of_a_rule_is_the_wait_of_its_oldest_unread_entry(tmp_path: Path) -> None:
    metrics = Metrics()
    pipeline = make_pipeline(tmp_path / "home", store=MemoryStore())
    pipeline.runner._metrics = metrics
    pipeline.detect()
    pipeline.detect()
    clock(pipeline).move(timedelta(hours=8))  # a quiet night
    pipeline.record(clock(pipeline).now(), "auth.login.failed", **{"source.ip": IP, "user.hash": "h"})
    pipeline.arrive()
    clock(pipeline).move(timedelta(seconds=3))
    told = []
    pipeline.runner._events = lambda lo, hi: told.append(lag(metrics)) or []  # type: ignore[method-assign]
    pipeline.runner.run()
    pipeline.close()
    assert told[0] == {3.0}


def lag(metrics: Metrics) -> set[float]:
    [family] = metrics.detector_lag_seconds.collect()
    return {sample.value for sample in family.samples}


def clock(pipeline: Pipeline) -> StillClock:
    return pipeline.ground.clock
