"""Conditions as DuckDB SQL: columns by their catalogue path, values always as parameters, every leaf exact."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Final, assert_never

from ingest.events.envelope import FieldType
from ingest.store import regex
from ingest.store.columns import Schema, from_millis
from ingest.store.matches import comparable, fold, network_bounds
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

FALSE: Final = "false"
ADDRESS: Final = "/n"
"""Ends the name of the column that holds an address as a number."""
_IN_LIST_MAX: Final = 50
_UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER: Final = _UPPER.lower()
_OPERATORS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_DATE_FORM: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class Parameters:
    """The values of one statement, each given once however often it is used."""

    def __init__(self) -> None:
        self.by_name: dict[str, object] = {}
        self._names: dict[tuple[str, object], str] = {}

    def add(self, value: object) -> str:
        """Return the place of a value in the statement."""
        key = (type(value).__name__, tuple(value) if isinstance(value, list) else value)
        name = self._names.setdefault(key, f"p{len(self._names)}")
        self.by_name[name] = value
        return f"${name}"


def quoted(path: str) -> str:
    """Return the column of a path as an identifier."""
    assert '"' not in path
    return f'"{path}"'


def numbered(column: str) -> str:
    """Return the column that holds an address as a number."""
    return quoted(column[1:-1] + ADDRESS)


def naive(at: datetime) -> datetime:
    """Return an instant as DuckDB's TIMESTAMP takes it: UTC without saying so."""
    return at.astimezone(UTC).replace(tzinfo=None)


def render_window(window: Window, parameters: Parameters) -> str:
    """Return the condition of a window."""
    parts: list[str] = []
    if window.since is not None:
        parts.append(f"ts >= CAST({parameters.add(naive(window.since))} AS TIMESTAMP_MS)")
    if window.until is not None:
        parts.append(f"ts < CAST({parameters.add(naive(window.until))} AS TIMESTAMP_MS)")
    if window.lo > 0:
        parts.append(f'"event.sequence" > {parameters.add(window.lo)}')
    if window.hi is not None:
        parts.append(f'"event.sequence" <= {parameters.add(window.hi)}')
    return " AND ".join(parts) or "true"


def render(where: Where, schema: Schema, parameters: Parameters, present: Collection[str] | None = None) -> str:
    """Return the condition as SQL that is true exactly where it holds.

    `present` are the columns a file has, when it is older than the catalogue: what it lacks is absent in all its rows.
    """
    return _Renderer(schema, parameters, schema.indexed if present is None else present).condition(where, False)


