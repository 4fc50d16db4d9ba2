"""People work an incident: they take it, hand it over, move it on when its demands are met, end it, open it again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.kernel.access import ANONYMOUS
from app.kernel.context import Context
from app.kernel.errors import Changed, Forbidden, NotFound, ReasonMissing, SamePerson, SignInRequired, WrongState
from app.kernel.words import NoText, SecretInText
from playbooks import action_rows, actions, casework, deadlines, incidents, jobs, tasks, timeline, undoing
from playbooks.cases import State
from playbooks.casework import Disposition, Facts, OwnerInvalid
from playbooks.demands import NotReady
from tests.playbooks.world import AMIR, ANNA, CARLA, CHEN, World

WHY = "because the tests say so"


def missing(world: World, incident_id: str, to: State, facts: Facts | None = None) -> list[str]:
    with pytest.raises(NotReady) as refused:
        world.do(casework.advance, incident_id, to, facts=facts)
    return [demand.code for demand in refused.value.demands]


def walk(world: World, incident_id: str) -> None:
    """Work an account's incident through its playbook, the owner having been robbed, to its end."""
    world.execute()
    world.answer(incident_id, "ask", answer="not_mine")
    world.do(actions.run, incident_id, "account.lock", {"account": "acc_victim"}, parts=world.parts)
    world.execute()
    world.answer(incident_id, "contact", factors="nothing_was_changed")
    world.answer(incident_id, "recovery", owner="is_back")
    world.answer(incident_id, "seen", paid=False, seen=False)
    world.answer(incident_id, "cause", cause="a reused password", fix="a new one and a second factor")
    world.answer(incident_id, "closing", closing="all is well again")


def test_taking_acknowledges_and_meets_the_clock(either_world: World) -> None:
    found = either_world.find()
    either_world.pass_time(minutes=10)
    case = either_world.do(casework.take, found, by=ANNA)

    assert (case.owner, case.acknowledged_at) == (ANNA.id, either_world.now)
    (clock,) = either_world.page(found).clocks
    assert (clock.state, clock.met_at) == ("met", either_world.now)
    assert either_world.do(casework.take, found, by=ANNA).version == case.version  # a second click changes nothing
    assert [event["onepay"]["incident"]["clock"] for event in either_world.events("incident.clock.met")] == [
        "acknowledge"
    ]


def test_opening_the_page_is_no_acknowledgement(world: World) -> None:
    found = world.find()
    world.page(found)
    assert world.page(found).incident.acknowledged_at is None


def test_an_analyst_takes_what_nobody_has_and_a_commander_what_somebody_has(world: World) -> None:
    found = world.find()
    world.do(casework.take, found, by=ANNA)
    with pytest.raises(Forbidden):
        world.do(casework.take, found, by=AMIR)
    assert world.do(casework.take, found, by=CARLA).owner == CARLA.id
    assert world.page(found).incident.acknowledged_at is not None


@pytest.mark.parametrize("text", ["ten signs \x00 and more", "ten signs \ud800 and more", "ten signs \x1b[31m more"])
def test_what_cannot_be_kept_is_refused_by_name(either_world: World, text: str) -> None:
    found = either_world.find()
    with pytest.raises(NoText):
        either_world.do(casework.note, found, text)


@pytest.mark.parametrize(
    "text", ["ein Grund auf Deutsch, ä ö ü", "理由は十文字以上あります。", "two\nlines\tof text 👩‍💻"]
)
def test_words_of_every_language_are_kept(either_world: World, text: str) -> None:
    found = either_world.find()
    either_world.do(casework.note, found, text)


def test_nothing_to_contain_is_not_said_while_something_stands(world: World) -> None:
    found = world.find()
    world.execute()
    world.do(casework.take, found)
    world.do(casework.advance, found, State.TRIAGED, facts=Facts(is_confirmed=True))
    nothing = Facts(nothing_to_contain="Nobody got in anywhere.")
    assert missing(world, found, State.CONTAINED, nothing) == ["standing"]
    assert world.page(found).incident.nothing_to_contain is None
    (block,) = world.page(found).actions
    world.do(undoing.undo, block.id, WHY, parts=world.parts)
    contained = world.do(casework.advance, found, State.CONTAINED, facts=nothing)
    assert contained.nothing_to_contain == "Nobody got in anywhere."


