"""The questions that cross the port of the event store, and the answers: plain data, no text to be parsed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

Document: TypeAlias = dict[str, Any]
"""A body, nested as it was recorded, with `event.sequence`, `event.ingested` and `event.hash` added."""
Value: TypeAlias = str | int | bool | datetime
Where: TypeAlias = "And | Or | Not | Eq | In | Range | Prefix | Suffix | Contains | Regex | Cidr | Exists"
Key: TypeAlias = str | int | bool

PAGE_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds; without parts it always holds."""

    parts: tuple[Where, ...] = ()


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds; without parts it never does."""

    parts: tuple[Where, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; so it holds where the field is absent."""

    part: Where


@dataclass(frozen=True, slots=True)
class Eq:
    """An element equals the value: numbers as numbers, addresses as 128-bit values, instants cut to milliseconds.

    A number or truth value against text compares by its canonical text. `cased=False` folds ASCII letters.
    """

    field: str
    value: Value
    cased: bool = True


@dataclass(frozen=True, slots=True)
class In:
    """An element equals one of the values, as `Eq` would have it."""

    field: str
    values: tuple[Value, ...]
    cased: bool = True


@dataclass(frozen=True, slots=True)
class Range:
    """An element lies between the bounds given: numbers, instants, addresses, or text by code point."""

    field: str
    gt: Value | None = None
    gte: Value | None = None
    lt: Value | None = None
    lte: Value | None = None

    def bounds(self) -> Iterator[tuple[str, Value]]:
        """Yield (name, bound) of those that are given."""
        for name in ("gt", "gte", "lt", "lte"):
            bound = getattr(self, name)
            if bound is not None:
                yield name, bound


@dataclass(frozen=True, slots=True)
class Prefix:
    """An element's text begins with the value."""

    field: str
    value: str
    cased: bool = True


@dataclass(frozen=True, slots=True)
class Suffix:
    """An element's text ends with the value."""

    field: str
    value: str
    cased: bool = True


@dataclass(frozen=True, slots=True)
class Contains:
    """An element's text holds the value somewhere."""

    field: str
    value: str
    cased: bool = True


@dataclass(frozen=True, slots=True)
class Regex:
    """The pattern, of the portable dialect of `regex.py`, is found somewhere in an element's text."""

    field: str
    pattern: str
    cased: bool = True


@dataclass(frozen=True, slots=True)
class Cidr:
    """An address lies in the network, which is written as `10.0.0.0/8` or `2001:db8::/32`."""

    field: str
    network: str


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there, with at least one element; an empty text is there."""

    field: str


EVERYTHING: Final[Where] = And()


def fields_in(where: Where) -> Iterator[str]:
    """Yield the path of every leaf."""
    match where:
        case And(parts) | Or(parts):
            for part in parts:
                yield from fields_in(part)
        case Not(part):
            yield from fields_in(part)
        case _:
            yield where.field


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """[since, until) on `@timestamp`, in whole milliseconds, and (lo, hi] on the sequence; None is open."""

    since: datetime | None = None
    until: datetime | None = None
    lo: int = 0
    hi: int | None = None


class Order(StrEnum):
    """How documents follow each other: by (`@timestamp` in milliseconds, sequence), or by sequence alone."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SEQUENCE = "sequence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Ask for one page. `after` is the key that the page before gave; `fields` cuts documents down to some paths."""

    where: Where = EVERYTHING
    window: Window = field(default_factory=Window)
    order: Order = Order.NEWEST
    limit: int = 100
    after: str | None = None
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Documents in order; `after` asks for the next page and is None on the last. All pages see sequences ≤ `hi`."""

    documents: list[Document]
    after: str | None
    hi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """What happened in [at, at + every): how many, and how many of each of the leading values of the split field."""

    at: datetime
    count: int
    parts: Mapping[Key, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The leading values of a field for a chart. A count may be short by at most `error_max`; `other` is the rest."""

    counts: list[tuple[Key, int]]
    other: int
    error_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Exactly how many documents share these values, and when the first and the last of them happened."""

    key: tuple[Key, ...]
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequenced:
    """A body that has its place in the log: what is appended to a store."""

    sequence: int
    ingested: datetime
    hash: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A document a store cannot take, and why, for a person."""

    sequence: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What became of each document: the three add up to what was given."""

    stored: int
    repeated: int
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One file or index: all documents of a class that were ingested in one month, or those held for a case."""

    name: str
    documents: int
    bytes: int
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What the store holds."""

    documents: int
    bytes: int
    high: int
    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What forgetting removed: the units' names, how many documents they held, and how many of those a hold keeps."""

    units: tuple[str, ...]
    documents: int
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What opening found: shown on the health page."""

    backend: str
    version: str
    namespace: str
    is_secured: bool | None
    notes: tuple[str, ...] = ()
