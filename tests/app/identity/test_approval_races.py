"""Two hands on one approval at once: it is done once or not at all, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from app.identity.approvals import AlreadyAsked
from app.kernel.approvals import State, Verdict
from app.kernel.errors import OnePayError
from tests.app.identity.conftest import People
from tests.app.identity.desk import Desk

ROUNDS = 6
BOTH = pytest.mark.parametrize(
    "where",
    [
        "people",
        pytest.param("people_on_postgres", marks=[pytest.mark.needs("postgres"), pytest.mark.xdist_group("postgres")]),
    ],
)


@pytest.fixture
def desk(request: pytest.FixtureRequest, where: str) -> Desk:
    people: People = request.getfixturevalue(where)
    made = Desk(people=people)
    made.declare()
    return made


def together(*acts: Callable[[], object]) -> list[object]:
    """Run acts at once; returns what each returned, or the code of its refusal."""
    gate, found = threading.Barrier(len(acts)), list[object]()

    def run(act: Callable[[], object]) -> None:
        gate.wait()
        try:
            found.append(act())
        except OnePayError as error:
            found.append(error.code)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def door(n: int) -> dict[str, object]:
    return {"door": f"door {n}", "colour": "green", "coats": n}


@BOTH
def test_two_who_agree_at_once_do_it_once(desk: Desk) -> None:
    ada, basil, cleo = (desk.administrator(name) for name in ("ada", "basil", "cleo"))
    for n in range(ROUNDS):
        id = desk.ask(ada, door(n))
        found = together(lambda id=id: desk.decide(basil, id).state, lambda id=id: desk.decide(cleo, id).state)
        assert sorted(map(str, found)) == ["approval_used", "executed"]
    assert len(desk.painted) == ROUNDS
    assert desk.refusals() == ["used"] * ROUNDS


@BOTH
def test_a_double_click_does_it_once(desk: Desk) -> None:
    ada, basil = desk.administrator("ada"), desk.administrator("basil")
    for n in range(ROUNDS):
        id = desk.ask(ada, door(n))
        found = together(*[lambda id=id: desk.decide(basil, id) for _ in range(3)])
        assert {outcome.state for outcome in found} == {State.EXECUTED}
        assert sorted(outcome.is_repeat for outcome in found) == [False, True, True]
    assert len(desk.painted) == ROUNDS


@BOTH
def test_yes_and_no_at_once_are_one_of_them(desk: Desk) -> None:
    ada, basil, cleo = (desk.administrator(name) for name in ("ada", "basil", "cleo"))
    done = 0
    for n in range(ROUNDS):
        id = desk.ask(ada, door(n))
        together(lambda id=id: desk.decide(basil, id), lambda id=id: desk.decide(cleo, id, Verdict.REJECTED))
        state = desk.state(id)
        assert state in (State.EXECUTED, State.REJECTED)
        done += state is State.EXECUTED
    assert len(desk.painted) == done


@BOTH
def test_taken_back_as_it_is_decided(desk: Desk) -> None:
    ada, basil = desk.administrator("ada"), desk.administrator("basil")
    done = 0
    for n in range(ROUNDS):
        id = desk.ask(ada, door(n))
        together(lambda id=id: desk.decide(basil, id), lambda id=id: desk.withdraw(ada, id))
        state = desk.state(id)
        assert state in (State.EXECUTED, State.WITHDRAWN)
        done += state is State.EXECUTED
    assert len(desk.painted) == done


@BOTH
def test_a_vote_as_it_lapses_does_nothing(desk: Desk) -> None:
    ada, basil = desk.administrator("ada"), desk.administrator("basil")
    for n in range(ROUNDS):
        id = desk.ask(ada, door(n))
        desk.people.move(hours=24)
        together(lambda id=id: desk.decide(basil, id), desk.expire)
        desk.expire()
        assert desk.state(id) is State.EXPIRED
    assert desk.painted == []
    assert len(desk.people.events("admin.approval.expired")) == ROUNDS


@BOTH
def test_the_same_asked_by_two_at_once_is_one(desk: Desk) -> None:
    ada, basil = desk.administrator("ada"), desk.administrator("basil")
    for n in range(ROUNDS):
        found = together(lambda n=n: desk.ask(ada, door(n)), lambda n=n: desk.ask(basil, door(n)))
        assert AlreadyAsked.code in found
    assert len(desk.people.events("admin.approval.requested")) == ROUNDS


@BOTH
def test_what_fails_as_it_is_done_leaves_nothing_but_the_vote(desk: Desk) -> None:
    desk.is_empty = True
    ada, basil = desk.administrator("ada"), desk.administrator("basil")
    id = desk.ask(ada)
    assert desk.decide(basil, id).state is State.FAILED
    with desk.people.ground.db.read() as session:
        standing = desk.book.state_of(session, id)
    assert (standing.state, standing.executed_at, len(standing.votes)) == (State.FAILED, None, 1)
    assert standing.result == "There is no paint. (wrong_state)"