def test_what_waits_for_a_second_person_ends_with_the_incident(world: World) -> None:
    found = world.find(playbook="none")
    world.do(casework.take, found)
    world.do(casework.advance, found, State.TRIAGED, facts=Facts(is_confirmed=True))
    world.do(casework.advance, found, State.CONTAINED, facts=Facts(nothing_to_contain="Nobody got in anywhere."))
    world.do(casework.advance, found, State.ERADICATED, facts=Facts(cause="A scanner of the neighbours."))
    asked = world.do(
        actions.propose, found, "network.block", {"addresses": "198.19.1.2", "hours": "1"}, by=ANNA, parts=world.parts
    )
    world.do(casework.advance, found, State.RECOVERED, facts=Facts(fix="The neighbours switched it off."))
    (turned_down,) = world.page(found).actions
    assert (turned_down.id, turned_down.state, turned_down.refusal) == (asked.id, "refused", "incident_ended")


def test_who_lowered_a_severe_incident_does_not_close_it_alone(world: World) -> None:
    found = world.find(severity="high")
    world.do(casework.lower_severity, found, 4, WHY, by=CARLA)
    proposed = world.do(casework.close_short, found, Disposition.BENIGN, WHY, by=CARLA)
    assert proposed.state is State.NEW
    with pytest.raises(SamePerson):
        world.do(casework.close_short, found, Disposition.BENIGN, WHY, by=CARLA)
    assert world.do(casework.close_short, found, Disposition.BENIGN, WHY, by=CHEN).state is State.CLOSED


def test_handing_over_keeps_both_names_and_the_note(world: World) -> None:
    found = world.find()
    world.do(casework.take, found, by=ANNA)
    team = (ANNA.id, AMIR.id)
    for nobody in ("", "acc_victim", "text", ANNA.id):
        with pytest.raises(OwnerInvalid):
            world.do(casework.hand_over, found, nobody, "my shift is over", by=ANNA, among=team)
    world.do(casework.hand_over, found, AMIR.id, "my shift is over", by=ANNA, among=team)

    entry = world.page(found).timeline[-1]
    assert timeline.sentence(entry) == "Handed over from acc_anna to acc_amir."
    assert entry.text == "my shift is over"
    with pytest.raises(Forbidden):
        world.do(casework.hand_over, found, ANNA.id, "I want it back", by=ANNA, among=team)


def test_handing_over_what_nobody_had_acknowledges_it(world: World) -> None:
    found = world.find()
    world.do(casework.hand_over, found, ANNA.id, "you know this network", by=CARLA, among=(ANNA.id,))

    page = world.page(found)
    assert (page.incident.owner, page.incident.acknowledged_at) == (ANNA.id, world.now)
    assert [clock.state for clock in page.clocks] == ["met"]
    assert world.codes(found)[-2:] == ["case.handed_over", "clock.met"]


def test_an_incident_goes_through_its_states_when_each_ones_demands_are_met(either_world: World) -> None:
    world = either_world
    found = world.takeover()
    assert missing(world, found, State.TRIAGED) == ["owner", "confirmed"]
    world.do(casework.take, found)
    world.do(casework.advance, found, State.TRIAGED, facts=Facts(is_confirmed=True))
    assert missing(world, found, State.CONTAINED) == ["steps", "containment"]
    walk(world, found)
    world.do(casework.advance, found, State.CONTAINED)
    world.do(casework.advance, found, State.ERADICATED)
    assert missing(world, found, State.RECOVERED) == ["actions"]
    hold, lock = (one for one in world.page(found).actions if one.is_standing)
    world.do(undoing.undo, hold.id, WHY, by=CARLA, parts=world.parts)
    world.do(undoing.undo, lock.id, WHY, by=CHEN, parts=world.parts)
    case = world.do(casework.advance, found, State.RECOVERED)

    assert case.state is State.RECOVERED
    assert (case.cause, case.fix) == ("a reused password", "a new one and a second factor")
    assert world.standing() == {("sessions.revoke_all", "acc_victim")}
    assert world.takeover(finding="alr_later") != found


@pytest.mark.parametrize("to", [State.CONTAINED, State.ERADICATED, State.RECOVERED, State.CLOSED, State.NEW])
def test_no_state_is_jumped(world: World, to: State) -> None:
    found = world.find()
    with pytest.raises(WrongState):
        world.do(casework.advance, found, to)


def test_nothing_to_contain_needs_its_reason(world: World) -> None:
    found = world.find(playbook="none")
    world.do(casework.take, found)
    world.do(casework.advance, found, State.TRIAGED, facts=Facts(is_confirmed=True))
    assert missing(world, found, State.CONTAINED) == ["containment"]
    case = world.do(
        casework.advance, found, State.CONTAINED, facts=Facts(nothing_to_contain="the scanner of our own office")
    )
    assert case.state is State.CONTAINED
    assert missing(world, found, State.ERADICATED) == ["cause"]


