"""What rests on transactions holds on PostgreSQL as well, where writers do not queue."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import accounts, containment, disown, expiry, links, lockout, mfa, recovery, roles, signup
from app.identity import people as admins
from app.identity.accounts import AddressTaken, State
from app.identity.containment import LockAccount
from app.identity.links import LinkClosed, LinkPurpose
from app.identity.mfa import CodeRefused, LastFactor
from app.identity.models import attempts, link
from app.identity.signin import SignInRepeated, Step, Throttled
from app.kernel.access import Acr, ActorKind, service
from app.kernel.errors import WrongState
from tests.app.identity.conftest import People
from tests.app.identity.test_expiry import recover
from tests.support import postgres

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.xdist_group("postgres")]
AMBER = "amber@onepay.example"


def together(acts) -> list[object]:
    """Run acts at once; returns what each returned or raised."""
    gate, found = threading.Barrier(len(acts)), []

    def run(act) -> None:
        gate.wait()
        try:
            found.append(act())
        except (SignInRepeated, Throttled, LastFactor, LinkClosed, CodeRefused) as error:
            found.append(type(error))

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def standing(people: People, account: str) -> tuple[State, str | None]:
    with people.ground.db.read() as session:
        found = accounts.get(session, account)
    return found.state, found.reason


def test_a_recovery_opens_no_lock_of_ours_that_came_meanwhile(people_on_postgres: People) -> None:
    people = people_on_postgres
    account = people.sign_up(AMBER, "amber")
    with people.ground.db.begin() as session:
        ctx = people.ctx(people.actor(account))
        disown.not_me(session, None, ctx, parts=people.parts, hold_outgoing=lambda *_: None)
    recover(people, AMBER)
    token, ours = people.link_to(AMBER), LockAccount(people.parts)

    def lock(session: Session) -> None:
        ours.run(session, {"account": account}, "k1", people.ctx(service("playbooks")))

    def come_back() -> None:
        with people.ground.db.begin() as session:
            recovery.complete(session, token, people.parts.hasher.hash("x" * 20), "", people.ctx(), parts=people.parts)

    postgres.while_open(people.ground.db, lock, come_back)
    assert standing(people, account) == (State.LOCKED, containment.CONTAINED)
    with people.ground.db.begin() as session:
        ours.undo(session, "k1", "k1|undo", people.ctx(service("playbooks")))
    # Our lock closed the link, whoever held it: the owner's own lock goes on until they ask for another.
    assert standing(people, account) == (State.LOCKED, accounts.OWNERS_LOCK)
    recover(people, AMBER)
    token = people.link_to(AMBER)
    come_back()
    assert standing(people, account) == (State.ACTIVE, None)


def test_the_last_of_two_locks_taken_back_at_once_opens_the_account(people_on_postgres: People) -> None:
    people = people_on_postgres
    account, ours = people.sign_up(AMBER, "amber"), LockAccount(people.parts)
    ctx = people.ctx(service("playbooks"))
    with people.ground.db.begin() as session:
        for key in ("k1", "k2"):
            ours.run(session, {"account": account}, key, ctx)

    def undo() -> None:
        with people.ground.db.begin() as session:
            ours.undo(session, "k2", "k2|undo", ctx)

    postgres.while_open(people.ground.db, lambda session: ours.undo(session, "k1", "k1|undo", ctx), undo)
    assert standing(people, account) == (State.ACTIVE, None)


def test_an_account_disabled_by_two_at_once_can_be_enabled(people_on_postgres: People) -> None:
    people = people_on_postgres
    account, reason = people.sign_up(AMBER, "amber"), "left the company in spring"
    one, two, three = (people.ctx(people.actor(f"acc_{n}", roles.ADMINISTRATOR, Acr.MFA)) for n in (1, 2, 3))

    def disable() -> None:
        with people.ground.db.begin() as session:
            admins.disable(session, account, reason, two)

    assert (
        postgres.while_open(people.ground.db, lambda session: admins.disable(session, account, reason, one), disable)
        is WrongState
    )
    with people.ground.db.begin() as session:
        admins.enable(session, account, three, parts=people.parts)
    assert standing(people, account) == (State.ACTIVE, None)


def test_a_lock_that_begins_while_counters_are_purged_stays(people_on_postgres: People) -> None:
    people = people_on_postgres
    account = people.sign_up(AMBER, "amber")
    bucket = lockout.codes_of(account)[0]
    with people.ground.db.begin() as session:
        lockout.count_code_failure(session, account, people.ground.clock.now(), policy=people.parts.policy)
    people.move(days=2)

    def begin_lock(session: Session) -> None:
        until = people.ground.clock.now() + timedelta(minutes=5)
        session.execute(sa.update(attempts).where(attempts.c.scope == bucket.scope).values(locked_until=until))

    def purge() -> None:
        with people.ground.db.begin() as session:
            expiry.purge(session, people.ctx(), policy=people.parts.policy)

    postgres.while_open(people.ground.db, begin_lock, purge)
    with people.ground.db.read() as session:
        assert lockout.code_exhausted(session, account, people.ground.clock.now()) is not None


def test_of_two_invitations_to_one_address_at_once_the_second_is_a_conflict(people_on_postgres: People) -> None:
    people = people_on_postgres
    ctx = people.ctx(people.actor("acc_1", roles.ADMINISTRATOR, Acr.MFA))

    def invite(session: Session) -> None:
        signup.invite(session, "nell@onepay.example", "Nell", roles.ANALYST, ctx, parts=people.parts)

    def invite_too() -> None:
        with people.ground.db.begin() as session:
            invite(session)

    assert postgres.while_open(people.ground.db, invite, invite_too) is AddressTaken


def test_one_code_at_once_is_one_session_and_no_failure(people_on_postgres: People) -> None:
    people = people_on_postgres
    account = people.sign_up(AMBER, "amber")
    code_secret = people.enrol(account)
    people.move(seconds=60)
    code = people.code(code_secret)
    found = together([lambda: people.try_in(AMBER, code=code).step] * 6)

    assert found.count(Step.DONE) == 1
    assert found.count(SignInRepeated) == 5
    assert people.events("auth.login.failed") == []


def test_guesses_at_once_are_counted_one_by_one(people_on_postgres: People) -> None:
    people = people_on_postgres
    people.sign_up(AMBER, "amber")
    for _ in range(4):
        people.try_in(AMBER, "not this one at all")
        people.move(seconds=10)
    people.try_in(AMBER, "not this one at all")
    people.move(minutes=30, seconds=1)  # the lock has lapsed at this moment
    found = together([lambda: people.try_in(AMBER, "not this one at all").step] * 8)

    assert found.count(Step.REFUSED) <= 5
    assert set(found) <= {Step.REFUSED, Throttled}


def test_of_two_factors_removed_at_once_one_stays(people_on_postgres: People) -> None:
    people = people_on_postgres
    account = people.sign_up(AMBER, "amber")
    people.enrol(account)
    people.enrol(account)
    actor = people.actor(account, acr=Acr.MFA)
    with people.ground.db.read() as session:
        first, second = (factor.id for factor in mfa.factors_of(session, account))

    def remove(factor_id: str) -> None:
        with people.ground.db.begin() as session:
            mfa.remove(session, factor_id, people.ctx(actor), parts=people.parts)

    found = together([lambda: remove(first), lambda: remove(second)])
    assert sorted(map(str, found)) == sorted([str(None), str(LastFactor)])


def test_an_offer_taken_at_once_is_one_factor(people_on_postgres: People) -> None:
    people = people_on_postgres
    account = people.sign_up(AMBER, "amber")
    ctx = people.ctx(people.actor(account))
    with people.ground.db.read() as session:
        code = people.code(mfa.offer(session, account, "ses_1", "a", parts=people.parts).secret)

    def take() -> str:
        with people.ground.db.begin() as session:
            mfa.take(session, account, "ses_1", code, ctx, parts=people.parts)
        return "taken"

    found = together([take] * 4)
    assert sorted(map(str, found)) == sorted(["taken", *[str(CodeRefused)] * 3])


def test_recovery_leaves_nothing_for_the_unknown_and_one_use_for_the_known(people_on_postgres: People) -> None:
    people = people_on_postgres
    people.sign_up(AMBER, "amber")
    recover(people, "nobody@onepay.example")
    with people.ground.db.read() as session:
        purposes = list(session.execute(sa.select(link.c.purpose)).scalars())
    assert purposes == ["sign_up"]
    recover(people, AMBER)
    token = people.link_to(AMBER)

    def press() -> str:
        with people.ground.db.begin() as session:
            links.consume(session, token, LinkPurpose.RECOVERY, people.ctx(), parts=people.parts)
        return "used"

    found = together([press] * 4)
    assert found.count("used") == 1
    assert found.count(LinkClosed) == 3


def test_what_is_over_is_purged(people_on_postgres: People) -> None:
    people = people_on_postgres
    people.sign_up(AMBER, "amber")
    people.try_in("nobody@onepay.example", "x" * 20)
    people.ground.clock.move(timedelta(days=2))
    with people.ground.db.begin() as session:
        assert expiry.purge(session, people.ctx(), policy=people.parts.policy) > 0
        assert session.execute(sa.select(sa.func.count()).select_from(attempts)).scalar_one() == 0
        assert lockout.count_within(session, lockout.asked_from("::1"), 60, people.ground.clock.now()) == 1
        assert lockout.buckets_of(b"x", ActorKind.STAFF, None, "::1")[1].key == "::1"
