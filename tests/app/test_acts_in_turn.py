"""What ends somebody's access and what they do meanwhile take their turn: neither is lost, nothing slips between."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import g
from sqlalchemy.orm import Session

from app import edge
from app.identity import accounts, disown, mfa, people, recovery, roles, sessions, stepup
from app.identity.accounts import State
from app.identity.containment import LockAccount, RevokeSessions
from app.identity.models import account, factor
from app.identity.models import session as session_table
from app.kernel.access import Actor, ActorKind, service
from app.kernel.db import DatabaseBusy
from app.kernel.errors import OnePayError, SignInRequired
from payments import transfers, wallets
from payments.money import EUR, Money
from payments.transfers import TransferOrder
from tests.support.installation import Installation, Person

End = Callable[[Session, Installation, Person], object]


def owner(person: Person) -> Actor:
    return Actor(id=person.account, kind=ActorKind.CUSTOMER, permissions=roles.ROLES[roles.CUSTOMER])


def by_report(session: Session, house: Installation, person: Person) -> None:
    ctx = house.system.context(owner(person))
    disown.not_me(session, None, ctx, parts=house.system.identity, hold_outgoing=wallets.hold_reported)


def admin(person: Person) -> Actor:
    return Actor(id=person.account, kind=ActorKind.STAFF, permissions=roles.ROLES[roles.ADMINISTRATOR])


def by_administrator(session: Session, house: Installation, person: Person) -> None:
    other = Person(account="acc_admin", address="", secret=None)
    people.end_sessions(session, person.account, house.system.context(admin(other)), parts=house.system.identity)


def by_containment(act: Callable[..., object]) -> End:
    def ended(session: Session, house: Installation, person: Person) -> None:
        ctx = house.system.context(service("playbooks"))
        act(house.system.identity).run(session, {"account": person.account}, "key-1", ctx)

    return ended


def by_oneself(session: Session, house: Installation, person: Person) -> None:
    ctx = house.system.context(owner(person))
    sessions.end_own(session, person.account, session_of(house, person), "revoked", ctx)


ENDS = {
    "report": by_report,
    "administrator": by_administrator,
    "revoke": by_containment(RevokeSessions),
    "lock": by_containment(LockAccount),
    "own": by_oneself,
}


def session_of(house: Installation, person: Person) -> str:
    with house.system.db.read() as session:
        query = sa.select(session_table.c.id).where(session_table.c.account_id == person.account)
        return session.scalars(query.order_by(session_table.c.id.desc()).limit(1)).one()


class Meanwhile:
    """What another thread does, which has to wait for what is held here."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._failed: list[Exception] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._thread.join(0.3)
        assert self._thread.is_alive() or self._failed, "it did not wait"

    def _run(self) -> None:
        try:
            self._work()
        except (OnePayError, sa.exc.DBAPIError) as error:
            self._failed.append(error)

    def ended(self) -> list[Exception]:
        """Return what it failed by, once it is done."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self._failed


def signed_in(house: Installation, handle: str) -> Person:
    person = house.customer(handle, euros=20)
    house.browser().sign_in(person)
    return person


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_end_of_access_waits_for_a_payment_that_began_and_is_not_lost(either_house: Installation, end: End) -> None:
    payee, person = either_house.customer("turn_payee"), signed_in(either_house, "turn_payer")
    system, mine = either_house.system, session_of(either_house, person)

    def work() -> None:
        with system.db.begin() as session:
            end(session, either_house, person)

    with system.db.begin(posting=True) as session:
        sessions.demand_live(session, mine)
        ctx = system.context(owner(person))
        (main, *_) = wallets.of(session, ctx.actor)
        order = TransferOrder(source=main.id, payee=payee.handle or "", amount=Money(100, EUR))
        transfers.execute(session, order, ctx, keys=system.subject_keys)
        other = Meanwhile(work)
    assert other.ended() == []
    with system.db.begin() as session, pytest.raises(SignInRequired):
        sessions.demand_live(session, mine)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_act_waits_for_an_end_of_access_that_began_and_does_not_happen(either_house: Installation, end: End) -> None:
    person = signed_in(either_house, "late_payer")
    system, mine = either_house.system, session_of(either_house, person)

    def work() -> None:
        with system.db.begin(posting=True) as session:
            sessions.demand_live(session, mine)

    with system.db.begin() as session:
        end(session, either_house, person)
        other = Meanwhile(work)
    assert [type(error) for error in other.ended()] == [SignInRequired]


def test_acts_of_one_account_take_their_turn(either_house: Installation) -> None:
    person = signed_in(either_house, "two_acts")
    system, mine = either_house.system, session_of(either_house, person)

    def changed(session: Session) -> None:
        sessions.demand_live(session, mine)
        session.execute(sa.update(account).where(account.c.id == person.account).values(state=State.ACTIVE.value))

    def work() -> None:
        with system.db.begin() as session:
            changed(session)

    with system.db.begin() as session:
        changed(session)
        other = Meanwhile(work)
    assert other.ended() == []


def test_a_factor_that_is_added_while_a_recovery_runs_is_asked_for(either_house: Installation) -> None:
    person = either_house.customer("late_factor", factor=False)
    system, parts = either_house.system, either_house.system.identity
    ctx = system.context(owner(person))
    with system.db.begin() as session:
        recovery.ask(session, ActorKind.CUSTOMER, person.address, ctx, parts=parts)
    token, hashed = either_house.link_to(person.address), parts.hasher.hash("another river under stones")
    proofs = []

    def work() -> None:
        with system.db.begin() as session:
            proofs.append(recovery.complete(session, token, hashed, "", ctx, parts=parts))

    with system.db.begin() as session:
        secret = mfa.offer(session, person.account, "ses_test", "late", parts=parts).secret
        mfa.take(session, person.account, "ses_test", either_house.code(secret), ctx, parts=parts)
        other = Meanwhile(work)
    assert other.ended() == []
    assert [proof.refusal is not None for proof in proofs] == [True]
    with system.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(factor)) == 1


def test_an_administrator_ends_their_own_sessions_too(either_house: Installation) -> None:
    admin = either_house.staff("own_end", roles.ADMINISTRATOR)
    browser = either_house.browser()
    browser.sign_in(admin, surface="staff")
    browser.get(f"/admin/users/{admin.account}")
    answer = browser.post(f"/admin/users/{admin.account}/sessions/end", {})
    assert (answer.status_code, answer.location) == (303, f"/admin/users/{admin.account}?done=sessions")
    assert "/sign-in" in browser.get(f"/admin/users/{admin.account}").location


def test_two_administrators_who_act_on_each_other_take_their_turn(either_house: Installation) -> None:
    persons = [either_house.staff(f"admin_{name}", roles.ADMINISTRATOR) for name in ("one", "two")]
    system = either_house.system
    for person in persons:
        either_house.browser().sign_in(person, surface="staff")
    mine = [session_of(either_house, person) for person in persons]

    def upon(session: Session, at: int) -> None:
        other = persons[1 - at].account
        sessions.demand_live(session, mine[at], beside=other)
        people.end_sessions(session, other, system.context(admin(persons[at])), parts=system.identity)

    def work() -> None:
        with system.db.begin() as session:
            upon(session, 1)

    with system.db.begin() as session:
        sessions.demand_live(session, mine[0], beside=persons[1].account)
        second = Meanwhile(work)
        upon(session, 0)
    assert [type(error) for error in second.ended()] == [
        SignInRequired
    ]  # the first was before, and ended their session


def test_a_factor_is_removed_while_its_code_is_given(either_house: Installation) -> None:
    person = either_house.customer("removed_meanwhile")
    system, parts = either_house.system, either_house.system.identity
    ctx = system.context(owner(person))

    def work() -> None:
        with system.db.begin() as session:
            stepup.check(session, person.account, either_house.code(person.secret or "", 1), ctx, parts=parts)

    with system.db.begin() as session:
        accounts.held(session, person.account)
        other = Meanwhile(work)
        (found,) = mfa.factors_of(session, person.account)
        mfa.take_away(session, person.account, found.id, "own", ctx)
    assert other.ended() == []


class Deadlock(Exception):
    """What PostgreSQL says to the one of two that it ends."""

    sqlstate = "40P01"


@pytest.mark.parametrize(("times", "is_done"), [(1, True), (2, False)])
def test_an_act_that_was_ended_for_another_is_tried_once_more(
    either_house: Installation, times: int, is_done: bool
) -> None:
    tried = []

    def work(session: Session) -> str:
        tried.append(session)
        if len(tried) <= times:
            raise DatabaseBusy(retry_after=1) from Deadlock()
        return "done"

    with either_house.app.test_request_context("/"):
        g.live = None
        if is_done:
            assert edge.acted(work) == "done"
        else:
            with pytest.raises(DatabaseBusy):
                edge.acted(work)
    assert len(tried) == 2