def test_a_refused_change_of_state_moves_nothing(world: World) -> None:
    found = world.find()
    before = world.page(found)
    missing(world, found, State.TRIAGED, Facts(cause="written although it is refused"))
    assert world.page(found) == before


def test_a_severe_incident_is_closed_short_by_two_people(either_world: World) -> None:
    world = either_world
    found = world.find(severity="high")
    proposed = world.do(casework.close_short, found, Disposition.FALSE_POSITIVE, WHY, by=CARLA)
    assert (proposed.state, proposed.close_proposed_by) == (State.NEW, CARLA.id)
    with pytest.raises(SamePerson):
        world.do(casework.close_short, found, Disposition.FALSE_POSITIVE, WHY, by=CARLA)
    # Another opinion is a proposal of its own.
    other = world.do(casework.close_short, found, Disposition.DUPLICATE, WHY, by=CHEN)
    assert (other.state, other.close_proposed_by) == (State.NEW, CHEN.id)

    closed = world.do(casework.close_short, found, Disposition.DUPLICATE, WHY, by=CARLA)

    assert (closed.state, closed.disposition) == (State.CLOSED, "duplicate")
    assert [one.state for one in world.page(found).executions] == ["stopped"]
    assert [one.state for one in world.page(found).clocks] == ["ended"]
    (event,) = world.events("incident.case.closed")
    assert event["event"]["reason"] == "duplicate"


def test_an_alert_that_joins_takes_back_the_proposal_to_close(either_world: World) -> None:
    """The second person decides on what the first one saw."""
    world = either_world
    found = world.find(severity="high")
    proposed = world.do(casework.close_short, found, Disposition.FALSE_POSITIVE, WHY, by=CARLA)
    assert world.find("alr_2", severity="high") == found

    case = world.page(found).incident
    assert (case.close_proposed_by, case.disposition) == (None, None)
    said = "Closing as false_positive is no longer proposed: an alert joined since."
    assert said in world.sentences(found)
    reasons = [event["event"]["reason"] for event in world.events("incident.case.changed")]
    assert reasons[-2:] == ["joined", "close_voided"]
    with pytest.raises(Changed):  # a click on the page as it was
        world.do(casework.close_short, found, Disposition.FALSE_POSITIVE, WHY, by=CHEN, version=proposed.version)
    again = world.do(casework.close_short, found, Disposition.FALSE_POSITIVE, WHY, by=CHEN)
    assert (again.state, again.close_proposed_by) == (State.NEW, CHEN.id)


def test_an_alert_that_becomes_worse_takes_back_the_proposal_to_close_and_one_that_grows_does_not(world: World) -> None:
    found = world.find(severity="high")
    world.do(casework.close_short, found, Disposition.BENIGN, WHY, by=CARLA)
    world.find(severity="high", revision=2, events=20)
    assert world.page(found).incident.close_proposed_by == CARLA.id
    world.find(severity="critical", revision=3, events=20)
    assert world.page(found).incident.close_proposed_by is None
    assert "Closing as benign is no longer proposed: its severity rose since." in world.sentences(found)


@pytest.mark.parametrize("then", ["raised", "worked on"])
def test_work_takes_back_the_proposal_to_close(world: World, then: str) -> None:
    found = world.find(severity="high")
    world.do(casework.take, found)
    world.do(casework.close_short, found, Disposition.BENIGN, WHY, by=CARLA)
    if then == "raised":
        world.do(casework.raise_severity, found, 1, WHY, by=ANNA, parts=world.parts)
    else:
        world.do(casework.advance, found, State.TRIAGED, facts=Facts(is_confirmed=True))

    case = world.page(found).incident
    assert (case.close_proposed_by, case.disposition, case.is_open) == (None, None, True)
    assert world.codes(found)[-1] == "close.voided"
    assert world.do(casework.close_short, found, Disposition.BENIGN, WHY, by=CHEN).is_open


def test_a_mild_incident_is_closed_short_by_one_person_with_a_reason(world: World) -> None:
    found = world.find(severity="medium")
    with pytest.raises(ReasonMissing):
        world.do(casework.close_short, found, Disposition.BENIGN, "no")
    assert world.do(casework.close_short, found, Disposition.BENIGN, WHY).state is State.CLOSED


