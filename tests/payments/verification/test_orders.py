"""Orders and wallets are compared with ledger and log: nobody rewrites who paid whom, or frees money, unseen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.kernel.access import SOC_ACTION_RUN, ActorKind
from ingest.models import body, outbox, subject_key
from payments import signed_text, wallets
from payments.models import transfer
from payments.money import USD
from payments.transfers import TransferRefused
from payments.verification import orders, ownership, restrained, told, verify
from tests.payments.altering import alter
from tests.payments.world import Person, World
from tests.support import sealing
from tests.support.ground import START, somebody

COMMANDER = somebody(ActorKind.STAFF, "acc_commander", SOC_ACTION_RUN)
SETTLED = "UPDATE payments_transfer SET {} WHERE state = 'settled'"
REFUSED = "UPDATE payments_transfer SET {} WHERE state = 'refused'"
TOPUP = "UPDATE payments_topup SET {} WHERE amount = 1000"
OF = "UPDATE payments_balance SET {} WHERE book_id = (SELECT id FROM payments_book WHERE owner_id = '%s')"
ANNA, CARL = OF % "acc_anna", OF % "acc_carl"
BOOK = "UPDATE payments_book SET {} WHERE owner_id = 'acc_anna'"
HOUSE_BOOK = "UPDATE payments_book SET {} WHERE owner_id = 'house'"
OF_HOUSE = OF % "house"
HELD = "UPDATE payments_restraint SET {} WHERE released_at IS NULL"
LET_GO = "UPDATE payments_restraint SET {} WHERE released_at IS NOT NULL"
# The hash and the text of the other order: whole in themselves, and not of this one.
OTHER = "(SELECT {} FROM payments_transfer other WHERE other.id <> payments_transfer.id)"
OTHER_HASH, OTHER_TEXT = OTHER.format("signed_hash"), OTHER.format("signed_ct")
CASES = [
    (SETTLED.format("amount = 501"), {"transfer_amount", "transfer_signed"}),
    (SETTLED.format("target = source, source = target"), {"transfer_amount"}),
    (SETTLED.format("target = 'wal_other'"), {"transfer_books"}),
    (SETTLED.format("source = 'wal_other'"), {"transfer_books"}),
    (SETTLED.format("currency = 'USD'"), {"transfer_currency", "transfer_signed"}),
    (SETTLED.format("owner_id = 'acc_thief'"), {"transfer_owner", "transfer_signed_text"}),
    (SETTLED.format("reference = 'other'"), {"transfer_reference", "transfer_signed"}),
    (SETTLED.format("at = at + 1"), {"transfer_time", "transfer_time_told"}),
    (SETTLED.format("at = at - 1"), {"transfer_time_told"}),
    (SETTLED.format("fee = 1"), {"transfer_amount", "transfer_fee_told", "transfer_signed"}),
    (SETTLED.format("version = 2"), {"transfer_version_told"}),
    (
        SETTLED.format("state = 'refused', reason = 'wallet_restricted'"),
        {"transfer_reason", "transfer_state", "transfer_status_told", "transfer_untold"},
    ),
    (SETTLED.format("payee = 'carl'"), {"transfer_signed"}),
    (SETTLED.format(f"signed_hash = {OTHER_HASH}"), {"transfer_signed_hash", "transfer_signed_told"}),
    (SETTLED.format(f"signed_ct = {OTHER_TEXT}"), {"transfer_signed_text"}),
    ("DELETE FROM payments_transfer WHERE state = 'settled'", {"transfer_missing"}),
    (SETTLED.format("reason = 'wallet_restricted'"), {"transfer_reason"}),
    (REFUSED.format("amount = 1"), {"transfer_refusal", "transfer_signed"}),
    (REFUSED.format("owner_id = 'acc_ben'"), {"transfer_refusal", "transfer_signed_text"}),
    (REFUSED.format("reference = 'other'"), {"transfer_signed"}),
    (REFUSED.format("fee = 1"), {"transfer_refusal", "transfer_signed"}),
    (REFUSED.format("version = 2"), {"transfer_refusal"}),
    (REFUSED.format("at = at + 1"), {"transfer_time_told"}),
    (REFUSED.format("reason = 'wallet_restricted'"), {"transfer_refusal"}),
    (REFUSED.format("payee = 'carl'"), {"transfer_signed"}),
    (REFUSED.format(f"signed_hash = {OTHER_HASH}"), {"transfer_signed_hash", "transfer_signed_told"}),
    (REFUSED.format(f"signed_ct = {OTHER_TEXT}"), {"transfer_signed_text"}),
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
    ("DELETE FROM payments_restraint", {"wallet_state", "restraint_missing"}),
    (HELD.format("kind = 'other'"), {"restraint_told", "wallet_state"}),
    (HELD.format("reason = 'owner_disowned'"), {"restraint_told"}),
    (HELD.format("until = until - 1"), {"restraint_told"}),
    (HELD.format("at = at - 1"), {"restraint_placed"}),
    (HELD.format("by_id = 'acc_other'"), {"restraint_placed"}),
    (LET_GO.format("target = 'acc_ben'"), {"restraint_told", "restraint_released"}),
    (LET_GO.format("released_by_id = 'acc_other'"), {"restraint_released"}),
    (LET_GO.format("released_at = released_at + 1"), {"restraint_released"}),
    (LET_GO.format("released_at = NULL, released_by_id = NULL"), {"restraint_released", "wallet_state"}),
    ("DELETE FROM payments_restraint WHERE released_at IS NOT NULL", {"restraint_missing"}),
    (BOOK.format("owner_id = 'acc_thief'"), {"wallet_owner", "bank_reference_missing"}),
    (BOOK.format("currency = 'USD'"), {"wallet_currency"}),
    (BOOK.format("kind = 'bank.clearing'"), {"wallet_kind", "house_book"}),
    (BOOK.format("opened_at = opened_at - 1"), {"wallet_opened_at"}),
    (BOOK.format("label = 'savings'"), {"wallet_label"}),
    (HOUSE_BOOK.format("kind = 'other'"), {"house_book"}),
    (HOUSE_BOOK.format("owner_id = 'acc_thief'"), {"house_book"}),
    (HOUSE_BOOK.format("currency = 'USD'"), {"house_book"}),
    (HOUSE_BOOK.format("closed_at = opened_at"), {"house_book"}),
    (OF_HOUSE.format("state = 'debit_frozen'"), {"house_book"}),
    (OF_HOUSE.format("floor = -1000000"), {"house_book"}),
    (
        "UPDATE payments_bank_reference SET owner_id = 'acc_thief' WHERE owner_id = 'acc_anna'",
        {"bank_reference", "bank_reference_missing"},
    ),
    ("DELETE FROM payments_bank_reference WHERE owner_id = 'acc_anna'", {"bank_reference_missing"}),
    ("DELETE FROM ingest_outbox WHERE kind = 'transaction.wallet.opened'", {"wallet_untold"}),
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
        world.pay(anna, ben, 9_000, reference="r-2")
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


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'"words"', b'{"a":1.5}', b"[" * 9_000])
@pytest.mark.parametrize("is_numbered", [True, False])
def test_a_damaged_body_of_any_event_is_a_finding(world: World, text: bytes, is_numbered: bool) -> None:
    lived(world)
    table = body if is_numbered else outbox
    if is_numbered:
        sealing.sequencer(world.ground).drain()
    with world.db.begin() as session:
        events = session.scalar(sa.select(sa.func.count()).select_from(table).where(table.c["class"] == "money"))
        session.execute(sa.update(table).where(table.c["class"] == "money").values(body=text))
    differences = world.differences()
    assert [one.kind for one in differences] == ["event_unreadable"]
    assert differences[0].count == events
    assert differences[0].key.startswith("evt_")


@pytest.mark.parametrize(
    "text", [b"{}", b'{"onepay":{"restraint":{"id":"\\u0000"},"subject":{"id":7}}}', b'{"onepay":[]}']
)
def test_a_body_of_other_words_is_compared_as_it_stands(world: World, text: bytes) -> None:
    lived(world)
    with world.db.begin() as session:
        session.execute(sa.update(outbox).where(outbox.c["class"] == "money").values(body=text))
    named = {"restraint_missing", "transfer_missing", "wallet_missing", "event_hash", "event_transaction"}
    assert named < kinds(world)


def test_a_damaged_body_hides_no_order_that_is_told_of_elsewhere(world: World) -> None:
    alter(lived(world).ground, SETTLED.format("amount = 501"))
    with world.db.begin() as session:
        frozen = outbox.c.kind == "transaction.wallet.frozen"
        session.execute(sa.update(outbox).where(frozen).values(body=b"{"))
    assert kinds(world) == {"transfer_amount", "transfer_signed", "event_unreadable"}


def test_a_text_sealed_anew_with_its_hash_still_differs_from_the_log(world: World) -> None:
    lived(world)
    with world.db.read() as session:
        row = session.execute(sa.select(transfer).where(transfer.c.state == "settled")).one()
    keys = world.ground.subject_keys
    signed = signed_text.unseal(row.signed_ct, row.owner_id, row.id, keys.reader({row.owner_id}, signed_text.CLASS))
    assert signed is not None
    forged = replace(signed, payee="carl")
    with world.db.begin() as session:
        values = {
            "payee": "carl",
            "signed_ct": signed_text.seal(forged, row.owner_id, row.id, keys),
            "signed_hash": forged.digest(),
        }
        session.execute(sa.update(transfer).where(transfer.c.id == row.id).values(values))
    assert kinds(world) == {"transfer_signed_told"}


def test_orders_of_somebody_erased_are_compared_without_their_text(world: World) -> None:
    lived(world)
    with world.ground.keys_db.begin() as session:
        session.execute(
            sa.update(subject_key).where(subject_key.c.subject == "acc_anna").values(wrapped=None, destroyed_at=START)
        )
    assert world.differences() == []
    alter(world.ground, SETTLED.format(f"signed_hash = {OTHER_HASH}"))
    assert kinds(world) == {"transfer_signed_told"}


@pytest.mark.parametrize("how", ["emptied", "deleted"])
def test_a_key_that_was_taken_away_hides_no_altered_order(world: World, how: str) -> None:
    lived(world)
    of_anna = subject_key.c.subject == "acc_anna"
    with world.ground.keys_db.begin() as session:
        taken = sa.delete(subject_key) if how == "deleted" else sa.update(subject_key).values(wrapped=None)
        session.execute(taken.where(of_anna))
    assert kinds(world) == {"transfer_signed_text"}


def test_who_frees_a_wallet_and_its_restraint_still_differs_from_the_log(world: World) -> None:
    alter(
        lived(world).ground,
        "DELETE FROM payments_restraint",
        CARL.format("state = 'open'"),
    )
    assert kinds(world) == {"wallet_state_told", "restraint_missing"}


def test_people_held_twice_and_wallets_that_open_held_agree(world: World) -> None:
    carl = lived(world).customer("dora", balance=100)
    ids = []
    for key in ("first", "second"):
        ctx = world.ctx(COMMANDER)
        with world.db.begin() as session:
            ids.append(wallets.hold_outgoing(session, carl.id, ctx.at + timedelta(1), key, ctx, key=key))
    with world.db.begin() as session:
        wallets.open(session, carl.id, None, world.ctx(carl.actor), currency=USD)
    assert world.differences() == []
    for id in ids:
        with world.db.begin() as session:
            wallets.release_outgoing(session, id, world.ctx(COMMANDER), key=f"undo {id}")
        assert world.differences() == []


def test_wallets_of_many_slices_are_compared_a_slice_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (restrained, ownership, told):
        monkeypatch.setattr(room, "SLICE", 2)
    lived(world)
    for n in range(4):
        world.customer(f"guest{n}")
    assert world.differences() == []
    reads = [statement for statement in asked(world) if "FROM payments_book JOIN payments_balance" in statement]
    assert all("LIMIT" in statement for statement in reads if "is_restrained" in statement)
    alter(world.ground, ANNA.format("state = 'debit_frozen'"), CARL.format("state = 'open'"))
    stands = {one.kind: one.count for one in world.differences()}
    assert stands == {"wallet_state": 2, "wallet_state_told": 2}


def test_an_order_before_what_its_books_saw_last_agrees(world: World) -> None:
    """The ledger dates it after that; under load two orders meet so, here the clock stands back."""
    anna, ben = world.customer("anna", balance=1_000), world.customer("ben")
    world.pay(anna, ben, 100)
    world.ground.clock.move(timedelta(seconds=-1))
    world.pay(anna, ben, 100)
    assert world.differences() == []


def asked(world: World, **only: str) -> list[str]:
    """Return the statements of one verification."""
    heard: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        heard.append(statement)

    sa.event.listen(world.db.engine, "before_cursor_execute", listen)
    try:
        with world.db.read() as session:
            assert verify.verify(session, **only).is_sound
    finally:
        sa.event.remove(world.db.engine, "before_cursor_execute", listen)
    return heard


def refused(world: World, payer: Person, payee: Person, times: int) -> None:
    for _ in range(times):
        with pytest.raises(TransferRefused) as caught:
            world.pay(payer, payee, 9_000)
        with world.db.begin() as session:
            caught.value.trace(session, world.ctx(payer.actor))


def test_rows_are_read_in_slices_not_one_by_one(world: World) -> None:
    anna, ben = world.customer("anna", balance=1_000), world.customer("ben")
    refused(world, anna, ben, 1)
    few = len(asked(world))
    for n in range(5):
        world.customer(f"guest{n}", balance=1_000)
    refused(world, anna, ben, 5)
    assert len(asked(world)) == few


def test_one_book_reads_its_own_transactions_alone(world: World) -> None:
    anna, ben = world.customer("anna", balance=1_000), world.customer("ben")
    world.pay(anna, ben, 100)
    assert not [statement for statement in asked(world, only_book=anna.wallet) if "BETWEEN" in statement]


def test_refusals_of_many_slices_agree_and_the_untold_one_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "SLICE", 2)
    monkeypatch.setattr(told, "SLICE", 2)
    anna, ben = world.customer("anna", balance=1_000), world.customer("ben")
    refused(world, anna, ben, 5)
    assert world.differences() == []
    with world.db.read() as session:
        last = session.scalar(
            sa.select(sa.func.max(outbox.c.id)).where(outbox.c.kind == "transaction.transfer.refused")
        )
        lost = session.scalar(sa.select(sa.func.max(transfer.c.id)))
    alter(world.ground, f"DELETE FROM ingest_outbox WHERE id = '{last}'")  # noqa: S608 - an id of ours
    assert [(one.kind, one.key, one.count) for one in world.differences()] == [("transfer_untold", lost, 1)]


def test_a_verification_says_how_far_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "SLICE", 3)
    anna = lived(world) and world.customer("zoe", balance=1_000)
    for only in (None, anna.wallet):
        told: list[tuple[int, int]] = []
        with world.db.read() as session:
            found = verify.verify(session, only_book=only, progress=lambda *far, told=told: told.append(far))
        total = found.entries + found.transactions
        assert told == sorted(told)
        assert told[-1] == (total, total)
        assert {of for _, of in told} == {total}
