"""Playbooks are carried out: what is automatic by itself, what needs people once they did it, failures by a branch."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from app.kernel.errors import Forbidden, SamePerson, WrongState
from playbooks import actions, casework, tasks, undoing
from playbooks.acting import OwnAction
from playbooks.engine import shipped
from playbooks.engine.execute import Executor
from playbooks.models import command, playbook_version
from playbooks.settings import PlaybookSettings
from playbooks.tasks import ActionNotDone, AnswerContradicted, FormInvalid
from playbooks.timeline import Code
from tests.playbooks.books import CHILD, LONG, book
from tests.playbooks.test_incidents import walk
from tests.playbooks.world import AMIR, ANNA, CARLA, CHEN, World, make_world, run_jobs

WHY = "because the tests say so"


@pytest.fixture
def with_book(tmp_path):
    """Return a world whose only playbook has the steps a test writes."""
    made = []

    def make(steps: str, **more) -> World:
        library = {"probe": book(steps), "child": book(CHILD, "child")}
        made.append(make_world(tmp_path / f"home{len(made)}", library=library, **more))
        return made[-1]

    yield make
    for world in made:
        world.close()


def begin(world: World, **more) -> str:
    found = world.find("alr_probe", account="acc_victim", severity="critical", playbook="probe", **more)
    world.execute()
    return found


def states(world: World, incident_id: str) -> dict[str, str]:
    return {name: state for name, state in world.steps(incident_id).items() if state != "not_reached"}


def test_a_taken_account_is_contained_by_itself_and_worked_to_the_end_by_people(either_world: World) -> None:
    world = either_world
    found = world.takeover()
    world.execute()
    assert world.acts() == ["sessions.revoke_all acc_victim", "wallet.hold_outgoing acc_victim"]
    walk(world, found)

    assert world.acts()[2:] == ["account.lock acc_victim"]
    assert states(world, found) == dict.fromkeys(
        ("snapshot", "known", "sure", "revoke", "hold", "ask", "theirs", "lock", "contact", "recovery", "seen", "paid",
         "read", "cause", "closing"),
        "done",
    )  # fmt: skip
    page = world.page(found)
    assert [one.state for one in page.executions] == ["done"]
    assert page.incident.cause == "a reused password"
    done = [event["onepay"]["incident"]["step"] for event in world.events("incident.step.completed")]
    assert done == ["snapshot", "known", "sure", "revoke", "hold", "theirs", "paid", "read"]
    assert len(world.events("incident.task.done")) == 7


class Ticking:
    """A clock that goes on whenever it is read, as the machine's does."""

    def __init__(self, start: datetime) -> None:
        self._at = start

    def now(self) -> datetime:
        self._at += timedelta(milliseconds=10)
        return self._at


def test_each_step_is_told_at_its_own_time(world: World) -> None:
    found = world.takeover()

    Executor(world.ground.db, Ticking(world.now), world.ground.ids, world.parts).run()

    story = sorted(world.page(found).timeline, key=lambda entry: entry.n)
    assert [entry.recorded_at for entry in story] == sorted(entry.recorded_at for entry in story)
    steps = [entry.recorded_at for entry in story if entry.code in (Code.STEP_COMPLETED, Code.STEP_BRANCHED)]
    assert len(set(steps)) == len(steps) == 5, "each step happened at a time of its own, and none before it was found"
    assert min(steps) > max(entry.recorded_at for entry in story if entry.code is Code.PLAYBOOK_STARTED)


def test_when_it_was_the_owner_and_a_commander_agrees_all_is_undone(world: World) -> None:
    found = world.takeover()
    world.execute()
    world.answer(found, "ask", by=ANNA, answer="mine")
    held = {("sessions.revoke_all", "acc_victim"), ("wallet.hold_outgoing", "acc_victim")}
    assert world.standing() == held, "one analyst lets no money go"
    with pytest.raises(Forbidden):
        world.answer(found, "agree", by=ANNA, let_go=True)
    world.answer(found, "agree", by=CARLA, let_go=True)

    assert world.standing() == {("sessions.revoke_all", "acc_victim")}
    assert world.steps(found)["undo"] == "done"
    assert world.open_task(found).step == "cause"


