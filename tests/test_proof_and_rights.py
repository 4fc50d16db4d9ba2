"""Proof and rights, on SQLite with DuckDB and on PostgreSQL with Elasticsearch alike.

Controls are judged by the same probes, a month of the log goes under four eyes from store, log and archive, and the
log stays sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel.clock import StillClock
from compliance.catalog.controls import PCI
from compliance.engine import standing
from compliance.retention import runs
from compliance.states import Reason, State
from ingest import models as log
from ingest.log import forgotten
from tests.compliance.test_retention import approved, carried_on, is_sound, now, planned, settle
from tests.support.installation import Installation, installed

START = datetime(2025, 9, 2, 9, 0, tzinfo=UTC)
LATER = timedelta(days=430)


@pytest.fixture
def house(tmp_path: Path, small_or_grown: dict[str, Any]) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START), **small_or_grown) as made:
        yield made


def test_controls_are_judged_and_a_month_goes(house: Installation) -> None:
    for name, role in (("olga", roles.COMPLIANCE_OFFICER), ("dora", roles.DPO), ("dirk", roles.DPO)):
        house.staff(name, role)
    house.customer("amber_one", euros=20)
    settle(house)
    house.system.clock.move(LATER)  # type: ignore[attr-defined]  # a still clock
    for name in ("olga", "dora", "dirk"):
        house.browser().sign_in(house.people[name], surface="staff")
    settle(house)
    _controls_are_judged(house)
    _a_month_goes(house)
    _controls_are_judged(house)


def _controls_are_judged(house: Installation) -> None:
    controls = house.system.controls
    house.system.signer.sign(house.system.clock.now())
    house.system.rounds.sample(house.system.clock.now())
    for probe in controls.parts.probes.values():
        seen = controls.observe(probe, is_test_due=True)
        assert seen is not None
        assert seen.error is None, f"{probe.name}: {seen.error}"
        assert seen.tested.canary == "caught", probe.name
        assert seen.verdict.reason not in (Reason.COVERAGE, Reason.PROBE_ERROR, Reason.TIMEOUT), probe.name
    house.arrive()
    with house.system.db.read() as session:
        found = standing.all_of(session, house.system.clock.now(), controls.parts)
    passing = [key for (framework, key), one in found.items() if framework == PCI and one.state is State.PASS]
    assert {"8.4.1", "8.3.5", "10.3.4", "7.3.3"} <= set(passing)
    legs = {leg.name: leg.state for one in found.values() for leg in one.legs}
    assert legs["log.complete_entries"] is State.PASS, "beside which somebody signs for what it does not see"


def _a_month_goes(house: Installation) -> None:
    system = house.system
    run = planned(house, "security")
    approved(house, run, "dora", "dirk")
    for _ in range(3):
        carried_on(house)
    assert now(house, run).state == runs.CERTIFIED, now(house, run).why
    with system.db.read() as session:
        (removal,) = forgotten.removals(session)
        left = session.scalar(
            sa.select(sa.func.count())
            .select_from(log.body)
            .where(log.body.c["class"] == "security", log.body.c.sequence <= removal.last)
        )
        head = session.scalar(sa.select(log.head.c.size))
        dropped = forgotten.dropped(session, 0, head)
    assert left == 0
    assert not system.working_store.holds("security", removal.month)
    assert system.working_store.coverage(0, head) + dropped == head
    assert is_sound(house)