def test_what_still_contains_somebody_is_undone_before_closing(world: World) -> None:
    found = world.find(severity="low")
    world.execute()
    with pytest.raises(NotReady, match=r"Block addresses \(198\.19\.1\.2\)"):
        world.do(casework.close_short, found, Disposition.BENIGN, WHY)
    world.do(undoing.undo_all, found, WHY, parts=world.parts)
    assert world.do(casework.close_short, found, Disposition.BENIGN, WHY).state is State.CLOSED
    assert [one.state for one in world.page(found).tasks] == ["skipped"]


def test_an_ended_incident_takes_no_work_until_a_person_reopens_it(world: World) -> None:
    found = world.find(severity="low")
    world.do(casework.close_short, found, Disposition.BENIGN, WHY)
    with pytest.raises(WrongState):
        world.do(casework.take, found)
    with pytest.raises(WrongState):
        world.do(actions.run, found, "network.block", {"addresses": "198.19.1.2"}, parts=world.parts)

    reopened = world.do(casework.reopen, found, "it came back after all", by=CHEN)

    assert (reopened.state, reopened.owner, reopened.disposition) == (State.TRIAGED, CHEN.id, None)
    assert world.codes(found)[-1] == "case.reopened"


def test_severity_is_raised_by_who_works_and_lowered_by_who_may_close(world: World) -> None:
    found = world.find(severity="high")
    world.do(casework.raise_severity, found, 1, WHY, by=ANNA, parts=world.parts)
    (clock,) = world.page(found).clocks
    assert clock.due_at - clock.started_at == timedelta(minutes=15)
    with pytest.raises(Forbidden):
        world.do(casework.lower_severity, found, 3, WHY, by=ANNA)
    assert world.do(casework.lower_severity, found, 3, WHY, by=CARLA).severity == 3
    (after,) = world.page(found).clocks
    assert after.due_at == clock.due_at
    with pytest.raises(casework.SeverityInvalid):
        world.do(casework.raise_severity, found, 3, WHY, parts=world.parts)


def test_a_stale_version_is_refused_with_the_newer_state(world: World) -> None:
    found = world.find()
    seen = world.page(found).incident.version
    world.do(casework.take, found, by=ANNA, version=seen)
    with pytest.raises(Changed, match="new now, version"):
        world.do(casework.take, found, by=CARLA, version=seen)


@pytest.mark.parametrize(
    "text",
    [
        "the card was 4111 1111 1111 1111",
        "password: hunter2hunter2",
        "they sent Bearer abcdefghijklmnopqrstuvwxyz",
    ],
)
def test_card_numbers_and_secrets_are_refused_wherever_people_write(world: World, text: str) -> None:
    found = world.find(severity="low")
    writes = [
        lambda: world.do(casework.note, found, text),
        lambda: world.do(casework.hand_over, found, AMIR.id, text, among=[AMIR.id]),
        lambda: world.do(casework.close_short, found, Disposition.BENIGN, text),
        lambda: world.do(casework.raise_severity, found, 1, text, parts=world.parts),
        lambda: world.do(casework.advance, found, State.TRIAGED, facts=Facts(cause=text)),
    ]
    for write in writes:
        with pytest.raises((SecretInText, WrongState)):
            write()
    assert text not in str(world.page(found))


def hand_over_to_x(session: Session, incident_id: str, note: str, ctx: Context) -> None:
    casework.hand_over(session, incident_id, "acc_x", note, ctx, among=["acc_x"])


WRITES = [
    (casework.take, [], False),
    (hand_over_to_x, [WHY], False),
    (casework.advance, [State.TRIAGED], False),
    (casework.close_short, [Disposition.BENIGN, WHY], False),
    (casework.reopen, [WHY], False),
    (casework.raise_severity, [1, WHY], True),
    (casework.lower_severity, [4, WHY], False),
    (casework.note, [WHY], False),
    (casework.start_playbook, ["credential_stuffing"], True),
    (casework.stop_playbooks, [WHY], False),
    (tasks.finish, [{}], True),
    (tasks.confirm, [], True),
    (tasks.skip, [WHY], False),
    (actions.run, ["account.lock", {}], True),
    (actions.propose, ["account.lock", {}], True),
    (actions.preview, ["account.lock", {}], True),
    (actions.approve, [], True),
    (actions.refuse, [WHY], False),
    (undoing.undo, [WHY], True),
    (undoing.undo_all, [WHY], True),
    (undoing.prolong, [1, WHY], False),
]


