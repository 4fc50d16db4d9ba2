"""The whole thread, as people meet it: money moves, the log tells it, a detector sees it, a person answers.

The same test passes on SQLite with DuckDB and on PostgreSQL with Elasticsearch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.identity import roles
from app.kernel.access import Actor, ActorKind
from app.kernel.clock import StillClock
from app.kernel.context import Context
from ingest.log import read
from ingest.store.query import EVERYTHING, Search, Window
from payments import receipts
from payments.verification import verify as ledger
from playbooks import action_rows, actions, casework, incidents, undoing
from playbooks.acting import OwnAction
from playbooks.action_rows import ActionState
from playbooks.timeline import Code
from tests.support.installation import PASSWORD, Browser, Installation, Person, installed

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SECRET = re.compile(r'data-secret="([A-Z2-7]+)"')
SOURCE, HIDEOUT = "198.18.44.7", "198.18.61.9"


@pytest.fixture
def house(tmp_path: Path, small_or_grown: dict[str, Any]) -> Iterator[Installation]:
    with installed(tmp_path / "home", clock=StillClock(START), **small_or_grown) as made:
        yield made


def test_first_light(house: Installation) -> None:
    amber = house.customer("amber_one", euros=200)
    victim = house.customer("victim_one", euros=500, factor=False)
    mule = house.customer("mule_one")
    commander, second = house.staff("tomas", roles.INCIDENT_COMMANDER), house.staff("nora", roles.INCIDENT_COMMANDER)
    house.turn()

    paid = _money_moves(house, amber, mule)
    _the_log_tells_it(house, amber, paid)
    thief = _an_account_is_entered(house, victim)
    case = _it_is_an_incident_and_contained(house, victim)
    _the_thief_returns_and_gets_nothing(house, thief, victim, mule)
    _people_finish_it(house, case, victim, commander, second)
    _everything_still_verifies(house)


def _money_moves(house: Installation, payer: Person, payee: Person) -> str:
    browser = house.browser()
    browser.sign_in(payer)
    answer = _pay(browser, payee, "12.50", "first")
    assert answer.status_code == 201, answer.text
    again = _pay(browser, payee, "12.50", "first")
    assert (again.status_code, again.json) == (201, answer.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    return str(answer.json["id"])


def _the_log_tells_it(house: Installation, payer: Person, transfer: str) -> None:
    house.arrive()
    system = house.system
    everything = Search(limit=1_000)
    told = [
        document
        for document in system.store.search(everything).documents
        if document.get("onepay", {}).get("transfer", {}).get("id") == transfer
    ]
    assert [document["event"]["action"] for document in told] == ["transaction.transfer.settled"]
    own = Actor(id=payer.account, kind=ActorKind.CUSTOMER, permissions=roles.ROLES[roles.CUSTOMER])
    with system.db.read() as session:
        proof = receipts.of_transfer(session, own, transfer, keys=system.subject_keys).proof
    assert proof is not None
    assert (proof.place.holds, proof.text) == (True, receipts.TextStands.AS_LOGGED)


def _an_account_is_entered(house: Installation, victim: Person) -> Browser:
    thief = house.browser(SOURCE)
    for n in range(10):
        _clock(house).move(timedelta(seconds=1.2))
        thief.get("/sign-in")
        answer = thief.post("/sign-in", {"address": f"nobody{n}@onepay.example", "password": "summer-of-69-again"})
        assert answer.status_code in (401, 422), answer.status_code
    _clock(house).move(timedelta(milliseconds=300))
    thief.get("/sign-in")
    answer = thief.post("/sign-in", {"address": victim.address, "password": PASSWORD})
    assert answer.status_code == 303
    assert thief.get("/wallet").status_code == 200
    return thief


def _it_is_an_incident_and_contained(house: Installation, victim: Person) -> str:
    for _ in range(3):
        _clock(house).move(timedelta(seconds=2))
        house.turn()
    with house.system.db.read() as session:
        found = {case.title: case for case in incidents.list_page(session, _commander())}
        entered = found["Sign-in after a burst of refused ones"]
        done = {
            (action.name, action.target, action.state)
            for case in found.values()
            for action in action_rows.of_incident(session, case.id)
        }
    assert entered.severity == 1
    assert ("sessions.revoke_all", victim.account, ActionState.DONE) in done
    assert ("wallet.hold_outgoing", victim.account, ActionState.DONE) in done
    assert ("network.block", SOURCE, ActionState.DONE) in done
    return entered.id


def _the_thief_returns_and_gets_nothing(house: Installation, thief: Browser, victim: Person, mule: Person) -> None:
    assert thief.get("/wallet").status_code in (303, 403)
    thief = house.browser(HIDEOUT)
    thief.sign_in(victim)
    made = thief.get("/security/factors/new").text
    secret = SECRET.search(made).group(1)
    answer = thief.post("/security/factors/new", {"code": house.code(secret)})
    assert answer.status_code == 303
    refused = _pay(thief, mule, "400.00", "loot")
    assert (refused.status_code, refused.json["code"]) == (402, "wallet_restricted")
    assert "Sending is stopped" in thief.get("/wallet").text


def _people_finish_it(house: Installation, case: str, victim: Person, first: Person, second: Person) -> None:
    system, parts = house.system, house.system.response
    with system.db.begin() as session:
        casework.take(session, case, _as(house, first))
    with system.db.begin() as session:
        lock = actions.run(session, case, "account.lock", {"account": victim.account}, _as(house, first), parts=parts)
    assert house.browser("198.18.1.1").get("/sign-in").status_code == 200
    with pytest.raises(OwnAction), system.db.begin() as session:
        undoing.undo(session, lock.id, "Its owner is back", _as(house, first), parts=parts)
    with system.db.begin() as session:
        undone = undoing.undo(session, lock.id, "Its owner is back", _as(house, second), parts=parts)
    assert undone.state is ActionState.UNDONE
    with system.db.read() as session:
        told = [entry.code for entry in incidents.by_id(session, case, _commander()).timeline]
    for code in (Code.CASE_OPENED, Code.PLAYBOOK_STARTED, Code.ACTION_EXECUTED, Code.ACTION_UNDONE):
        assert code in told


def _everything_still_verifies(house: Installation) -> None:
    house.turn()
    with house.system.db.read() as session:
        assert ledger.verify(session).is_sound
        head = read.head(session).size
    assert house.system.store.count(EVERYTHING, Window()) == head


def _pay(browser: Browser, payee: Person, euros: str, key: str) -> Any:
    browser.get("/wallet")
    body = {"payee": f"@{payee.handle}", "amount": {"amount": euros, "currency": "EUR"}, "note": "rent"}
    return browser.api("POST", "/transfers", body, **{"Idempotency-Key": key})


def _as(house: Installation, person: Person) -> Context:
    actor = Actor(id=person.account, kind=ActorKind.STAFF, permissions=roles.ROLES[roles.INCIDENT_COMMANDER])
    return house.system.context(actor)


def _commander() -> Actor:
    return Actor(id="acc_reader", kind=ActorKind.STAFF, permissions=roles.ROLES[roles.INCIDENT_COMMANDER])


def _clock(house: Installation) -> StillClock:
    clock = house.system.clock
    assert isinstance(clock, StillClock)
    return clock
