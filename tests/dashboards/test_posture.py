"""Posture: what fails above what changed, what is due next with whose it is, and the rows nobody answers for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.identity.models import factor
from app.kernel.access import Actor, ActorKind
from app.kernel.clock import StillClock
from compliance import deadlines
from compliance.attest import exceptions
from compliance.catalog.controls import PCI
from compliance.deadlines import What
from compliance.registers import breach_handling
from compliance.registers.breaches import Found
from compliance.retention import holds
from compliance.retention.holds import Item, Order
from tests.compliance.office import agree, ctx, opened
from tests.compliance.privacy.rights import Rights
from tests.dashboards.desk import Room
from tests.support.installation import Installation, installed

ANCHOR = date(2026, 1, 1)
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PATH = "/console/compliance/posture"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        opened(made, "olga", "omar", "ines")
        made.customer("amber_one", euros=5)
        yield made


def test_what_is_due_next_is_told_with_whose_it_is_as_far_as_the_viewer_may_see(house: Installation) -> None:
    clock = house.system.clock
    assert isinstance(clock, StillClock)
    Rights(house=house, clock=clock).ask(house.people["amber_one"], "erasure")
    draft = exceptions.Draft(
        framework=PCI, key="8.4.1", kind=exceptions.Kind.ACCEPTED_RISK, why="New ones arrive", until=START + 5 * DAY
    )
    with house.system.db.begin() as session:
        made = exceptions.propose(session, draft, ctx(house, "olga"), desk=house.system.desk)
        told = Found(title="A mailbox was read", aware_at=START)
        breach_handling.open_breach(session, told, ctx(house, "olga"), parts=house.system.compliance.privacy)
    agree(house, made.approval_id, "omar")
    kept = Order(
        case="court-9",
        reason="a claim about a payment",
        authority="Regional court",
        review_on=(START + 2 * DAY).date(),
        items=(Item(kind="class", value="session"),),
    )
    with house.system.db.begin() as session:
        holds.place(session, kept, ctx(house, "olga"), parts=house.system.retention)
    with house.system.db.read() as session:
        seen = deadlines.next_of(session, ctx(house, "olga").actor, START, anchor=ANCHOR)
        analyst = deadlines.next_of(session, ctx(house, "ines").actor, START, anchor=ANCHOR)
    assert [one.what for one in seen[:4]] == [What.HOLD, What.BREACH, What.EXCEPTION, What.REQUEST]
    assert (seen[0].about, seen[0].owner) == ("court-9", house.people["olga"].account)
    assert {one.what for one in seen[4:]} == {What.SCAN}, "the quarter that is open needs a scan until it ends"
    assert seen[2].owner == house.people["olga"].account
    of_analyst = [one.what for one in analyst]
    assert of_analyst == [What.EXCEPTION, What.SCAN, What.SCAN], "an analyst learns nothing of people and breaches"
    auditor = Actor(
        id="acc_audit",
        kind=ActorKind.STAFF,
        permissions=roles.ROLES[roles.AUDITOR],
        period=(START - 60 * DAY, START - 30 * DAY),
    )
    with house.system.db.read() as session:
        of_auditor = {one.what for one in deadlines.next_of(session, auditor, START, anchor=ANCHOR)}
    assert not of_auditor & {What.EXCEPTION, What.SCAN, What.BREACH, What.HOLD}, "what came after their period"
    drawn = Room(installation=house).desk("oda", roles.COMPLIANCE_OFFICER).draw(PATH)
    assert "exception ends 8.4.1" in drawn
    assert "answer requests, 1 wait" in drawn


def test_failures_stand_above_changes_and_rows_without_owner_can_be_signed(house: Installation) -> None:
    room = Room(installation=house)
    drawn = room.desk("oda", roles.COMPLIANCE_OFFICER).draw(PATH)
    heads = re.findall(r'"type": "H2", "namespace": "dash_html_components"', drawn)
    order = [drawn.index(f'"{title}"') for title in ("Failing, oldest first", "Changed in 7 days", "Deadlines")]
    assert heads
    assert order == sorted(order)
    assert "Not signed" in drawn
    assert re.search(r"tasks\?do=attest&of=pci%3A", drawn)
    assert "do=attest" not in room.analyst.draw(PATH), "who signs nothing is offered nothing to sign"


def test_a_look_at_what_is_excepted_that_brings_nothing_new_says_so(house: Installation) -> None:
    with house.system.db.begin() as session:
        of = factor.c.account_id == house.people["olga"].account
        session.execute(sa.update(factor).where(of).values(removed_at=START))
        draft = exceptions.Draft(
            framework=PCI, key="8.4.1", kind=exceptions.Kind.ACCEPTED_RISK, why="New ones come", until=START + 5 * DAY
        )
        made = exceptions.propose(session, draft, ctx(house, "olga"), desk=house.system.desk)
    agree(house, made.approval_id, "omar")
    officer = Room(installation=house).desk("oda", roles.COMPLIANCE_OFFICER)
    clock = house.system.clock
    assert isinstance(clock, StillClock)
    officer.press("control-run", "pci:8.4.1")
    clock.move(timedelta(minutes=5))
    assert "EXCEPTED, unchanged" in officer.press("control-run", "pci:8.4.1").text
    drawn = officer.draw("/console/compliance/controls", "?sel=pci:8.4.1")
    assert "FAIL, unchanged" in drawn, "what stands beneath the exception is as it was"
    assert re.search(r"So since 02 Nov 2026 09:0\d UTC, for \d min\.", drawn)
