"""How money, instants and ids read on a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from datetime import date as Date
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_currency
from markupsafe import Markup, escape

from app.identity.policy import in_words
from payments.money import DIGITS, Money

LOCALE: Final = "en_GB"
MINUS: Final = "\u2212"


def money(amount: Money) -> str:
    """Return an amount with its currency's sign, as the locale writes it."""
    value = Decimal(abs(amount.minor)).scaleb(-DIGITS[amount.currency])
    text = format_currency(value, amount.currency, locale=LOCALE)
    return f"{MINUS}{text}" if amount.minor < 0 else text


def signed(amount: Money) -> str:
    """Return an amount with + or − before the currency."""
    return money(amount) if amount.minor < 0 else f"+{money(amount)}"


def clock(at: datetime, zone: ZoneInfo) -> Markup:
    """Return hours and minutes of an instant."""
    return _time(at, format_time(at, "HH:mm", tzinfo=zone, locale=LOCALE))


def instant(at: datetime, zone: ZoneInfo) -> Markup:
    """Return weekday, date and minute of an instant."""
    return _time(at, format_datetime(at, "EEEE d MMMM y, HH:mm", tzinfo=zone, locale=LOCALE))


def exact(at: datetime, zone: ZoneInfo) -> Markup:
    """Return hours, minutes and seconds of an instant."""
    return _time(at, format_time(at, "HH:mm:ss", tzinfo=zone, locale=LOCALE))


def near(at: datetime, now: datetime, zone: ZoneInfo) -> Markup:
    """Return an instant relative to today, with the absolute time beside it."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    hour = format_time(at, "HH:mm", tzinfo=zone, locale=LOCALE)
    match (today - local.date()).days:
        case 0:
            return _time(at, f"today, {hour}")
        case 1:
            return _time(at, f"yesterday, {hour}")
        case _:
            pattern = "d MMMM" if local.year == today.year else "d MMMM y"
            return _time(at, f"{format_date(local, pattern, locale=LOCALE)}, {hour}")


def day(at: datetime, zone: ZoneInfo) -> Markup:
    """Return the day of an instant in full."""
    return _time(at, format_date(at.astimezone(zone), "EEEE d MMMM y", locale=LOCALE))


def date(on: Date) -> str:
    """Return a day in full, without its weekday."""
    return str(format_date(on, "d MMMM y", locale=LOCALE))


def weekday(on: Date) -> str:
    """Return the weekday of a day."""
    return str(format_date(on, "EEEE", locale=LOCALE))


def day_name(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Return Today, Yesterday or the weekday."""
    local = at.astimezone(zone).date()
    today = now.astimezone(zone).date()
    if local == today:
        return "Today"
    return "Yesterday" if local == today - timedelta(days=1) else str(format_date(local, "EEEE", locale=LOCALE))


def day_beside(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Return what stands beside the name of a day: its date, with the weekday where the name is not the weekday."""
    local = at.astimezone(zone)
    is_recent = local.date() >= now.astimezone(zone).date() - timedelta(days=1)
    return str(format_date(local, "EEEE d MMMM" if is_recent else "d MMMM", locale=LOCALE))


def short_id(text: str) -> str:
    """Return an id with its middle left out."""
    return text if len(text) <= 16 else f"{text[:8]}…{text[-4:]}"


def wait(seconds: int) -> str:
    """Return a wait in words."""
    if seconds < 60:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    minutes = -(-seconds // 60)
    return f"{minutes} minute{'s' if minutes != 1 else ''}"


def span(seconds: int) -> str:
    """Return a length of the security policy in words."""
    return in_words(seconds)


def grouped(digest: bytes) -> str:
    """Return the first sixteen bytes of a digest in groups of eight hex digits."""
    text = digest[:16].hex()
    return " ".join(text[place : place + 8] for place in range(0, 32, 8))


def _time(at: datetime, text: str) -> Markup:
    # What is read is local time, as the foot of the page says; the title says the instant in UTC.
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{:%Y-%m-%d %H:%M:%S} UTC">{}</time>').format(
        at.isoformat(timespec="seconds"), utc, escape(text)
    )
