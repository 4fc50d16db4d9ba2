"""Opening wallets, handles, and keeping money in."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.kernel.access import SOC_ACTION_RUN, ActorKind
from app.kernel.containment import BadParameter, ContainmentRefused, Standing
from app.kernel.errors import Forbidden, NotFound
from payments import handles, wallets
from payments.containment import HoldOutgoing
from payments.handles import HandleInvalid, HandleTaken
from payments.ledger.model import BookState
from payments.models import handle as handle_table
from payments.money import GBP, JPY
from payments.transfers import TransferRefused
from payments.wallets import HandleNeeded, PayeeUnknown, WalletExists
from tests.payments.world import CUSTOMER, World, eur
from tests.support.ground import somebody

COMMANDER = somebody(ActorKind.STAFF, "acc_commander", SOC_ACTION_RUN)
HOLD = HoldOutgoing()


def test_a_wallet_opens_empty_and_says_so(world: World) -> None:
    anna = world.customer("anna")
    with world.db.read() as session:
        (mine,) = wallets.of(session, anna.actor)
        found = wallets.by_handle(session, "@ANNA ")
    assert (mine.posted, mine.available, mine.state) == (eur(0), eur(0), BookState.OPEN)
    assert (found.wallet_id, found.owner_id, found.handle) == (mine.id, anna.id, "anna")
    (told,) = world.events("transaction.wallet.opened")
    assert told["onepay"]["wallet"]["id"] == mine.id


@pytest.mark.parametrize("name", ["ab", "a" * 21, "Anna", "an na", "änna", "anna!", "", "@anna", "anna\n"])
def test_a_handle_has_its_form(world: World, name: str) -> None:
    with pytest.raises(HandleInvalid):
        world.customer(name)


@pytest.mark.parametrize("name", ["admin", "onepay", "onepay_help", "_support_", "anna"])
def test_reserved_and_taken_handles_are_not_free(world: World, name: str) -> None:
    world.customer("anna")
    with pytest.raises(HandleTaken), world.db.begin() as session:
        wallets.open(session, "acc_other", name, world.ctx(somebody(ActorKind.CUSTOMER, "acc_other", *CUSTOMER)))


def test_a_handle_given_up_is_nobody_elses_for_two_years(world: World) -> None:
    anna = world.customer("anna")
    with world.db.begin() as session:
        session.execute(sa.update(handle_table).values(released_at=world.ground.clock.now()))
    with pytest.raises(PayeeUnknown), world.db.read() as session:
        wallets.by_handle(session, "anna")
    other = somebody(ActorKind.CUSTOMER, "acc_other", *CUSTOMER)
    world.ground.clock.move(timedelta(days=729))
    with pytest.raises(HandleTaken), world.db.begin() as session:
        wallets.open(session, "acc_other", "anna", world.ctx(other))
    world.ground.clock.move(timedelta(days=1))
    with world.db.begin() as session:
        wallets.open(session, "acc_other", "anna", world.ctx(other))
    with world.db.read() as session:
        assert wallets.by_handle(session, "anna").owner_id == "acc_other" != anna.id


def test_one_wallet_a_currency_and_the_handle_stays(world: World) -> None:
    anna = world.customer("anna")
    ctx = world.ctx(anna.actor)
    with world.db.begin() as session:
        wallets.open(session, anna.id, None, ctx, currency=GBP)
    with pytest.raises(WalletExists), world.db.begin() as session:
        wallets.open(session, anna.id, "anna", ctx)
    with pytest.raises(HandleTaken), world.db.begin() as session:
        wallets.open(session, anna.id, "another", ctx, currency=JPY)
    with world.db.read() as session:
        assert [wallet.currency for wallet in wallets.of(session, anna.actor)] == ["EUR", "GBP"]
        assert handles.of(session, anna.id) == "anna"


def test_the_first_wallet_needs_a_handle_and_its_owner(world: World) -> None:
    stranger = somebody(ActorKind.CUSTOMER, "acc_new", *CUSTOMER)
    with pytest.raises(HandleNeeded), world.db.begin() as session:
        wallets.open(session, "acc_new", None, world.ctx(stranger))
    with pytest.raises(NotFound), world.db.begin() as session:
        wallets.open(session, "acc_other", "other", world.ctx(stranger))
    with pytest.raises(Forbidden), world.db.begin() as session:
        wallets.open(session, "acc_new", "new", world.ctx(COMMANDER))


def test_another_persons_wallet_is_not_found(world: World) -> None:
    anna, berta = world.customer("anna"), world.customer("berta")
    with pytest.raises(NotFound), world.db.read() as session:
        wallets.owned_by(session, berta.actor, anna.wallet)


def hold(world: World, owner: str, key: str, **params: str) -> str:
    with world.db.begin() as session:
        return HOLD.run(session, {"account": owner, **params}, key, world.ctx(COMMANDER))


def undo(world: World, ref: str, key: str) -> None:
    with world.db.begin() as session:
        HOLD.undo(session, ref, key, world.ctx(COMMANDER))


def test_held_money_arrives_and_does_not_leave_until_undone(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta", balance=100)

    ref = hold(world, anna.id, "key-1", reason="account_takeover")

    with pytest.raises(TransferRefused) as refused:
        world.pay(anna, berta, 1)
    assert refused.value.code == "wallet_restricted"
    world.pay(berta, anna, 10)
    with world.db.read() as session:
        standing = wallets.restraint_on(session, anna.actor)
        assert wallets.owned_by(session, anna.actor, anna.wallet).is_restricted
    assert standing is not None
    assert (standing.reason, standing.until) == ("account_takeover", world.ground.clock.now() + timedelta(hours=24))
    (told,) = world.events("transaction.wallet.frozen")
    assert told["event"]["reason"] == "account_takeover"
    assert told["onepay"]["transaction"]["until"] == "2026-11-03T09:00:00.000000Z"

    undo(world, ref, "key-2")

    world.pay(anna, berta, 110)
    assert len(world.events("transaction.wallet.unfrozen")) == 1
    assert world.differences() == []


def test_a_hold_and_its_undo_have_one_effect_by_key(world: World) -> None:
    anna = world.customer("anna", balance=100)
    with world.db.read() as session:
        assert HOLD.check(session, "key-1") is Standing.UNKNOWN

    refs = {hold(world, anna.id, "key-1") for _ in range(3)}
    assert len(refs) == 1
    with world.db.read() as session:
        assert HOLD.check(session, "key-1") is Standing.DONE
    for _ in range(3):
        undo(world, *refs, "key-2")

    with world.db.read() as session:
        assert HOLD.check(session, "key-1") is Standing.UNDONE
    assert len(world.events("transaction.wallet.frozen")) == 1
    assert len(world.events("transaction.wallet.unfrozen")) == 1


def test_money_stays_held_while_another_restraint_stands(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    first, second = hold(world, anna.id, "key-1"), hold(world, anna.id, "key-2")

    undo(world, first, "undo-1")
    with pytest.raises(TransferRefused):
        world.pay(anna, berta, 1)
    undo(world, second, "undo-2")

    assert world.pay(anna, berta, 1).amount == eur(1)


def test_releasing_a_hold_ends_what_the_owner_reported_and_nothing_else(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    with world.db.begin() as session:
        wallets.hold_reported(session, anna.id, world.ctx(anna.actor))
    first, second = hold(world, anna.id, "key-1"), hold(world, anna.id, "key-2")

    undo(world, first, "undo-1")
    with pytest.raises(TransferRefused):
        world.pay(anna, berta, 1)
    with world.db.begin() as session:
        wallets.hold_reported(session, anna.id, world.ctx(anna.actor))
    undo(world, first, "undo-again")
    undo(world, second, "undo-2")

    assert world.pay(anna, berta, 1).amount == eur(1)


def test_a_wallet_opened_under_a_restraint_opens_held(world: World) -> None:
    anna = world.customer("anna")
    hold(world, anna.id, "key-1")
    with world.db.begin() as session:
        opened = wallets.open(session, anna.id, None, world.ctx(anna.actor), currency=GBP)
    assert opened.state is BookState.DEBIT_FROZEN


def test_a_preview_of_containment_counts_and_changes_nothing(world: World) -> None:
    anna = world.customer("anna", balance=12345)
    with world.db.read() as session:
        radius = HOLD.preview(session, {"account": anna.id}, world.ctx(COMMANDER))
    assert radius.counts == {"people": 1, "wallets": 1}
    assert "123.45 EUR" in radius.lines[0]
    assert world.events("transaction.wallet.frozen") == []


@pytest.mark.parametrize(
    "params",
    [{}, {"account": ""}, {"account": "a", "until": "soon"}, {"account": "a", "until": "2020-01-01T00:00:00Z"}],
)
def test_wrong_parameters_are_refused(world: World, params: dict[str, str]) -> None:
    with pytest.raises(BadParameter), world.db.begin() as session:
        HOLD.run(session, params, "key", world.ctx(COMMANDER))
    with pytest.raises(ContainmentRefused), world.db.begin() as session:
        HOLD.undo(session, "rst_none", "key", world.ctx(COMMANDER))
