"""What is asked of the trail: a filter as plain words, the condition it means, and the hash that names it in events."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

from app.kernel import canonical, crypto
from app.kernel.access import Actor
from app.kernel.clock import parse_rfc3339, rfc3339
from app.kernel.errors import Invalid, Malformed
from app.kernel.words import demand_clean
from compliance.engine.history import PERIOD_MAX, PeriodInvalid
from ingest.events import catalog
from ingest.store.query import And, Cidr, Eq, In, Or, Prefix, Where, Window

TEXT_MAX: Final = 200
OUTCOMES: Final = ("success", "failure", "unknown")
_TIMES: Final = ("since", "until")
_NUMBERS: Final = ("first", "last")
_PATHS: Final = {
    "actor": "user.id",
    "subject": "onepay.subject.id",
    "outcome": "event.outcome",
    "request": "trace.id",
}


class FilterInvalid(Invalid):
    """A word of the filter cannot be read."""

    code = "filter_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events: all words must fit. `action` may end with a star; `since` and `first` are included, `until` not."""

    actor: str | None = None
    subject: str | None = None
    object: str | None = None
    action: str | None = None
    outcome: str | None = None
    address: str | None = None
    request: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    first: int | None = None
    last: int | None = None

    def where(self) -> Where:
        """Return the condition."""
        parts: list[Where] = [Eq(path, value) for name, path in _PATHS.items() if (value := getattr(self, name))]
        if self.object:
            parts.append(Or(tuple(In(path, (self.object,)) for path in catalog.objects())))
        if self.action:
            stem = self.action.rstrip("*")
            parts.append(Prefix("event.action", stem) if stem != self.action else Eq("event.action", stem))
        if self.address:
            parts.append(Cidr("source.ip", self.address) if "/" in self.address else Eq("source.ip", self.address))
        return And(tuple(parts))

    def window(self, hi: int) -> Window:
        """Return times and sequences, up to a sequence; an empty one where the first comes after the last."""
        last = min(self.last, hi) if self.last is not None else hi
        return Window(since=self.since, until=self.until, lo=min((self.first or 1) - 1, last), hi=last)

    def within(self, actor: Actor) -> Filter:
        """Return it as far as an auditor's period reaches; for everybody else it is itself."""
        if actor.period is None:
            return self
        begin, end = (at.replace(microsecond=at.microsecond // 1000 * 1000) for at in actor.period)
        since = max(self.since or begin, begin)
        return replace(self, since=since, until=max(since, min(self.until or end, end)))

    def plain(self) -> dict[str, str | int]:
        """Return what it asks for, as a value with a canonical form."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: rfc3339(value) if isinstance(value, datetime) else value
            for name, value in found.items()
            if value is not None
        }

    @property
    def hash(self) -> str:
        """Return what names it in events."""
        return crypto.sha256(canonical.encode(self.plain())).hex()


def read(words: Mapping[str, Any], at: datetime) -> Filter:
    """Read a filter from the words of an address or command line.

    Raises `FilterInvalid`, `PeriodInvalid`, and `SecretInText` for a card number.
    """
    unknown = words.keys() - {field.name for field in fields(Filter)}
    if unknown:
        raise FilterInvalid(f"A filter has no word {sorted(unknown)[0]!r}.", param=sorted(unknown)[0])
    given = {name: str(value).strip() for name, value in words.items() if value not in (None, "")}
    for name, text in given.items():
        if len(text) > TEXT_MAX or not text.isprintable():
            raise FilterInvalid(param=name)
        demand_clean(text, param=name)
    if given.get("outcome", "success") not in OUTCOMES:
        raise FilterInvalid(f"An outcome is one of {', '.join(OUTCOMES)}.", param="outcome")
    made: dict[str, Any] = dict(given)
    made |= {name: _number(given[name], name) for name in _NUMBERS if name in given}
    made |= {name: _time(given[name], name) for name in _TIMES if name in given}
    if "address" in given:
        made["address"] = _address(given["address"])
    found = Filter(**made)
    since, until = found.since, found.until
    if since and (since > at or (until or at) < since or (until or at) - since > PERIOD_MAX):
        raise PeriodInvalid("A period begins in the past and before it ends, and is at most five years long.")
    if found.first and found.last and found.first > found.last:
        raise PeriodInvalid("The first sequence stands behind the last.")
    return found


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= len(text) <= 15 or int(text) < 1:
        raise FilterInvalid("A sequence is a whole number from 1 on.", param=name)
    return int(text)


def _time(text: str, name: str) -> datetime:
    try:
        if len(text) == len("2026-11-30"):
            day = parse_rfc3339(f"{text}T00:00:00Z")
            return day + timedelta(days=1) if name == "until" else day
        at = parse_rfc3339(text)
    except (ValueError, OverflowError, Malformed) as error:  # after the last day there is no other
        raise FilterInvalid(
            "A time is a day like 2026-11-30, or an instant like 2026-11-30T09:00:00Z.", param=name
        ) from error
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text) if "/" in text else ipaddress.ip_address(text))
    except ValueError as error:
        raise FilterInvalid(
            "An address is one like 198.19.0.7, or a network like 198.19.0.0/16.", param="address"
        ) from error