def test_refusals_alone_stop_no_owner_until_a_person_has_looked(world: World) -> None:
    found = world.find(
        "alr_1",
        identifier="h1",
        entities={"user.id": ["acc_victim"]},
        severity="medium",
        playbook="account_takeover",
        rule="login_burst_account",
    )
    world.execute()
    assert world.acts() == []
    world.answer(found, "look", by=ANNA, entered=True)
    assert world.acts() == ["sessions.revoke_all acc_victim", "wallet.hold_outgoing acc_victim"]


def test_an_identifier_of_nobody_leaves_account_actions_out_and_says_why(world: World) -> None:
    found = world.find("alr_1", identifier="h1", severity="critical", playbook="account_takeover")
    world.execute()

    assert world.acts() == []
    assert world.open_task(found).step == "cause"
    because = "What was tried belongs to no account, so there is nothing of a person to contain."
    assert f"Does what was tried belong to an account? no. {because}" in world.sentences(found)


def test_credential_stuffing_blocks_for_an_hour_and_calls_the_takeover_of_the_account_entered(
    either_world: World,
) -> None:
    world = either_world
    found = world.find(entities={"user.id": ["acc_tried_1", "acc_tried_2"]})
    world.execute()
    assert world.acts() == ["network.block 198.19.1.2"]
    world.answer(found, "step_up", by=ANNA)
    world.answer(found, "look", by=ANNA, entered=True)
    world.answer(found, "which", by=ANNA, entered_account="acc_tried_2")

    assert world.acts()[1:] == ["sessions.revoke_all acc_tried_2", "wallet.hold_outgoing acc_tried_2"]
    parent, child = world.page(found).executions
    assert (child.playbook, child.parent_id, child.variables["account"]) == (
        "account_takeover",
        parent.id,
        "acc_tried_2",
    )
    assert world.steps(found)["takeover"] == "waiting"
    world.answer(found, "ask", by=ANNA, answer="mine")
    world.answer(found, "agree", let_go=True)
    world.answer(found, "cause", by=ANNA, cause="a tester", fix="nothing to mend")
    world.answer(found, "closing", closing="it was a tester")
    assert {one.step for one in world.page(found).tasks if one.is_open} == {"shared"}
    # The account is its owner's; the address that tried it stays blocked.
    assert {name for name, _ in world.standing()} == {"network.block", "sessions.revoke_all"}
    world.answer(found, "shared", by=ANNA, origin="attack")
    world.answer(found, "blocks", blocks="left")
    world.answer(found, "breach")
    world.answer(found, "cause", by=ANNA, cause="reused passwords", fix="second factors")
    world.answer(found, "closing", closing="all is well again")
    assert [one.state for one in world.page(found).executions] == ["done", "done"]


def test_a_refused_block_takes_its_failure_branch(world: World) -> None:
    world.kept["network.block"].refuses.add("127.0.0.1")
    found = world.find(ip="127.0.0.1")
    world.execute()

    assert world.acts() == []
    assert world.steps(found)["block"] == "failed"
    assert world.open_task(found).step == "block_by_hand"
    assert "Playbook step failed: Block addresses. 127.0.0.1 is never contained." in world.sentences(found)
    (refused,) = world.events("incident.action.refused")
    assert refused["event"]["reason"] == "containment_refused"
    assert [event["onepay"]["incident"]["step"] for event in world.events("incident.step.failed")] == ["block"]


def test_above_fifty_addresses_a_commander_approves_and_the_playbook_goes_on(either_world: World) -> None:
    world = either_world
    found = world.find(entities={"source.ip": [f"198.19.2.{n}" for n in range(51)]})
    world.execute()
    (asked,) = world.page(found).actions
    assert (asked.state, asked.requested_by, world.steps(found)["block"]) == ("proposed", "svc_playbooks", "waiting")
    assert world.acts() == []

    world.do(actions.approve, asked.id, by=CARLA, parts=world.parts)
    world.execute()

    assert len(world.acts()) == 1
    assert world.steps(found)["block"] == "done"
    assert world.open_task(found).step == "step_up"


