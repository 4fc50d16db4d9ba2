"""Clocks warn at their parts, breach once, and count working hours where their rules say so."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks import casework, clocks, working_time
from playbooks.clocks import ClockRulesRefused
from playbooks.working_time import Calendar
from tests.playbooks.world import CHEN, World, run_jobs

OFFICE = Calendar()
BERLIN = Calendar(zone="Europe/Berlin", holidays=frozenset({date(2026, 12, 25)}))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "hours", "calendar", "due"),
    [
        ("2026-11-02 09:00", 8, OFFICE, "2026-11-02 17:00"),  # Monday, from the first to the last minute
        ("2026-11-02 09:01", 8, OFFICE, "2026-11-03 09:01"),
        ("2026-11-02 03:00", 8, OFFICE, "2026-11-02 17:00"),  # found at night: counts from the morning
        ("2026-11-02 17:00", 8, OFFICE, "2026-11-03 17:00"),
        ("2026-11-06 16:00", 8, OFFICE, "2026-11-09 16:00"),  # Friday to Monday
        ("2026-11-07 12:00", 8, OFFICE, "2026-11-09 17:00"),  # Saturday
        ("2026-11-02 09:00", 16, OFFICE, "2026-11-03 17:00"),
        ("2026-12-24 15:00", 8, BERLIN, "2026-12-28 15:00"),  # 16:00 there; Christmas, then a weekend
        ("2026-10-23 15:00", 1, BERLIN, "2026-10-26 09:00"),  # 17:00 there is closed; the clocks change on Sunday
        ("2026-10-23 14:00", 8, BERLIN, "2026-10-26 15:00"),  # one hour on Friday, seven on Monday in winter time
        ("2028-02-28 16:00", 8, OFFICE, "2028-02-29 16:00"),  # a leap day works
    ],
)
def test_working_time_is_exact_to_the_minute(start: str, hours: int, calendar: Calendar, due: str) -> None:
    assert working_time.add(at(start), timedelta(hours=hours), calendar) == at(due)


@given(
    minutes=st.integers(0, 60 * 24 * 400),
    one=st.integers(1, 60 * 40),
    other=st.integers(1, 60 * 40),
)
def test_working_time_adds_up_and_ends_in_working_time(minutes: int, one: int, other: int) -> None:
    start = at("2026-01-01 00:00") + timedelta(minutes=minutes)
    middle = working_time.add(start, timedelta(minutes=one), BERLIN)
    assert working_time.add(middle, timedelta(minutes=other), BERLIN) == working_time.add(
        start, timedelta(minutes=one + other), BERLIN
    )
    assert BERLIN.works_on(middle.date())
    assert middle >= start + timedelta(minutes=one)


@pytest.mark.parametrize(
    ("severity", "due"),
    [
        ("critical", timedelta(minutes=15)),
        ("high", timedelta(hours=1)),
        ("medium", timedelta(hours=8)),  # the world begins on a Monday at nine
        ("low", timedelta(days=1, hours=8)),
    ],
)
def test_the_worse_the_sooner(world: World, severity: str, due: timedelta) -> None:
    found = world.find(severity=severity)
    (clock,) = world.page(found).clocks
    assert clock.due_at - world.now == due


def test_each_warning_and_the_breach_come_once(either_world: World) -> None:
    world = either_world
    found = world.find(severity="high")  # one hour
    said = []
    for _ in range(61):
        run_jobs(world)
        run_jobs(world)
        said.append([event["event"]["reason"] for event in world.events("incident.clock.warned")])
        world.pass_time(minutes=1)
    assert said[29] == []
    assert said[30] == ["50"]
    assert said[45] == ["50", "75"]
    assert said[54] == ["50", "75", "90"]
    assert said[60] == ["50", "75", "90"]
    assert len(world.events("incident.clock.breached")) == 1
    world.do(casework.take, found)
    (clock,) = world.page(found).clocks
    assert clock.state == "met_late"
    assert [event["event"]["reason"] for event in world.events("incident.clock.met")] == ["late"]


def test_a_job_that_slept_says_the_last_warning_alone(world: World) -> None:
    world.find(severity="high")
    world.pass_time(minutes=50)
    run_jobs(world)
    assert [event["event"]["reason"] for event in world.events("incident.clock.warned")] == ["75"]


def test_a_clock_that_was_met_says_nothing_more(world: World) -> None:
    found = world.find(severity="high")
    world.do(casework.take, found)
    world.pass_time(hours=2)
    run_jobs(world)
    assert world.events("incident.clock.warned") == world.events("incident.clock.breached") == []


def test_raised_at_half_its_time_it_ends_earlier_from_the_same_start(world: World) -> None:
    found = world.find(severity="high")
    world.pass_time(minutes=30)
    run_jobs(world)
    world.do(casework.raise_severity, found, 1, "it is worse than it looked", by=CHEN, parts=world.parts)
    (clock,) = world.page(found).clocks
    assert clock.due_at - clock.started_at == timedelta(minutes=15)
    run_jobs(world)
    assert len(world.events("incident.clock.breached")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "version: 1",
        "version: 1\ncalendar: {zone: UTC, days: [mon], opens: 9, closes: 17, holidays: []}\n"
        "acknowledge: {critical: 15m}",
        "version: 1\ncalendar: {zone: UTC, days: [mon], opens: 9, closes: 17, holidays: []}\n"
        "acknowledge: {critical: soon, high: 1h, medium: 1h, low: 1h}",
        "version: 1\ncalendar: {zone: UTC, days: [noday], opens: 9, closes: 17, holidays: []}\n"
        "acknowledge: {critical: 1m, high: 1h, medium: 1h, low: 1h}",
    ],
    ids=["nothing", "a severity missing", "no time", "no day"],
)
def test_broken_rules_stop_the_start(text: str) -> None:
    with pytest.raises(ClockRulesRefused):
        clocks.load(text)