class _Renderer:
    def __init__(self, schema: Schema, parameters: Parameters, present: Collection[str]) -> None:
        self.schema = schema
        self.add = parameters.add
        self.present = present

    def condition(self, where: Where, below_not: bool) -> str:
        match where:
            case And(parts):
                return self.joined(" AND ", parts, "true", below_not)
            case Or(parts):
                return self.joined(" OR ", parts, FALSE, below_not)
            case Not(part):
                return f"NOT {self.condition(part, True)}"
            case _:
                leaf = self.leaf(where)
                # A NULL counts as false where rows are chosen; only a NOT above it would tell the two apart.
                return f"coalesce({leaf}, false)" if below_not and leaf != FALSE else f"({leaf})"

    def joined(self, word: str, parts: tuple[Where, ...], empty: str, below_not: bool) -> str:
        if not parts:
            return empty
        return "(" + word.join(self.condition(part, below_not) for part in parts) + ")"

    def leaf(self, where: Where) -> str:
        assert not isinstance(where, And | Or | Not)
        type = self.schema.type_of(where.field)
        if where.field not in self.present:
            return FALSE
        column = quoted(where.field)
        match where:
            case Regex():
                wanted = self.add(regex.for_re2(regex.parse(where.pattern, cased=where.cased)))
                text = self.on_text(type, column, lambda value: f"regexp_matches({value}, {wanted})")
            case Exists():
                text = f"{column} IS NOT NULL"
            case Eq():
                text = self.equals(type, column, (where.value,), where.cased)
            case In():
                text = self.equals(type, column, where.values, where.cased)
            case Range():
                text = self.between(type, column, where)
            case Cidr():
                text = self.within(type, column, where.network)
            case Prefix():
                text = self.text_test("starts_with", type, column, where.value, where.cased)
            case Suffix():
                text = self.text_test("suffix", type, column, where.value, where.cased)
            case Contains():
                text = self.text_test("contains", type, column, where.value, where.cased)
            case _:
                assert_never(where)
        return text

    def equals(self, type: FieldType, column: str, values: tuple[Value, ...], cased: bool) -> str:
        wanted = list(dict.fromkeys(comparable(value, type, cased=cased) for value in values))
        found = [value for value in wanted if value is not None]
        if not found:
            return FALSE
        match type:
            case FieldType.KEYWORD | FieldType.KEYWORDS if not cased:
                return self.on_text(type, column, lambda text: self.any_folded(text, found))
            case FieldType.KEYWORD:
                return self.one_of(column, found, "VARCHAR")
            case FieldType.KEYWORDS:
                return f"list_has_any({column}, CAST({self.add(found)} AS VARCHAR[]))"
            case FieldType.LONG:
                return self.one_of(column, found, "BIGINT")
            case FieldType.BOOLEAN:
                tests = [column if value == "true" else f"NOT {column}" for value in found]
                return " OR ".join(tests)
            case FieldType.IP:
                number = numbered(column)
                return " OR ".join(f"{number} = {self.number(value)}" for value in found)
            case FieldType.DATE:
                return " OR ".join(self.at_millisecond(column, int(value)) for value in found)
            case FieldType.OBJECT:
                raise AssertionError("an object is not indexed")
            case _:
                assert_never(type)

    def one_of(self, column: str, values: list[str | int], type: str) -> str:
        if len(values) <= _IN_LIST_MAX:
            return f"{column} IN ({', '.join(self.add(value) for value in values)})"
        return f"{column} IN (SELECT unnest(CAST({self.add(values)} AS {type}[])))"

    def at_millisecond(self, column: str, millis: int) -> str:
        low, high = self.instant(millis), self.instant(millis + 1)
        return f"({column} >= {low} AND {column} < {high})"

    def between(self, type: FieldType, column: str, where: Range) -> str:
        bounds: list[tuple[str, str | int]] = []
        for name, bound in where.bounds():
            found = comparable(bound, type)
            if found is None or type is FieldType.BOOLEAN:
                return FALSE
            bounds.append((name, found))
        if not bounds:
            return f"{column} IS NOT NULL"
        if type is FieldType.DATE:
            return " AND ".join(self.date_bound(column, name, bound) for name, bound in bounds)
        if type is FieldType.IP:
            number = numbered(column)
            return " AND ".join(f"{number} {_OPERATORS[name]} {self.number(bound)}" for name, bound in bounds)
        places = [(_OPERATORS[name], self.add(bound)) for name, bound in bounds]
        if type is FieldType.KEYWORDS:
            return self.on_text(
                type, column, lambda text: " AND ".join(f"{text} {sign} {place}" for sign, place in places)
            )
        return " AND ".join(f"{column} {sign} {place}" for sign, place in places)

    def date_bound(self, column: str, name: str, bound: object) -> str:
        # Instants compare in milliseconds; the column has microseconds, so "after t" begins a millisecond later.
        assert isinstance(bound, int)
        later = bound + 1 if name in ("gt", "lte") else bound
        return f"{column} {'>=' if name in ('gt', 'gte') else '<'} {self.instant(later)}"

    def within(self, type: FieldType, column: str, network: str) -> str:
        bounds = network_bounds(network)
        if bounds is None or type is not FieldType.IP:
            return FALSE
        low, high = (self.number(bound) for bound in bounds)
        return f"{numbered(column)} BETWEEN {low} AND {high}"

    def text_test(self, function: str, type: FieldType, column: str, value: str, cased: bool) -> str:
        if cased:
            wanted = self.add(value)
            return self.on_text(type, column, lambda text: f"{function}({text}, {wanted})")
        return self.on_text(type, column, lambda text: self.folded(function, text, value))

    def folded(self, function: str, text: str, value: str) -> str:
        """Compare with ASCII letters folded.

        `lower` knows all of Unicode (a Kelvin sign becomes a k), so it only narrows: what it lets through is right if
        both are ASCII, else it is folded letter by letter, which takes fifty times as long.
        """
        small = self.add(fold(value))
        slow = f"{function}(translate({text}, '{_UPPER}', '{_LOWER}'), {small})"
        quick = "true" if value.isascii() else slow
        narrowed = f"{function}(lower({text}), lower({self.add(value)}))"
        return f"CASE WHEN NOT {narrowed} THEN false WHEN strlen({text}) = length({text}) THEN {quick} ELSE {slow} END"

    def any_folded(self, text: str, values: list[str | int]) -> str:
        tests: list[str] = []
        for value in map(str, values):
            if value.isascii():
                # Whatever else `lower` makes into these letters takes more bytes than they do.
                tests.append(f"(lower({text}) = {self.add(value)} AND strlen({text}) = {len(value)})")
            else:
                tests.append(f"translate({text}, '{_UPPER}', '{_LOWER}') = {self.add(value)}")
        return " OR ".join(tests)

    def on_text(self, type: FieldType, column: str, test: Callable[[str], str]) -> str:
        match type:
            case FieldType.KEYWORD | FieldType.IP:
                return test(column)
            case FieldType.KEYWORDS:
                return f"len(list_filter({column}, lambda x: {test('x')})) > 0"
            case FieldType.LONG | FieldType.BOOLEAN:
                return test(f"CAST({column} AS VARCHAR)")
            case FieldType.DATE:
                return test(f"strftime({column}, '{_DATE_FORM}')")
            case FieldType.OBJECT:
                raise AssertionError("an object is not indexed")
            case _:
                assert_never(type)

    def number(self, address: str | int) -> str:
        # The driver cannot bind all of 128 bits, so an address goes over as text.
        return f"CAST({self.add(str(address))} AS UHUGEINT)"

    def instant(self, millis: int) -> str:
        return f"CAST({self.add(naive(from_millis(millis)))} AS TIMESTAMP)"
