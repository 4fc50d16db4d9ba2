"""Containment: shown before, done once, approved by a second person above its limit, and taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.kernel.containment import BadParameter, ContainmentRefused
from app.kernel.errors import Forbidden, NotFound, ReasonMissing, Traced, WrongState
from app.kernel.words import SecretInText
from playbooks import action_rows, actions, cases, casework, demands, tasks, undoing
from playbooks.acting import OwnAction
from playbooks.actions import ApprovalChanged, ApprovalExpired
from playbooks.cases import State
from playbooks.casework import Disposition
from playbooks.form import Ask
from playbooks.registry import REGISTRY, UnknownAction
from playbooks.undoing import NotUndoable
from tests.playbooks.world import ANNA, CARLA, CHEN, World, run_jobs

WHY = "because the tests say so"


def ask(text: str) -> Ask:
    return Ask(text=text, role="analyst", within=timedelta(hours=1), is_required=False, next="done")


LOCK = ("account.lock", {"account": "acc_victim"})
HOLD = ("wallet.hold_outgoing", {"account": "acc_victim"})


def many(count: int) -> dict[str, str]:
    return {"addresses": ",".join(f"198.19.{n // 250}.{n % 250}" for n in range(count))}


@pytest.fixture
def case(world: World) -> str:
    found = world.find(playbook="none")
    assert found is not None
    return found


def run(world: World, case: str, name: str, params: dict[str, str], by=CARLA, **more):
    return world.do(actions.run, case, name, params, by=by, parts=world.parts, **more)


def test_a_preview_shows_and_changes_nothing(world: World, case: str) -> None:
    before = world.page(case)
    shown = world.do(actions.preview, case, *LOCK, by=ANNA, parts=world.parts)

    assert shown.radius.lines == ("account.lock touches 1 people of acc_victim.",)
    assert (shown.target, shown.needs_second) == ("acc_victim", None)
    assert shown.until is not None
    assert "Another commander" in shown.undo_in_words
    assert shown.customer_is_told == "Your account is locked"
    assert world.page(case) == before
    assert world.acts() == []


def test_an_action_is_done_and_told_in_one_transaction(world: World, case: str) -> None:
    done = run(world, case, *LOCK)

    assert (done.state, done.requested_by, done.approved_by) == ("done", CARLA.id, None)
    assert world.acts() == ["account.lock acc_victim"]
    (event,) = world.events("incident.action.executed")
    assert event["onepay"]["incident"]["target"] == "acc_victim"
    assert event["onepay"]["subject"]["id"] == ["acc_victim"]
    assert "Lock the account, acc_victim: done." in world.sentences(case)


def test_a_double_click_and_a_second_commander_have_one_effect(either_world: World) -> None:
    world = either_world
    case = world.find(playbook="none")
    first = run(world, case, *LOCK)
    assert run(world, case, *LOCK) == first
    assert run(world, case, *LOCK, by=CHEN).requested_by == CARLA.id
    assert world.acts() == ["account.lock acc_victim"]
    again = run(world, case, "sessions.revoke_all", {"account": "acc_victim"})
    assert run(world, case, "sessions.revoke_all", {"account": "acc_victim"}, by=CHEN) == again
    world.pass_time(minutes=2)  # by now new sessions may have begun
    assert run(world, case, "sessions.revoke_all", {"account": "acc_victim"}).id != again.id


def test_a_repeated_key_gets_the_first_answer_also_after_the_undo(world: World, case: str) -> None:
    first = run(world, case, *HOLD, key="k1")
    world.do(undoing.undo, first.id, WHY, parts=world.parts)
    assert run(world, case, *HOLD, key="k1").id == first.id
    assert run(world, case, *HOLD, key="k2").id != first.id
    assert world.acts() == [
        "wallet.hold_outgoing acc_victim",
        "undo wallet.hold_outgoing",
        "wallet.hold_outgoing acc_victim",
    ]


def test_a_click_on_an_old_preview_asks_again(world: World, case: str) -> None:
    shown = world.do(actions.preview, case, *HOLD, parts=world.parts)
    world.kept["wallet.hold_outgoing"].people["acc_victim"] = 3
    with pytest.raises(ApprovalChanged) as refused:
        run(world, case, *HOLD, expected_hash=shown.hash)
    assert refused.value.preview.radius.counts == {"people": 3}
    assert world.acts() == []
    assert run(world, case, *HOLD, expected_hash=refused.value.preview.hash).state == "done"


@pytest.mark.parametrize(
    ("params", "alone"),
    [
        (many(50), True),
        (many(51), False),
        ({"addresses": "203.0.113.0/26,198.19.1.2"}, False),
        ({"addresses": "2001:db8::/59"}, True),
        ({"addresses": "2001:db8::/58"}, False),
        ({"addresses": "198.19.1.2", "hours": "1"}, True),
        ({"addresses": "198.19.1.2", "hours": "2"}, False),
    ],
    ids=["50 addresses", "51 addresses", "a /26 and one", "32 clients", "64 clients", "1 hour", "2 hours"],
)
def test_above_the_limit_a_second_person_approves(world: World, case: str, params: dict[str, str], alone: bool) -> None:
    asked = run(world, case, "network.block", params)
    assert asked.state == ("done" if alone else "proposed")
    assert len(world.acts()) == (1 if alone else 0)
    if not alone:
        with pytest.raises(OwnAction):
            world.do(actions.approve, asked.id, by=CARLA, parts=world.parts)
        done = world.do(actions.approve, asked.id, by=CHEN, parts=world.parts)
        assert (done.state, done.approved_by) == ("done", CHEN.id)
        assert world.do(actions.approve, asked.id, by=CHEN, parts=world.parts) == done  # a double click
        assert len(world.acts()) == 1


def test_an_analyst_proposes_and_a_commander_does(world: World, case: str) -> None:
    with pytest.raises(Forbidden):
        run(world, case, *LOCK, by=ANNA)
    asked = world.do(actions.propose, case, *LOCK, by=ANNA, parts=world.parts)
    with world.ground.db.read() as session:
        assert [one.id for one in action_rows.waiting(session, CHEN)] == [asked.id]
    with pytest.raises(Forbidden):
        world.do(actions.approve, asked.id, by=ANNA, parts=world.parts)
    assert world.do(actions.approve, asked.id, by=CHEN, parts=world.parts).state == "done"
    with pytest.raises(OwnAction):
        world.do(undoing.undo, asked.id, WHY, by=CHEN, parts=world.parts)
    assert world.do(undoing.undo, asked.id, WHY, by=CARLA, parts=world.parts).state == "undone"


def test_an_approval_lives_half_an_hour(world: World, case: str) -> None:
    asked = world.do(actions.propose, case, *LOCK, by=ANNA, parts=world.parts)
    world.pass_time(minutes=30)
    with pytest.raises(ApprovalExpired):
        world.do(actions.approve, asked.id, by=CHEN, parts=world.parts)
    run_jobs(world)
    with pytest.raises(ApprovalExpired):
        world.do(actions.approve, asked.id, by=CHEN, parts=world.parts)
    assert [one.state for one in world.page(case).actions] == ["expired"]
    assert [event["event"]["reason"] for event in world.events("incident.action.expired")] == ["approval"]
    assert world.acts() == []


@pytest.mark.parametrize(("people", "asks_again"), [(20, False), (22, False), (23, True)])
def test_an_approval_holds_while_the_radius_grows_by_a_tenth(
    world: World, case: str, people: int, asks_again: bool
) -> None:
    hold = world.kept["wallet.hold_outgoing"]
    hold.people["acc_victim"] = 20
    asked = world.do(actions.propose, case, *HOLD, by=ANNA, parts=world.parts)
    hold.people["acc_victim"] = people
    if asks_again:
        with pytest.raises(ApprovalChanged) as refused:
            world.do(actions.approve, asked.id, by=CHEN, parts=world.parts)
        assert world.acts() == []
        assert isinstance(refused.value, Traced)
        with world.ground.db.begin() as session:
            refused.value.trace(session, world.ctx(CHEN))
        (shown,) = world.page(case).actions
        assert (shown.state, shown.radius.counts) == ("proposed", {"people": people})
        assert world.do(actions.approve, asked.id, by=CHEN, parts=world.parts).state == "done"
    else:
        assert world.do(actions.approve, asked.id, by=CHEN, parts=world.parts).state == "done"


def test_a_second_person_says_no(world: World, case: str) -> None:
    asked = world.do(actions.propose, case, *LOCK, by=ANNA, parts=world.parts)
    with pytest.raises(ReasonMissing):
        world.do(actions.refuse, asked.id, "no", by=CHEN)
    assert world.do(actions.refuse, asked.id, WHY, by=CHEN).state == "refused"
    with pytest.raises(WrongState):
        world.do(actions.approve, asked.id, by=CHEN, parts=world.parts)


def test_a_lock_is_undone_by_another_commander_and_the_try_is_traced(either_world: World) -> None:
    world = either_world
    case = world.find(playbook="none")
    lock = run(world, case, *LOCK, by=CARLA)
    with pytest.raises(OwnAction) as refused:
        world.do(undoing.undo, lock.id, WHY, by=CARLA, parts=world.parts)
    assert world.standing() == {("account.lock", "acc_victim")}
    assert isinstance(refused.value, Traced)
    with world.ground.db.begin() as session:  # as the edge does, in a second transaction
        refused.value.trace(session, world.ctx(CARLA))
    (event,) = world.events("incident.action.refused")
    assert (event["event"]["reason"], event["user"]["id"]) == ("same_person", CARLA.id)

    undone = world.do(undoing.undo, lock.id, WHY, by=CHEN, parts=world.parts)

    assert (undone.state, undone.undone_by) == ("undone", CHEN.id)
    assert world.standing() == set()
    assert world.do(undoing.undo, lock.id, WHY, by=CHEN, parts=world.parts) == undone
    assert world.acts().count("undo account.lock") == 1
    (event,) = world.events("incident.action.undone")
    assert event["onepay"]["incident"]["reverts"] == lock.id


def test_what_was_taken_back_contains_nothing(world: World, case: str) -> None:
    def lacks() -> bool:
        with world.ground.db.begin() as session:
            found = demands.of_state(session, cases.locked(session, case), State.CONTAINED)
        return "containment" in {one.code for one in found}

    assert lacks()
    hold = run(world, case, *HOLD)
    assert not lacks()
    world.do(undoing.undo, hold.id, WHY, parts=world.parts)
    assert lacks()


def test_what_an_incident_decides_by_holds_beyond_what_a_page_shows(
    either_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is bounded; an incident with more actions and tasks than that forgets none of them."""
    world = either_world
    case = world.find(playbook="none")
    for module in (action_rows, tasks):
        monkeypatch.setattr(module, "PAGE_MAX", 2)

    def lacks(state: State) -> set[str]:
        with world.ground.db.begin() as session:
            return {one.code for one in demands.of_state(session, cases.locked(session, case), state)}

    for n in range(5):  # these are over
        undone = run(world, case, "wallet.hold_outgoing", {"account": f"acc_{n}"})
        world.do(undoing.undo, undone.id, WHY, parts=world.parts)
        world.do(lambda session, ctx, n=n: tasks.open_task(session, cases.locked(session, case), ask(f"Look {n}"), ctx))
        world.do(tasks.finish, world.open_task(case).id, {}, parts=world.parts)
    assert lacks(State.CONTAINED) == {"containment"}
    held = [run(world, case, "wallet.hold_outgoing", {"account": f"acc_{n}"}).id for n in range(5)]
    asked = [
        world.do(actions.propose, case, "account.lock", {"account": f"acc_{n}"}, by=ANNA, parts=world.parts).id
        for n in range(3)
    ]
    world.do(lambda session, ctx: tasks.open_task(session, cases.locked(session, case), ask("Look last"), ctx))
    assert lacks(State.CONTAINED) == {"steps"}  # three wait for a second person
    assert lacks(State.RECOVERED) >= {"actions", "tasks"}
    page = world.page(case)
    assert (len(page.actions), page.actions_total, len(page.tasks), page.tasks_total) == (2, 13, 2, 6)
    assert {one.id for one in page.actions} == set(asked[1:])
    assert [one.is_open for one in page.tasks] == [False, True]
    report = world.do(undoing.undo_all, case, WHY, by=CHEN, parts=world.parts)

    assert [one.action.id for one in report] == held[::-1]
    assert world.standing() == set()
    world.do(casework.close_short, case, Disposition.BENIGN, WHY)
    world.do(casework.close_short, case, Disposition.BENIGN, WHY, by=CHEN)
    with world.ground.db.read() as session:
        assert {action_rows.by_ref(session, one).state.value for one in asked} == {"refused"}