def test_what_two_orders_ask_for_is_done_once(either_world: World) -> None:
    world = either_world
    found = world.find(entities={"source.ip": [f"198.19.2.{n}" for n in range(51)]})
    world.execute()
    for _ in range(2):
        world.do(casework.start_playbook, found, "credential_stuffing", by=CHEN, parts=world.parts)
        world.execute()
    first, second, third = (one.id for one in world.page(found).actions)
    done = world.do(actions.approve, second, by=CARLA, parts=world.parts)
    same = world.do(actions.approve, first, by=CARLA, parts=world.parts)
    world.do(actions.approve, third, by=CARLA, parts=world.parts)
    world.execute()

    assert (same.id, same.state) == (done.id, "done")
    assert len(world.acts()) == 1
    after = {one.id: (one.state.value, one.refusal) for one in world.page(found).actions}
    ended = ("refused", "stands_already")
    assert after == {first: ended, second: ("done", None), third: ended}
    assert [step.state.value for run in world.page(found).executions for step in run.steps if step.name == "block"] == [
        "done"
    ] * 3
    assert sum("It stands already, so nothing was done again." in said for said in world.sentences(found)) == 2
    assert [e["event"]["reason"] for e in world.events("incident.action.refused")] == ["stands_already"] * 2


def test_who_started_a_playbook_does_not_approve_what_it_asks_for(world: World) -> None:
    found = world.find(entities={"source.ip": [f"198.19.2.{n}" for n in range(51)]})
    world.execute()
    world.do(casework.stop_playbooks, found, WHY)
    (turned_down,) = world.page(found).actions
    assert (turned_down.state, turned_down.refusal) == ("refused", "playbook_stopped")
    with pytest.raises(WrongState):
        world.do(actions.approve, turned_down.id, by=CHEN, parts=world.parts)
    world.do(casework.start_playbook, found, "credential_stuffing", parts=world.parts)
    world.execute()
    asked = world.page(found).actions[-1]
    assert (asked.state, asked.requested_by, asked.execution_id is not None) == ("proposed", CARLA.id, True)

    with pytest.raises(OwnAction):
        world.do(actions.approve, asked.id, parts=world.parts)
    world.do(actions.approve, asked.id, by=CHEN, parts=world.parts)
    assert len(world.acts()) == 1


@pytest.mark.parametrize("how", ["lapses", "refused"])
def test_without_an_approval_the_failure_branch_goes_on(world: World, how: str) -> None:
    found = world.find(entities={"source.ip": [f"198.19.2.{n}" for n in range(51)]})
    world.execute()
    (asked,) = world.page(found).actions
    if how == "lapses":
        world.pass_time(minutes=30)
        run_jobs(world)
    else:
        world.do(actions.refuse, asked.id, WHY)
    world.execute()
    assert world.open_task(found).step == "block_by_hand"
    assert world.acts() == []


def test_a_house_without_automatic_containment_asks_each_time(tmp_path) -> None:
    world = make_world(tmp_path, settings=PlaybookSettings(auto_containment=False))
    found = world.takeover()
    world.execute()
    assert world.acts() == []
    assert [(one.name, one.state) for one in world.page(found).actions] == [("sessions.revoke_all", "proposed")]
    world.close()


def test_who_wrote_down_the_owners_answer_does_not_agree_to_it(world: World) -> None:
    found = world.takeover()
    world.execute()
    world.answer(found, "ask", by=CARLA, answer="mine")
    with pytest.raises(SamePerson):
        world.answer(found, "agree", by=CARLA, let_go=True)
    assert ("wallet.hold_outgoing", "acc_victim") in world.standing()
    world.answer(found, "agree", by=CHEN, let_go=True)
    assert ("wallet.hold_outgoing", "acc_victim") not in world.standing()


