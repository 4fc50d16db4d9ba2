"""Findings become incidents: one open incident a key, whoever was first, and never one that has ended."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from playbooks import casework, incidents
from playbooks.casework import Disposition
from playbooks.models import incident, join_key
from playbooks.settings import PlaybookSettings
from tests.playbooks.world import CARLA, CHEN, World, make_world


def count(world: World) -> int:
    with world.ground.db.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(incident))


def test_a_finding_opens_an_incident_with_its_clock_and_its_playbook(either_world: World) -> None:
    found = either_world.find()

    page = either_world.page(found)
    assert page.incident.number == 1
    assert (page.incident.severity, page.incident.state, page.incident.owner) == (2, "new", None)
    assert [(one.kind, one.value, one.is_key) for one in page.entities] == [("address", "198.19.1.2", True)]
    assert [(one.kind, one.due_at - one.started_at) for one in page.clocks] == [("acknowledge", timedelta(hours=1))]
    assert [(one.playbook, one.state) for one in page.executions] == [("credential_stuffing", "running")]
    assert either_world.codes(found) == ["case.opened", "clock.started", "playbook.started"]
    assert [event["event"]["action"] for event in either_world.events()] == [
        "incident.case.opened",
        "incident.clock.started",
    ]


def test_different_rules_on_one_address_meet(either_world: World) -> None:
    first = either_world.find("alr_1", rule="login_burst_source")
    second = either_world.find("alr_2", rule="password_spray")

    assert first == second
    assert [one.rule for one in either_world.page(first).alerts] == ["login_burst_source", "password_spray"]


def test_two_addresses_are_two_incidents(world: World) -> None:
    assert world.find("alr_1", ip="198.19.1.2") != world.find("alr_2", ip="198.19.1.3")


def test_an_alert_that_grows_changes_its_incident_and_opens_none(world: World) -> None:
    found = world.find("alr_1", events=10)
    world.pass_time(minutes=1)

    assert world.find("alr_1", revision=2, events=14) == found
    assert [one.events for one in world.page(found).alerts] == [14]
    assert world.codes(found)[-1] == "alert.revised"
    assert count(world) == 1


def test_a_finding_without_a_key_opens_nothing(world: World) -> None:
    assert world.find("alr_1", ip=None, keys=[]) is None
    assert count(world) == 0


def test_an_ended_incident_is_never_joined_and_the_new_one_names_it(either_world: World) -> None:
    old = either_world.find("alr_1", severity="low")
    either_world.do(casework.close_short, old, Disposition.BENIGN, "an office behind one address")
    either_world.pass_time(minutes=5)

    new = either_world.find("alr_2", severity="low")

    assert new != old
    assert either_world.page(new).incident.follows == old
    assert [one.alert_id for one in either_world.page(old).alerts] == ["alr_1"]


def test_late_evidence_of_an_ended_incident_stays_with_it_and_news_opens_another(world: World) -> None:
    old = world.find("alr_1", severity="low")
    world.pass_time(minutes=5)
    world.do(casework.close_short, old, Disposition.BENIGN, "an office behind one address")
    before_the_end = world.now - timedelta(minutes=2)

    assert world.find("alr_1", severity="low", revision=2, at=before_the_end) == old
    world.pass_time(minutes=5)
    new = world.find("alr_1", severity="low", revision=3)

    assert new != old
    assert world.page(new).incident.follows == old
    assert world.page(old).incident.state == "closed"
    assert world.find("alr_1", severity="low", revision=4) == new


@pytest.mark.parametrize(
    ("gap", "joins"),
    [
        (timedelta(hours=4), True),  # to the minute: the second begins four hours after the first ended
        (timedelta(hours=4, seconds=1), False),
        (-timedelta(hours=4), True),  # an import may bring the older burst last
        (-timedelta(hours=4, seconds=1), False),
    ],
)
def test_a_finding_joins_within_the_time_of_its_rule(world: World, gap: timedelta, joins: bool) -> None:
    first = world.find("alr_1")
    # A finding of the world spans one minute.
    at = world.now + gap + (timedelta(minutes=1) if gap > timedelta(0) else -timedelta(minutes=1))
    second = world.find("alr_2", at=at)

    assert (first == second) is joins
    if not joins:
        assert world.page(second).incident.follows == first
        assert world.page(first).incident.is_open


def test_a_full_incident_is_continued_by_another(tmp_path) -> None:
    world = make_world(tmp_path, settings=PlaybookSettings(join_max_alerts=3))
    ids = [world.find(f"alr_{n}") for n in range(7)]
    world.close()

    assert [ids.count(one) for one in dict.fromkeys(ids)] == [3, 3, 1]


def test_a_more_severe_alert_raises_shortens_and_proposes(world: World) -> None:
    found = world.find("alr_1", severity="medium", account="acc_v", rule="login_burst_account")
    seen = world.page(found).incident.version
    world.pass_time(minutes=2)
    world.find("alr_2", severity="critical", account="acc_v", rule="burst", playbook="account_takeover")

    page = world.page(found)
    assert page.incident.severity == 1
    assert page.incident.playbook == "credential_stuffing"
    assert page.incident.proposed_playbook == "account_takeover"
    (clock,) = page.clocks
    assert clock.due_at == page.incident.found_at + timedelta(minutes=15)
    assert {"severity.raised", "clock.moved", "playbook.proposed"} <= set(world.codes(found))
    assert page.incident.version == seen
    world.do(casework.start_playbook, found, "account_takeover", parts=world.parts)
    assert [one.playbook for one in world.page(found).executions] == ["credential_stuffing", "account_takeover"]


def test_an_incident_says_what_its_gravest_alert_says_now(world: World) -> None:
    found = world.find("alr_1", severity="high", events=11)
    world.find("alr_2", severity="high", rule="password_spray", events=12)
    assert (world.page(found).incident.title, world.page(found).incident.reason) == (
        "Finding of login_burst_source",
        "11 events",
    )
    world.find("alr_1", severity="high", events=13, revision=2)
    world.find("alr_2", severity="high", rule="password_spray", events=14, revision=2)
    assert world.page(found).incident.reason == "13 events"
    world.find("alr_3", severity="critical", rule="burst_then_success", events=2)
    case = world.page(found).incident
    assert (case.title, case.reason, case.version) == ("Finding of burst_then_success", "2 events", 1)


def test_a_less_severe_alert_lowers_nothing(world: World) -> None:
    found = world.find("alr_1", severity="high")
    world.find("alr_2", severity="low")
    assert world.page(found).incident.severity == 2


def test_what_joins_by_itself_does_not_make_a_persons_next_click_stale(world: World) -> None:
    found = world.find("alr_1")
    seen = world.page(found).incident.version
    world.find("alr_2")
    assert world.do(casework.take, found, version=seen).owner == CARLA.id


def test_an_unknown_playbook_opens_the_incident_all_the_same(world: World) -> None:
    found = world.find(playbook="of_another_house")
    assert world.page(found).executions == []
    assert "playbook.missing" in world.codes(found)


def test_drills_meet_among_themselves_and_count_nowhere(world: World) -> None:
    real = world.find("alr_1")
    drill = world.find("alr_2", synthetic="run_1")
    other_run = world.find("alr_3", synthetic="run_2")

    assert len({real, drill, other_run}) == 3
    assert world.page(drill).incident.kind == "drill"
    world.execute()
    assert world.acts() == ["network.block 198.19.1.2"]  # of the real one alone
    assert [one.state for one in world.page(drill).actions] == ["recorded"]
    with world.ground.db.read() as session:
        assert [one.id for one in incidents.list_page(session, CARLA)] == [real]
        assert incidents.open_by_severity(session, CARLA) == {1: 0, 2: 1, 3: 0, 4: 0}


def test_workers_that_meet_at_one_key_open_one_incident(either_world: World) -> None:
    barrier, ids, failed = threading.Barrier(8), [], []

    def find(n: int) -> None:
        barrier.wait()
        try:
            ids.append(either_world.find(f"alr_{n}"))
        except Exception as error:  # noqa: BLE001 - the test tells what a worker met
            failed.append(error)

    workers = [threading.Thread(target=find, args=(n,)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)

    assert failed == []
    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert len(either_world.page(ids[0]).alerts) == 8
    assert len(either_world.page(ids[0]).executions) == 1


def test_the_database_refuses_a_second_open_holder_of_a_key(either_world: World) -> None:
    either_world.find("alr_1")
    with either_world.ground.db.read() as session:
        held = dict(session.execute(sa.select(join_key)).one()._mapping)
    with pytest.raises(sa.exc.IntegrityError), either_world.ground.db.begin() as session:
        session.execute(sa.insert(join_key).values(held | {"incident_id": "inc_other"}))


def test_a_reopened_incident_takes_its_key_again_unless_a_newer_one_holds_it(world: World) -> None:
    first = world.find("alr_1", severity="low")
    world.do(casework.close_short, first, Disposition.BENIGN, "an office behind one address")
    world.do(casework.reopen, first, "it was no office after all", by=CHEN)
    assert world.find("alr_2", severity="low") == first

    world.do(casework.close_short, first, Disposition.BENIGN, "an office behind one address")
    second = world.find("alr_3", severity="low")
    world.do(casework.reopen, first, "it was no office after all", by=CHEN)
    assert world.find("alr_4", severity="low") == second
