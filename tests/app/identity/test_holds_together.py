"""Locks that add up, recovery that counts its tries, and letters about factors."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from app.identity import accounts, contradictions, disown, kept_passwords, letters, recovery, roles
from app.identity.accounts import State
from app.identity.containment import LockAccount, RevokeSessions, ToldHold
from app.identity.links import LinkClosed
from app.identity.stepup import ProofRefused
from app.kernel.access import Actor, ActorKind, service
from app.kernel.clock import StillClock
from app.kernel.containment import Standing
from app.kernel.errors import TooManyAttempts
from payments.containment import HoldOutgoing
from playbooks import registry
from tests.support.ground import START
from tests.support.installation import PASSWORD, Installation, Person, installed

NEW = "four lamps beside the harbour wall"


def state_of(house: Installation, person: Person) -> State:
    with house.system.db.read() as session:
        return accounts.get(session, person.account).state


def test_an_account_stays_locked_until_every_lock_is_taken_back(installation: Installation) -> None:
    person, lock = installation.customer("two_locks"), LockAccount(installation.system.identity)
    ctx = installation.system.context(service("playbooks"))
    params = {"account": person.account}
    for key in ("k1", "k2"):
        with installation.system.db.begin() as session:
            lock.run(session, params, key, ctx)
    with installation.system.db.begin() as session:
        lock.undo(session, "k1", "k1|undo", ctx)
    assert state_of(installation, person) is State.LOCKED
    with installation.system.db.begin() as session:
        assert lock.check(session, "k2") is Standing.DONE
        lock.undo(session, "k2", "k2|undo", ctx)
    assert state_of(installation, person) is State.ACTIVE


def asked(house: Installation, person: Person) -> str:
    ctx = house.system.context(Actor(id=None, kind=ActorKind.UNKNOWN))
    with house.system.db.begin() as session:
        recovery.ask(session, ActorKind.CUSTOMER, person.address, ctx, parts=house.system.identity)
    return house.link_to(person.address)


def completed(house: Installation, token: str, code: str) -> None:
    system, hashed = house.system, house.system.identity.hasher.hash(NEW)
    ctx = system.context(Actor(id=None, kind=ActorKind.UNKNOWN))
    with system.db.begin() as session:
        proof = recovery.complete(session, token, hashed, code, ctx, parts=system.identity)
    proof.demand()


def test_a_link_of_recovery_is_closed_to_who_was_disabled_since(installation: Installation) -> None:
    person = installation.customer("off_since")
    token, ctx = asked(installation, person), installation.system.context(service("test"))
    with installation.system.db.begin() as session:
        accounts.set_state(session, person.account, State.DISABLED, ctx, reason="left us in spring")
    with pytest.raises(LinkClosed):
        completed(installation, token, installation.code(person.secret or "", 1))


def test_a_code_is_not_guessed_through_recovery(installation: Installation) -> None:
    person = installation.customer("forgetful")
    token = asked(installation, person)
    for n in range(30):
        try:
            completed(installation, token, f"{n:06d}")
        except ProofRefused:
            continue
        except TooManyAttempts:
            break
    else:
        pytest.fail("thirty wrong codes were all looked at")
    with pytest.raises(TooManyAttempts):
        completed(installation, token, installation.code(person.secret or "", 1))


def test_a_wrong_code_leaves_the_link_open(installation: Installation) -> None:
    person = installation.customer("mistyped")
    token = asked(installation, person)
    with pytest.raises(ProofRefused):
        completed(installation, token, "000000")
    completed(installation, token, installation.code(person.secret or "", 1))
    with pytest.raises(LinkClosed):
        completed(installation, token, installation.code(person.secret or "", 1))


def test_setting_a_password_closes_the_other_letters(installation: Installation) -> None:
    person = installation.customer("impatient", factor=False)
    first, second = asked(installation, person), asked(installation, person)
    assert first != second
    completed(installation, second, "")
    with pytest.raises(LinkClosed):
        completed(installation, first, "")


def test_the_owner_is_told_of_a_new_factor(installation: Installation) -> None:
    person = installation.customer("told_of_it")
    system = installation.system
    with system.db.read() as session:
        waiting = list(letters.due(session, system.clock.now(), parts=system.identity))
    assert "A second factor was added" in {letter.subject for letter in waiting if letter.to == person.address}


def told(house: Installation, person: Person) -> list[letters.Letter]:
    system = house.system
    with system.db.read() as session:
        waiting = list(letters.due(session, system.clock.now(), parts=system.identity, limit=1_000))
    return [letter for letter in waiting if letter.to == person.address]


def test_the_owner_is_told_once_of_ended_sessions(installation: Installation) -> None:
    person = installation.customer("signed_out")
    installation.browser().sign_in(person)
    act, ctx = RevokeSessions(installation.system.identity), installation.system.context(service("playbooks"))
    for key in ("e1", "e1", "e2"):  # the second is a repeat, the third finds nobody signed in
        with installation.system.db.begin() as session:
            act.run(session, {"account": person.account}, key, ctx)
    found = [letter for letter in told(installation, person) if letter.subject == "You were signed out everywhere"]
    assert len(found) == 1
    assert "http://localhost:8080/sign-in\n" in found[0].text


def test_the_owner_is_told_once_of_a_lock_and_of_its_end(installation: Installation) -> None:
    person, lock = installation.staff("locked_out", roles.ANALYST), LockAccount(installation.system.identity)
    ctx, params = installation.system.context(service("playbooks")), {"account": person.account}
    for key in ("l1", "l1", "l2"):
        with installation.system.db.begin() as session:
            lock.run(session, params, key, ctx)
    for ref in ("l1", "l2", "l2"):
        with installation.system.db.begin() as session:
            lock.undo(session, ref, f"{ref}|undo", ctx)
    found = {letter.subject: letter for letter in told(installation, person)}
    assert len(told(installation, person)) == 3, "the invitation, the lock, its end"
    locked, given_back = found["Your account is locked"], found["Your account is open again"]
    assert "/recover?surface=staff" in locked.text
    assert "/recover?surface=staff" in given_back.text


def test_the_password_of_before_our_lock_opens_nothing_and_is_not_set_again(installation: Installation) -> None:
    person, lock = installation.customer("void", factor=False), LockAccount(installation.system.identity)
    ctx, params = installation.system.context(service("playbooks")), {"account": person.account}
    early = asked(installation, person)
    with installation.system.db.begin() as session:
        lock.run(session, params, "v1", ctx)
    with pytest.raises(LinkClosed):
        completed(installation, early, "")
    locked = installation.browser()
    locked.get(f"/link/{(token := asked(installation, person))}")
    done = locked.post(f"/link/{token}", {"password": "eight geese over the northern dike"}).text
    assert "Your account is still locked" in done
    with installation.system.db.begin() as session:
        kept_passwords.void(session, person.account)
        lock.undo(session, "v1", "v1|undo", ctx)
    assert state_of(installation, person) is State.ACTIVE

    browser = installation.browser()
    page = browser.get("/sign-in")
    refused = browser.post("/sign-in", {"address": person.address, "password": PASSWORD})
    assert (page.status_code, refused.status_code) == (200, 401)
    since = installation.system.clock.now()
    with installation.system.db.read() as session:
        said = contradictions.access_lost(session, person.account, since, since)
    assert said == "The lock made the password void, and the owner has not set a new one yet."

    token = asked(installation, person)
    browser.get(f"/link/{token}")
    same = browser.post(f"/link/{token}", {"password": PASSWORD})
    assert same.status_code == 422
    assert "This is a password of before." in same.text
    assert browser.post(f"/link/{token}", {"password": NEW}).status_code == 200
    with installation.system.db.read() as session:
        assert contradictions.access_lost(session, person.account, since, since) is None
    browser.get("/sign-in")
    assert browser.post("/sign-in", {"address": person.address, "password": NEW}).status_code == 303

    # Nor is it taken later, when another one is void as well, of which the owner is told again.
    for key in ("v2", "v3"):
        with installation.system.db.begin() as session:
            lock.run(session, params, key, ctx)
    with installation.system.db.read() as session:
        barred = kept_passwords.barred(session, person.account, is_staff=False)
    verify = installation.system.identity.hasher.verify
    assert any(verify(old, PASSWORD) for old in barred)
    assert any(verify(old, NEW) for old in barred)
    assert [one.subject for one in told(installation, person)].count("Your account is locked") == 2


def test_staff_keep_their_last_four_passwords_through_a_lock_of_ours(installation: Installation) -> None:
    person, system = installation.staff("keeps_four", roles.ANALYST), installation.system
    ctx = system.context(service("playbooks"))
    with system.db.begin() as session:
        for n in range(5):
            kept_passwords.store(session, person.account, f"hash-{n}", ctx)
        kept_passwords.void(session, person.account)
        assert kept_passwords.barred(session, person.account, is_staff=True) == ("hash-4", "hash-3", "hash-2", "hash-1")
        kept_passwords.store(session, person.account, "hash-5", ctx)
        assert kept_passwords.barred(session, person.account, is_staff=True) == ("hash-5", "hash-4", "hash-3", "hash-2")


def test_a_lock_of_the_owners_own_still_stands_after_ours(installation: Installation) -> None:
    person, lock = installation.customer("own_lock"), LockAccount(installation.system.identity)
    ctx = installation.system.context(service("playbooks"))
    with installation.system.db.begin() as session:
        accounts.set_state(session, person.account, State.LOCKED, ctx, reason=accounts.OWNERS_LOCK)
        lock.run(session, {"account": person.account}, "o1", ctx)
        lock.undo(session, "o1", "o1|undo", ctx)
    subjects = [letter.subject for letter in told(installation, person)]
    assert "Our lock of your account has ended" in subjects
    assert "Your account is open again" not in subjects
    assert state_of(installation, person) is State.LOCKED


def test_a_clock_set_back_between_two_locks_changes_nothing_of_what_lay_beneath(tmp_path: Path) -> None:
    with installed(tmp_path / "home", clock=StillClock(START)) as house:
        system, act = house.system, LockAccount(house.system.identity)
        robbed, free = house.customer("robbed", factor=False), house.customer("free", factor=False)

        def lock_and_undo(person: Person, key: str) -> None:
            with system.db.begin() as session:
                act.run(session, {"account": person.account}, key, system.context(service("playbooks")))
            with system.db.begin() as session:
                act.undo(session, key, f"undo {key}", system.context(service("playbooks")))

        def owner_locks(person: Person) -> None:
            own = Actor(id=person.account, kind=ActorKind.CUSTOMER, permissions=roles.ROLES[roles.CUSTOMER])
            with system.db.begin() as session:
                ctx, hold = system.context(own), system.hold_outgoing
                disown.not_me(session, None, ctx, parts=system.identity, hold_outgoing=hold)

        lock_and_undo(robbed, "first of one")
        owner_locks(free)
        lock_and_undo(free, "first of two")
        with system.db.begin() as session:
            accounts.set_state(session, free.account, State.ACTIVE, system.context(service("test")), reason=None)
        system.clock.move(timedelta(hours=-2))
        owner_locks(robbed)
        lock_and_undo(robbed, "second of one")
        lock_and_undo(free, "second of two")
        with system.db.read() as session:
            stand = [accounts.get(session, one.account) for one in (robbed, free)]
        assert [(one.state, one.reason) for one in stand] == [
            (State.LOCKED, accounts.OWNERS_LOCK),
            (State.ACTIVE, None),
        ]


def test_the_owner_is_told_once_of_payments_on_hold(installation: Installation) -> None:
    person, hold = installation.customer("on_hold"), ToldHold(HoldOutgoing(), installation.system.identity)
    ctx = installation.system.context(service("playbooks"))
    for key in ("h1", "h1", "h2"):
        with installation.system.db.begin() as session:
            hold.run(session, {"account": person.account}, key, ctx)
    found = [letter for letter in told(installation, person) if letter.subject == "Your payments are on hold"]
    assert len(found) == 1
    assert "/help#restricted" in found[0].text


def test_a_hold_that_comes_again_after_its_end_is_told_again(installation: Installation) -> None:
    person, hold = installation.customer("held_again"), ToldHold(HoldOutgoing(), installation.system.identity)
    ctx = installation.system.context(service("playbooks"))
    for key in ("r1", "r2"):
        with installation.system.db.begin() as session:
            ref = hold.run(session, {"account": person.account}, key, ctx)
        with installation.system.db.begin() as session:
            hold.undo(session, ref, f"{key}|undo", ctx)
    subjects = [letter.subject for letter in told(installation, person)]
    assert [subjects.count(of) for of in ("Your payments are on hold", "You can send money again")] == [2, 2]


def test_a_preview_counts_sessions_in_words(installation: Installation) -> None:
    person, parts = installation.customer("counted", factor=False), installation.system.identity
    ctx, params = installation.system.context(service("playbooks")), {"account": person.account}
    with installation.system.db.read() as session:
        assert RevokeSessions(parts).preview(session, params, ctx).lines[0] == f"Ends 1 session of {person.account}."
        assert LockAccount(parts).preview(session, params, ctx).lines[0].endswith("and ends 1 session.")


def test_the_acts_that_are_composed_tell_the_owner(installation: Installation) -> None:
    person, system = installation.customer("composed"), installation.system
    installation.browser().sign_in(person)
    names = ("sessions.revoke_all", "wallet.hold_outgoing", "account.lock")
    for name in names:
        with system.db.begin() as session:
            act = system.response.containments[name]
            act.run(session, {"account": person.account}, name, system.context(service("playbooks")))
    subjects = {letter.subject for letter in told(installation, person)}
    assert {registry.named(name).customer_is_told for name in names} <= subjects
