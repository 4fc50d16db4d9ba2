"""Orders and wallets are compared with ledger and log: nobody rewrites who paid whom, or frees money, unseen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.kernel.access import SOC_ACTION_RUN, ActorKind
from payments import wallets
from payments.transfers import TransferRefused
from tests.payments.altering import alter
from tests.payments.world import World
from tests.support.ground import somebody

COMMANDER = somebody(ActorKind.STAFF, "acc_commander", SOC_ACTION_RUN)
SETTLED = "UPDATE payments_transfer SET {} WHERE state = 'settled'"
REFUSED = "UPDATE payments_transfer SET {} WHERE state = 'refused'"
TOPUP = "UPDATE payments_topup SET {} WHERE amount = 1000"
OF = "UPDATE payments_balance SET {} WHERE book_id = (SELECT id FROM payments_book WHERE owner_id = '%s')"
ANNA, CARL = OF % "acc_anna", OF % "acc_carl"
CASES = [
    (SETTLED.format("amount = 501"), {"transfer_amount"}),
    (SETTLED.format("target = source, source = target"), {"transfer_amount"}),
    (SETTLED.format("target = 'wal_other'"), {"transfer_books"}),
    (SETTLED.format("source = 'wal_other'"), {"transfer_books"}),
    (SETTLED.format("currency = 'USD'"), {"transfer_currency"}),
    (SETTLED.format("owner_id = 'acc_thief'"), {"transfer_owner"}),
    (SETTLED.format("reference = 'other'"), {"transfer_reference"}),
    (SETTLED.format("at = at + 1"), {"transfer_time", "transfer_time_told"}),
    (SETTLED.format("at = at - 1"), {"transfer_time_told"}),
    (SETTLED.format("fee = 1"), {"transfer_amount", "transfer_fee_told"}),
    (SETTLED.format("version = 2"), {"transfer_version_told"}),
    (
        SETTLED.format("state = 'refused', reason = 'wallet_restricted'"),
        {"transfer_state", "transfer_status_told", "transfer_untold"},
    ),
    ("DELETE FROM payments_transfer WHERE state = 'settled'", {"transfer_missing"}),
    (REFUSED.format("amount = 1"), {"transfer_refusal"}),
    (REFUSED.format("reason = 'wallet_restricted'"), {"transfer_refusal"}),
    (REFUSED.format("state = 'settled', reason = NULL"), {"transfer_refusal", "transfer_state", "transfer_unposted"}),
    ("DELETE FROM payments_transfer WHERE state = 'refused'", {"transfer_missing"}),
    ("DELETE FROM ingest_outbox WHERE kind = 'transaction.transfer.refused'", {"transfer_untold"}),
    (TOPUP.format("amount = 1001"), {"topup_amount"}),
    (TOPUP.format("book_id = 'wal_other'"), {"topup_books"}),
    (TOPUP.format("line = line || '-other'"), {"topup_reference"}),
    ("DELETE FROM payments_topup", {"topup_missing"}),
    (ANNA.format("state = 'debit_frozen'"), {"wallet_state", "wallet_state_told"}),
    (CARL.format("state = 'open'"), {"wallet_state", "wallet_state_told"}),
    (ANNA.format("floor = -1000"), {"wallet_floor"}),
    ("DELETE FROM payments_restraint", {"wallet_state"}),
    ("UPDATE payments_restraint SET released_at = at", {"wallet_state"}),
]


def lived(world: World) -> World:
    """Anna, who was held once, pays Ben and is refused once; Carl is held."""
    anna, ben, carl = (world.customer(name, balance=1_000) for name in ("anna", "ben", "carl"))
    for person in (anna, carl):
        ctx = world.ctx(COMMANDER)
        with world.db.begin() as session:
            held = wallets.hold_outgoing(session, person.id, ctx.at + timedelta(1), "containment", ctx, key=person.id)
        if person is anna:
            with world.db.begin() as session:
                wallets.release_outgoing(session, held, world.ctx(COMMANDER), key="undo")
    world.pay(anna, ben, 500, reference="r-1")
    try:
        world.pay(anna, ben, 9_000)
    except TransferRefused as refused:
        with world.db.begin() as session:
            refused.trace(session, world.ctx(anna.actor))
    return world


def kinds(world: World) -> set[str]:
    return {difference.kind for difference in world.differences()}


def test_what_people_did_agrees(world: World) -> None:
    assert lived(world).differences() == []


@pytest.mark.parametrize(("statement", "expected"), CASES)
def test_an_altered_order_or_wallet_is_named(world: World, statement: str, expected: set[str]) -> None:
    alter(lived(world).ground, statement)
    assert kinds(world) == expected


def test_who_frees_a_wallet_and_its_restraint_still_differs_from_the_log(world: World) -> None:
    alter(
        lived(world).ground,
        "DELETE FROM payments_restraint",
        CARL.format("state = 'open'"),
    )
    assert kinds(world) == {"wallet_state_told"}


def test_an_order_before_what_its_books_saw_last_agrees(world: World) -> None:
    """The ledger dates it after that; under load two orders meet so, here the clock stands back."""
    anna, ben = world.customer("anna", balance=1_000), world.customer("ben")
    world.pay(anna, ben, 100)
    world.ground.clock.move(timedelta(seconds=-1))
    world.pay(anna, ben, 100)
    assert world.differences() == []
