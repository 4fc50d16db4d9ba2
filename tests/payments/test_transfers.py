"""Sending money: what is settled, what is refused, what leaves its trace."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from app.kernel.access import WALLET_OWN_READ, ActorKind
from app.kernel.errors import Forbidden, Malformed, NotFound, Refused, Traced
from payments import activity, transfers
from payments.models import transfer as table
from payments.money import GBP, AmountInvalid, Money
from payments.notes import CardNumberRefused
from payments.transfers import (
    CurrencyMismatch,
    ReferenceUsed,
    SameWallet,
    TransferFilter,
    TransferOrder,
    TransferRefused,
    TransferState,
)
from payments.wallets import PayeeUnknown
from tests.payments.world import World, eur
from tests.support.ground import somebody


def test_money_arrives_and_both_activities_agree(world: World) -> None:
    anna, berta = world.customer("anna", balance=5000), world.customer("berta")

    done = world.pay(anna, "@Berta", 1250, note="Lunch", reference="INV 7")

    assert done.state is TransferState.SETTLED
    assert (world.balance(anna), world.balance(berta)) == (3750, 1250)
    keys = world.ground.subject_keys
    with world.db.read() as session:
        (paid, topped), (received,) = (
            activity.list(session, who.actor, who.wallet, keys=keys).data for who in (anna, berta)
        )
    assert (paid.amount, paid.balance_after, paid.counterpart, paid.note) == (eur(-1250), eur(3750), "berta", "Lunch")
    assert (received.amount, received.balance_after, received.counterpart) == (eur(1250), eur(1250), "anna")
    assert (received.note, received.reference, paid.reference) == ("Lunch", None, "INV 7")
    assert (topped.kind, topped.amount, topped.counterpart) == ("topup", eur(5000), None)
    assert world.differences() == []


def test_the_log_tells_of_it_without_its_words(world: World) -> None:
    anna, berta = world.customer("anna", balance=5000), world.customer("berta")

    done = world.pay(anna, berta, 1250, note="for the surprise party")

    (told,) = world.events("transaction.transfer.settled")
    assert told["transaction"] == {
        "amount": 1250, "amount_ref": 1250, "currency": "EUR", "fee": 0, "status": "settled", "type": "transfer",
    }  # fmt: skip
    assert told["onepay"]["subject"]["id"] == [anna.id, berta.id]
    assert (told["onepay"]["wallet"]["id"], told["onepay"]["payee"]["id"]) == (anna.wallet, berta.wallet)
    assert told["onepay"]["transfer"]["id"] == done.id
    assert "surprise" not in str(told)


def test_a_note_is_sealed_where_it_lies(world: World) -> None:
    anna, berta = world.customer("anna", balance=5000), world.customer("berta")
    world.pay(anna, berta, 1, note="for the surprise party")

    with world.db.read() as session:
        (sealed,) = session.execute(sa.select(table.c.signed_ct)).scalars()

    assert b"surprise" not in sealed


def test_what_was_signed_is_what_was_shown_and_its_hash_is_told(world: World) -> None:
    anna, berta = world.customer("anna", balance=5000), world.customer("berta")
    order = TransferOrder(source=anna.wallet, payee="@Berta", amount=eur(1250), note=" for the surprise party ")
    with world.db.read() as session:
        shown = transfers.preview(session, order, world.ctx(anna.actor)).signed
    with world.db.begin(posting=True) as session:
        signing = replace(order, salt=shown.salt)
        done = transfers.execute(session, signing, world.ctx(anna.actor), keys=world.ground.subject_keys)

    with world.db.read() as session:
        kept = transfers.by_id(session, anna.actor, done.id, keys=world.ground.subject_keys)
    (told,) = world.events("transaction.transfer.settled")
    assert kept.signed == done.signed == shown
    assert (shown.payee, shown.amount, shown.note) == (berta.handle, eur(1250), "for the surprise party")
    assert kept.signed_hash.hex() == shown.digest().hex() == told["onepay"]["transfer"]["signed_hash"]


def test_the_same_words_never_hash_to_the_same(world: World) -> None:
    anna, berta = world.customer("anna", balance=5000), world.customer("berta")
    assert world.pay(anna, berta, 1, note="yes").signed_hash != world.pay(anna, berta, 1, note="yes").signed_hash


@pytest.mark.parametrize(("balance", "amount"), [(100, 101), (0, 1)])
def test_a_transfer_never_passes_the_floor(world: World, balance: int, amount: int) -> None:
    anna, berta = world.customer("anna", balance=balance), world.customer("berta")

    with pytest.raises(TransferRefused) as refused:
        world.pay(anna, berta, amount)

    assert refused.value.code == "insufficient_funds"
    assert (world.balance(anna), world.balance(berta)) == (balance, 0)


def test_the_last_cent_can_be_sent(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    world.pay(anna, berta, 100)
    assert world.balance(anna) == 0


def test_a_refusal_leaves_its_trace_and_moves_nothing(world: World) -> None:
    anna, berta = world.customer("anna", balance=10), world.customer("berta")

    with pytest.raises(Refused) as refused:
        world.pay(anna, berta, 11, note="rent")
    assert isinstance(refused.value, Traced)
    with world.db.begin() as session:
        refused.value.trace(session, world.ctx(anna.actor))

    with world.db.read() as session:
        kept = transfers.by_id(session, anna.actor, refused.value.object_id, keys=world.ground.subject_keys)
        with pytest.raises(NotFound):
            transfers.by_id(session, berta.actor, kept.id)
    assert (kept.state, kept.reason, kept.note) == (TransferState.REFUSED, "insufficient_funds", "rent")
    (told,) = world.events("transaction.transfer.refused")
    assert told["event"]["reason"] == "insufficient_funds"
    assert "ledger" not in told["onepay"]
    assert world.events("transaction.transfer.settled") == []
    assert world.differences() == []


def test_nobody_pays_from_a_wallet_that_is_not_theirs(world: World) -> None:
    owner, stranger = world.customer("owner_1", balance=100), world.customer("stranger")

    with pytest.raises(NotFound):
        world.pay(stranger, stranger, 1, source=owner.wallet)

    assert world.balance(owner) == 100


@pytest.mark.parametrize("payee", ["nobody_here", "", "@", "x" * 500, "anna; DROP TABLE payments_book"])
def test_an_unknown_payee_is_not_found(world: World, payee: str) -> None:
    anna = world.customer("anna", balance=100)
    with pytest.raises(PayeeUnknown):
        world.pay(anna, payee, 1)


def test_orders_that_cannot_be_are_invalid(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    with pytest.raises(SameWallet):
        world.pay(anna, anna, 1)
    with pytest.raises(CardNumberRefused):
        world.pay(anna, berta, 1, note="4111 1111 1111 1111")
    for minor in (0, -1, 10**12 + 1):
        with pytest.raises(AmountInvalid):
            world.pay(anna, berta, minor)
    order = TransferOrder(source=anna.wallet, payee="berta", amount=Money(1, GBP))
    with pytest.raises(CurrencyMismatch), world.db.begin() as session:
        transfers.execute(session, order, world.ctx(anna.actor), keys=world.ground.subject_keys)
    assert world.events("transaction.transfer.settled") == []


def test_a_reference_pays_once_for_ever_and_names_the_first(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta", balance=100)
    first = world.pay(anna, berta, 10, reference="INV 7")

    with pytest.raises(ReferenceUsed) as used:
        world.pay(anna, berta, 20, reference="INV 7")

    assert used.value.object_id == first.id
    world.pay(berta, anna, 10, reference="INV 7")  # another owner's own number
    assert (world.balance(anna), world.balance(berta)) == (100, 100)


def test_the_reference_of_a_refused_order_can_be_used_again(world: World) -> None:
    anna, berta = world.customer("anna", balance=5), world.customer("berta")
    with pytest.raises(TransferRefused):
        world.pay(anna, berta, 10, reference="INV 7")
    world.top_up(anna, 5)
    assert world.pay(anna, berta, 10, reference="INV 7").reference == "INV 7"


def test_a_preview_tells_what_would_happen_and_writes_nothing(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    ctx = world.ctx(anna.actor)
    with world.db.read() as session:
        good = transfers.preview(session, TransferOrder(source=anna.wallet, payee="berta", amount=eur(40)), ctx)
        bad = transfers.preview(session, TransferOrder(source=anna.wallet, payee="berta", amount=eur(101)), ctx)

    assert (good.payee, good.fee, good.arrives, good.left, good.refused) == ("berta", eur(0), eur(40), eur(60), None)
    assert (bad.left, bad.refused) == (eur(100), "insufficient_funds")
    assert (world.balance(anna), world.balance(berta)) == (100, 0)


def test_a_permission_is_demanded_first(world: World) -> None:
    anna = world.customer("anna", balance=100)
    weak = somebody(ActorKind.CUSTOMER, anna.id, WALLET_OWN_READ)
    order = TransferOrder(source="wal_none", payee="nobody", amount=eur(-1))
    with pytest.raises(Forbidden), world.db.read() as session:
        transfers.execute(session, order, world.ctx(weak), keys=world.ground.subject_keys)
    with pytest.raises(Forbidden), world.db.read() as session:
        transfers.list_own(session, weak)


def test_lists_are_paged_by_key_and_filtered(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    made = [world.pay(anna, berta, 1, reference=f"r{n}") for n in range(5)]
    with pytest.raises(TransferRefused) as refused:
        world.pay(anna, berta, 1000)
    with world.db.begin() as session:
        refused.value.trace(session, world.ctx(anna.actor))

    with world.db.read() as session:
        first = transfers.list_own(session, anna.actor, limit=3)
        rest = transfers.list_own(session, anna.actor, limit=3, after=first.next)
        settled = transfers.list_own(session, anna.actor, filters=TransferFilter(state=TransferState.SETTLED))
        one = transfers.list_own(session, anna.actor, filters=TransferFilter(reference="r2"))
        none = transfers.list_own(session, anna.actor, filters=TransferFilter(created_to=made[0].at))
        foreign = transfers.list_own(session, berta.actor)
        older = activity.list(session, berta.actor, berta.wallet, limit=2, after=4)

    assert [t.id for t in first.data + rest.data] == [refused.value.object_id, *(t.id for t in reversed(made))]
    assert (first.next, rest.next) == (made[3].id, None)
    assert [t.id for t in settled.data] == [t.id for t in reversed(made)]
    assert [t.id for t in one.data] == [made[2].id]
    assert none.data == foreign.data == ()
    assert [entry.version for entry in older.data] == [3, 2]
    assert older.next == 2


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_page_is_bounded(world: World, limit: int) -> None:
    anna = world.customer("anna")
    with pytest.raises(Malformed), world.db.read() as session:
        transfers.list_own(session, anna.actor, limit=limit)


def test_a_receiver_reads_what_came_and_a_stranger_does_not(world: World) -> None:
    anna, berta, clara = world.customer("anna", balance=100), world.customer("berta"), world.customer("clara")
    done = world.pay(anna, berta, 1, note="Lunch")
    with world.db.read() as session:
        assert transfers.by_id(session, berta.actor, done.id, keys=world.ground.subject_keys).note == "Lunch"
        with pytest.raises(NotFound):
            transfers.by_id(session, clara.actor, done.id)
        with pytest.raises(NotFound):
            activity.list(session, clara.actor, anna.wallet)


def test_a_receiver_is_given_nothing_of_the_text_but_its_note(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    done = world.pay(anna, berta, 1, note="Lunch", reference="INV-7")
    assert done.signed is not None
    with world.db.read() as session:
        theirs = transfers.by_id(session, berta.actor, done.id, keys=world.ground.subject_keys)
        own = transfers.by_id(session, anna.actor, done.id, keys=world.ground.subject_keys)
    assert own == done
    assert theirs == replace(done, reference=None, signed=None)
    assert not [word for word in ("INV-7", done.signed.salt) if word in repr(theirs)]


def test_lists_and_the_verifier_ask_for_keys_once(world: World) -> None:
    anna, berta, carl = (
        world.customer("anna", balance=100),
        world.customer("berta", balance=100),
        world.customer("carl"),
    )
    for payer in (anna, berta, anna, berta):
        world.pay(payer, carl, 1, note="each")
    heard: list[str] = []
    sa.event.listen(world.ground.keys_db.engine, "before_cursor_execute", lambda *args: heard.append(args[2]))
    keys, asked = world.ground.subject_keys, []
    with world.db.read() as session:
        for read in (
            lambda: [one.note for one in activity.list(session, carl.actor, carl.wallet, keys=keys).data],
            lambda: [one.note for one in transfers.list_own(session, anna.actor, keys=keys).data],
        ):
            assert set(read()) == {"each"}
            asked.append(len([statement for statement in heard if "SELECT" in statement]))
            heard.clear()
    assert world.differences() == []
    asked.append(len([statement for statement in heard if "SELECT" in statement]))
    assert asked == [1, 1, 1]