def test_what_the_system_knows_nobody_says_otherwise(world: World) -> None:
    found = world.takeover()
    world.execute()
    world.answer(found, "ask", answer="not_mine")
    world.do(actions.run, found, "account.lock", {"account": "acc_victim"}, parts=world.parts)
    world.execute()
    (lock,) = [one for one in world.page(found).actions if one.name == "account.lock"]
    world.do(undoing.undo, lock.id, WHY, by=CHEN, parts=world.parts)
    given_back = world.now
    world.pass_time(minutes=10)
    world.contradiction.finds = "A second factor still stands."
    for answer in ("restored_by_administrator", "nothing_was_changed"):
        with pytest.raises(AnswerContradicted, match="still stands"):
            world.answer(found, "contact", factors=answer)
    first = world.page(found).incident.first_event_at
    assert world.contradiction.asked == [("acc_victim", first, given_back)] * 2
    assert world.open_task(found).step == "contact"
    world.contradiction.finds = None
    world.answer(found, "contact", factors="restored_by_administrator")
    assert world.open_task(found).step == "recovery"
    world.lost.finds = "The owner has set no new password."
    with pytest.raises(AnswerContradicted, match="no new password"):
        world.answer(found, "recovery", owner="is_back")
    world.answer(found, "recovery", owner="is_not_back")
    assert world.open_task(found).step == "seen"


def test_what_is_left_as_it_is_needs_no_proof(world: World) -> None:
    found = world.takeover()
    world.execute()
    world.answer(found, "ask", answer="not_mine")
    world.do(actions.run, found, "account.lock", {"account": "acc_victim"}, parts=world.parts)
    world.execute()
    world.contradiction.finds = "A second factor still stands."
    world.answer(found, "contact", factors="left_as_they_are")
    assert (world.open_task(found).step, world.contradiction.asked) == ("recovery", [])


def test_what_is_busy_is_tried_until_it_is_not_and_has_not_failed(world: World) -> None:
    hold = world.kept["wallet.hold_outgoing"]
    hold.is_busy = True
    found = world.takeover()
    for _ in range(20):
        world.execute()
        world.pass_time(minutes=1)
    assert world.steps(found)["hold"] == "running"
    hold.is_busy = False
    world.execute()
    assert world.steps(found)["hold"] == "done"
    assert sum(what.startswith("wallet.hold_outgoing") for what in world.acts()) == 1


def test_an_action_that_raises_is_tried_again_and_then_takes_its_failure_branch(world: World) -> None:
    world.kept["sessions.revoke_all"].raises = True
    found = world.takeover()
    world.execute()
    assert world.steps(found)["revoke"] == "running"
    for _ in range(10):
        world.pass_time(minutes=2)
        world.execute()
    assert world.acts() == []
    assert world.steps(found)["revoke"] == "failed"
    assert world.open_task(found).step == "revoke_by_hand"
    with world.ground.db.read() as session:
        row = session.execute(sa.select(command).where(command.c.step == "revoke")).one()
    assert row.state == "failed"


def test_an_action_that_works_again_is_done_once(world: World) -> None:
    world.kept["sessions.revoke_all"].raises = True
    found = world.takeover()
    world.execute()
    world.kept["sessions.revoke_all"].raises = False
    world.pass_time(minutes=1)
    world.execute()
    assert world.acts() == ["sessions.revoke_all acc_victim", "wallet.hold_outgoing acc_victim"]
    assert world.steps(found)["revoke"] == "done"


def test_who_intended_a_step_that_another_took_up_since_does_nothing(world: World) -> None:
    revoke = world.kept["sessions.revoke_all"]
    revoke.raises = True
    found = world.takeover()
    world.execute()
    revoke.raises = False
    (run,) = world.page(found).executions
    world.executor._act(run.id, found, ("revoke", 2), world.ctx())  # the rows know of one attempt
    assert world.acts() == []
    assert world.steps(found)["revoke"] == "running"


