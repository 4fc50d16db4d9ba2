"""What happened at an account since its incident began: told from the log, also what no rule finds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.identity import mfa, people, roles
from app.kernel.access import Actor, ActorKind
from app.kernel.context import Source
from dashboards.kit import money
from dashboards.pages.soc.incident import since
from dashboards.pages.soc.incident.since import steps_of
from tests.dashboards.desk import Room


def test_later_steps_of_an_entered_account_stand_on_its_incident(room: Room) -> None:
    thief = room.installation.browser(ip="198.51.100.99")
    person = room.installation.customer("robbed_one", euros=50)
    case = room.incident(account=person.account, severity="critical")
    thief.sign_in(person)
    friend = room.installation.browser()
    friend.sign_in(room.installation.customer("kind_one", euros=20))
    gift = {"payee": "@robbed_one", "amount": {"amount": "5.00", "currency": "EUR"}}
    assert friend.api("POST", "/transfers", gift, **{"Idempotency-Key": "gift"}).status_code == 201
    room.installation.arrive()

    drawn = room.analyst.draw(f"/console/soc/incidents/{case}")
    shown = drawn.partition("What happened at")[2].partition('"Timeline"')[0]
    assert "198.51.100.99" in shown
    assert " other address" in shown
    block = f"/console/soc/incidents/{case}?do=network.block&entity=198.51.100.99"
    assert block in shown
    path, _, words = block.partition("?")
    assert "Refuses every request from 198.51.100.99/32 for 1 h." in room.commander.draw(path, f"?{words}")
    # What others do to the account is not what it did.
    assert "5.00 EUR" not in shown
    assert "onepay.subject.id%3A" + person.account in shown
    assert person.account[-6:] in drawn
    assert person.address not in drawn
    assert "robbed_one" not in drawn


def test_of_many_events_the_newest_are_read(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(since, "EVENTS_READ", 2)
    person = room.installation.customer("busy_one", euros=50, factor=False)
    case = room.incident(account=person.account, severity="critical")
    for ip in ("198.51.100.91", "198.51.100.92", "198.51.100.93"):
        room.installation.browser(ip=ip).sign_in(person)
        room.installation.arrive()

    drawn = room.analyst.draw(f"/console/soc/incidents/{case}")
    shown = drawn.partition("What happened at")[2].partition('"Timeline"')[0]
    assert "from the newest 2 events" in shown
    assert "198.51.100.93" in shown
    assert "198.51.100.91" not in shown


def test_a_factor_that_staff_removed_belongs_to_the_story_without_their_address(room: Room) -> None:
    person = room.installation.customer("helped_one")
    case = room.incident(account=person.account, severity="critical")
    system = room.installation.system
    with system.db.read() as session:
        (factor,) = mfa.factors_of(session, person.account)
    admin = Actor(id="acc_helper", kind=ActorKind.STAFF, permissions=roles.ROLES[roles.ADMINISTRATOR])
    ctx = replace(system.context(admin), source=Source(ip="10.9.8.7"))
    with system.db.begin() as session:
        people.remove_factor(session, person.account, factor.id, "it was not theirs", ctx, parts=system.identity)
    room.installation.arrive()

    drawn = room.analyst.draw(f"/console/soc/incidents/{case}")
    shown = drawn.partition("What happened at")[2].partition('"Timeline"')[0]
    assert "A second factor was taken away" in shown
    assert "by OnePay" in shown
    assert "10.9.8.7" not in shown


def test_who_may_not_read_events_is_shown_none(room: Room) -> None:
    assert "What happened at" not in room.administrator.draw(f"/console/soc/incidents/{room.incident()}")


def test_the_same_in_a_row_is_one_step() -> None:
    def event(n: int, action: str, outcome: str = "success", ip: str = "198.19.0.1") -> dict[str, object]:
        at = f"2026-11-02T09:00:{n:02d}.000Z"
        body = {"id": f"evt_{n}", "action": action, "outcome": outcome}
        return {"@timestamp": at, "event": body, "source": {"ip": ip}, "user": {"id": "acc_one"}}

    steps = steps_of(
        [
            event(1, "auth.login.failed", "failure"),
            event(2, "auth.login.failed", "failure"),
            event(3, "auth.login.succeeded"),
            event(4, "auth.login.failed", "failure"),
            event(5, "auth.login.failed", "failure", ip="198.19.0.2"),
        ],
        "acc_one",
    )
    assert [(one.count, one.is_refused, one.event_id) for one in steps] == [
        (2, True, "evt_2"),
        (1, False, "evt_3"),
        (1, True, "evt_4"),
        (1, True, "evt_5"),
    ]
    assert steps[0].at - steps[1].at == timedelta(seconds=-1)


def test_amounts_are_whole_numbers_in_their_currency() -> None:
    assert [money(402, "EUR"), money(-123456, "EUR"), money(402, "JPY"), money(5, "EUR")] == [
        "4.02 EUR",
        "−1,234.56 EUR",
        "402 JPY",
        "0.05 EUR",
    ]
