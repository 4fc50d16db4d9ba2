"""Conditions as Query DSL: plain JSON, each leaf exact or, where the server has no word for it, wider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, assert_never

from ingest.events.envelope import FieldType
from ingest.store import regex
from ingest.store.columns import Schema, address_text, cut
from ingest.store.matches import comparable, network_bounds, test_of
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
    Window,
)

Query: TypeAlias = dict[str, Any]
_ALL: Final[Query] = {"match_all": {}}
_NONE: Final[Query] = {"match_none": {}}
_TEXTS: Final = frozenset((FieldType.KEYWORD, FieldType.KEYWORDS))
_WILD: Final = str.maketrans({"*": r"\*", "?": r"\?", "\\": "\\\\"})


@dataclass(frozen=True, slots=True)
class Rendered:
    """A query, and whether it finds exactly what the condition means or more, which Python must then decide."""

    query: Query
    is_exact: bool


def render(where: Where, window: Window, schema: Schema) -> Rendered:
    """Return the query of a condition in a window."""
    renderer = _Renderer(schema)
    query = renderer.condition(where, wide=True)
    return Rendered({"bool": {"filter": [*_window(window), query]}}, renderer.is_exact)


def _window(window: Window) -> list[Query]:
    parts: list[Query] = []
    times = {"gte": window.since, "lt": window.until}
    bounds = {name: cut(at) for name, at in times.items() if at is not None}
    if bounds:
        parts.append(_range("@timestamp", {**bounds, "format": "epoch_millis"}))
    sequences = {"gt": window.lo or None, "lte": window.hi}
    numbers = {name: number for name, number in sequences.items() if number is not None}
    if numbers:
        parts.append(_range("event.sequence", numbers))
    return parts


class _Renderer:
    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.is_exact = True

    def condition(self, where: Where, *, wide: bool) -> Query:
        """Render. Where the server has no word, `wide` finds too much, and not wide, as below a Not, too little."""
        match where:
            case And(parts):
                return {"bool": {"filter": [self.condition(part, wide=wide) for part in parts]}} if parts else _ALL
            case Or(parts):
                if not parts:
                    return _NONE
                some = [self.condition(part, wide=wide) for part in parts]
                return {"bool": {"should": some, "minimum_should_match": 1}}
            case Not(part):
                return {"bool": {"must_not": [self.condition(part, wide=not wide)]}}
            case _:
                found = self.leaf(where)
                if found is not None:
                    return found
                self.is_exact = False
                return {"exists": {"field": where.field}} if wide else _NONE

    def leaf(self, where: Where) -> Query | None:
        assert not isinstance(where, And | Or | Not)
        field, type = where.field, self.schema.type_of(where.field)
        match where:
            case Exists():
                return {"exists": {"field": field}}
            case Eq():
                return self.equals(field, type, (where.value,), where.cased)
            case In():
                return self.equals(field, type, where.values, where.cased)
            case Range():
                return self.between(field, type, where)
            case Cidr():
                bounds = network_bounds(where.network) if type is FieldType.IP else None
                if bounds is None:
                    return _NONE
                return _range(field, {"gte": address_text(bounds[0]), "lte": address_text(bounds[1])})
            case Regex():
                pattern = regex.for_lucene(regex.parse(where.pattern, cased=where.cased))
                return self.on_text(where, type, lambda: None if pattern is None else _regexp(field, pattern))
            case Prefix():
                return self.on_text(where, type, lambda: _text("prefix", field, where.value, where.cased))
            case Suffix():
                wild = "*" + where.value.translate(_WILD)
                return self.on_text(where, type, lambda: _text("wildcard", field, wild, where.cased))
            case Contains():
                wild = f"*{where.value.translate(_WILD)}*" if where.value else "*"
                return self.on_text(where, type, lambda: _text("wildcard", field, wild, where.cased))
            case _:
                assert_never(where)

    def equals(self, field: str, type: FieldType, values: tuple[Value, ...], cased: bool) -> Query:
        wanted = dict.fromkeys(comparable(value, type, cased=cased) for value in values)
        found = [value for value in wanted if value is not None]
        if not found:
            return _NONE
        match type:
            case FieldType.KEYWORD | FieldType.KEYWORDS if not cased:
                return _some([_text("term", field, str(value), False) for value in found])
            case FieldType.KEYWORD | FieldType.KEYWORDS | FieldType.LONG:
                return {"terms": {field: found}}
            case FieldType.BOOLEAN:
                return {"terms": {field: [value == "true" for value in found]}}
            case FieldType.IP:
                return {"terms": {field: [address_text(int(value)) for value in found]}}
            case FieldType.DATE:
                return _some([_range(field, {"gte": at, "lte": at, "format": "epoch_millis"}) for at in found])
            case FieldType.OBJECT:
                raise AssertionError("an object is not indexed")
            case _:
                assert_never(type)

    def between(self, field: str, type: FieldType, where: Range) -> Query:
        bounds: dict[str, Any] = {}
        for name, bound in where.bounds():
            found = comparable(bound, type)
            if found is None or type is FieldType.BOOLEAN:
                return _NONE
            bounds[name] = found
        if not bounds:
            return {"exists": {"field": field}}
        # One element must meet all bounds, so they are one query, in which a side has one bound: the narrower.
        if "gt" in bounds and "gte" in bounds:
            del bounds["gte" if bounds["gt"] >= bounds["gte"] else "gt"]
        if "lt" in bounds and "lte" in bounds:
            del bounds["lte" if bounds["lt"] <= bounds["lte"] else "lt"]
        if type is FieldType.IP:
            bounds = {name: address_text(bound) for name, bound in bounds.items()}
        return _range(field, {**bounds, **({"format": "epoch_millis"} if type is FieldType.DATE else {})})

    def on_text(self, where: Where, type: FieldType, on_keyword: Callable[[], Query | None]) -> Query | None:
        if type in _TEXTS:
            return on_keyword()
        assert not isinstance(where, And | Or | Not)
        if type is FieldType.BOOLEAN:
            test = test_of(where, type)
            return {"terms": {where.field: [value for value in (True, False) if test(value)]}}
        return None


def _range(field: str, bounds: dict[str, Any]) -> Query:
    return {"range": {field: bounds}}


def _text(query: str, field: str, value: str, cased: bool) -> Query:
    return {query: {field: {"value": value, "case_insensitive": not cased}}}


def _regexp(field: str, pattern: str) -> Query:
    return {"regexp": {field: {"value": pattern, "flags": "NONE"}}}


def _some(parts: list[Query]) -> Query:
    return parts[0] if len(parts) == 1 else {"bool": {"should": parts, "minimum_should_match": 1}}
