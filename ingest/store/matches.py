"""The meaning of a condition, in Python: the reference that every rendering of it is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from ipaddress import ip_network
from typing import Any, Final, TypeAlias, assert_never

from ingest.events.envelope import FieldType
from ingest.store import regex
from ingest.store.columns import MAPPED, Schema, address, canonical_text, cut, instant, integer, shipped
from ingest.store.query import (
    And,
    Cidr,
    Contains,
    Eq,
    Exists,
    In,
    Not,
    Or,
    Prefix,
    Range,
    Regex,
    Suffix,
    Value,
    Where,
)

Predicate: TypeAlias = Callable[[Mapping[str, Any]], bool]
Test: TypeAlias = Callable[[Any], bool]

_FOLD: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def matches(where: Where, document: Mapping[str, Any], schema: Schema | None = None) -> bool:
    """Tell whether a condition holds for a document."""
    return compiled(where, schema)(document)


def compiled(where: Where, schema: Schema | None = None) -> Predicate:
    """Return the condition as a function of a document; raises `UnknownField` and `RegexRefused`."""
    return _compiled(where, schema or shipped())


def _compiled(where: Where, schema: Schema) -> Predicate:
    match where:
        case And(parts):
            every = [_compiled(part, schema) for part in parts]
            return lambda document: all(holds(document) for holds in every)
        case Or(parts):
            some = [_compiled(part, schema) for part in parts]
            return lambda document: any(holds(document) for holds in some)
        case Not(part):
            inner = _compiled(part, schema)
            return lambda document: not inner(document)
        case _:
            return _leaf(elements(where.field), test_of(where, schema.type_of(where.field)))


def _leaf(read: Callable[[Mapping[str, Any]], list[Any]], test: Test) -> Predicate:
    return lambda document: any(test(value) for value in read(document))


@cache
def elements(path: str) -> Callable[[Mapping[str, Any]], list[Any]]:
    """Return a reader of the elements at a path: none where it is absent or null, several where there is a list."""
    parts = tuple(path.split("."))

    def read(document: Mapping[str, Any]) -> list[Any]:
        value: Any = document
        for part in parts:
            if not isinstance(value, Mapping) or part not in value:
                return []
            value = value[part]
        return [] if value is None else value if isinstance(value, list) else [value]

    return read


def fold(text: str) -> str:
    """Return the text with its ASCII letters small; other letters stay."""
    return text.lower() if text.isascii() else text.translate(_FOLD)


def test_of(where: Where, type: FieldType) -> Test:
    """Return what a leaf asks of one element of a field of this type."""
    match where:
        case Exists():
            return lambda value: True
        case Eq(_, value, cased):
            return _equals((value,), type, cased)
        case In(_, values, cased):
            return _equals(values, type, cased)
        case Range():
            return _between(where, type)
        case Cidr(_, network):
            return _within(network) if type is FieldType.IP else lambda value: False
        case Prefix(_, text, cased):
            return _on_text(lambda value, wanted: value.startswith(wanted), text, cased)
        case Suffix(_, text, cased):
            return _on_text(lambda value, wanted: value.endswith(wanted), text, cased)
        case Contains(_, text, cased):
            return _on_text(lambda value, wanted: wanted in value, text, cased)
        case Regex(_, pattern, cased):
            found = regex.searcher(pattern, cased=cased)
            return lambda value: found(canonical_text(value)) is not None
        case And() | Or() | Not():
            raise AssertionError("not a leaf")
        case _:
            assert_never(where)


def comparable(value: Value, type: FieldType, *, cased: bool = True) -> str | int | None:
    """Return the form in which values of this type compare, or None for what can equal none of them."""
    if type is FieldType.DATE and isinstance(value, datetime):
        return cut(value)
    text = canonical_text(value)
    if type is FieldType.LONG:
        return integer(text)
    if type is FieldType.IP:
        return address(text)
    if type is FieldType.DATE:
        at = instant(text)
        return None if at is None else at // 1000
    text = text if cased else fold(text)
    if type is FieldType.BOOLEAN and text not in ("true", "false"):
        return None
    return text


def network_bounds(network: str) -> tuple[int, int] | None:
    """Return the first and last 128-bit address of a network, or None for what is none."""
    try:
        found = ip_network(network, strict=False)
    except ValueError:
        return None
    low, high = int(found.network_address), int(found.broadcast_address)
    return (MAPPED | low, MAPPED | high) if found.version == 4 else (low, high)


def _equals(values: tuple[Value, ...], type: FieldType, cased: bool) -> Test:
    wanted = frozenset(comparable(value, type, cased=cased) for value in values) - {None}
    return lambda value: comparable(value, type, cased=cased) in wanted


def _between(where: Range, type: FieldType) -> Test:
    bounds = [(name, comparable(bound, type)) for name, bound in where.bounds()]
    if any(bound is None for _, bound in bounds) or (bounds and type is FieldType.BOOLEAN):
        return lambda value: False

    def holds(value: Any) -> bool:
        found: Any = comparable(value, type)
        if found is None:
            return False
        return all(_COMPARE[name](found, bound) for name, bound in bounds)

    return holds


_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}


def _within(network: str) -> Test:
    bounds = network_bounds(network)
    if bounds is None:
        return lambda value: False
    low, high = bounds

    def holds(value: Any) -> bool:
        found = address(value) if isinstance(value, str) else None
        return found is not None and low <= found <= high

    return holds


def _on_text(test: Callable[[str, str], bool], wanted: str, cased: bool) -> Test:
    if cased:
        return lambda value: test(canonical_text(value), wanted)
    folded = fold(wanted)
    return lambda value: test(fold(canonical_text(value)), folded)


def order_key(document: Mapping[str, Any]) -> tuple[int, int]:
    """Return (`@timestamp` in milliseconds, sequence) of a stored document."""
    at = instant(document["@timestamp"])
    assert at is not None, "a stored document has its instant"
    return at // 1000, int(document["event"]["sequence"])