def test_one_broken_incident_stops_no_other(world: World) -> None:
    world.kept["network.block"].raises = True
    world.find("alr_1")
    other = world.takeover()
    world.execute()
    assert world.steps(other)["hold"] == "done"


def test_what_stands_already_is_not_done_again(world: World) -> None:
    found = world.takeover()
    world.do(actions.run, found, "wallet.hold_outgoing", {"account": "acc_victim"}, parts=world.parts)
    world.execute()
    assert world.acts().count("wallet.hold_outgoing acc_victim") == 1
    assert world.steps(found)["hold"] == "done"


def test_a_commander_who_locked_before_the_task_came_has_done_it(world: World) -> None:
    found = world.takeover()
    world.do(actions.run, found, "account.lock", {"account": "acc_victim"}, parts=world.parts)
    world.execute()
    world.answer(found, "ask", by=ANNA, answer="silent")
    assert world.steps(found)["lock"] == "done"
    assert world.open_task(found).step == "contact"


def test_a_task_of_an_action_is_done_by_the_action_alone(world: World) -> None:
    found = world.takeover()
    world.execute()
    world.answer(found, "ask", by=ANNA, answer="not_mine")
    task = world.open_task(found, "lock")
    with pytest.raises(ActionNotDone):
        world.do(tasks.finish, task.id, {}, parts=world.parts)
    world.do(actions.run, found, "account.lock", {"account": "acc_victim"}, by=CHEN, parts=world.parts)
    (after,) = [one for one in world.page(found).tasks if one.id == task.id]
    assert (after.state, after.done_by) == ("done", CHEN.id)


def test_a_task_is_done_by_the_action_on_what_it_named(world: World) -> None:
    found = world.takeover()
    world.execute()
    world.answer(found, "ask", by=ANNA, answer="not_mine")
    task = world.open_task(found, "lock")
    assert task.params == {"account": "acc_victim"}
    world.do(actions.run, found, "account.lock", {"account": "acc_other"}, parts=world.parts)
    assert world.open_task(found, "lock").id == task.id
    world.do(actions.run, found, "account.lock", {"account": "acc_victim"}, parts=world.parts)
    assert not any(one.id == task.id and one.is_open for one in world.page(found).tasks)


def test_what_was_done_to_another_before_does_not_do_a_task(world: World) -> None:
    found = world.takeover()
    world.do(actions.run, found, "account.lock", {"account": "acc_other"}, parts=world.parts)
    world.execute()
    world.answer(found, "ask", by=ANNA, answer="silent")
    assert world.steps(found)["lock"] == "waiting"


def test_steps_of_a_way_that_was_not_taken_say_so_while_the_playbook_runs(world: World) -> None:
    found = world.takeover()
    world.execute()
    before = world.steps(found)
    assert (before["ask"], before["undo"], before["lock"], before["closing"]) == ("waiting", *["pending"] * 3)
    # What no decision has left open is left for good: the failures that did not come, the look that was not needed.
    assert {name for name, state in before.items() if state == "not_reached"} == {
        "look",
        "entered",
        "revoke_by_hand",
        "hold_by_hand",
    }
    world.answer(found, "ask", by=ANNA, answer="not_mine")
    after = world.steps(found)
    assert (after["undo"], after["undo_by_hand"], after["lock"]) == ("not_reached", "not_reached", "waiting")
    assert (after["fraud"], after["contact"]) == ("pending", "pending")


def test_between_a_step_and_the_next_no_way_is_lost(world: World) -> None:
    found = world.takeover()
    world.execute()
    world.do(
        tasks.finish, world.open_task(found, "ask").id, {"answer": "mine"}, by=ANNA, parts=world.parts
    )  # nobody followed yet
    assert {world.steps(found)[name] for name in ("theirs", "undo", "lock", "cause")} == {"pending"}


TO_BLOCK = "a: {task: Block them, role: incident_commander, within: 1h, does: network.block, %s, next: done}"