def test_of_many_that_stand_the_first_are_named_with_how_many_more(world: World, case: str) -> None:
    for n in range(demands.NAMED_MAX + 2):
        run(world, case, "wallet.hold_outgoing", {"account": f"acc_{n:02}"})
    with world.ground.db.read() as session:
        said = demands.named(list(action_rows.standing(session, case)))
    assert said.startswith("Hold outgoing money (acc_21), Hold outgoing money (acc_20), ")
    assert said.endswith(", Hold outgoing money (acc_02), and 2 more")


def test_what_cannot_be_undone_says_so(world: World, case: str) -> None:
    ended = run(world, case, "sessions.revoke_all", {"account": "acc_victim"})
    with pytest.raises(NotUndoable, match="signs in again"):
        world.do(undoing.undo, ended.id, WHY, parts=world.parts)


def test_all_is_undone_in_reverse_and_each_is_reported(world: World, case: str) -> None:
    run(world, case, *HOLD)
    run(world, case, "network.block", {"addresses": "198.19.1.2"})
    run(world, case, *LOCK, by=CHEN)
    report = world.do(undoing.undo_all, case, WHY, by=CHEN, parts=world.parts)

    assert [(one.action.name, one.action.state, one.why) for one in report] == [
        ("account.lock", "done", "Another person must undo it."),
        ("network.block", "undone", None),
        ("wallet.hold_outgoing", "undone", None),
    ]
    assert world.standing() == {("account.lock", "acc_victim")}


