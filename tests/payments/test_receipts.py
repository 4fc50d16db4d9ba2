"""A receipt compares the order with the text that was signed, and both with the event in the log."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.kernel.errors import NotFound
from ingest import models
from ingest.log.receipts import Lack
from ingest.models import subject_key
from payments import receipts
from payments.models import transfer as table
from payments.receipts import TextStands, TransferReceipt
from payments.transfers import TransferRefused
from tests.payments.world import Person, World
from tests.support import sealing
from tests.support.ground import START


def receipt(world: World, reader: Person, id: str) -> TransferReceipt:
    with world.db.read() as session:
        return receipts.of_transfer(session, reader.actor, id, keys=world.ground.subject_keys)


def erased(world: World, person: Person) -> None:
    with world.ground.keys_db.begin() as session:
        session.execute(
            sa.update(subject_key).where(subject_key.c.subject == person.id).values(wrapped=None, destroyed_at=START)
        )


def test_payer_and_payee_see_the_proof_once_the_event_is_numbered(world: World) -> None:
    anna, berta, carl = world.customer("anna", balance=100), world.customer("berta"), world.customer("carl")
    done = world.pay(anna, berta, 5, note="Lunch")
    waiting = receipt(world, anna, done.id)
    assert (waiting.proof, waiting.lack) == (None, Lack.WAITS)
    sealing.sequencer(world.ground).drain()
    for reader, is_own in ((anna, True), (berta, False)):
        seen = receipt(world, reader, done.id)
        assert (seen.is_own, seen.transfer.note) == (is_own, "Lunch")
        assert seen.proof is not None
        assert (seen.proof.place.holds, seen.proof.text) == (True, TextStands.AS_LOGGED)
    with pytest.raises(NotFound):
        receipt(world, carl, done.id)


def test_a_refused_order_has_a_receipt_of_its_payer(world: World) -> None:
    anna, berta = world.customer("anna"), world.customer("berta")
    with pytest.raises(TransferRefused) as refused:
        world.pay(anna, berta, 5)
    with world.db.begin() as session:
        refused.value.trace(session, world.ctx(anna.actor))
    sealing.sequencer(world.ground).drain()
    seen = receipt(world, anna, refused.value.object_id or "")
    assert seen.proof is not None
    assert seen.proof.text is TextStands.AS_LOGGED
    with pytest.raises(NotFound):
        receipt(world, berta, refused.value.object_id or "")


def text_as_seen(world: World, reader: Person, id: str) -> TextStands:
    proof = receipt(world, reader, id).proof
    assert proof is not None
    return proof.text


@pytest.mark.parametrize(
    "altered",
    [
        {"payee": "carl"},
        {"amount": 1},
        {"fee": 1},
        {"signed_hash": bytes(32)},
        {"signed_ct": bytes(80)},
        {"signed_ct": b""},
    ],
    ids=["payee", "amount", "fee", "hash", "text", "empty"],
)
def test_an_altered_order_is_not_what_was_signed(world: World, altered: dict[str, object]) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    done = world.pay(anna, berta, 5)
    sealing.sequencer(world.ground).drain()
    with world.db.begin() as session:
        session.execute(sa.update(table).values(altered))
    assert [text_as_seen(world, reader, done.id) for reader in (anna, berta)] == [TextStands.NOT_AS_LOGGED] * 2


def test_a_body_that_is_not_what_was_sealed_proves_no_text(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    done = world.pay(anna, berta, 5)
    sealing.sequencer(world.ground).drain()
    with world.db.begin() as session:
        session.execute(sa.update(models.body).values(salt=bytes(16)))
    assert [text_as_seen(world, reader, done.id) for reader in (anna, berta)] == [TextStands.NOT_AS_LOGGED] * 2


def test_the_text_of_an_erased_payer_is_gone_and_no_objection(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    done = world.pay(anna, berta, 5)
    sealing.sequencer(world.ground).drain()
    erased(world, anna)
    assert [text_as_seen(world, reader, done.id) for reader in (anna, berta)] == [TextStands.ERASED] * 2


@pytest.mark.parametrize(
    "altered",
    [{"amount": 1}, {"fee": 1}, {"signed_hash": bytes(32)}, {"owner_id": "acc_nobody"}, {"source": "wal_other"}],
    ids=["amount", "fee", "hash", "payer", "source"],
)
def test_an_erasure_excuses_no_altered_order(world: World, altered: dict[str, object]) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    done = world.pay(anna, berta, 5)
    sealing.sequencer(world.ground).drain()
    erased(world, anna)
    with world.db.begin() as session:
        session.execute(sa.update(table).values(altered))
    assert text_as_seen(world, berta, done.id) is TextStands.NOT_AS_LOGGED


def test_an_order_whose_event_is_gone_has_no_proof_and_waits_for_none(world: World) -> None:
    anna, berta = world.customer("anna", balance=100), world.customer("berta")
    done = world.pay(anna, berta, 5)
    sealing.sequencer(world.ground).drain()
    with world.db.begin() as session:
        session.execute(sa.delete(models.body))
    seen = receipt(world, anna, done.id)
    assert (seen.proof, seen.lack) == (None, Lack.GONE)