def test_a_task_of_any_target_is_done_by_whichever_comes(with_book) -> None:
    world = with_book(TO_BLOCK % "any: true")
    found = begin(world)
    world.do(actions.run, found, "network.block", {"addresses": "198.19.7.7"}, parts=world.parts)
    world.execute()
    assert world.steps(found) == {"a": "done"}


def test_an_action_that_touches_more_addresses_than_asked_does_the_task_and_one_with_fewer_does_not(with_book) -> None:
    world = with_book(TO_BLOCK % "with: {addresses: $source_ips, hours: 4}")
    found = begin(world, entities={"source.ip": ["198.19.7.7", "198.19.7.8"]})
    assert world.open_task(found).params == {"addresses": "198.19.7.7,198.19.7.8", "hours": "4"}
    world.do(actions.run, found, "network.block", {"addresses": "198.19.7.8"}, parts=world.parts)
    assert world.open_task(found).step == "a"
    more = "198.19.7.9,198.19.7.8,198.19.7.7"
    world.do(actions.run, found, "network.block", {"addresses": more}, parts=world.parts)
    world.execute()
    assert world.steps(found) == {"a": "done"}


def test_a_task_whose_target_nobody_knows_is_answered_by_hand(with_book) -> None:
    world = with_book(TO_BLOCK % "with: {addresses: $source_ips}")
    found = begin(world, ip=None)
    task = world.open_task(found)
    assert (task.does, task.params) == (None, {})
    assert task.text.endswith("$source_ips is not known, so no action finishes this task: say by hand that it is done.")
    world.do(tasks.finish, task.id, {}, parts=world.parts)
    world.execute()
    assert world.steps(found) == {"a": "done"}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "answer"),
        ({"answer": ""}, "answer"),
        ({"answer": "perhaps"}, "answer"),
        ({"answer": True}, "answer"),
        ({"answer": "mine", "more": "x"}, "more"),
    ],
)
def test_a_form_is_complete_and_typed(world: World, values: dict[str, object], field: str) -> None:
    found = world.takeover()
    world.execute()
    with pytest.raises(FormInvalid) as refused:
        world.do(tasks.finish, world.open_task(found, "ask").id, values, by=ANNA, parts=world.parts)
    assert refused.value.param == field
    assert world.open_task(found, "ask").is_open


def test_a_required_task_is_left_out_by_a_commander_with_a_reason(world: World) -> None:
    found = world.find()
    world.execute()
    task = world.open_task(found, "step_up")
    with pytest.raises(Exception, match="soc:action:approve"):
        world.do(tasks.skip, task.id, WHY, by=ANNA)
    world.do(tasks.skip, task.id, WHY, by=CARLA)
    world.execute()
    entry = next(one for one in world.page(found).timeline if one.code == "task.skipped")
    assert (entry.text, entry.actor) == (WHY, CARLA.id)
    assert world.steps(found)["step_up"] == "skipped"
    assert world.open_task(found).step == "look"


def test_a_decision_without_its_answer_becomes_the_owners(world: World) -> None:
    found = world.find()
    world.execute()
    world.answer(found, "step_up", by=ANNA)
    world.do(tasks.skip, world.open_task(found, "look").id, WHY, by=CARLA)
    world.execute()
    task = world.open_task(found, "entered")
    assert task.text == "Nobody answered it, so decide by hand: Was an account entered?"
    assert task.role == "incident_commander"
    world.answer(found, "entered", branch="else")
    assert world.open_task(found).step == "shared"


def test_an_undecided_condition_takes_its_failure_branch_where_it_has_one(with_book) -> None:
    world = with_book(
        """
ask: {task: Look, role: analyst, within: 1h, form: {seen: boolean}, next: seen, required: false}
seen: {if: "$seen = true", then: done, else: done, failed: told}
told: {task: Look again, role: analyst, within: 1h, next: done}
"""
    )
    found = begin(world)
    world.do(tasks.skip, world.open_task(found, "ask").id, WHY, by=ANNA)  # not required: an analyst may
    world.execute()
    assert world.open_task(found).step == "told"


