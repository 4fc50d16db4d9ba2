"""The compliance half of the console: posture, controls and the evidence beside them, as each role sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.commands import registry
from app.identity import roles
from app.identity.models import factor
from app.kernel.access import service
from app.kernel.clock import StillClock
from compliance.engine import standing
from compliance.states import State
from tests.dashboards.desk import Desk, Room
from tests.support.installation import Installation, installed

_NUMBERS = re.compile(
    r'"population".{0,120}?"children": "([\d,]+)".{0,120}?'
    r'"children": "([\d,]+) bodies, ([\d,]+) head and ([\d,]+) others?"'
)
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> StillClock:
    return StillClock(START)


@pytest.fixture
def house(tmp_path: Path, clock: StillClock) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=clock) as made:
        yield made


@pytest.fixture
def officer(house: Installation) -> Desk:
    return Room(installation=house).desk("olga", roles.COMPLIANCE_OFFICER)


def test_what_was_never_looked_at_is_no_pass(house: Installation, officer: Desk) -> None:
    drawn = officer.draw("/console/compliance/posture")
    assert "Not shown yet." in drawn
    assert '"PASS' not in drawn
    assert "not observed yet" in officer.draw("/console/compliance/controls", "?sel=pci:8.4.1").lower()


def test_a_failing_control_is_named_with_its_evidence(house: Installation, officer: Desk, clock: StillClock) -> None:
    with house.system.db.begin() as session:
        session.execute(sa.update(factor).where(factor.c.account_id == officer.person.account).values(removed_at=START))
    house.turn_whole()
    drawn = officer.draw("/console/compliance/posture")
    assert "Not today." in drawn
    assert "controls?sel=pci%3A8.4.1" in drawn
    beside = officer.draw("/console/compliance/controls", "?sel=pci:8.4.1&state=FAIL")
    assert "the account has no second factor" in beside
    assert f'"children": "Olga", "title": "{officer.person.account}"' in beside, "a colleague is named"
    assert "EV-" in beside
    assert "caught" in beside
    lines = [str(one.get("text", "")) for one in registry.COMMANDS["control run"](house.system, {"key": "8.4.1"})]
    assert any(f"people Olga ({officer.person.account}): the account has no second factor" in line for line in lines)


def test_what_was_looked_at_adds_up_and_hashes_are_shown_short(house: Installation, officer: Desk) -> None:
    probe = house.system.controls.parts.probes["log.integrity"]
    assert house.system.controls.observe(probe, ctx=house.system.context(service("probes"))) is not None
    house.arrive()
    beside = officer.draw("/console/compliance/controls", "?sel=pci:10.3.4")
    population, *parts, others = _NUMBERS.findall(beside)[0]
    assert int(population.replace(",", "")) == sum(int(one.replace(",", "")) for one in (*parts, others))
    asked = re.findall(r'"children": "([^"]+)", "className": "id wrap"', beside)
    assert asked
    assert not any(re.search(r"[0-9a-f]{32}", one) for one in asked)


def test_an_officer_asks_a_probe_now(house: Installation, officer: Desk) -> None:
    assert officer.press("control-run", "pci:8.2.6").status_code == 200
    with house.system.db.read() as session:
        found = standing.all_of(session, house.system.clock.now(), house.system.controls.parts)
    assert found["pci-4.0.1", "8.2.6"].state is State.PASS


def test_an_analyst_reads_controls_and_asks_nothing(house: Installation) -> None:
    analyst = Room(installation=house).analyst
    assert "Would we pass today?" in analyst.draw("/console/compliance/posture")
    assert "Run again" not in analyst.draw("/console/compliance/controls", "?sel=pci:8.2.6")
    answer = analyst.press("control-run", "pci:8.2.6")
    assert answer.status_code == 403


def test_a_control_that_is_none_is_nothing_here(officer: Desk) -> None:
    assert "There is no page or object" in officer.draw("/console/compliance/controls", "?sel=pci:99.9")
    assert "There is no page or object" in officer.draw("/console/compliance/absent")


def test_a_day_of_the_past_shows_what_was_known_then(house: Installation, officer: Desk, clock: StillClock) -> None:
    house.turn_whole()
    clock.move(timedelta(days=3))
    officer.browser.sign_in(officer.person, surface="staff")
    drawn = officer.draw("/console/compliance/controls", "?at=2026-11-02&state=PASS")
    assert "8.4.1" in drawn
    assert "as of 02 Nov 2026" in drawn
    assert "8.4.1" not in officer.draw("/console/compliance/controls", "?at=2026-11-01&state=PASS")
    for day in ("yesterday", "2026-02-30", "9999-12-31"):
        assert "No such day yet: this is now." in officer.draw("/console/compliance/controls", f"?at={day}"), day


def test_a_group_lists_what_asks_for_somebody_and_all_when_asked(house: Installation, officer: Desk) -> None:
    with house.system.db.begin() as session:
        session.execute(sa.update(factor).where(factor.c.account_id == officer.person.account).values(removed_at=START))
    house.turn_whole()

    def listed(search: str) -> list[str]:
        drawn = officer.draw("/console/compliance/controls", search)
        return re.findall(r'"children": "([^"]+)", "className": "strong nowrap"', drawn)

    asks = listed("?framework=pci")
    assert "8.4.1" in asks
    assert len(asks) < 20
    assert len(listed("?framework=pci&group=all")) == 103
    eighth = listed("?framework=pci&group=g8")
    assert {"8.2.6", "8.4.1"} <= set(eighth)
    assert set(listed("?framework=pci&sel=pci:8.2.6")) == {*asks, "8.2.6"}


def test_what_lies_beside_a_past_day_is_of_that_day_too(house: Installation, officer: Desk, clock: StillClock) -> None:
    house.turn_whole()
    clock.move(timedelta(days=3))
    officer.browser.sign_in(officer.person, surface="staff")
    with house.system.db.begin() as session:
        session.execute(sa.update(factor).where(factor.c.account_id == officer.person.account).values(removed_at=START))
    house.turn_whole()
    now = officer.draw("/console/compliance/controls", "?sel=pci:8.4.1")
    then = officer.draw("/console/compliance/controls", "?sel=pci:8.4.1&at=2026-11-02")
    assert "the account has no second factor" in now
    assert "the account has no second factor" not in then
    assert "What was seen last is too old to count" in then
    assert "05 Nov" in now
    assert "05 Nov" not in then
    assert "Run again" in now
    assert "Run again" not in then


def test_what_fails_is_opened_first_and_stands_first_in_its_group(
    house: Installation, officer: Desk, clock: StillClock
) -> None:
    with house.system.db.begin() as session:
        session.execute(sa.update(factor).where(factor.c.account_id == officer.person.account).values(removed_at=START))
    house.turn_whole()
    drawn = officer.draw("/console/compliance/controls", "?sel=pci:8.4.1&framework=pci&group=g8")
    with house.system.db.read() as session:
        found = standing.all_of(session, clock.now(), house.system.controls.parts)
    eighth = [one for (framework, _), one in found.items() if framework == "pci-4.0.1" and one.control.group == 8]
    order = list(State)
    expected = [one.control.key for one in sorted(eighth, key=lambda one: order.index(one.state))]
    listed = list(re.findall(r'"children": "(8\.[\d.]+)", "className": "strong nowrap"', drawn))
    assert listed == expected
    assert listed != [one.control.key for one in eighth], "the catalogue has another order"


def test_asking_again_says_what_came_of_it_and_tries_the_canary_again(
    house: Installation, officer: Desk, clock: StillClock
) -> None:
    officer.press("control-run", "pci:8.2.6")
    clock.move(timedelta(minutes=10))
    said = officer.press("control-run", "pci:8.2.6").text
    assert "PASS, unchanged" in said
    assert "0 violations, canary caught." in said
    drawn = officer.draw("/console/compliance/controls", "?sel=pci:8.2.6")
    assert "PASS, unchanged" in drawn, "no evidence of its own came of it"
    assert "0 s ago" in drawn, "the canary was tried now, not ten minutes ago"
