"""An account that is disabled and enabled again is what it was, and whoever is signed out is told."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.identity import accounts, containment, disown, letters, links, people, roles, signup
from app.identity.accounts import OWNERS_LOCK, State
from app.identity.containment import LockAccount
from app.identity.links import LinkClosed
from app.kernel import canonical
from app.kernel.access import IAM_ACCOUNT_INVITE, Acr, Actor, ActorKind, service
from app.kernel.context import Context
from app.kernel.errors import SamePerson
from ingest.models import outbox
from tests.support.installation import Installation, Person

REASON = "left the company in spring"


def admin(house: Installation, account_id: str) -> Context:
    actor = Actor(
        id=account_id,
        kind=ActorKind.STAFF,
        roles=frozenset({roles.ADMINISTRATOR}),
        permissions=roles.ROLES[roles.ADMINISTRATOR],
        acr=Acr.MFA,
        authenticated_at=house.system.clock.now(),
    )
    return house.system.context(actor)


def disable(house: Installation, account_id: str) -> None:
    with house.system.db.begin() as session:
        people.disable(session, account_id, REASON, admin(house, "acc_one"))


def enable(house: Installation, account_id: str) -> None:
    with house.system.db.begin() as session:
        people.enable(session, account_id, admin(house, "acc_two"), parts=house.system.identity)


def standing(house: Installation, account_id: str) -> tuple[State, str | None]:
    with house.system.db.read() as session:
        found = accounts.get(session, account_id)
    return found.state, found.reason


def disowned(house: Installation, person: Person) -> None:
    actor = Actor(
        id=person.account,
        kind=ActorKind.CUSTOMER,
        roles=frozenset({roles.CUSTOMER}),
        permissions=roles.ROLES[roles.CUSTOMER],
    )
    with house.system.db.begin() as session:
        disown.not_me(
            session,
            None,
            house.system.context(actor),
            parts=house.system.identity,
            hold_outgoing=lambda session, account, ctx: None,
        )


def contain(house: Installation, person: Person, key: str) -> None:
    ctx = house.system.context(service("playbooks"))
    with house.system.db.begin() as session:
        LockAccount(house.system.identity).run(session, {"account": person.account}, key, ctx)


def release(house: Installation, key: str) -> None:
    ctx = house.system.context(service("playbooks"))
    with house.system.db.begin() as session:
        LockAccount(house.system.identity).undo(session, key, f"{key}|undo", ctx)


def denied(house: Installation, path: str) -> list[str]:
    """Return why requests to a path were denied, as the log was told."""
    query = sa.select(outbox.c.body).where(outbox.c.kind == "access.request.denied").order_by(outbox.c.n)
    with house.system.db.read() as session:
        events = [canonical.decode(body) for body in session.execute(query).scalars()]
    return [event["event"]["reason"] for event in events if event["url"]["path"] == path]


def test_the_owners_own_lock_outlives_disabling(installation: Installation) -> None:
    person = installation.customer("own_lock")
    disowned(installation, person)
    disable(installation, person.account)
    assert standing(installation, person.account) == (State.DISABLED, REASON)
    enable(installation, person.account)
    assert standing(installation, person.account) == (State.LOCKED, OWNERS_LOCK)


def test_a_report_does_not_lift_a_disabling_and_lies_beneath_it(installation: Installation) -> None:
    person = installation.customer("reports_late")
    disable(installation, person.account)
    disowned(installation, person)
    assert standing(installation, person.account) == (State.DISABLED, REASON)
    enable(installation, person.account)
    assert standing(installation, person.account) == (State.LOCKED, OWNERS_LOCK)


def test_a_report_does_not_lift_a_lock_of_ours_and_lies_beneath_it(installation: Installation) -> None:
    person = installation.customer("reports_locked")
    contain(installation, person, "r1")
    contain(installation, person, "r2")
    disowned(installation, person)
    assert standing(installation, person.account) == (State.LOCKED, containment.CONTAINED)
    disable(installation, person.account)
    enable(installation, person.account)
    for key in ("r1", "r2"):
        assert standing(installation, person.account) == (State.LOCKED, containment.CONTAINED)
        release(installation, key)
    assert standing(installation, person.account) == (State.LOCKED, OWNERS_LOCK)


def test_who_was_active_is_active_again(installation: Installation) -> None:
    person = installation.customer("active_again")
    disable(installation, person.account)
    enable(installation, person.account)
    assert standing(installation, person.account) == (State.ACTIVE, None)


def test_a_containment_that_stands_outlives_disabling(installation: Installation) -> None:
    person = installation.customer("contained_still")
    contain(installation, person, "c1")
    disable(installation, person.account)
    enable(installation, person.account)
    assert standing(installation, person.account) == (State.LOCKED, containment.CONTAINED)
    release(installation, "c1")
    assert standing(installation, person.account) == (State.ACTIVE, None)


def test_a_containment_taken_back_meanwhile_gives_back_what_was_beneath_it(installation: Installation) -> None:
    person = installation.customer("contained_no_more")
    disowned(installation, person)
    contain(installation, person, "m1")
    disable(installation, person.account)
    release(installation, "m1")
    assert standing(installation, person.account) == (State.DISABLED, REASON)
    enable(installation, person.account)
    assert standing(installation, person.account) == (State.LOCKED, OWNERS_LOCK)


def test_an_invitation_opens_nothing_that_was_disabled_and_works_again_afterwards(installation: Installation) -> None:
    system = installation.system
    with system.db.begin() as session:
        ctx = system.context(service("test", IAM_ACCOUNT_INVITE))
        address = "never_came@onepay.example"
        account = signup.invite(session, address, "Nell", roles.ANALYST, ctx, parts=system.identity)
    disable(installation, account)
    token, nobody = installation.link_to(address), system.context(Actor(id=None, kind=ActorKind.UNKNOWN))
    hashed = system.identity.hasher.hash("quiet river under seven stones")
    with pytest.raises(LinkClosed), system.db.begin() as session:
        signup.accept(session, token, hashed, nobody, parts=system.identity)
    assert standing(installation, account) == (State.DISABLED, REASON)

    enable(installation, account)
    assert standing(installation, account) == (State.INVITED, None)
    with system.db.begin() as session:
        assert links.look(session, token, nobody, parts=system.identity).account_id == account
        signup.accept(session, token, hashed, nobody, parts=system.identity)
    assert standing(installation, account) == (State.ACTIVE, None)


def test_whoever_an_administrator_signs_out_is_told_once(installation: Installation) -> None:
    person, system = installation.customer("signed_out_by_hand"), installation.system
    installation.browser().sign_in(person)
    for ended in (2, 0):  # the session of the sign-up, and that of the browser
        with system.db.begin() as session:
            ctx = admin(installation, "acc_one")
            assert people.end_sessions(session, person.account, ctx, parts=system.identity) == ended
    with system.db.read() as session:
        waiting = list(letters.due(session, system.clock.now(), parts=system.identity))
    found = [letter for letter in waiting if letter.to == person.address and "signed out" in letter.subject]
    assert [letter.subject for letter in found] == ["You were signed out everywhere"]
    assert "An administrator" in found[0].text


def test_who_may_not_enable_what_they_disabled_leaves_a_trace(installation: Installation) -> None:
    person, desk = installation.customer("four_eyes"), installation.browser()
    desk.sign_in(installation.staff("tries.alone", roles.ADMINISTRATOR), surface="staff")
    page = f"/admin/users/{person.account}"
    desk.get(page)
    assert desk.post(f"{page}/disable", {"reason": REASON}).status_code == 303
    answer = desk.post(f"{page}/enable", {})
    assert (answer.status_code, "another administrator has to enable it" in answer.text) == (403, True)
    assert denied(installation, f"{page}/enable") == [SamePerson.code]
    assert desk.post(f"{page}/disable", {"reason": REASON}).status_code == 409, "it is off already"


def test_why_an_account_is_locked_is_told_in_words(installation: Installation) -> None:
    person, desk = installation.customer("locked_in_words"), installation.browser()
    desk.sign_in(installation.staff("reads.reasons", roles.ADMINISTRATOR), surface="staff")
    disowned(installation, person)
    assert "by its owner, who said that something was not them" in desk.get(f"/admin/users/{person.account}").text
    contain(installation, person, "w1")
    assert "by us, to keep it safe" in desk.get(f"/admin/users/{person.account}").text


def told(house: Installation, person: Person) -> list[letters.Letter]:
    with house.system.db.read() as session:
        waiting = list(letters.due(session, house.system.clock.now(), parts=house.system.identity))
    return [letter for letter in waiting if letter.to == person.address and "/link/" not in letter.text]


def test_the_owner_is_told_of_an_account_that_is_open_again(installation: Installation) -> None:
    """They were promised a letter when it was locked, and the lock ended while the account was disabled."""
    person = installation.customer("told_when_open", factor=False)
    contain(installation, person, "t1")
    disable(installation, person.account)
    release(installation, "t1")
    assert [letter.subject for letter in told(installation, person)] == ["Your account is locked"]

    enable(installation, person.account)

    assert standing(installation, person.account) == (State.ACTIVE, None)
    assert told(installation, person)[-1].subject == "Your account is open again"
    assert "Set a new password first" in told(installation, person)[-1].text


def test_the_owner_is_told_nothing_while_a_lock_of_ours_goes_on(installation: Installation) -> None:
    person = installation.customer("told_nothing", factor=False)
    contain(installation, person, "n1")
    disable(installation, person.account)
    enable(installation, person.account)
    assert [letter.subject for letter in told(installation, person)] == ["Your account is locked"]


@pytest.mark.parametrize("has_factor", [True, False])
def test_the_owner_of_a_lock_is_asked_for_what_they_have(installation: Installation, has_factor: bool) -> None:
    person = installation.customer(f"own_factor_{has_factor}".lower(), factor=has_factor)
    disowned(installation, person)
    disable(installation, person.account)
    enable(installation, person.account)
    locked, ended = told(installation, person)[-2:]
    assert (locked.subject, ended.subject) == ("Your account is locked", "Our lock of your account has ended")
    for letter in (locked, ended):
        assert "http://localhost:8080/recover\n" in letter.text
        assert ("second factor" in letter.text) is has_factor
