"""Adding money from a bank line."""

from __future__ import annotations

import pytest

from app.kernel.errors import Forbidden
from payments import bank_reference, topups
from payments.containment import HoldOutgoing
from payments.money import GBP, AmountInvalid, Money
from payments.topups import BankLine, BankLineChanged, BankLineInvalid, BankReferenceUnknown
from tests.payments.world import BANK, World, eur


def told(world: World, identity: str, amount: Money, text: str) -> topups.TopUp:
    with world.db.begin(posting=True) as session:
        return topups.bank_line(session, BankLine(identity=identity, amount=amount, text=text), world.ctx(BANK))


def test_a_bank_line_with_the_reference_is_credited(world: World) -> None:
    anna = world.customer("anna")

    done = world.top_up(anna, 5000)

    assert world.balance(anna) == 5000
    (event,) = world.events("transaction.topup.settled")
    assert event["onepay"]["topup"]["id"] == done.id
    assert event["transaction"]["amount"] == 5000
    with world.db.read() as session:
        assert topups.list_own(session, anna.actor).data == (done,)
    assert world.differences() == []


def test_a_line_told_again_changes_nothing(world: World) -> None:
    anna = world.customer("anna")

    first, again = world.top_up(anna, 5000, line="L1"), world.top_up(anna, 5000, line="L1")

    assert again == first
    assert world.balance(anna) == 5000
    with pytest.raises(BankLineChanged):
        world.top_up(anna, 5001, line="L1")


def test_the_reference_is_found_however_the_bank_writes_it() -> None:
    text = topups.reference_of("acc_anna")
    packed = text.replace(" ", "")
    written = [text, text.lower(), packed, f"SEPA/{packed}/ANNA", "-".join(text.split()), text[:12] + "\n" + text[12:]]
    assert [bank_reference.find(each) for each in written] == [packed] * len(written)


def test_a_typing_error_is_noticed() -> None:
    text = bank_reference.of("acc_anna")
    wrong = {text[:at] + ("7" if text[at] != "7" else "8") + text[at + 1 :] for at in range(2, len(text))}
    assert {bank_reference.find(each) for each in wrong} == {None}


def test_the_reference_follows_iso_11649() -> None:
    text = bank_reference.of("acc_anna")
    assert int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1
    assert "anna" not in text.lower()
    assert topups.reference_of("acc_anna") == topups.reference_of("acc_anna") != topups.reference_of("acc_berta")


def test_a_line_that_names_nobody_moves_nothing(world: World) -> None:
    anna = world.customer("anna")
    for text, amount in [
        ("thanks", eur(1)),
        (topups.reference_of("acc_nobody"), eur(1)),
        (topups.reference_of(anna.id), Money(1, GBP)),
    ]:
        with pytest.raises(BankReferenceUnknown):
            told(world, "L1", amount, text)
    assert world.balance(anna) == 0


def test_lines_that_cannot_be_are_invalid(world: World) -> None:
    anna = world.customer("anna")
    text = topups.reference_of(anna.id)
    with pytest.raises(BankLineInvalid):
        told(world, "", eur(1), text)
    for minor in (0, -1, 10**12 + 1):
        with pytest.raises(AmountInvalid):
            told(world, "L1", eur(minor), text)
    with pytest.raises(Forbidden), world.db.begin() as session:
        topups.bank_line(session, BankLine(identity="L", amount=eur(1), text=text), world.ctx(anna.actor))


def test_a_held_wallet_still_receives(world: World) -> None:
    anna = world.customer("anna")
    with world.db.begin() as session:
        HoldOutgoing().run(session, {"account": anna.id}, "key", world.ctx(BANK))
    world.top_up(anna, 5)
    assert world.balance(anna) == 5
