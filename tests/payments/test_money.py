"""Amounts: what the API's text may say, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments import money
from payments.money import EUR, JPY, AmountInvalid, CurrencyUnknown, Money


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("0.01", "EUR", 1),
        ("100", "JPY", 100),
        ("10000000000.00", "EUR", 10**12),  # the largest
    ],
)
def test_an_amount_is_read_exactly(text: str, currency: str, minor: int) -> None:
    assert money.parse(text, currency).minor == minor


@pytest.mark.parametrize(
    "amount",
    [
        12.5, 12, True, None, ["12.50"], "", " ", "12.5", "12.500", "12", "12.", ".50", "1e3", "1,250.00", "1.250,00",
        "-0.00", "-1.00", "+1.00", "0.00", "00.10", "01.00", " 1.00", "1.00 ", "1.00\n", "1_000.00", "NaN", "Infinity",
        "0x10", "١٢.٥٠", "１２.５０", "10000000000.01", "9" * 30 + ".00", "9" * 5000 + ".00",
    ],
    ids=repr,
)  # fmt: skip
def test_no_other_text_is_an_amount(amount: object) -> None:
    with pytest.raises(AmountInvalid):
        money.parse(amount, "EUR")


def test_a_currency_without_minor_units_has_no_point() -> None:
    with pytest.raises(AmountInvalid):
        money.parse("1.00", "JPY")


@pytest.mark.parametrize("code", ["eur", "EUR ", "CHF", "XXX", "", None, 978, ["EUR"]], ids=repr)
def test_only_enabled_currencies_are_known(code: object) -> None:
    with pytest.raises(CurrencyUnknown) as refused:
        money.parse("1.00", code)
    assert refused.value.param == "amount.currency"


@given(minor=st.integers(1, money.AMOUNT_MINOR_MAX), currency=st.sampled_from(money.ENABLED))
def test_what_is_written_reads_back(minor: int, currency: money.Currency) -> None:
    amount = Money(minor, currency)
    assert money.parse(money.digits_text(amount), currency) == amount


def test_a_change_shows_its_sign() -> None:
    assert str(Money(-5, EUR)) == "-0.05 EUR"
    assert str(Money(-5, JPY)) == "-5 JPY"


def test_two_currencies_do_not_add_up() -> None:
    with pytest.raises(AssertionError):
        Money(1, EUR) + Money(1, JPY)


def test_every_enabled_currency_has_its_digits() -> None:
    assert {code: money.DIGITS[code] for code in money.ENABLED} == {"EUR": 2, "GBP": 2, "JPY": 0, "USD": 2}
    assert len(money.DIGITS) > 150
