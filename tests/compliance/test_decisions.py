"""What stands as decided by people has the event of its decision; what was only written into the database has not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.kernel.access import Actor, ActorKind
from app.kernel.clock import StillClock
from app.kernel.db import delete_for_good
from compliance.attest import attestations
from compliance.attest.attestations import Draft, Kind
from compliance.attest.models import attestation
from compliance.catalog.controls import PCI
from compliance.privacy import consent
from compliance.privacy.models import consent_receipt
from compliance.retention import holds, policies
from compliance.retention.holds import Item
from compliance.retention.models import hold, policy
from compliance.states import State
from ingest import models as log
from tests.compliance.office import agree, ctx, hold_on
from tests.support.installation import Installation, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START)) as made:
        for name, role in (("olga", roles.COMPLIANCE_OFFICER), ("dora", roles.DPO), ("dirk", roles.DPO)):
            made.staff(name, role)
        made.customer("amber_one")
        yield made


def said(house: Installation) -> tuple[State, set[str]]:
    controls = house.system.controls
    seen = controls.observe(controls.parts.probes["papers.decided"], is_test_due=True)
    assert seen is not None
    assert seen.error is None
    return seen.verdict.state, {one.component for one in seen.reading.violations}


def decided(house: Installation) -> str:
    """Let people sign, agree to a period, place and release a hold, and consent; returns the hold's id."""
    system = house.system
    draft = Draft(framework=PCI, key="10.3.1", kind=Kind.STATEMENT, statement="Two operators can read the log")
    with system.db.begin() as session:
        paper = attestations.propose(session, draft, ctx(house, "olga"), desk=system.desk)
    assert paper.approval_id is not None
    agree(house, paper.approval_id, "dora")
    with system.db.begin() as session:
        why = "claims last six years here"
        asked = policies.propose(
            session, "rights.request", "P6Y", "", why, ctx(house, "olga"), approvals=system.approvals
        )
    agree(house, asked, "dora")
    order = hold_on("court-51", Item(kind="subject", value=house.people["amber_one"].account))
    with system.db.begin() as session:
        hold_id = holds.place(session, order, ctx(house, "olga"), parts=system.retention)
    me = Actor(
        id=house.people["amber_one"].account,
        kind=ActorKind.CUSTOMER,
        permissions=roles.ROLES[roles.CUSTOMER],
    )
    with system.db.begin() as session:
        consent.give(session, "news", system.context(me))
    return hold_id


@pytest.mark.parametrize("stands", ["recorded", "numbered", "stored"])
def test_what_nobody_decided_fails_accountability(house: Installation, stands: str) -> None:
    hold_id = decided(house)
    if stands == "numbered":
        house.system.sequencer.drain()  # the store is behind
    elif stands == "stored":
        house.arrive()
    assert said(house) == (State.PASS, set())
    with house.system.db.begin() as session:
        row = dict(session.execute(sa.select(attestation)).mappings().one())
        forged = {"id": "att_x", "key": "8.4.1", "kind": "not_applicable", "event_id": row["event_id"]}
        session.execute(sa.insert(attestation).values({**row, **forged}))
        session.execute(sa.update(policy).where(policy.c.state == "in_force").values(keep="P100Y", hash="0" * 64))
        session.execute(sa.update(hold).where(hold.c.id == hold_id).values(state="released", released_at=START))
        receipt = dict(session.execute(sa.select(consent_receipt)).mappings().one())
        session.execute(sa.insert(consent_receipt).values({**receipt, "n": 99, "event_id": "evt_invented"}))
    assert said(house) == (State.FAIL, {"papers", "periods", "holds", "receipts"})


def test_what_was_decided_in_a_month_that_ended_is_no_forgery(house: Installation) -> None:
    hold_id = decided(house)
    with house.system.db.begin() as session:
        asked = holds.ask_release(
            session, hold_id, "the case is closed", ctx(house, "olga"), approvals=house.system.approvals
        )
    agree(house, asked, "dora", "dirk")
    house.arrive()
    assert said(house)[0] is State.PASS
    classes = ("governance", "privacy")
    with house.system.db.begin() as session:
        delete_for_good(session)
        session.execute(sa.delete(log.body).where(log.body.c["class"].in_(classes)))
    assert said(house)[0] is State.FAIL, "bodies that nobody removed lawfully prove nothing"
    size = {"first": 1, "last": 10_000, "count": 1, "held": 0, "state": "gone", "run": "ret_x"}
    with house.system.db.begin() as session:
        for class_ in classes:
            row = {"class": class_, "month": "2026-11", "begun_at": START, "ended_at": START, **size}
            session.execute(sa.insert(log.forgotten).values(row))
    assert said(house) == (State.PASS, set())
