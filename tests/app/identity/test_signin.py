"""Signing in: who gets in, what is counted, what nobody can tell apart."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.identity import accounts, kept_passwords, letters, lockout, mfa, roles, sessions, signin, signup
from app.identity.models import attempts, role_grant
from app.identity.passwords import Hasher
from app.identity.signin import SignInOver, SignInRepeated, Step, Throttled
from app.kernel.access import Acr, ActorKind
from app.kernel.crypto import Secret
from tests.app.identity.conftest import PASSWORD, People

AMBER = "amber@onepay.example"


def test_the_right_password_begins_a_session(people: People) -> None:
    account = people.sign_up(AMBER, "amber")

    done = people.try_in("  Amber@OnePay.example ")

    assert done.step is Step.DONE
    with people.ground.db.read() as session:
        live = sessions.resolve(session, done.session.token, people.ground.clock.now())
    assert live.actor.id == account
    assert live.actor.roles == {roles.CUSTOMER}
    assert live.actor.acr is Acr.PWD
    assert people.events("auth.login.succeeded")[-1]["user"]["id"] == account


def test_known_and_unknown_accounts_are_refused_alike_with_one_hash_run_each(people: People) -> None:
    people.sign_up(AMBER, "amber")
    before = people.parts.hasher.runs

    known, unknown = (
        people.try_in(AMBER, "wrong wrong wrong"),
        people.try_in("nobody@onepay.example", "wrong wrong wrong"),
    )

    assert known == unknown
    assert people.parts.hasher.runs == before + 2


def test_delays_grow_and_the_fifth_failure_locks_for_half_an_hour(people: People) -> None:
    account = people.sign_up(AMBER, "amber")
    waits = []
    for _ in range(5):
        assert people.try_in(AMBER, "not this one at all").step is Step.REFUSED
        try:
            people.try_in(AMBER, "not this one at all") if len(waits) >= 9 else _probe(people)
            waits.append(0)
        except Throttled as refusal:
            waits.append(refusal.retry_after)
            people.move(seconds=refusal.retry_after if refusal.retry_after < 60 else 0)

    assert waits == [0, 0, 1, 2, 1800]
    with pytest.raises(Throttled):
        people.try_in(AMBER)
    locked = people.events("auth.account.locked")
    assert [event["user"]["target"]["id"] for event in locked] == [account]
    assert people.letters_to(AMBER)[-1] == "Wrong tries to sign in"
    with people.ground.db.read() as session:
        told = list(letters.due(session, people.ground.clock.now(), parts=people.parts))[-1].text
    assert "Your account is not locked" in told
    assert re.search(r"until \d\d:\d\d \(Europe/Berlin; \d\d:\d\d UTC\)", told)
    people.move(minutes=31)
    assert people.try_in(AMBER).step is Step.DONE


def _probe(people: People) -> None:
    """Look whether a try would be turned away, without making one."""
    with people.ground.db.read() as session:
        signin.attempt(session, ActorKind.CUSTOMER, AMBER, None, people.ctx(), parts=people.parts)


def test_an_unknown_identifier_locks_exactly_like_a_known_one(people: People) -> None:
    for _ in range(5):
        people.try_in("nobody@onepay.example", "x" * 20)
        people.move(seconds=10)
    with pytest.raises(Throttled) as refusal:
        people.try_in("nobody@onepay.example", "x" * 20)
    assert refusal.value.retry_after > 60


def test_strangers_cannot_lock_the_owners_known_device_out(people: People) -> None:
    people.sign_up(AMBER, "amber")
    device = people.try_in(AMBER).device_token
    for n in range(5):
        people.try_in(AMBER, "stranger guesses this", ip=f"198.18.{n}.1")
        people.move(seconds=10)

    with pytest.raises(Throttled):
        people.try_in(AMBER, ip="198.18.7.1")
    assert people.try_in(AMBER, device=device).step is Step.DONE


def test_twenty_failures_close_an_address_for_fifteen_minutes(people: People) -> None:
    for n in range(20):
        people.try_in(f"guess{n}@onepay.example", "x" * 20, ip="198.18.3.4")
    people.sign_up(AMBER, "amber")

    with pytest.raises(Throttled):
        people.try_in(AMBER, ip="198.18.3.4")
    assert people.try_in(AMBER, ip="198.18.3.5").step is Step.DONE
    people.move(minutes=16)
    assert people.try_in(AMBER, ip="198.18.3.4").step is Step.DONE


@pytest.mark.parametrize("shared", ["64:ff9b::198.18.3.{}", "::ffff:198.18.{}.4"])
def test_who_is_behind_one_translator_is_not_one_client(people: People, shared: str) -> None:
    people.sign_up(AMBER, "amber")
    for n in range(20):
        people.try_in(f"guess{n}@onepay.example", "x" * 20, ip=shared.format(4))
        people.move(seconds=1)
    with pytest.raises(Throttled):
        people.try_in(AMBER, ip=shared.format(4))
    assert people.try_in(AMBER, ip=shared.format(5)).step is Step.DONE
    with people.ground.db.begin() as session:
        asked = [
            lockout.count_within(session, lockout.asked_from(shared.format(n)), 60, people.ground.clock.now())
            for n in (4, 5)
        ]
    assert asked == [1, 1]


def test_parallel_guesses_are_counted_one_by_one(people: People) -> None:
    people.sign_up(AMBER, "amber")
    outcomes = []

    def guess() -> None:
        try:
            outcomes.append(people.try_in(AMBER, "wrong in parallel now").step)
        except Throttled:
            outcomes.append("throttled")

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes.count(Step.REFUSED) <= 5
    assert len(people.events("auth.login.failed")) == outcomes.count(Step.REFUSED)


def test_a_customer_with_a_factor_owes_a_code_and_gets_in_with_it(people: People) -> None:
    account = people.sign_up(AMBER, "amber")
    secret = people.enrol(account)
    people.move(seconds=60)

    assert people.try_in(AMBER).step is Step.CHALLENGED
    done = people.try_in(AMBER, code=people.code(secret))

    assert done.step is Step.DONE
    with people.ground.db.read() as session:
        assert sessions.resolve(session, done.session.token, people.ground.clock.now()).actor.acr is Acr.MFA


def test_a_code_is_accepted_once_also_among_concurrent_requests(people: People) -> None:
    secret = people.enrol(people.sign_up(AMBER, "amber"))
    people.move(seconds=60)
    code, steps = people.code(secret), []

    def enter() -> None:
        try:
            steps.append(people.try_in(AMBER, code=code).step)
        except SignInRepeated:
            steps.append("repeated")

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(steps) == [Step.DONE, *["repeated"] * 7]
    assert people.events("auth.login.failed") == []


def test_an_earlier_code_is_refused_after_a_later_one(people: People) -> None:
    account = people.sign_up(AMBER, "amber")
    secret = people.enrol(account)
    people.move(seconds=300)
    early, late = people.code(secret, -1), people.code(secret)
    with people.ground.db.begin() as session:
        now = people.ground.clock.now()
        second, _ = mfa.match(session, account, late, now, parts=people.parts)
        first, _ = mfa.match(session, account, early, now, parts=people.parts)

        assert mfa.use_up(session, second)
        assert not mfa.use_up(session, first)
        assert not mfa.use_up(session, second)


def test_right_password_and_wrong_code_ten_times_is_locked(people: People) -> None:
    secret = people.enrol(people.sign_up(AMBER, "amber"))
    people.move(seconds=300)
    wrong = str((int(people.code(secret)) + 1) % 10**6).zfill(6)
    outcomes = []
    for _ in range(10):
        try:
            outcomes.append(people.try_in(AMBER, code=wrong).step)
        except Throttled:
            outcomes.append("throttled")
        people.move(seconds=4)
    assert outcomes[-1] == "throttled"
    assert Step.DONE not in outcomes


def test_staff_never_get_in_without_a_code(people: People) -> None:
    ctx = people.ctx(people.actor("acc_admin", roles.ADMINISTRATOR, Acr.MFA))
    with people.ground.db.begin() as session:
        account = signup.invite(session, "ada@onepay.example", "Ada Reed", roles.ANALYST, ctx, parts=people.parts)
        secret = mfa.offer(session, account, "lnk_1", "ada", parts=people.parts).secret
        mfa.take(session, account, "lnk_1", people.code(secret), ctx, parts=people.parts)
        signup.accept(
            session, people_link(people, session), people.parts.hasher.hash(PASSWORD), ctx, parts=people.parts
        )
    people.move(seconds=60)

    assert people.try_in("ada@onepay.example", surface=ActorKind.STAFF).step is Step.CHALLENGED
    done = people.try_in("ada@onepay.example", code=people.code(secret), surface=ActorKind.STAFF)
    assert done.step is Step.DONE
    assert people.try_in("ada@onepay.example").step is Step.REFUSED, "a staff account is no customer account"


def staff_of(people: People, name: str) -> tuple[str, str]:
    """Invite an analyst and let them come; returns account and secret."""
    ctx = people.ctx(people.actor("acc_admin", roles.ADMINISTRATOR, Acr.MFA))
    with people.ground.db.begin() as session:
        account = signup.invite(session, f"{name}@onepay.example", "Ada", roles.ANALYST, ctx, parts=people.parts)
        secret = mfa.offer(session, account, "lnk_1", name, parts=people.parts).secret
        mfa.take(session, account, "lnk_1", people.code(secret), ctx, parts=people.parts)
        hashed = people.parts.hasher.hash(PASSWORD)
        signup.accept(session, people_link(people, session), hashed, ctx, parts=people.parts)
    people.move(seconds=60)
    return account, secret


def test_a_stranger_without_the_password_cannot_close_the_codes_of_staff(people: People) -> None:
    account, secret = staff_of(people, "ada")
    for n in range(9):
        done = people.try_in("ada@onepay.example", "not it at all", code="000000", surface=ActorKind.STAFF, ip=f"::{n}")
        assert done.step is Step.REFUSED
        people.move(seconds=61)

    with people.ground.db.read() as session:
        assert lockout.code_exhausted(session, account, people.ground.clock.now()) is None
    assert people.events("auth.mfa.failed") == [], "no factor was judged"
    done = people.try_in("ada@onepay.example", code=people.code(secret), surface=ActorKind.STAFF)
    assert done.step is Step.DONE


def test_the_right_password_with_wrong_codes_does_close_them(people: People) -> None:
    account, secret = staff_of(people, "ada")
    wrong = str((int(people.code(secret, 2)) + 1) % 10**6).zfill(6)
    for n in range(5):
        people.try_in("ada@onepay.example", code=wrong, surface=ActorKind.STAFF, ip=f"198.18.{n}.1")
        people.move(seconds=5)

    with people.ground.db.read() as session:
        assert lockout.code_exhausted(session, account, people.ground.clock.now()) is not None


def test_a_right_code_that_was_compared_before_the_last_wrong_one_comes_too_late(people: People) -> None:
    account, secret = staff_of(people, "ada")
    ctx = people.ctx()
    with people.ground.db.read() as session:
        made = signin.attempt(session, ActorKind.STAFF, "ada@onepay.example", None, ctx, parts=people.parts)
        right = signin.check_code(session, made, people.code(secret), ctx, parts=people.parts)
    assert right.passed
    with people.ground.db.begin() as session:
        for _ in range(5):
            lockout.count_code_failure(session, account, ctx.at, policy=people.parts.policy)
    checks = [signin.check_password(made, PASSWORD, parts=people.parts), right]
    with people.ground.db.begin() as session:
        assert signin.conclude(session, made, checks, ctx, parts=people.parts).step is Step.REFUSED


@pytest.mark.parametrize("who", ["wrong password", "right password", "nobody"])
def test_a_refused_code_costs_the_same_statements_whatever_was_wrong(people: People, who: str) -> None:
    staff_of(people, "ada")
    address = "nobody@onepay.example" if who == "nobody" else "ada@onepay.example"
    written = []

    def heard(conn, cursor, statement, *_) -> None:
        if "app_attempts" in statement:
            written.append(statement.split()[0])

    sa.event.listen(people.ground.db.engine, "before_cursor_execute", heard)
    password = PASSWORD if who == "right password" else "not it at all"
    done = people.try_in(address, password, code="000000", surface=ActorKind.STAFF)

    assert done.step is Step.REFUSED
    # Three buckets and three windows of codes: made where missing, counted, and closed.
    assert [written.count(word) for word in ("INSERT", "UPDATE")] == [6, 12]


def test_a_wrong_password_leaves_the_right_code_for_the_next_try(people: People) -> None:
    _, secret = staff_of(people, "ada")
    code = people.code(secret)
    first = people.try_in("ada@onepay.example", "not it at all", code=code, surface=ActorKind.STAFF)
    second = people.try_in("ada@onepay.example", code=code, surface=ActorKind.STAFF)

    assert (first.step, second.step) == (Step.REFUSED, Step.DONE)
    with pytest.raises(SignInRepeated):
        people.try_in("ada@onepay.example", code=code, surface=ActorKind.STAFF)


def test_a_form_sent_twice_is_no_failure_and_no_second_session(people: People) -> None:
    _, secret = staff_of(people, "ada")
    code = people.code(secret)
    assert people.try_in("ada@onepay.example", code=code, surface=ActorKind.STAFF).step is Step.DONE
    with pytest.raises(SignInRepeated) as twice:
        people.try_in("ada@onepay.example", code=code, surface=ActorKind.STAFF)
    with people.ground.db.begin() as session:
        twice.value.trace(session, people.ctx())

    assert people.events("auth.login.failed") == []
    assert [event["event"]["reason"] for event in people.events("auth.mfa.failed")] == ["replayed"]
    assert len(people.events("auth.session.started")) == 1
    with people.ground.db.read() as session:
        rows = session.execute(sa.select(attempts)).all()
    assert rows == [], "nothing was counted"


@pytest.mark.parametrize(("seconds", "ip"), [(11, "198.18.0.9"), (1, "198.18.0.77")], ids=["later", "elsewhere"])
def test_a_replayed_code_later_or_elsewhere_is_a_failure(people: People, seconds: int, ip: str) -> None:
    _, secret = staff_of(people, "ada")
    code = people.code(secret)
    people.try_in("ada@onepay.example", code=code, surface=ActorKind.STAFF)
    people.move(seconds=seconds)

    assert people.try_in("ada@onepay.example", code=code, surface=ActorKind.STAFF, ip=ip).step is Step.REFUSED
    assert len(people.events("auth.login.failed")) == 1


def test_a_hash_of_other_parameters_is_made_anew_at_sign_in(people: People) -> None:
    account = people.sign_up(AMBER, "amber")
    first = signup_hashes(people, account)
    policy = people.parts.policy
    stronger = Hasher(Secret(b"p" * 32), policy, memory_kib=128)
    people.parts = replace(people.parts, hasher=stronger)

    assert people.try_in(AMBER, "not this one at all").step is Step.REFUSED
    assert signup_hashes(people, account) == first, "only the right password is hashed anew"
    assert people.try_in(AMBER).step is Step.DONE
    assert "m=128" in signup_hashes(people, account)[0]
    assert people.try_in(AMBER).step is Step.DONE


def signup_hashes(people: People, account: str) -> tuple[str, ...]:
    with people.ground.db.read() as session:
        return kept_passwords.barred(session, account, is_staff=True)


def test_a_role_that_has_run_out_gives_nothing_to_a_new_session(people: People) -> None:
    account, secret = staff_of(people, "ada")
    with people.ground.db.begin() as session:
        session.execute(
            sa.insert(role_grant).values(
                id="rol_old",
                account_id=account,
                role=roles.ADMINISTRATOR,
                from_at=people.ground.clock.now() - timedelta(days=2),
                until_at=people.ground.clock.now() - timedelta(days=1),
                reason="ran out",
            )
        )
        assert accounts.count_active(session, roles.ADMINISTRATOR, people.ground.clock.now()) == 0
    done = people.try_in("ada@onepay.example", code=people.code(secret), surface=ActorKind.STAFF)
    with people.ground.db.read() as session:
        live = sessions.resolve(session, done.session.token, people.ground.clock.now())
    assert live.idle_seconds == people.parts.policy.idle_staff_seconds


def people_link(people: People, session) -> str:
    import re

    from app.identity import letters

    found = list(letters.due(session, people.ground.clock.now(), parts=people.parts))
    return re.search(r"/link/(\S+)", found[-1].text).group(1)


def test_a_session_ends_when_idle_and_at_its_longest_time(people: People) -> None:
    people.sign_up(AMBER, "amber")
    token = people.try_in(AMBER).session.token

    def state() -> str | None:
        with people.ground.db.read() as session:
            return sessions.resolve(session, token, people.ground.clock.now()).ended

    assert state() is None
    with people.ground.db.begin() as session:
        assert sessions.sweep(session, people.ctx()) == 0, "a session in use is never swept"
    people.move(minutes=5)
    assert state() == "idle"
    with people.ground.db.begin() as session:
        assert sessions.sweep(session, people.ctx()) == 2
    assert state() == "idle"
    assert {event["event"]["reason"] for event in people.events("auth.session.ended")} == {"idle"}


def test_raising_the_epoch_kills_every_session_at_once(people: People) -> None:
    account = people.sign_up(AMBER, "amber")
    token = people.try_in(AMBER).session.token
    with people.ground.db.begin() as session:
        accounts.raise_epoch(session, account)
    with people.ground.db.read() as session:
        assert sessions.resolve(session, token, people.ground.clock.now()).ended == "revoked"


def test_the_sixth_session_of_a_customer_ends_the_oldest(people: People) -> None:
    people.sign_up(AMBER, "amber")
    first = people.try_in(AMBER).session
    for _ in range(5):
        people.move(seconds=1)
        people.try_in(AMBER)
    with people.ground.db.read() as session:
        assert sessions.resolve(session, first.token, people.ground.clock.now()).ended == "superseded"


def test_codes_have_counters_of_their_own(people: People) -> None:
    account = people.sign_up(AMBER, "amber")
    now = people.ground.clock.now
    with people.ground.db.begin() as session:
        reached = [lockout.count_code_failure(session, account, now(), policy=people.parts.policy) for _ in range(5)]
        assert reached == [False] * 4 + [True]
        assert lockout.code_exhausted(session, account, now()) is not None
    people.move(minutes=6)
    with people.ground.db.read() as session:
        assert lockout.code_exhausted(session, account, now()) is None


@pytest.mark.parametrize("step", ["compared", "waits for its code"])
def test_a_sign_in_half_done_ends_when_everything_of_the_account_ends(people: People, step: str) -> None:
    account = people.sign_up(AMBER, "amber")
    secret = people.enrol(account)
    people.move(seconds=60)
    ctx = people.ctx()
    if step == "compared":
        with people.ground.db.read() as session:
            made = signin.attempt(session, ActorKind.CUSTOMER, AMBER, None, ctx, parts=people.parts)
        checks = [signin.check_password(made, PASSWORD, parts=people.parts)]
        with people.ground.db.begin() as session:
            accounts.raise_epoch(session, account)
        with pytest.raises(SignInOver), people.ground.db.begin() as session:
            signin.conclude(session, made, checks, ctx, parts=people.parts)
        return
    token = people.try_in(AMBER).login_token
    assert token is not None
    with people.ground.db.begin() as session:
        accounts.raise_epoch(session, account)
    with pytest.raises(SignInOver), people.ground.db.read() as session:
        signin.resumed(session, token, ctx, parts=people.parts, device_token=None)
    assert people.try_in(AMBER, code=people.code(secret)).step is Step.DONE
