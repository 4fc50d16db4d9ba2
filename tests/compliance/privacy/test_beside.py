"""Nothing a stranger asks, and nothing that fails or ends for one request, stands in the way of another one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Set
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.identity import roles
from app.kernel.access import ANONYMOUS
from app.kernel.approvals import ApprovalClosed
from app.kernel.approvals import State as Deciding
from app.kernel.context import Context
from app.kernel.errors import Unavailable, WrongState
from compliance.contracts.personal import Seed, Target
from compliance.contracts.tables import MarkedTables
from compliance.privacy import intake, moving, rectify, requests, restrict
from compliance.privacy import rights as services
from compliance.privacy.gate import Gate
from compliance.privacy.models import objection, request, restriction
from compliance.privacy.request import Asked, Request, State
from tests.compliance.privacy.rights import Rights
from tests.support.installation import Person

GATE = Gate()


@pytest.fixture
def rights(either_rights: Rights) -> Rights:
    return either_rights


def outside(rights: Rights, person: Person, kind: str) -> str:
    """Ask as a stranger does who knows no more than an address."""
    nobody = rights.house.system.context(ANONYMOUS)
    with rights.db.begin() as session:
        return intake.ask_from_outside(
            session, Asked(kind=kind, channel="form"), person.account, nobody, parts=rights.parts
        )


def entered(rights: Rights, person: Person, officer: Person, kind: str, purpose: str | None = None) -> str:
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    wanted = Asked(kind=kind, channel="letter", purpose=purpose)
    with rights.db.begin() as session:
        return intake.enter(session, wanted, person.account, ctx.at.date(), ctx, parts=rights.parts)


def may(rights: Rights, person: Person, purpose: str = "profiling") -> bool:
    with rights.db.read() as session:
        return GATE.allowed(session, person.account, purpose)


def not_me(rights: Rights, letter: str) -> str:
    token = letter.partition("/privacy/link/")[2].split()[0]
    with rights.db.begin() as session:
        return services.stop(session, token, rights.house.system.context(ANONYMOUS), parts=rights.parts)


def asks_refusal(rights: Rights, request_id: str, officer: Person) -> str:
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    book = rights.house.system.approvals
    with rights.db.begin() as session:
        return rectify.ask_refusal(session, request_id, "It is not so at all.", ctx, parts=rights.parts, approvals=book)


def asks_lift(rights: Rights, request_id: str, officer: Person) -> str:
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    book = rights.house.system.approvals
    with rights.db.begin() as session:
        return restrict.ask_lift(session, request_id, "not needed any more", ctx, parts=rights.parts, approvals=book)


def withdraws(rights: Rights, person: Person, request_id: str) -> None:
    with rights.db.begin() as session:
        services.withdraw(session, request_id, rights.me(person), parts=rights.parts)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Call all at the same instant; returns what each gave back or raised."""
    gate, given = threading.Barrier(len(calls)), [None] * len(calls)

    def go(at: int) -> None:
        gate.wait()
        try:
            given[at] = calls[at]()
        except Exception as error:  # noqa: BLE001 - what it raised is what is asked for
            given[at] = error  # type: ignore[call-overload]  # a list of anything

    threads = [threading.Thread(target=go, args=(at,)) for at in range(len(calls))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    return given


def test_what_a_stranger_asks_stands_in_nobodys_way(rights: Rights, officer: Person) -> None:
    amber = rights.house.customer("amber")
    rights.calm()
    theirs = {kind: outside(rights, amber, kind) for kind in ("access", "erasure", "restriction")}
    link = next(each for each in rights.letters_to(amber) if "/privacy/link/" in each and "copy of your data" in each)
    mine = {kind: rights.ask(amber, kind) for kind in theirs}
    assert not may(rights, amber), "restricted in the transaction that asked for it"
    rights.work()
    assert [rights.get(mine[kind]).linked_to for kind in mine] == [None] * 3
    assert rights.get(mine["access"]).state is State.READY
    assert rights.get(mine["erasure"]).state is State.IN_REVIEW
    assert not_me(rights, link) == theirs["access"]
    rights.work()
    assert rights.get(theirs["access"]).state is State.STOPPED
    assert rights.fetch(amber, mine["access"])


@pytest.mark.parametrize("purpose", ["profiling", "news"])
def test_an_objection_stops_a_use_beside_one_that_nobody_proved(rights: Rights, officer: Person, purpose: str) -> None:
    amber = rights.house.customer("amber")
    entered(rights, amber, officer, "objection", purpose)
    mine = rights.ask(amber, "objection", purpose=purpose)
    assert not may(rights, amber, purpose)
    assert rights.get(mine).state in (State.IN_REVIEW, State.CLOSED)
    again = rights.ask(amber, "objection", purpose="profiling")
    with rights.db.read() as session:
        assert session.scalar(sa.select(objection.c.id).where(objection.c.request_id == again)), "each by itself"


def test_what_was_proven_goes_on_when_the_first_one_ends(rights: Rights, officer: Person, dpo: Person) -> None:
    amber = rights.house.customer("amber")
    rights.calm()
    first = rights.ask(amber, "erasure")
    rights.clock.move(timedelta(minutes=1))
    second = rights.ask(amber, "erasure")
    rights.clock.move(timedelta(minutes=1))
    third = rights.ask(amber, "erasure")
    rights.clock.move(timedelta(minutes=1))
    stranger = outside(rights, amber, "erasure")
    rights.work()
    assert [rights.get(each).linked_to for each in (second, third, stranger)] == [first] * 3
    withdraws(rights, amber, first)
    assert [rights.get(each).linked_to for each in (second, third, stranger)] == [None, second, second]
    assert all(rights.get(each).is_open for each in (second, third, stranger))
    rights.work()
    assert rights.get(second).state is State.IN_REVIEW
    rights.vote(asks_refusal(rights, second, officer), rights.colleague(dpo, roles.DPO))
    assert rights.get(second).state is State.REFUSED
    rights.work()
    assert (rights.get(third).state, rights.get(third).linked_to) == (State.IN_REVIEW, None)


def test_a_request_that_is_proven_later_stands_beside_the_one_that_was_proven_first(
    rights: Rights, officer: Person
) -> None:
    amber = rights.house.customer("amber")
    letter = entered(rights, amber, officer, "access")
    mine = rights.ask(amber)
    assert rights.get(letter).linked_to is None
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session:
        services.answer_identity(session, letter, "called back on a known number", ctx, parts=rights.parts)
    assert rights.get(letter).linked_to == mine


def test_an_objection_taken_back_or_refused_lets_the_use_go_on(rights: Rights, officer: Person, dpo: Person) -> None:
    amber = rights.house.customer("amber")
    withdraws(rights, amber, rights.ask(amber, "objection", purpose="profiling"))
    assert may(rights, amber)
    refused = rights.ask(amber, "objection", purpose="profiling")
    approval = asks_refusal(rights, refused, officer)
    assert not may(rights, amber)
    rights.vote(approval, rights.colleague(dpo, roles.DPO))
    assert rights.get(refused).state is State.REFUSED
    assert may(rights, amber)
    assert "privacy.objection.decided" in rights.kinds()
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session, pytest.raises(WrongState):
        restrict.decide_objection(session, refused, "upheld", "weighed, see note", ctx, parts=rights.parts)


def test_a_refused_erasure_leaves_no_restriction(rights: Rights, officer: Person, dpo: Person) -> None:
    amber = rights.house.customer("amber")
    rights.calm()
    request_id = rights.approved_erasure(amber, officer, dpo)
    assert not may(rights, amber)
    rights.vote(asks_refusal(rights, request_id, officer), rights.colleague(dpo, roles.DPO))
    assert rights.get(request_id).state is State.REFUSED
    assert may(rights, amber)


def test_a_restriction_that_ended_does_not_rise_again(rights: Rights, officer: Person, dpo: Person) -> None:
    amber = rights.house.customer("amber")
    request_id = rights.ask(amber, "restriction")
    approval = asks_lift(rights, request_id, officer)
    withdraws(rights, amber, request_id)
    with rights.db.read() as session:
        assert rights.house.system.approvals.state_of(session, approval).state is Deciding.WITHDRAWN
    with pytest.raises(ApprovalClosed):
        rights.vote(approval, rights.colleague(dpo, roles.DPO))
    assert rights.get(request_id).state is State.CLOSED


def test_a_lift_is_announced_of_a_restriction_that_stands_alone(rights: Rights, officer: Person) -> None:
    amber = rights.house.customer("amber")
    request_id = rights.ask(amber, "restriction")
    withdraws(rights, amber, request_id)

    class Agreed:
        """Says that whatever is asked for was approved."""

        def take(self, *_: Any) -> None:
            return None

    book: Any = Agreed()
    ctx = rights.colleague(officer, roles.COMPLIANCE_OFFICER)
    with rights.db.begin() as session, pytest.raises(WrongState):
        restrict.announce_lift(session, request_id, ctx, parts=rights.parts, approvals=book, approval_id="apr_x")


def test_a_refusal_that_waits_ends_once_the_copy_is_ready(rights: Rights, officer: Person, dpo: Person) -> None:
    amber = rights.house.customer("amber")
    rights.calm()
    request_id = rights.ask(amber)
    approval = asks_refusal(rights, request_id, officer)
    rights.work()
    assert rights.get(request_id).state is State.READY
    with pytest.raises(ApprovalClosed):
        rights.vote(approval, rights.colleague(dpo, roles.DPO))
    assert rights.fetch(amber, request_id)


def test_one_whose_data_fails_stops_nobody_else(
    rights: Rights, officer: Person, dpo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    amber, basil, cyan, dale, eve = (rights.house.customer(name) for name in ("amber", "basil", "cyan", "dale", "eve"))
    rights.calm()
    broken = rights.approved_erasure(eve, officer, dpo)
    rights.clock.move(timedelta(minutes=1))
    approved = rights.approved_erasure(cyan, officer, dpo)
    lifted = rights.ask(dale, "restriction")
    rights.vote(asks_lift(rights, lifted, officer), rights.colleague(dpo, roles.DPO))
    rights.clock.move(timedelta(days=4))
    first = rights.ask(amber, "erasure")
    rights.clock.move(timedelta(minutes=1))
    second = rights.ask(basil, "erasure")
    plan = MarkedTables.plan
    away = {amber.account, eve.account}

    def fails(self: MarkedTables, session: Session, seeds: Set[Seed]) -> Iterator[Target]:
        if away & {each.value for each in seeds}:
            raise Unavailable
        yield from plan(self, session, seeds)

    with monkeypatch.context() as patch:
        patch.setattr(MarkedTables, "plan", fails)
        rights.work()
        rights.work()
        assert rights.get(first).state is State.SCOPED
        assert rights.get(broken).state is State.WAITING
        assert rights.get(second).state is State.IN_REVIEW
        assert rights.get(approved).state is State.CLOSED
        assert rights.get(lifted).state is State.CLOSED
    with rights.db.read() as session:
        for id in (first, broken):
            notes = [each.note or "" for each in requests.steps(session, id)]
            assert len([note for note in notes if "tried again" in note]) == 1, "set aside, not tried each time"
    rights.clock.move(timedelta(minutes=10))
    rights.work()
    assert rights.get(first).state is State.IN_REVIEW
    assert rights.get(broken).state is State.CLOSED


def test_a_restriction_whose_end_fails_stops_no_other(
    rights: Rights, officer: Person, dpo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    amber, basil = rights.house.customer("amber"), rights.house.customer("basil")
    both = [rights.ask(person, "restriction") for person in (amber, basil)]
    for id in both:
        rights.vote(asks_lift(rights, id, officer), rights.colleague(dpo, roles.DPO))
    rights.clock.move(timedelta(days=3))
    end = moving.end

    def fails(session: Session, found: Request, *args: Any, **more: Any) -> None:
        if found.subject == amber.account:
            raise Unavailable
        end(session, found, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(moving, "end", fails)
        rights.work()
    assert [rights.get(id).state for id in both] == [State.EXECUTED, State.CLOSED]
    assert not may(rights, amber), "half an end is none"
    rights.clock.move(timedelta(minutes=10))
    rights.work()
    assert rights.get(both[0]).state is State.CLOSED


def test_asked_at_once_is_one_and_those_beside_it(rights: Rights) -> None:
    amber = rights.house.customer("amber")
    rights.calm()
    given = at_once(*[lambda: rights.ask(amber)] * 4)
    linked = [rights.get(id).linked_to for id in given]
    (first,) = [id for id, of in zip(given, linked, strict=True) if of is None]
    assert sorted(of or "" for of in linked) == ["", first, first, first]


def test_confirmed_at_once_is_confirmed_once(rights: Rights) -> None:
    amber = rights.house.customer("amber")
    request_id = outside(rights, amber, "restriction")

    def confirm() -> Context:
        ctx = rights.me(amber)
        with rights.db.begin() as session:
            services.confirm(session, request_id, ctx, parts=rights.parts)
        return ctx

    given = at_once(*[confirm] * 4)
    assert sorted(type(each).__name__ for each in given) == ["Context", "WrongState", "WrongState", "WrongState"]
    assert rights.kinds().count("privacy.request.resumed") == 1
    with rights.db.read() as session:
        assert len(session.execute(sa.select(restriction.c.id)).all()) == 1


def test_taken_back_while_somebody_decides_ends_one_way(rights: Rights, officer: Person, dpo: Person) -> None:
    amber = rights.house.customer("amber")
    for _ in range(4):
        request_id = rights.ask(amber, "restriction")
        approval = asks_lift(rights, request_id, officer)
        deciding = rights.colleague(dpo, roles.DPO)
        given = at_once(lambda: withdraws(rights, amber, request_id), lambda: rights.vote(approval, deciding))  # noqa: B023
        assert given[0] is None, given
        assert given[1] is None or isinstance(given[1], ApprovalClosed), given
        assert rights.get(request_id).state is State.CLOSED
    rights.clock.move(timedelta(days=4))
    rights.work()
    with rights.db.read() as session:
        open_ = session.scalars(sa.select(request.c.id).where(request.c.state == State.EXECUTED.value)).all()
        assert not open_
