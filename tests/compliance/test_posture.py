"""Posture from intervals alone: days as they were and ended, hours nobody knew, and changes that are changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.kernel.clock import StillClock
from app.kernel.db import Database
from compliance import models, posture
from compliance.catalog.controls import PCI
from compliance.engine import history
from compliance.engine.history import Interval
from compliance.states import State
from tests.compliance.office import ctx, opened
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        opened(made, "olga")
        yield made


def told(*states: tuple[State, datetime], key: str = "8.4.1") -> list[Interval]:
    """Return intervals that follow each other, the last one open."""
    ends = [at for _, at in states[1:]]
    return [
        Interval(
            id=f"int_{n}", framework=PCI, key=key, state=state, reason=None, from_at=at, to_at=to_at, opened_by=None
        )
        for n, ((state, at), to_at) in enumerate(zip(states, [*ends, None], strict=True))
    ]


def written(db: Database, found: list[Interval]) -> None:
    with db.begin() as session:
        for one in found:
            session.execute(
                sa.insert(models.interval).values(
                    id=f"{one.id}_{one.key}", framework=one.framework, key=one.key, state=one.state.value,
                    from_at=one.from_at, to_at=one.to_at,
                )
            )  # fmt: skip


def test_a_minute_of_failure_colours_its_day_and_takes_nothing_from_how_it_ended() -> None:
    at = START + 3 * DAY
    found = told((State.PASS, START), (State.FAIL, START + DAY), (State.PASS, START + DAY + timedelta(minutes=1)))
    days = posture.strip(found, at, START)
    assert [(one.worst, one.ended_in_place) for one in days[-4:]] == [
        (State.PASS, True),
        (State.FAIL, True),
        (State.PASS, True),
        (State.PASS, True),
    ]
    assert [one.last for one in days[:-4]] == [None] * 86, "before it was judged it was in no state"


def test_hours_nobody_knew_are_told_and_not_painted_over() -> None:
    begin, end = datetime(2026, 11, 3, 1, tzinfo=UTC), datetime(2026, 11, 3, 23, tzinfo=UTC)
    found = told(
        (State.NOT_EVALUABLE, START - HOUR), (State.PASS, START), (State.NOT_EVALUABLE, begin), (State.PASS, end)
    )
    first, second = posture.strip(found, end + timedelta(minutes=59), START)[-2:]
    assert (first.worst, first.unknown) == (State.PASS, timedelta()), "before the first reading is no outage"
    assert (second.worst, second.unknown) == (State.NOT_EVALUABLE, timedelta(hours=22))
    assert second.ended_in_place


def test_what_turned_stale_while_the_worker_stands_still_is_told_at_once(house: Installation) -> None:
    system = house.system
    officer = ctx(house, "olga").actor
    system.controls.observe(system.controls.parts.probes["identity.dormant"])
    with system.db.read() as session:
        assert posture.of_now(session, officer, START, system.controls.parts).changes == []
        found = posture.of_now(session, officer, START + 6 * DAY, system.controls.parts).changes
    assert {(one.before, one.after, one.is_loss) for one in found} == {(State.PASS, State.STALE, True)}
    assert all(START < one.at < START + 6 * DAY for one in found), "when it was too old, not when somebody looked"


def test_a_first_reading_is_no_change_and_what_left_its_place_is_told_first(house: Installation) -> None:
    db = house.system.db
    with db.begin() as session:
        session.execute(sa.delete(models.interval))
    lost = START + DAY
    written(db, told((State.NOT_EVALUABLE, START), (State.PASS, START + HOUR), key="8.2.6"))
    written(db, told((State.PASS, START), (State.STALE, lost), (State.PASS, lost + HOUR), key="8.4.1"))
    written(
        db,
        told((State.PASS, START), (State.NOT_EVALUABLE, lost + HOUR / 2), (State.FAIL, lost + 2 * HOUR), key="10.2.1"),
    )
    with db.read() as session:
        found = posture.changes(session, START, START + 9 * DAY)
        assert history.first_known(session, ctx(house, "olga").actor)[PCI, "8.2.6"] == START + HOUR
    assert [(one.key, one.before, one.after) for one in found] == [
        ("10.2.1", State.PASS, State.NOT_EVALUABLE),  # it did not come back
        ("10.2.1", State.NOT_EVALUABLE, State.FAIL),
        ("8.4.1", State.STALE, State.PASS),
        ("8.4.1", State.PASS, State.STALE),
    ]


def test_what_does_not_apply_any_more_is_not_among_what_did_not_come_back(house: Installation) -> None:
    db = house.system.db
    with db.begin() as session:
        session.execute(sa.delete(models.interval))
    written(db, told((State.PASS, START), (State.FAIL, START + HOUR), (State.NOT_APPLICABLE, START + 2 * HOUR)))
    written(db, told((State.PASS, START), (State.STALE, START + HOUR / 2), key="10.2.1"))
    with db.read() as session:
        found = posture.changes(session, START, START + 9 * DAY)
    assert [(one.key, one.after) for one in found] == [
        ("10.2.1", State.STALE),
        ("8.4.1", State.NOT_APPLICABLE),
        ("8.4.1", State.FAIL),
    ]


def test_what_did_not_come_back_is_told_however_much_else_changed(house: Installation) -> None:
    db = house.system.db
    with db.begin() as session:
        session.execute(sa.delete(models.interval))
    written(db, told((State.PASS, START), (State.FAIL, START + HOUR), key="10.2.1"))
    turns = [
        (State.PASS if n % 2 else State.STALE, START + 2 * HOUR + timedelta(seconds=n))
        for n in range(posture.CHANGES_MAX + 2)
    ]
    written(db, told((State.PASS, START), *turns))
    with db.read() as session:
        found = posture.changes(session, START, START + 9 * DAY)
    assert (found[0].key, found[0].after) == ("10.2.1", State.FAIL)
    assert len(found) == posture.CHANGES_MAX
