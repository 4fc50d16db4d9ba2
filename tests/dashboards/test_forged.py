"""Acts that no button offers: by the wrong role, on one's own asking, on what is not there, twice at once, too late."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from playbooks.action_rows import Action, ActionState
from playbooks.cases import State
from tests.dashboards.desk import Desk, Room

LONG = "Looked at it together with the shift."
REASON = {"reason": LONG}
ORDER = {"name": "network.block", "params": {"addresses": "198.51.100.250"}, "hash": "0" * 64, "key": "clk_f"}
# Every act of the page, with what its form holds.
ACTS: dict[str, dict[str, Any]] = {
    "take": {},
    "note": {"fields": {"text": "A note."}},
    "hand-over": {"fields": {"to": "acc_x", "note": LONG}},
    "severity": {"fields": {"severity": "1", **REASON}},
    "advance": {"fields": {"to": "triaged"}, "answers": {"confirmed": "true"}},
    "close": {"fields": {"disposition": "benign", **REASON}},
    "reopen": {"fields": REASON},
    "start": {"fields": {"playbook": "account_takeover"}},
    "stop": {"fields": REASON},
    "finish": {"answers": {"cause": "x"}},
    "confirm": {},
    "skip": {"fields": REASON},
    "run": {"fields": {"order": ORDER}},
    "propose": {"fields": {"order": ORDER}},
    "approve": {},
    "refuse": {"fields": REASON},
    "undo": {"fields": REASON},
    "undo-all": {"fields": REASON},
    "prolong": {"fields": {"hours": "4", **REASON}},
}
OF_COMMANDERS = ("close", "reopen", "stop", "run", "approve", "refuse", "undo", "undo-all", "prolong")


@pytest.fixture(scope="module")
def customer(room: Room) -> Desk:
    """A customer with a session, who sends what the console sends."""
    browser, person = room.installation.browser(), room.installation.customer("forger")
    browser.sign_in(person)
    return Desk(installation=room.installation, browser=browser, person=person)


def wide_block(room: Room, case: str, *, by: Desk) -> Action:
    """Let somebody ask for a block that needs a second person, through the drawn preview."""
    address = room.page(case).entities[0].value
    drawn = by.draw(f"/console/soc/incidents/{case}", f"?do=network.block&entity={address}&hours=4")
    asked = {
        "name": "network.block",
        "params": {"addresses": address, "hours": "4", "reason": "containment"},
        "hash": drawn.partition('"hash": "')[2].partition('"')[0],
        "key": f"clk_{case}",
    }
    assert by.said("run", case, 1, fields={"order": asked}) == ""
    return room.page(case).actions[0]


def test_the_table_holds_every_act_of_the_page(room: Room) -> None:
    demands = room.installation.app.extensions["onepay_console"].demands
    acts = {output.partition('"say":"')[2].partition('"')[0] for output in demands if '"say":"' in output}
    assert set(ACTS) <= acts


@pytest.mark.parametrize("act", ACTS)
def test_an_administrator_and_a_customer_do_none_of_it(room: Room, customer: Desk, act: str) -> None:
    case = room.incident()
    before = room.codes(case)
    assert room.administrator.press(act, case, 1, **ACTS[act]).status_code == 403
    assert customer.press(act, case, 1, **ACTS[act]).status_code in (401, 403)
    assert room.codes(case) == before


@pytest.mark.parametrize("act", OF_COMMANDERS)
def test_an_analyst_does_nothing_that_is_a_commanders(room: Room, act: str) -> None:
    case = room.incident()
    before = room.codes(case)
    assert room.analyst.press(act, case, 1, **ACTS[act]).status_code == 403
    assert room.codes(case) == before


@pytest.mark.parametrize("act", ACTS)
def test_what_is_not_there_is_not_found_whatever_the_act(room: Room, act: str) -> None:
    for of in ("inc_none", "act_none", "' OR 1=1 --", "../../etc"):
        assert room.commander.said(act, of, 1, **ACTS[act]) in ("not_found", "choice_missing", "owner_invalid")


@pytest.mark.parametrize("act", ["approve", "refuse", "undo", "prolong", "finish", "confirm", "skip"])
def test_the_id_of_another_kind_of_thing_is_not_found(room: Room, act: str) -> None:
    assert room.commander.said(act, room.incident(), **ACTS[act]) == "not_found"


def test_a_forged_approval_of_ones_own_asking_is_refused_and_kept(room: Room) -> None:
    case = room.incident()
    waiting = wide_block(room, case, by=room.commander)
    assert waiting.state is ActionState.PROPOSED
    for _ in range(2):
        assert room.commander.said("approve", waiting.id, 0) == "same_person"
    assert room.page(case).actions[0].state is ActionState.PROPOSED
    assert room.codes(case).count("action.refused") == 2


def test_two_who_approve_at_once_do_it_once(room: Room) -> None:
    case = room.incident()
    waiting = wide_block(room, case, by=room.commander)
    others = [room.second, room.desk("cleo", "incident_commander")]
    start = threading.Barrier(len(others))
    said: list[str] = []

    def approve(desk: Desk) -> None:
        start.wait()
        said.append(desk.said("approve", waiting.id))

    threads = [threading.Thread(target=approve, args=(desk,)) for desk in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert said == ["", ""]
    (done,) = room.page(case).actions
    assert done.state is ActionState.DONE
    assert room.codes(case).count("action.executed") == 1


def test_a_double_click_runs_once_at_once(room: Room) -> None:
    case = room.incident()
    address = room.page(case).entities[0].value
    drawn = room.commander.draw(f"/console/soc/incidents/{case}", f"?do=network.block&entity={address}")
    params = {"addresses": address, "hours": "1", "reason": "containment"}
    asked = {"name": "network.block", "params": params, "key": "clk_double"}
    asked["hash"] = drawn.partition('"hash": "')[2].partition('"')[0]
    said: list[str] = []
    twice = [
        threading.Thread(target=lambda: said.append(room.commander.said("run", case, 1, fields={"order": asked})))
        for _ in range(2)
    ]
    for thread in twice:
        thread.start()
    for thread in twice:
        thread.join()
    assert said == ["", ""]
    assert len(room.page(case).actions) == 1
    assert room.codes(case).count("action.executed") == 1


def test_what_has_ended_is_not_worked_on(room: Room) -> None:
    case = room.incident(severity="low")
    assert room.commander.said("close", case, 1, fields={"disposition": "benign", **REASON}) == ""
    seen = room.page(case).incident
    assert seen.state is State.CLOSED
    before = room.codes(case)
    for act in ("take", "severity", "advance", "start", "run", "propose"):
        assert room.commander.said(act, case, seen.version, **ACTS[act]) == "incident_ended", act
    assert room.commander.said("close", case, seen.version, **ACTS["close"]) == "wrong_state"
    assert room.codes(case) == before


def test_what_waits_when_an_incident_is_closed_waits_no_more(room: Room) -> None:
    case = room.incident(severity="medium")
    waiting = wide_block(room, case, by=room.commander)
    assert room.commander.said("close", case, 1, fields={"disposition": "benign", **REASON}) == ""
    assert room.page(case).actions[0].state is ActionState.REFUSED
    assert room.second.said("approve", waiting.id) == "wrong_state"


@pytest.mark.parametrize("hours", ["0", "-1", "169", "x", "9" * 30, "٣"])
def test_containment_is_not_prolonged_for_ever(room: Room, hours: str) -> None:
    account = room.installation.customer(f"finch_{abs(hash(hours)) % 10_000}", factor=False).account
    case = room.incident(account=account)
    drawn = room.commander.draw(f"/console/soc/incidents/{case}", f"?do=account.lock&entity={account}")
    asked = {"name": "account.lock", "params": {"account": account}, "key": "clk_p"}
    asked["hash"] = drawn.partition('"hash": "')[2].partition('"')[0]
    assert room.commander.said("run", case, 1, fields={"order": asked}) == ""
    lock = room.page(case).actions[0].id
    assert room.second.said("prolong", lock, fields={"hours": hours, **REASON}) in ("choice_missing", "bad_parameter")
    assert room.commander.said("prolong", lock, fields={"hours": "4", **REASON}) == "same_person"


@pytest.mark.parametrize("act", ACTS)
def test_no_value_of_a_field_makes_a_fault(room: Room, act: str) -> None:
    fields, answers = ACTS[act].get("fields", {}), ACTS[act].get("answers", {})
    for value in (None, 5, -1.5, True, [], ["a"], {}, {"name": {}}, "x" * 20_000, "\x00" * 12, "\ud800" * 12, "٣" * 12):
        case = room.incident()
        sent: dict[str, Any] = {}
        if fields:
            sent["fields"] = dict.fromkeys(fields, value) | ({"to": "triaged"} if act == "advance" else {})
        if answers:
            sent["answers"] = dict.fromkeys(answers, value)
        answer = room.commander.press(act, case, 1, **sent)
        assert answer.status_code in (200, 400), (value, answer.text)


def test_a_call_in_which_nothing_was_pressed_does_nothing(room: Room) -> None:
    case = room.incident()
    before = len(room.page(case).timeline)
    answer = room.analyst.press("note", case, fields={"text": "A note."}, is_pressed=False)
    assert (answer.status_code, answer.json) == (200, {"multi": True, "response": {}})
    assert len(room.page(case).timeline) == before