def test_two_people_answer_where_two_are_asked(with_book) -> None:
    world = with_book("ask: {task: Look, role: analyst, within: 1h, form: {n: integer}, second: true, next: done}")
    found = begin(world)
    task = world.open_task(found)
    world.do(tasks.finish, task.id, {"n": "12"}, by=ANNA, parts=world.parts)
    world.execute()
    assert world.steps(found)["ask"] == "waiting"
    with pytest.raises(SamePerson):
        world.do(tasks.confirm, task.id, by=ANNA, parts=world.parts)
    done = world.do(tasks.confirm, task.id, by=AMIR, parts=world.parts)
    world.execute()
    assert (done.result, done.done_by, done.second_by) == ({"n": 12}, ANNA.id, AMIR.id)
    (run,) = world.page(found).executions
    assert (run.state, run.variables["n"]) == ("done", 12)


def test_a_running_playbook_keeps_its_version_and_the_next_gets_the_new_one(with_book) -> None:
    old = """
ask: {task: Old, role: analyst, within: 1h, next: then}
then: {task: Old too, role: analyst, within: 1h, next: done}
"""
    world = with_book(old)
    found = begin(world)
    renewed = make_parts(world, old.replace("Old", "New"))
    newer = Executor(world.ground.db, world.ground.clock, world.ground.ids, renewed)
    world.do(tasks.finish, world.open_task(found).id, {}, by=ANNA, parts=world.parts)
    newer.run()
    assert world.open_task(found).text == "Old too"

    world.parts = renewed
    other = world.find("alr_2", account="acc_other", playbook="probe")
    newer.run()
    assert world.open_task(other).text == "New"
    assert [run.number for run in world.page(other).executions] == [2]
    with world.ground.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(playbook_version)) == 2


def make_parts(world: World, steps: str):
    return shipped.parts(world.kept, library={"probe": book(steps), "child": book(CHILD, "child")})


def test_a_stopped_playbook_does_nothing_more(world: World) -> None:
    found = world.takeover()
    world.execute()
    assert world.do(casework.stop_playbooks, found, WHY) == 1
    world.execute()
    page = world.page(found)
    assert [one.state for one in page.executions] == ["stopped"]
    assert [one.state for one in page.tasks] == ["skipped"]
    assert world.execute() is None


def test_a_long_playbook_does_each_thing_once(with_book) -> None:
    world = with_book(LONG)
    world.kept["network.block"].refuses.add("127.0.0.1")
    found = begin(world)
    assert world.acts() == EACH_ONCE
    assert {one.state.value for one in world.page(found).executions} == {"done"}
    assert world.steps(found)["refused"] == "failed"
    assert world.execute() is None


EACH_ONCE = [
    "sessions.revoke_all acc_victim",
    "wallet.hold_outgoing acc_victim",
    "network.block 198.19.1.2",
    "account.lock acc_victim",
    "network.block 198.19.7.7",
    "network.block 198.19.7.8",
]


def test_two_executors_at_once_do_each_thing_once(either_world: World) -> None:
    world = either_world
    ids = [world.takeover(f"acc_{n}", f"alr_{n}") for n in range(6)]
    others = [Executor(world.ground.db, world.ground.clock, world.ground.ids, world.parts) for _ in range(4)]
    barrier = threading.Barrier(4)

    def run(executor: Executor) -> None:
        barrier.wait()
        executor.run()

    workers = [threading.Thread(target=run, args=(one,)) for one in others]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    world.pass_time(minutes=1)
    world.execute()

    wanted = [f"{name} acc_{n}" for n in range(6) for name in ("sessions.revoke_all", "wallet.hold_outgoing")]
    assert sorted(world.acts()) == sorted(wanted)
    assert {world.steps(one)["ask"] for one in ids} == {"waiting"}
    assert {len(world.page(one).tasks) for one in ids} == {1}
