"""A hold keeps every row that names whom or what it holds: as owner, in a document, in a part of it, by a wallet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.identity.models import role_grant
from app.kernel.clock import StillClock
from app.kernel.db import delete_for_good
from app.kernel.errors import SamePerson
from compliance.retention import approving, holds, jobs, placing, runs
from compliance.retention.holds import CaseTaken, HoldNotAsPlaced, Item
from compliance.retention.models import hold, hold_item
from compliance.states import State
from detectors.models import alert
from ingest import models as log
from ingest.events.privacy import LegalHoldPlaced, LegalHoldReleased
from ingest.log import units
from payments.models import book
from playbooks.models import incident, incident_entity
from tests.compliance.office import agree, ctx, hold_on
from tests.support.installation import Installation, installed

START: Final = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
LONG_AGO: Final = START - timedelta(days=4 * 366)


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    url = {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("server").fresh_database()}
    with installed(tmp_path / "home", clock=StillClock(START), **url) as made:
        for name, role in (("olga", roles.COMPLIANCE_OFFICER), ("dora", roles.DPO), ("dirk", roles.DPO)):
            made.staff(name, role)
        for name in ("amber_one", "basil_two"):
            made.customer(name, euros=20)
        yield made


def held(house: Installation, kind: str, value: str) -> None:
    order = hold_on("court-77", Item(kind=kind, value=value))
    with house.system.db.begin() as session:
        holds.place(session, order, ctx(house, "olga"), parts=house.system.retention)


def incident_about(house: Installation, id: str, number: int, kind: str, value: str) -> None:
    row = {"id": id, "number": number, "title": "Account taken over", "reason": "a rule", "kind": "account_takeover"}
    times = dict.fromkeys(("first_event_at", "last_event_at", "found_at", "closed_at"), LONG_AGO)
    entity = {"incident_id": id, "kind": kind, "value": value, "weight": 1, "is_key": True}
    with house.system.db.begin() as session:
        session.execute(sa.insert(incident).values(**row, **times, severity=2, state="closed", version=1))
        session.execute(sa.insert(incident_entity).values(entity))


def alert_about(house: Installation, id: str, entities: dict[str, list[str]]) -> None:
    row = {"id": id, "slug": "p", "version_id": "p", "group_hash": id, "group": {}, "entities": entities}
    times = dict.fromkeys(("first_at", "last_at", "found_at", "closed_at"), LONG_AGO)
    figures = {"as_of_sequence": 0, "events": 1, "peak": 1, "revision": 1}
    with house.system.db.begin() as session:
        session.execute(sa.insert(alert).values(**row, **times, **figures, level="high", state="closed", reason="x"))


def wallet_of(house: Installation, name: str) -> str:
    with house.system.db.read() as session:
        of = book.c
        return str(session.scalars(sa.select(of.id).where(of.owner_id == house.people[name].account)).first())


def approved(house: Installation, class_: str) -> runs.Run:
    """Plan what is due of a class, and let two people agree to it."""
    system = house.system
    with system.db.begin() as session:
        made = runs.count(session, class_, ctx(house, "olga"), parts=system.retention)
        run = runs.keep(session, made, ctx(house, "olga"), parts=system.retention)
    with system.db.begin() as session:
        asked = approving.propose(session, run.id, "due by its policy", ctx(house, "olga"), parts=system.retention)
    agree(house, asked, "dora", "dirk")
    return run


def carried_on(house: Installation) -> None:
    for job in jobs.jobs(house.system.ids, house.system.retention):
        if job.name == "retention.execute":
            job.run(house.system.clock.now())


def standing_of(house: Installation, run: runs.Run) -> runs.Run:
    with house.system.db.read() as session:
        return runs.by_id(session, run.id)


def carried_out(house: Installation, class_: str) -> runs.Run:
    """Plan what is due of a class, let two people agree where they are asked, and carry it out."""
    run = approved(house, class_)
    carried_on(house)
    return standing_of(house, run)


def left(house: Installation, table: sa.Table) -> set[str]:
    with house.system.db.read() as session:
        return set(session.scalars(sa.select(table.c.id)))


def test_a_person_is_held_in_incidents_and_alerts_that_name_them(house: Installation) -> None:
    amber, basil = (house.people[name].account for name in ("amber_one", "basil_two"))
    incident_about(house, "inc_amber", 90_001, "user.id", amber)
    incident_about(house, "inc_wallet", 90_002, "onepay.wallet.id", wallet_of(house, "amber_one"))
    incident_about(house, "inc_basil", 90_003, "user.id", basil)
    alert_about(house, "alr_amber", {"user.id": [basil, amber]})
    alert_about(house, "alr_basil", {"user.id": [basil]})
    held(house, "subject", amber)
    run = carried_out(house, "incident")
    assert (run.state, run.done, run.skipped) == (runs.CERTIFIED, 2, 3)
    assert list(run.facts["conflicts"]) == ["court-77"]
    assert left(house, incident) == {"inc_amber", "inc_wallet"}
    assert left(house, alert) == {"alr_amber"}
    assert is_storage_in_order(house)


def test_a_thing_is_held_in_rows_that_name_it(house: Installation) -> None:
    basil = house.people["basil_two"].account
    for id, number, refers in (("inc_first", 90_001, None), ("inc_second", 90_002, "inc_first")):
        incident_about(house, id, number, "user.id", basil)
        with house.system.db.begin() as session:
            session.execute(sa.update(incident).where(incident.c.id == id).values(follows=refers))
    incident_about(house, "inc_other", 90_003, "user.id", basil)
    held(house, "object", "inc_first")
    run = carried_out(house, "incident")
    assert (run.done, run.skipped) == (1, 2)
    assert left(house, incident) == {"inc_first", "inc_second"}


def test_a_colleague_is_held_in_the_roles_they_had(house: Installation) -> None:
    ago = START - timedelta(days=3_000)
    grants: tuple[dict[str, Any], ...] = (
        {"id": "rol_dora", "account_id": house.people["dora"].account},
        {"id": "rol_by_dora", "account_id": "acc_gone", "given_by": house.people["dora"].account},
        {"id": "rol_gone", "account_id": "acc_gone"},
    )
    with house.system.db.begin() as session:
        for grant in grants:
            whole = {"role": roles.ANALYST, "from_at": ago, "until_at": ago, "ended_at": ago, "given_by": "svc_command"}
            session.execute(sa.insert(role_grant).values({**whole, "reason": "invitation", **grant}))
    held(house, "subject", house.people["dora"].account)
    run = carried_out(house, "governance")
    assert (run.done, run.skipped) == (1, 2)
    assert {"rol_dora", "rol_by_dora"} <= left(house, role_grant)
    assert "rol_gone" not in left(house, role_grant)


def is_storage_in_order(house: Installation) -> bool:
    """Whether the probe of Art. 5(1)(e) sees nothing due that no hold keeps."""
    house.system.clock.move(timedelta(days=3))  # type: ignore[attr-defined]  # a still clock
    controls = house.system.controls
    seen = controls.observe(controls.parts.probes["privacy.storage"], is_test_due=True)
    assert seen is not None
    return seen.verdict.state is State.PASS


def released(session: Session) -> None:
    session.execute(sa.update(hold).values(state=holds.RELEASED, released_at=START))


def emptied(session: Session) -> None:
    session.execute(sa.delete(hold_item))


def turned(session: Session) -> None:
    session.execute(sa.update(hold_item).values(value="acc_somebody_else"))


def gone(session: Session) -> None:
    emptied(session)
    session.execute(sa.delete(hold))


@pytest.mark.parametrize("forge", [released, emptied, turned, gone])
def test_a_hold_that_no_event_released_lets_nothing_be_removed(
    house: Installation, forge: Callable[[Session], None]
) -> None:
    """Whatever its rows say: no run is planned, and one that was approved waits until the hold is as it was placed."""
    amber = house.people["amber_one"].account
    incident_about(house, "inc_amber", 90_001, "user.id", amber)
    incident_about(house, "inc_basil", 90_002, "user.id", house.people["basil_two"].account)
    held(house, "subject", amber)
    run = approved(house, "incident")
    with house.system.db.begin() as session:  # as whoever has the database may
        delete_for_good(session)
        forge(session)
    carried_on(house)
    found = standing_of(house, run)
    assert (found.state, found.done) == (runs.EXECUTING, 0)
    assert str(found.why).startswith("hold_not_as_placed: court-77 ")
    assert left(house, incident) == {"inc_amber", "inc_basil"}
    with house.system.db.begin() as session, pytest.raises(HoldNotAsPlaced):
        runs.count(session, "session", ctx(house, "olga"), parts=house.system.retention)
    (plan_,) = [job for job in jobs.jobs(house.system.ids, house.system.retention) if job.name == "retention.plan"]
    assert "classes refused" in str(plan_.run(house.system.clock.now()))
    with pytest.raises(CaseTaken):
        held(house, "subject", house.people["basil_two"].account)
    held(house, "subject", amber)
    with house.system.db.read() as session:
        assert holds.troubles(session) == {}
    carried_on(house)
    found = standing_of(house, run)
    assert (found.state, found.done, found.skipped) == (runs.CERTIFIED, 1, 1)
    assert left(house, incident) == {"inc_amber"}


def test_a_hold_that_is_not_as_placed_is_released_by_nobody(house: Installation) -> None:
    held(house, "subject", house.people["amber_one"].account)
    with house.system.db.begin() as session:
        (one,) = holds.active(session)
        turned(session)
    with house.system.db.begin() as session, pytest.raises(HoldNotAsPlaced):
        holds.ask_release(session, one.id, "the case is over", ctx(house, "olga"), approvals=house.system.approvals)


def test_a_hold_that_was_released_by_two_may_be_placed_anew(house: Installation) -> None:
    held(house, "subject", house.people["amber_one"].account)
    with house.system.db.begin() as session:
        (one,) = holds.active(session)
        asked = holds.ask_release(
            session, one.id, "the case is over", ctx(house, "olga"), approvals=house.system.approvals
        )
    agree(house, asked, "dora", "dirk")
    with house.system.db.begin() as session:
        assert holds.standing(session) == []
        delete_for_good(session)
        gone(session)  # as its own period ends it
        assert holds.standing(session) == []
    held(house, "subject", house.people["basil_two"].account)
    with house.system.db.begin() as session:
        assert [item.value for one in holds.standing(session) for item in one.items] == [
            house.people["basil_two"].account
        ]


def test_a_hold_stands_whatever_was_written_over_its_event(house: Installation) -> None:
    """A body that is not what its entry commits to says nothing; an entry behind the head is none."""
    held(house, "subject", house.people["amber_one"].account)
    house.arrive()
    with house.system.db.begin() as session:
        session.execute(sa.delete(hold_item))
        session.execute(sa.delete(hold))
        entry = session.execute(sa.select(log.entry).where(log.entry.c.kind == LegalHoldPlaced.kind)).mappings().one()
        mine = log.body.c.sequence == entry["sequence"]
        body = session.execute(sa.select(log.body).where(mine)).mappings().one()
        behind = (session.scalar(sa.select(log.head.c.size)) or 0) + 5
        released = {"sequence": behind, "event_id": "evt_forged", "kind": LegalHoldReleased.kind}
        session.execute(sa.insert(log.entry).values({**entry, **released}))
        session.execute(sa.insert(log.body).values({**body, "sequence": behind}))
        assert list(holds.troubles(session)) == ["court-77"]
        session.execute(sa.update(log.body).where(mine).values(body=body["body"].replace(b"court-77", b"court-00")))
        assert list(holds.troubles(session)) == [entry["event_id"]]


def placed(house: Installation, case: str, name: str) -> str:
    order = hold_on(case, Item(kind="subject", value=house.people[name].account))
    with house.system.db.begin() as session:
        return holds.place(session, order, ctx(house, "olga"), parts=house.system.retention)


def released(house: Installation, hold_id: str) -> None:
    with house.system.db.begin() as session:
        asked = holds.ask_release(
            session, hold_id, "the case is over", ctx(house, "olga"), approvals=house.system.approvals
        )
    agree(house, asked, "dora", "dirk")


def test_who_placed_a_hold_releases_it_neither_after_somebody_placed_it_anew(house: Installation) -> None:
    placed(house, "case-c", "amber_one")
    with house.system.db.begin() as session:
        gone(session)
    order = hold_on("case-c", Item(kind="subject", value=house.people["amber_one"].account))
    with house.system.db.begin() as session:
        again = holds.place(session, order, ctx(house, "dora"), parts=house.system.retention)
    with house.system.db.begin() as session:
        asked = holds.ask_release(
            session, again, "the case is over", ctx(house, "dirk"), approvals=house.system.approvals
        )
    for placer in ("olga", "dora"):
        with pytest.raises(SamePerson):
            agree(house, asked, placer)


def test_the_release_of_a_hold_is_told_as_long_as_its_placing(house: Installation) -> None:
    """Another hold keeps the month in which both were placed: that of the release stays, after a mend as well."""
    system, clock = house.system, house.system.clock
    assert isinstance(clock, StillClock)
    first = placed(house, "case-a", "amber_one")
    mended = placed(house, "case-c", "amber_one")
    placed(house, "case-b", "basil_two")
    house.arrive()
    clock.move(timedelta(days=35))
    with system.db.begin() as session:
        session.execute(sa.delete(hold_item).where(hold_item.c.hold_id == mended))
        session.execute(sa.delete(hold).where(hold.c.id == mended))
    again = placed(house, "case-c", "amber_one")
    for one in (first, again):
        released(house, one)
    house.arrive()
    clock.move(timedelta(days=8 * 366))
    with system.db.read() as session:
        found = units.every(session, ("privacy",))
        told = placing.told(session)
        kept = {one.month: told.told_in(one) for one in found}
    assert kept["2026-11"] == ["case-b"]
    assert kept["2026-12"] == ["case-a", "case-c"]


def test_a_release_of_another_case_that_ended_releases_nothing(house: Installation) -> None:
    placed(house, "case-b", "basil_two")
    released(house, placed(house, "case-a", "amber_one"))
    house.arrive()
    size = {"first": 1, "last": 10_000, "count": 1, "held": 0, "state": "gone", "run": "ret_x"}
    with house.system.db.begin() as session:
        entry = session.execute(sa.select(log.entry).where(log.entry.c.kind == LegalHoldReleased.kind)).mappings().one()
        delete_for_good(session)
        session.execute(sa.delete(log.body).where(log.body.c.sequence == entry["sequence"]))
        month = {"class": entry["class"], "month": "2026-11", "begun_at": START, "ended_at": START}
        session.execute(sa.insert(log.forgotten).values(**month, **size))
        assert holds.troubles(session).keys() & {"case-b"} == set()
        forged = sa.update(hold).where(hold.c.case == "case-b")
        session.execute(forged.values(state="released", released_at=entry["at"]))
        assert "case-b" in holds.troubles(session)
