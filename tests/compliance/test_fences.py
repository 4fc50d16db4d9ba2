"""Nobody waits for a fence: what is planted stands in it alone, and payments and the log go on meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.kernel.clock import StillClock
from compliance.contracts.probes import Look, Planted, Probe, Reading, Violation
from compliance.engine import fences, overlay
from compliance.engine.verdict import Canary
from ingest import models as log
from ingest.log import read
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
WAITED_SECONDS_MAX = 2.0


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    url = {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("server").fresh_database()}
    with installed(tmp_path / "home", clock=StillClock(START), **url) as made:
        made.customer("amber_one", euros=20)
        made.staff("ada", "administrator")
        made.browser().sign_in(made.people["ada"], surface="staff")
        made.arrive()
        yield made


def size(house: Installation) -> int:
    with house.system.db.read() as session:
        return read.head(session).size


@pytest.mark.parametrize("name", ["identity.dormant", "log.activities", "log.integrity"])
def test_payments_and_the_log_go_on_while_a_fence_is_open(house: Installation, name: str) -> None:
    probe = house.system.controls.parts.probes[name]
    is_open, may_end = threading.Event(), threading.Event()

    def slow(look: Look) -> Reading:
        if look.is_fence and is_open.is_set():
            assert may_end.wait(30)
        return probe.read(look)

    def plant(look: Look) -> Planted:
        planted = probe.plant(look)
        is_open.set()
        return planted

    found = []
    made = replace(probe, read=slow, plant=plant)

    def ask() -> None:
        found.append(house.system.controls.observe(made, is_test_due=True))

    before = size(house)
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        assert is_open.wait(30)
        began = time.monotonic()
        house.top_up(house.people["amber_one"].account, 5)
        house.arrive()
        waited = time.monotonic() - began
        assert thread.is_alive(), "the fence is still open"
        assert size(house) > before
    finally:
        may_end.set()
        thread.join()
    assert waited < WAITED_SECONDS_MAX
    assert found[0].tested.canary is Canary.CAUGHT


def test_a_fence_that_is_open_for_too_long_is_ended_and_leaves_nothing(house: Installation) -> None:
    def held() -> None:
        with fences.rows(house.system.db, seconds=0.2) as session:
            session.execute(sa.delete(log.body))
            time.sleep(0.4)
            session.execute(sa.delete(log.entry))

    with house.system.db.read() as session:
        before = session.scalar(sa.select(sa.func.count()).select_from(log.body))
    with pytest.raises(fences.FenceOverran):
        held()
    with house.system.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(log.body)) == before
    house.top_up(house.people["amber_one"].account, 5)


def test_what_was_wrong_before_is_no_answer_to_a_canary(house: Installation) -> None:
    always = Violation(component="people", object_id="planted", says="is wrong anyway")

    def reads(look: Look) -> Reading:
        return Reading(population={"people": 1}, violations=(always,))

    made = house.system.controls.parts.probes["identity.dormant"]
    probe = Probe(name=made.name, kind=made.kind, asks="", read=reads, plant=lambda _: "planted")
    seen = house.system.controls.observe(probe, is_test_due=True)
    assert seen is not None
    assert seen.tested.canary is Canary.MISSED


def test_an_overlay_shows_what_was_planted_changed_and_taken_away_to_itself_alone(tmp_path: Path) -> None:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        made.customer("amber_one")
        made.arrive()
        db, of = made.system.db, log.body.c
        everything = sa.select(of.sequence, of.body).order_by(of.sequence)
        with db.read() as session:
            before = session.execute(everything).all()
        with overlay.opened(db) as session:
            session.execute(sa.delete(log.body).where(of.sequence == 1))
            session.execute(sa.update(log.body).where(of.sequence == 2).values(body=b"changed"))
            session.execute(sa.update(log.body).where(of.sequence == 2).values(body=b"twice"))
            planted = {"sequence": 2**62, "class": "security", "salt": b"", "body": b"planted"}
            session.execute(sa.insert(log.body).values(**planted))
            session.execute(sa.insert(log.body).values(**{**planted, "sequence": 2**61}))
            session.execute(sa.delete(log.body).where(of.sequence == 2**61))
            seen = session.execute(everything).all()
            with db.begin() as writer:  # nobody waits
                writer.execute(sa.update(log.body).where(of.sequence == 3).values(body=b"meanwhile"))
        assert [tuple(row) for row in seen] == [(2, b"twice"), *map(tuple, before[2:]), (2**62, b"planted")]
        with db.read() as session:
            after = session.execute(everything).all()
        assert [row for row in after if row.sequence != 3] == [row for row in before if row.sequence != 3]