@pytest.mark.parametrize(
    ("verb", "facts", "takes_parts"), WRITES, ids=[f"{verb.__module__}.{verb.__name__}" for verb, *_ in WRITES]
)
def test_strangers_do_nothing(world: World, verb, facts, takes_parts) -> None:
    found = world.find()
    with pytest.raises(SignInRequired):
        world.do(verb, found, *facts, by=ANONYMOUS, **({"parts": world.parts} if takes_parts else {}))


def test_strangers_read_nothing_and_absent_is_absent(world: World) -> None:
    found = world.find()
    with world.ground.db.read() as session:
        for read in (
            lambda: incidents.by_id(session, found, ANONYMOUS),
            lambda: incidents.list_page(session, ANONYMOUS),
            lambda: incidents.timeline_page(session, found, ANONYMOUS),
            lambda: incidents.open_by_severity(session, ANONYMOUS),
            lambda: incidents.median_acknowledge(session, ANONYMOUS, world.now),
            lambda: deadlines.next(session, ANONYMOUS, parts=world.parts),
            lambda: action_rows.waiting(session, ANONYMOUS),
        ):
            with pytest.raises(SignInRequired):
                read()
        with pytest.raises(NotFound):
            incidents.by_id(session, "inc_absent", CARLA)


def test_lists_are_paged_by_key_and_filtered(world: World) -> None:
    ids = [world.find(f"alr_{n}", ip=f"198.19.1.{n}", severity=("high", "low")[n % 2]) for n in range(5)]
    world.do(casework.take, ids[0], by=ANNA)
    with world.ground.db.read() as session:
        first = incidents.list_page(session, CARLA, limit=2)
        rest = incidents.list_page(session, CARLA, after=first[-1].id)
        assert [one.id for one in (*first, *rest)] == ids[::-1]
        assert [one.id for one in incidents.list_page(session, CARLA, severity=4)] == [ids[3], ids[1]]
        assert [one.id for one in incidents.list_page(session, CARLA, owner=ANNA.id)] == [ids[0]]
        assert incidents.list_page(session, CARLA, states=[State.CLOSED]) == []
        assert incidents.open_by_severity(session, CARLA) == {1: 0, 2: 3, 3: 0, 4: 2}


def test_the_median_counts_what_was_acknowledged(world: World) -> None:
    since = world.now - timedelta(days=7)
    with world.ground.db.read() as session:
        assert incidents.median_acknowledge(session, CARLA, since) is None
    ids = [world.find(f"alr_{n}", ip=f"198.19.1.{n}") for n in range(4)]
    for found in ids[:3]:
        world.pass_time(minutes=3)
        world.do(casework.take, found)
    with world.ground.db.read() as session:
        assert incidents.median_acknowledge(session, CARLA, since) == timedelta(minutes=6)


def test_deadlines_are_one_list_with_the_nearest_first(world: World) -> None:
    found = world.takeover()
    world.execute()
    with world.ground.db.read() as session:
        due = deadlines.next(session, CARLA, parts=world.parts)
    assert [(one.kind, one.text[:13], one.due_at - world.now) for one in due] == [
        ("clock", "acknowledge", timedelta(minutes=15)),
        ("task", "Ask the owner", timedelta(minutes=30)),
        ("containment", "wallet.hold_o", timedelta(hours=24)),
    ]
    assert {one.incident_id for one in due} == {found}


def test_what_is_late_stays_first_until_somebody_does_it(world: World) -> None:
    found = world.takeover()
    world.execute()
    world.pass_time(minutes=20)
    jobs.turn_clocks(world.ground.db, world.ground.ids, world.now)
    with world.ground.db.read() as session:
        due = deadlines.next(session, CARLA, parts=world.parts)
    assert (due[0].text, due[0].due_at - world.now) == ("acknowledge", timedelta(minutes=-5))
    world.do(casework.take, found)
    with world.ground.db.read() as session:
        due = deadlines.next(session, CARLA, parts=world.parts)
    assert "acknowledge" not in {one.text for one in due}


def test_nobody_is_called_any_more_for_what_was_closed_late(world: World) -> None:
    found = world.find(severity="low")
    world.pass_time(hours=24 * 30)
    jobs.turn_clocks(world.ground.db, world.ground.ids, world.now)
    world.do(casework.close_short, found, Disposition.BENIGN, WHY)

    with world.ground.db.read() as session:
        assert deadlines.next(session, CARLA, parts=world.parts) == []
    assert [clock.state for clock in world.page(found).clocks] == ["ended"]
    assert "clock.breached" in world.codes(found)