def test_one_that_does_not_come_back_stops_no_other(world: World, case: str) -> None:
    run(world, case, *HOLD)
    run(world, case, "network.block", {"addresses": "198.19.1.2"})
    world.kept["network.block"].has_undo = False
    report = world.do(undoing.undo_all, case, WHY, parts=world.parts)
    assert [(one.action.name, one.why) for one in report] == [
        ("network.block", "This does not come back."),
        ("wallet.hold_outgoing", None),
    ]


def test_an_action_can_be_undone_after_its_incident_ended(world: World) -> None:
    case = world.find(playbook="none", severity="low")
    hold = run(world, case, *HOLD)
    world.do(undoing.undo, hold.id, WHY, parts=world.parts)
    world.do(casework.close_short, case, Disposition.BENIGN, WHY)
    assert world.do(undoing.undo, hold.id, WHY, parts=world.parts).state == "undone"


def test_a_block_ends_with_its_hours(either_world: World) -> None:
    world = either_world
    case = world.find(playbook="none")
    block = run(world, case, "network.block", {"addresses": "198.19.1.2", "hours": "1"})
    world.pass_time(minutes=59, seconds=59)
    run_jobs(world)
    assert world.standing() == {("network.block", "198.19.1.2")}
    world.pass_time(seconds=1)
    run_jobs(world)
    run_jobs(world)

    assert world.standing() == set()
    (after,) = world.page(case).actions
    assert (after.id, after.state) == (block.id, "expired")
    assert world.acts().count("undo network.block") == 1
    assert len(world.events("incident.action.expired")) == 1


