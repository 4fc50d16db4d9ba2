"""Repeated requests: one effect, one answer."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from payments import idempotency
from payments.idempotency import IdempotencyBusy, IdempotencyMismatch, KeyRequired
from payments.transfers import ReferenceUsed
from tests.payments.world import ANNA, World, make_world
from tests.support import postgres


def call(key: str | None = "key-1", content: bytes = b'{"amount":"1.00"}', scope: str = "acc_anna") -> idempotency.Call:
    return idempotency.call(scope=scope, key=key, route="POST /api/v1/transfers", content=content)


def answered(world: World, one: idempotency.Call, status: int = 201, body: bytes = b"{}") -> None:
    with world.db.begin() as session:
        ctx = world.ctx(ANNA)
        assert idempotency.begin(session, one, ctx) is None
        idempotency.store(session, one, status, body, ctx, object_id="trf_1")


def seen(world: World, one: idempotency.Call) -> idempotency.Stored | None:
    with world.db.begin() as session:
        return idempotency.begin(session, one, world.ctx(ANNA))


@pytest.mark.parametrize("status", [200, 201, 202, 402])
def test_a_kept_answer_is_given_again(world: World, status: int) -> None:
    answered(world, call(), status, b'{"id":"trf_1"}' * 1000)

    again = seen(world, call())

    assert again is not None
    assert (again.status, again.body, again.object_id) == (status, b'{"id":"trf_1"}' * 1000, "trf_1")
    assert again.expires_at == world.ground.clock.now() + timedelta(hours=72)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_other_answers_are_not_kept(world: World, status: int) -> None:
    assert not idempotency.is_stored(status)
    with pytest.raises(AssertionError):
        answered(world, call(), status)
    assert seen(world, call()) is None


def test_a_key_with_other_content_is_refused_and_told(world: World) -> None:
    answered(world, call())

    with pytest.raises(IdempotencyMismatch) as refused:
        seen(world, call(content=b"other"))
    with world.db.begin() as session:
        refused.value.trace(session, world.ctx(ANNA))

    (told,) = world.events("transaction.request.conflicted")
    assert told["onepay"]["transaction"]["route"] == "POST /api/v1/transfers"
    assert seen(world, call(scope="acc_berta", content=b"other")) is None


@pytest.mark.parametrize("key", [None, "", "a b", "é", "x" * 256, "a\n"])
def test_a_key_is_needed_and_has_its_form(key: str | None) -> None:
    with pytest.raises(KeyRequired):
        call(key)


def test_a_lapsed_key_is_new_again_and_is_purged(world: World) -> None:
    answered(world, call())
    world.ground.clock.move(timedelta(hours=72) - timedelta(microseconds=1))
    assert seen(world, call()) is not None
    world.ground.clock.move(timedelta(microseconds=1))
    answered(world, call(content=b"other"), body=b"second")

    assert seen(world, call(content=b"other")).body == b"second"
    world.ground.clock.move(timedelta(hours=72))
    with world.db.begin() as session:
        assert idempotency.purge(session, world.ctx(ANNA)) == 1


@pytest.mark.needs("postgres")
@pytest.mark.xdist_group("postgres")
def test_a_lapsed_key_taken_anew_while_it_is_purged_stays(home: Path, server: postgres.Server) -> None:
    world = make_world(home, server.fresh_database())
    answered(world, call())
    world.ground.clock.move(timedelta(hours=72))

    def take(session: Session) -> None:
        idempotency.store(session, call(), 201, b"second", world.ctx(ANNA), object_id="trf_2")

    def purge() -> None:
        with world.db.begin() as session:
            idempotency.purge(session, world.ctx(ANNA))

    postgres.while_open(world.db, take, purge)
    kept = seen(world, call())
    world.close()
    assert kept is not None
    assert kept.object_id == "trf_2"


def test_after_the_purge_the_reference_still_protects(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    first = world.pay(anna, berta, 10, reference="INV 7")
    answered(world, call())
    world.ground.clock.move(timedelta(days=7))
    with world.db.begin() as session:
        idempotency.purge(session, world.ctx(anna.actor))

    assert seen(world, call()) is None
    with pytest.raises(ReferenceUsed) as used:
        world.pay(anna, berta, 10, reference="INV 7")

    assert used.value.object_id == first.id
    assert world.balance(berta) == 10


def test_the_same_request_many_times_at_once_has_one_effect(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    start, answers = threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        try:
            with world.db.begin(posting=True) as session:
                ctx = world.ctx(anna.actor)
                kept = idempotency.begin(session, call(), ctx)
                if kept is not None:
                    answers.append(kept.body)
                    return
                done = world.pay_in(session, anna, berta, 10)
                idempotency.store(session, call(), 201, done.id.encode(), ctx)
            answers.append(done.id.encode())
        except IdempotencyBusy:
            answers.append("busy")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 8
    assert len(set(answers) - {"busy"}) == 1
    assert world.balance(berta) == 10
    assert world.differences() == []


def test_a_key_under_way_is_busy_at_once(world: World) -> None:
    if world.db.is_sqlite:
        return  # the write lock makes the second request wait instead: shown by the test above
    with world.db.begin() as first:
        assert idempotency.begin(first, call(), world.ctx(ANNA)) is None
        with pytest.raises(IdempotencyBusy) as busy:
            seen(world, call())
    assert busy.value.retry_after == 1
