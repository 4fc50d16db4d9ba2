"""Money: an integer of minor units and a currency of ISO 4217; no float comes near it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NewType

from app.kernel.errors import Invalid

Currency = NewType("Currency", str)

EUR: Final = Currency("EUR")
GBP: Final = Currency("GBP")
JPY: Final = Currency("JPY")
USD: Final = Currency("USD")
ENABLED: Final = (EUR, GBP, JPY, USD)
REPORTING: Final = EUR

AMOUNT_MINOR_MAX: Final = 10**12
_TEXT_CHARS_MAX: Final = 20
_TWO_DIGITS: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC "
    "CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
    "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD "
    "NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN "
    "SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_NO_DIGITS: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DIGITS: Final = "BHD IQD JOD KWD LYD OMR TND"
# Minor units of ISO 4217:2015, list one.
DIGITS: Final[dict[str, int]] = {
    code: digits for digits, codes in ((0, _NO_DIGITS), (2, _TWO_DIGITS), (3, _THREE_DIGITS)) for code in codes.split()
}
_SHAPES: Final = {
    digits: re.compile(r"(0|[1-9][0-9]*)" + (rf"\.([0-9]{{{digits}}})" if digits else "()")) for digits in (0, 2, 3)
}


class AmountInvalid(Invalid):
    """An amount is a text such as "12.50": greater than zero, with exactly the digits of its currency."""

    code = "amount_invalid"


class CurrencyUnknown(Invalid):
    """This currency is not in use here."""

    code = "currency_unknown"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units; it may be negative where it stands for a change."""

    minor: int
    currency: Currency

    def __post_init__(self) -> None:
        assert type(self.minor) is int, "minor units are whole numbers"

    def __add__(self, other: Money) -> Money:
        assert self.currency == other.currency, "two currencies do not add up"
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        return self + -other

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __str__(self) -> str:
        return f"{digits_text(self)} {self.currency}"


def currency(value: object, *, param: str = "currency") -> Currency:
    """Return an enabled currency, or raise `CurrencyUnknown` naming the field."""
    for known in ENABLED:
        if value == known:
            return known
    raise CurrencyUnknown(param=param)


def parse(amount: object, code: object, *, param: str = "amount") -> Money:
    """Read an order's amount as the API writes it: no sign, exponent, separator or leading zero, never zero.

    Raises `AmountInvalid` and `CurrencyUnknown`, each naming its field.
    """
    of = currency(code, param=f"{param}.currency")
    if not isinstance(amount, str) or len(amount) > _TEXT_CHARS_MAX:
        raise AmountInvalid(param=param)
    read = _SHAPES[DIGITS[of]].fullmatch(amount)
    if read is None:
        raise AmountInvalid(param=param)
    minor = int(read.group(1) + read.group(2))
    if not 0 < minor <= AMOUNT_MINOR_MAX:
        raise AmountInvalid(param=param)
    return Money(minor, of)


def digits_text(money: Money) -> str:
    """Return the amount alone, with exactly the digits of its currency: the text that `parse` reads."""
    digits = DIGITS[money.currency]
    sign, text = "-" if money.minor < 0 else "", str(abs(money.minor))
    if digits == 0:
        return sign + text
    text = text.rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}"
