"""Incidents at the console: what each role sees, and what each button does once, or refuses in its own place."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.identity import roles
from app.identity.models import account
from ingest import models as log
from playbooks import action_rows
from playbooks.action_rows import ActionState
from playbooks.cases import State
from playbooks.tasks import TaskState
from tests.dashboards.desk import Desk, Room

LONG = "Looked at it together with the shift."


def victim(room: Room, handle: str) -> str:
    return room.installation.customer(handle, euros=50, factor=False).account


def order(room: Room, incident_id: str, name: str, **params: str) -> dict[str, object]:
    return {"name": name, "params": params, "hash": hash_of(room, incident_id, name, params), "key": "clk_one"}


def hash_of(room: Room, incident_id: str, name: str, params: dict[str, str]) -> str:
    """Return the hash that the drawn preview carries."""
    query = f"?do={name}&entity={params.get('account', params.get('addresses', ''))}"
    drawn = room.commander.draw(f"/console/soc/incidents/{incident_id}", query)
    return drawn.partition('"hash": "')[2].partition('"')[0]


@pytest.mark.parametrize("path", ["/console/", "/console/soc/incidents", "/console/soc/incidents/INC-{n}"])
def test_pages_are_drawn_for_those_who_may(room: Room, path: str) -> None:
    number = room.page(room.incident(reason="Ten tries from one place.")).incident.number
    there = path.format(n=number)
    for desk in (room.analyst, room.commander):
        drawn = desk.draw(there)
        assert "Burst of refused sign-ins" in drawn
        assert f"INC-{number}" in drawn
    assert "Not allowed" in room.administrator.draw(there)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/console/soc/alerts", "Which one first?"),
        ("/console/soc/events", "Events"),
        ("/console/soc/rules", "login_burst_source"),
        ("/console/soc/rules/login_burst_source", "Burst of refused sign-ins from one address"),
        ("/console/soc/health", "Sequencer"),
    ],
)
def test_the_other_pages_are_drawn_too(room: Room, path: str, says: str) -> None:
    room.installation.system.runner.publish()
    for desk in (room.analyst, room.commander):
        assert says in desk.draw(path)


@pytest.mark.parametrize(
    ("path", "search", "is_live"),
    [
        ("/console/soc/alerts", "", True),
        ("/console/soc/incidents", "", True),
        ("/console/soc/events", "", True),
        ("/console/soc/events", "?from=-7d", True),
        ("/console/soc/events", "?from=2026-11-02T08:00Z&to=2026-11-02T09:00Z", False),
    ],
)
def test_a_list_that_goes_on_is_drawn_again_and_one_that_ended_is_not(
    room: Room, path: str, search: str, is_live: bool
) -> None:
    drawn = room.analyst.draw(path, search)
    assert "Not allowed" not in drawn
    assert ('"data-refresh": "true"' in drawn) is is_live


def test_a_task_leads_to_its_action_on_whom_it_named(room: Room) -> None:
    account = victim(room, "heron_lock")
    case = room.incident(account=account, severity="critical", playbook="account_takeover")
    for _ in range(3):
        room.installation.turn()
    ask = next(one for one in room.page(case).tasks if one.step == "ask")
    assert room.analyst.said("finish", ask.id, answers={"answer": "not_mine"}) == ""
    room.installation.turn()

    drawn = room.commander.draw(f"/console/soc/incidents/{case}")
    assert f"do=account.lock&entity={account}" in drawn
    assert '"answer: not mine"' in drawn
    said = drawn.partition("It is finished by the action: ")[2][:300]
    assert "Lock the account" in said
    assert f"acc…{account[-6:]}" in said


def test_a_page_says_where_it_does_not_show_all(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    case = room.incident(account=victim(room, "heron_many"))
    for whose in (victim(room, "heron_more"), victim(room, "heron_most")):
        hold = order(room, case, "wallet.hold_outgoing", account=whose)
        hold["key"] = whose
        assert room.commander.said("run", case, room.page(case).incident.version, fields={"order": hold}) == ""
    said = "of 2 actions are read: all that are open or stand, then the newest."
    assert said not in room.commander.draw(f"/console/soc/incidents/{case}")
    monkeypatch.setattr(action_rows, "PAGE_MAX", 1)
    assert f"1 {said}" in room.commander.draw(f"/console/soc/incidents/{case}")


def test_colleagues_are_called_by_name_and_customers_by_their_id_alone(room: Room) -> None:
    person = room.installation.customer("heron_named", euros=50)
    case = room.incident(account=person.account)
    assert room.analyst.said("take", case, room.page(case).incident.version) == ""

    hold = order(room, case, "wallet.hold_outgoing", account=person.account)
    assert room.commander.said("run", case, room.page(case).incident.version, fields={"order": hold}) == ""

    for path in ("/console/soc/incidents", f"/console/soc/incidents/{case}"):
        drawn = room.commander.draw(path)
        assert "Anna" in drawn, path
        assert "Amber Finch" not in drawn, path
        assert "heron_named" not in drawn, path
    drawn = room.commander.draw(f"/console/soc/incidents/{case}")
    assert f'"children": "Anna", "title": "{room.analyst.person.account}"' in drawn
    assert "Taken by Anna." in drawn
    assert f"Hold outgoing money, acc…{person.account[-6:]}: done." in drawn
    assert room.second.person.account != room.commander.person.account
    assert "Chen · Incident commander" in room.analyst.draw(f"/console/soc/incidents/{case}", "?do=hand-over")


def test_reading_the_name_of_a_colleague_leaves_no_event(room: Room) -> None:
    case = room.incident()
    assert room.analyst.said("take", case, room.page(case).incident.version) == ""
    room.commander.draw(f"/console/soc/incidents/{case}")
    before = _events(room)
    assert "Taken by Anna." in room.commander.draw(f"/console/soc/incidents/{case}")
    assert _events(room) == before


def test_a_colleague_whose_name_was_erased_is_called_by_the_id(room: Room) -> None:
    case = room.incident()
    gone = room.desk("gone", roles.ANALYST)
    assert gone.said("take", case, room.page(case).incident.version) == ""
    assert "Taken by Gone." in room.commander.draw(f"/console/soc/incidents/{case}")
    with room.installation.system.db.begin() as session:
        session.execute(sa.update(account).where(account.c.id == gone.person.account).values(name_ct=None))
    drawn = room.commander.draw(f"/console/soc/incidents/{case}")
    assert "Gone" not in drawn
    assert f"Taken by acc…{gone.person.account[-6:]}." in drawn


def _events(room: Room) -> int:
    with room.installation.system.db.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(log.outbox)) or 0


def test_customers_have_no_console(room: Room) -> None:
    browser = room.installation.browser()
    browser.sign_in(room.installation.customer("otter_one"))
    desk = Desk(installation=room.installation, browser=browser, person=room.installation.people["otter_one"])
    assert browser.get("/console/").status_code in (303, 401, 403)
    assert desk.press("take", room.incident(), 1).status_code in (401, 403)


def test_an_unknown_incident_is_not_found(room: Room) -> None:
    assert "Not found" in room.analyst.draw("/console/soc/incidents/inc_none")
    assert "Not found" in room.analyst.draw("/console/soc/incidents/INC-99999")


def test_taking_twice_is_taking_once(room: Room) -> None:
    case = room.incident()
    assert room.analyst.said("take", case, 1) == ""
    assert room.analyst.said("take", case, 1) == ""
    assert room.page(case).incident.owner == room.analyst.person.account
    assert room.codes(case).count("case.taken") == 1


def test_the_second_of_two_people_is_told_that_it_changed(room: Room) -> None:
    case = room.incident()
    room.analyst.said("take", case, 1)
    assert room.commander.said("take", case, 1) == "changed"
    assert room.page(case).incident.owner == room.analyst.person.account


def test_a_stale_page_changes_nothing(room: Room) -> None:
    case = room.incident(severity="medium")
    assert room.commander.said("severity", case, 1, fields={"severity": "2", "reason": LONG}) == ""
    assert room.analyst.said("severity", case, 1, fields={"severity": "1", "reason": LONG}) == "changed"
    assert room.page(case).incident.severity == 2


def test_an_administrator_and_an_analyst_are_refused_what_is_not_theirs(room: Room) -> None:
    account = victim(room, "otter_two")
    case = room.incident(account=account)
    asked = order(room, case, "account.lock", account=account)
    assert room.analyst.press("run", case, 1, {"order": asked}).status_code == 403
    assert room.administrator.press("take", case, 1).status_code == 403
    assert room.analyst.press("close", case, 1, {"disposition": "benign", "reason": LONG}).status_code == 403
    assert room.page(case).actions == []
    assert "access.request.denied" in room.installation.waiting_kinds()


def test_a_reason_is_demanded_and_a_card_number_refused(room: Room) -> None:
    case = room.incident()
    assert room.analyst.said("note", case, fields={"text": "  "}) == "reason_missing"
    refused = room.analyst.said("note", case, fields={"text": "The card was 4111 1111 1111 1111, look."})
    assert refused == "secret_in_text"
    assert room.commander.said("close", case, 1, fields={"disposition": "benign", "reason": "no"}) == "reason_missing"
    assert room.page(case).incident.state is State.NEW


def test_a_state_says_what_it_still_demands(room: Room) -> None:
    case = room.incident()
    given = {"confirmed": "true"}
    assert room.analyst.said("advance", case, 1, fields={"to": "triaged"}, answers=given) == "not_ready"
    assert "Somebody must take it." in room.analyst.draw(f"/console/soc/incidents/{case}", "?do=advance")
    room.analyst.said("take", case, 1)
    assert room.analyst.said("advance", case, 2, fields={"to": "triaged"}, answers=given) == ""
    assert room.page(case).incident.state is State.TRIAGED
    assert room.analyst.said("advance", case, 3, fields={"to": "nowhere"}, answers={}) == "choice_missing"


def test_a_severe_incident_is_closed_by_two_people(room: Room) -> None:
    case = room.incident()
    given = {"disposition": "false_positive", "reason": LONG}
    assert room.commander.said("close", case, 1, fields=given) == ""
    assert "You proposed it" in room.commander.draw(f"/console/soc/incidents/{case}", "?do=close")
    assert room.commander.said("close", case, 2, fields=given) == "same_person"
    assert room.page(case).incident.state is State.NEW
    assert room.second.said("close", case, 2, fields=given) == ""
    assert room.page(case).incident.state is State.CLOSED
    assert room.commander.said("reopen", case, 3, fields={"reason": LONG}) == ""
    assert room.page(case).incident.state is State.TRIAGED


def test_containment_is_seen_before_it_is_done_and_done_once(room: Room) -> None:
    account = victim(room, "otter_three")
    case = room.incident(account=account)
    drawn = room.commander.draw(f"/console/soc/incidents/{case}", f"?do=account.lock&entity={account}")
    assert "Nobody can sign in" in drawn
    assert "Do it now" in drawn
    asked = order(room, case, "account.lock", account=account)
    assert room.commander.said("run", case, 1, fields={"order": asked}) == ""
    assert room.commander.said("run", case, 1, fields={"order": asked}) == ""
    done = room.page(case).actions
    assert [(one.name, one.state) for one in done] == [("account.lock", ActionState.DONE)]
    assert room.codes(case).count("action.executed") == 1


def test_a_preview_of_something_else_does_not_bind(room: Room) -> None:
    account = victim(room, "otter_four")
    case = room.incident(account=account)
    forged = {"name": "account.lock", "params": {"account": account}, "hash": "0" * 64, "key": "clk_two"}
    assert room.commander.said("run", case, 1, fields={"order": forged}) == "approval_changed"
    unknown = {"name": "money.move", "params": {}, "hash": "0" * 64, "key": "clk_three"}
    assert room.commander.said("run", case, 1, fields={"order": unknown}) == "unknown_action"
    assert room.commander.said("run", case, 1, fields={"order": None}) == "choice_missing"
    assert room.page(case).actions == []


def test_who_locked_an_account_does_not_unlock_it(room: Room) -> None:
    account = victim(room, "otter_five")
    case = room.incident(account=account)
    asked = order(room, case, "account.lock", account=account)
    room.commander.said("run", case, 1, fields={"order": asked})
    lock = room.page(case).actions[0].id
    assert "You did it, so another commander undoes it." in room.commander.draw(f"/console/soc/incidents/{case}")
    assert room.commander.said("undo", lock, fields={"reason": LONG}) == "same_person"
    assert "action.refused" in room.codes(case)
    assert room.second.said("undo", lock, fields={"reason": "short"}) == "reason_missing"
    assert room.second.said("undo", lock, fields={"reason": LONG}) == ""
    assert room.second.said("undo", lock, fields={"reason": LONG}) == ""
    assert room.page(case).actions[0].state is ActionState.UNDONE
    assert room.codes(case).count("action.undone") == 1


def test_what_an_analyst_proposes_another_person_approves(room: Room) -> None:
    account = victim(room, "otter_six")
    case = room.incident(account=account)
    asked = order(room, case, "wallet.hold_outgoing", account=account)
    assert room.analyst.said("propose", case, 1, fields={"order": asked}) == ""
    proposed = room.page(case).actions[0]
    assert proposed.state is ActionState.PROPOSED
    assert "An incident commander approves it." in room.analyst.draw(f"/console/soc/incidents/{case}")
    assert room.analyst.press("approve", proposed.id).status_code == 403
    assert "Approve and do it" in room.commander.draw(f"/console/soc/incidents/{case}")
    assert room.commander.said("approve", proposed.id) == ""
    assert room.page(case).actions[0].state is ActionState.DONE
    assert room.commander.said("refuse", proposed.id, fields={"reason": LONG}) == "wrong_state"


def test_a_commander_does_not_approve_what_they_asked_for(room: Room) -> None:
    case = room.incident()
    address = room.page(case).entities[0].value
    asked = {
        "name": "network.block",
        "params": {"addresses": address, "hours": "4", "reason": "containment"},
        "hash": "",
        "key": "clk_four",
    }
    drawn = room.commander.draw(f"/console/soc/incidents/{case}", f"?do=network.block&entity={address}&hours=4")
    assert "needs a second person" in drawn
    asked["hash"] = drawn.partition('"hash": "')[2].partition('"')[0]
    assert room.commander.said("run", case, 1, fields={"order": asked}) == ""
    waiting = room.page(case).actions[0]
    assert waiting.state is ActionState.PROPOSED
    assert "You asked for it, so another person approves it." in room.commander.draw(f"/console/soc/incidents/{case}")
    assert room.commander.said("approve", waiting.id) == "same_person"
    assert room.second.said("approve", waiting.id) == ""


def test_a_task_is_finished_by_its_form_and_left_out_with_a_reason(room: Room) -> None:
    account = victim(room, "otter_seven")
    case = room.incident(account=account, severity="critical", playbook="account_takeover")
    for _ in range(3):
        room.installation.turn()
    task = next(one for one in room.page(case).tasks if one.is_open)
    assert task.text in room.analyst.draw(f"/console/soc/incidents/{case}")
    assert room.analyst.said("finish", task.id, answers={}) == "form_invalid"
    assert room.analyst.said("finish", task.id, answers={"nonsense": "x"}) == "form_invalid"
    assert room.analyst.said("skip", task.id, fields={"reason": LONG}) == "forbidden"
    assert room.commander.said("skip", task.id, fields={"reason": "short"}) == "reason_missing"
    chosen = {name: one.choices[0] if one.choices else "true" for name, one in task.fields.items()}
    assert room.analyst.said("finish", task.id, answers=chosen) == ""
    assert room.analyst.said("finish", task.id, answers=chosen) == "wrong_state"
    after = next(one for one in room.page(case).tasks if one.id == task.id)
    assert after.state is TaskState.DONE
    assert after.done_by == room.analyst.person.account


def test_an_incident_is_handed_only_to_a_colleague(room: Room) -> None:
    case = room.incident()
    room.analyst.said("take", case, 1)
    note = {"to": room.commander.person.account, "note": LONG}
    assert room.analyst.said("hand-over", case, 2, fields={**note, "to": "acc_stranger"}) == "owner_invalid"
    assert room.analyst.said("hand-over", case, 2, fields={**note, "to": room.administrator.person.account}) == (
        "owner_invalid"
    )
    assert room.analyst.said("hand-over", case, 2, fields=note) == ""
    assert room.page(case).incident.owner == room.commander.person.account


def test_the_queue_holds_what_is_mine_or_nobodys(room: Room) -> None:
    mine, other = room.incident(reason="It is mine alone."), room.incident(reason="It is of another.")
    room.analyst.said("take", mine, 1)
    room.commander.said("take", other, 1)
    listed = room.analyst.draw("/console/soc/incidents", "?owner=me")
    assert "It is mine alone." in listed
    assert "It is of another." not in listed
    queue = room.analyst.draw("/console/").partition("Open incidents")[0]
    assert "It is of another." not in queue


def test_markup_in_a_reason_stays_text(room: Room) -> None:
    case = room.incident()
    room.analyst.said("note", case, fields={"text": "<script>alert(1)</script> stood in the agent"})
    drawn = room.analyst.draw(f"/console/soc/incidents/{case}")
    assert "<script>alert(1)</script> stood in the agent" in drawn
    assert "dangerously_allow_html" not in drawn


def test_old_findings_are_shown_by_the_time_they_happened(room: Room) -> None:
    case = room.incident()
    page = room.page(case)
    assert page.incident.found_at - page.incident.first_event_at >= timedelta(minutes=2)
    by_event = room.analyst.draw(f"/console/soc/incidents/{case}")
    assert "found later at" in by_event
    assert "happened" in room.analyst.draw(f"/console/soc/incidents/{case}", "?sort=found")


def test_what_was_written_down_is_not_asked_again(room: Room) -> None:
    case = room.incident(severity="medium")
    room.analyst.said("take", case, 1)

    def moves(to: str, **answers: str) -> str:
        seen = room.page(case).incident.version
        return room.analyst.said("advance", case, seen, fields={"to": to}, answers=answers)

    assert moves("triaged", confirmed="true", cause="A script with old passwords.") == ""
    assert "Nothing to contain, because" in room.analyst.draw(f"/console/soc/incidents/{case}", "?do=advance")
    assert moves("contained", nothing_to_contain="Nobody got in anywhere.") == ""
    form = room.analyst.draw(f"/console/soc/incidents/{case}", "?do=advance")
    assert "“A script with old passwords.”" in form
    assert '"answer": "cause"' not in form
    assert moves("eradicated") == ""


def test_nothing_of_the_machines_names_is_on_the_page(room: Room) -> None:
    account = victim(room, "otter_words")
    case = room.incident(account=account, playbook="account_takeover", severity="critical")
    room.installation.turn()
    drawn = room.analyst.draw(f"/console/soc/incidents/{case}")
    for name in ("$has_account", "has_account = true", "Step known", "login_burst_source joined", "Playbook account_"):
        assert name not in drawn
    assert "Does what was tried belong to an account?" in drawn
    assert "Playbook Account takeover started" in drawn
    assert f"Burst of refused sign-ins: acc…{account[-6:]}" in drawn