def test_a_lock_stays_after_its_day_and_calls_people(either_world: World) -> None:
    world = either_world
    case = world.find(playbook="none")
    run(world, case, *LOCK)
    world.pass_time(hours=20)
    run_jobs(world)
    run_jobs(world)
    assert [event["event"]["reason"] for event in world.events("incident.clock.warned")][-1] == "83"
    world.pass_time(hours=4)
    run_jobs(world)
    run_jobs(world)

    assert world.standing() == {("account.lock", "acc_victim")}
    breached = [event["onepay"]["incident"]["clock"] for event in world.events("incident.clock.breached")]
    assert breached.count("containment") == 1
    (task,) = [one for one in world.page(case).tasks if one.is_open]
    assert "undo it, or let another person" in task.text


def test_only_another_person_prolongs(world: World, case: str) -> None:
    lock = run(world, case, *LOCK, by=CARLA)
    with pytest.raises(OwnAction):
        world.do(undoing.prolong, lock.id, 24, WHY, by=CARLA)
    with pytest.raises(Forbidden):
        world.do(undoing.prolong, lock.id, 24, WHY, by=ANNA)
    with pytest.raises(BadParameter):
        world.do(undoing.prolong, lock.id, 169, WHY, by=CHEN)
    world.pass_time(hours=20)
    prolonged = world.do(undoing.prolong, lock.id, 24, WHY, by=CHEN)

    assert (prolonged.state, prolonged.prolonged_by) == ("prolonged", CHEN.id)
    assert (prolonged.expires_at - world.now).total_seconds() == 24 * 3600
    world.pass_time(hours=10)
    run_jobs(world)
    assert [
        e for e in world.events("incident.clock.breached") if e["onepay"]["incident"]["clock"] == "containment"
    ] == []
    assert world.do(undoing.undo, lock.id, WHY, by=CHEN, parts=world.parts).state == "undone"


def test_a_block_is_not_prolonged(world: World, case: str) -> None:
    block = run(world, case, "network.block", {"addresses": "198.19.1.2"})
    with pytest.raises(WrongState):
        world.do(undoing.prolong, block.id, 24, WHY, by=CHEN)


@pytest.mark.parametrize(
    ("name", "params", "error"),
    [
        ("account.delete", {"account": "acc_victim"}, UnknownAction),
        ("evidence.snapshot", {}, UnknownAction),
        ("account.lock", {}, BadParameter),
        ("account.lock", {"account": " "}, BadParameter),
        ("account.lock", {"account": "acc_victim", "for_ever": "yes"}, BadParameter),
        ("account.lock", {"account": "acc_nobody"}, BadParameter),
        ("account.lock", {"account": "x" * 20_001}, BadParameter),
        ("network.block", {"addresses": "198.19.1.2", "hours": "0"}, BadParameter),
        ("network.block", {"addresses": "198.19.1.2", "hours": "25"}, BadParameter),
        ("network.block", {"addresses": "198.19.1.2", "hours": "1.5"}, BadParameter),
        ("network.block", {"addresses": "198.19.1.2", "hours": "9" * 5_000}, BadParameter),
        ("network.block", {"addresses": "198.19.1.2", "hours": "٣"}, BadParameter),
        ("network.block", {"addresses": "198.19.1.2", "reason": "card 4111 1111 1111 1111"}, SecretInText),
    ],
)
def test_what_the_registry_does_not_take_changes_nothing(
    world: World, case: str, name: str, params: dict[str, str], error: type[Exception]
) -> None:
    for verb in (actions.run, actions.propose, actions.preview):
        with pytest.raises(error):
            world.do(verb, case, name, params, parts=world.parts)
    assert world.page(case).actions == []


def test_a_refusal_of_the_owner_of_things_changes_nothing(world: World, case: str) -> None:
    world.kept["network.block"].refuses.add("127.0.0.1")
    with pytest.raises(ContainmentRefused):
        run(world, case, "network.block", {"addresses": "127.0.0.1"})
    assert world.page(case).actions == []


def test_absent_is_absent(world: World, case: str) -> None:
    with pytest.raises(NotFound):
        run(world, "inc_absent", *LOCK)
    for verb in (actions.approve, undoing.expire):
        with pytest.raises(NotFound):
            world.do(verb, "act_absent", parts=world.parts)


def test_each_action_says_how_it_ends_and_what_people_are_told() -> None:
    for one in REGISTRY.values():
        assert one.undo_in_words, one.name
        assert one.is_own or one.target in one.needed, one.name
    assert {one.name for one in REGISTRY.values() if one.customer_is_told} == {
        "sessions.revoke_all",
        "account.lock",
        "wallet.hold_outgoing",
    }
