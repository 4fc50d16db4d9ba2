"""Documents as Arrow tables, a column a field: row by row, inserting takes forty to a hundred times as long.

What is usual is parsed by Arrow itself, a batch at a time; whatever it stumbles over, and what needs a closer look, is
read document by document, which also says what is wrong with which. Both ways lead to the same columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from app.kernel.clock import micros
from ingest.events.envelope import ADDED_WHEN_SEQUENCED, INTEGER_MAX, STRING_BYTES_MAX, FieldType, nest
from ingest.store.columns import Schema, address, month_of
from ingest.store.placing import CLASSES, Place, Placed, by_unit, place
from ingest.store.query import Refusal, Sequenced
from ingest.store.sql import ADDRESS, quoted

_HIGH: Final = "/high"
_LOW: Final = "/low"
_LOW_64: Final = 2**64 - 1
_INSTANT: Final = "^(19[7-9][0-9]|[2-9][0-9]{3})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z$"
_INSTANT_CHARS: Final = len("2026-11-02T09:00:00.000000")
_COMPARED_OTHERWISE: Final = frozenset({"body", *ADDED_WHEN_SEQUENCED})
_TYPES: Final[Mapping[FieldType, pa.DataType]] = {
    FieldType.KEYWORD: pa.string(),
    FieldType.KEYWORDS: pa.list_(pa.string()),
    FieldType.LONG: pa.int64(),
    FieldType.BOOLEAN: pa.bool_(),
    FieldType.IP: pa.string(),
    FieldType.DATE: pa.timestamp("us"),
}

Units = dict[tuple[str, str], pa.Table]


class _Stumbled(Exception):
    """Something in the batch is not as usual."""


class Tables:
    """Turns documents of one schema into tables."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        # Instants are parsed as text first, so that only our own form of them passes.
        self._types = {
            path: pa.string() if type is FieldType.DATE else _TYPES[type]
            for path, type in schema.indexed.items()
            if path not in ADDED_WHEN_SEQUENCED
        }
        self._every_field = _form(self._types)
        # Each field that is looked for in vain costs every document, so those met so far are tried first.
        self._met: frozenset[str] = frozenset()
        self._met_fields = _form({})
        self._not_indexed = [
            f'"{path.rsplit(".", 1)[-1]}":'.encode() for path, type in schema.fields.items() if type is FieldType.OBJECT
        ]

    def of(self, documents: Sequence[Sequenced]) -> tuple[Units, list[Refusal]]:
        """Return the documents that fit by class and month, and those that do not."""
        usual, columns = self._usual(documents)
        tables: dict[tuple[str, str], list[pa.Table]] = {}
        if usual:
            whole = self._completed({**columns, **_added(usual)})
            for unit, numbers in _numbers_by_unit(usual, columns).items():
                part = whole if len(numbers) == len(usual) else whole.take(pa.array(numbers))
                tables.setdefault(unit, []).append(part)
        placed, refused = place(_others(documents, usual), self.schema)
        for unit, items in by_unit(placed).items():
            tables.setdefault(unit, []).append(self.from_rows(items))
        joined = {
            unit: some[0] if len(some) == 1 else pa.concat_tables(some, promote_options="default")
            for unit, some in tables.items()
        }
        return joined, refused

    def places(self, documents: Sequence[Sequenced]) -> tuple[list[Place], list[Refusal]]:
        """Return where the documents that fit belong, and those that do not fit."""
        usual, columns = self._usual(documents)
        found: list[Place] = []
        if usual:
            ids, classes = columns["event.id"].to_pylist(), columns["onepay.class"].to_pylist()
            found = [
                Place(class_, month_of(item.ingested), id, item)
                for item, class_, id in zip(usual, classes, ids, strict=True)
            ]
        placed, refused = place(_others(documents, usual), self.schema)
        return [*found, *(Place(item.class_, item.month, item.id, item.source) for item in placed)], refused

    def from_rows(self, items: Sequence[Placed]) -> pa.Table:
        """Return the table of documents that were read one by one."""
        rows = [item.row for item in items]
        columns: dict[str, Any] = {}
        for path in sorted({path for row in rows for path in row}):
            columns[path] = pa.array([row.get(path) for row in rows], _TYPES[self.schema.indexed[path]])
        columns["body"] = pa.array([item.text for item in items], pa.string())
        return self._completed(columns)

    def _usual(self, documents: Sequence[Sequenced]) -> tuple[list[Sequenced], dict[str, Any]]:
        """Return the documents that Arrow could parse as one batch, and their columns; or none."""
        items = [item for item in documents if self._is_usual(item.body)]
        if not items:
            return [], {}
        try:
            columns = self._read(b"\n".join([item.body for item in items]), len(items))
            for name in ("@timestamp", "event.id", "onepay.class"):
                if name not in columns or columns[name].null_count:
                    return [], {}
            checked = {path: self._checked(path, column) for path, column in columns.items()}
        except (_Stumbled, pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return [], {}
        if not CLASSES.issuperset(checked["onepay.class"].unique().to_pylist()):
            return [], {}
        return items, checked

    def _is_usual(self, body: bytes) -> bool:
        return len(body) <= STRING_BYTES_MAX and not any(name in body for name in self._not_indexed)

    def _read(self, lines: bytes, count: int) -> dict[str, Any]:
        try:
            table = _flat(lines, self._met_fields)
        except pa.ArrowInvalid:
            table = _flat(lines, self._every_field)
        if table.num_rows != count:
            raise _Stumbled
        columns = {
            name: column
            for name, column in zip(table.column_names, table.columns, strict=True)
            if column.null_count < count
        }
        if not columns.keys() <= self._met:
            self._met = self._met.union(columns)
            self._met_fields = _form({path: type for path, type in self._types.items() if path in self._met})
        return columns

    def _checked(self, path: str, column: Any) -> Any:  # pyarrow has no types
        match self.schema.indexed[path]:
            case FieldType.KEYWORDS:
                lengths = pc.min_max(pc.list_value_length(column)).as_py()
                if lengths["min"] == 0 or pc.list_flatten(column).null_count:
                    raise _Stumbled
            case FieldType.LONG:
                bounds = pc.min_max(column).as_py()
                if max(-bounds["min"], bounds["max"]) > INTEGER_MAX:
                    raise _Stumbled
            case FieldType.DATE:
                if not pc.all(pc.match_substring_regex(column, _INSTANT)).as_py():
                    raise _Stumbled
                return pc.utf8_slice_codeunits(column, 0, _INSTANT_CHARS).cast(pa.timestamp("us"))
            case FieldType.IP:
                if any(text is not None and address(text) is None for text in column.unique().to_pylist()):
                    raise _Stumbled
            case _:
                pass
        return column

    def _completed(self, columns: dict[str, Any]) -> pa.Table:
        """Add what is derived: addresses as numbers, and the instant in milliseconds."""
        for path in [path for path in columns if self.schema.indexed.get(path) is FieldType.IP]:
            # Arrow has no 128-bit integers, so a number goes over in two halves.
            numbers = [None if text is None else address(text) for text in columns[path].to_pylist()]
            columns[path + _HIGH] = pa.array([None if n is None else n >> 64 for n in numbers], pa.uint64())
            columns[path + _LOW] = pa.array([None if n is None else n & _LOW_64 for n in numbers], pa.uint64())
        # DuckDB would round an instant to milliseconds where it must be cut.
        counted = pc.cast(columns["@timestamp"], pa.int64())
        columns["ts"] = pc.cast(pc.divide(counted, 1000), pa.timestamp("ms"))
        return pa.table(columns)


def _added(items: Sequence[Sequenced]) -> dict[str, Any]:
    instants = {at: micros(at) for at in {item.ingested for item in items}}
    return {
        "event.sequence": pa.array([item.sequence for item in items], pa.int64()),
        "event.ingested": pa.array([instants[item.ingested] for item in items], pa.timestamp("us")),
        "event.hash": pa.array([item.hash for item in items], pa.string()),
        "body": pa.array([item.body for item in items], pa.binary()).cast(pa.string()),
    }


def _numbers_by_unit(items: Sequence[Sequenced], columns: Mapping[str, Any]) -> dict[tuple[str, str], list[int]]:
    units: dict[tuple[str, str], list[int]] = {}
    for number, (item, class_) in enumerate(zip(items, columns["onepay.class"].to_pylist(), strict=True)):
        units.setdefault((class_, month_of(item.ingested)), []).append(number)
    return units


def _others(documents: Sequence[Sequenced], usual: Sequence[Sequenced]) -> list[Sequenced]:
    known = {id(item) for item in usual}
    return [item for item in documents if id(item) not in known]


def columns_of(table: pa.Table) -> list[str]:
    """Return the columns that a file needs for a table."""
    return [
        name.removesuffix(_HIGH) + ADDRESS if name.endswith(_HIGH) else name
        for name in table.column_names
        if not name.endswith(_LOW)
    ]


def insertion(database: str, table: pa.Table, view: str) -> str:
    """Return the statement that takes a table, registered as a view, into the file attached under this name."""
    sources = sources_of(table)
    targets = ", ".join(quoted(name) for name in sources)
    return f"INSERT INTO {database}.event ({targets}) SELECT {', '.join(sources.values())} FROM {view}"


def comparison(database: str, columns: Collection[str], table: pa.Table, view: str) -> tuple[str, list[str]]:
    """Return the statement that finds rows whose columns are not those of a table, registered as a view.

    Each row is the sequence and a truth value for each of the columns that are returned beside the statement.
    """
    sources = {name: text for name, text in sources_of(table).items() if name not in _COMPARED_OTHERWISE}
    names = sorted((sources.keys() | columns) - _COMPARED_OTHERWISE)
    given = {name: f"g{number}" for number, name in enumerate(names) if name in sources}
    wanted = "".join(f", {sources[name]} AS {given[name]}" for name in given)
    kept = {name: f"e.{quoted(name)}" if name in columns else "NULL" for name in names}
    sealed = {name: f"b.{given[name]}" if name in given else "NULL" for name in names}
    flags = [f"{kept[name]} IS DISTINCT FROM {sealed[name]}" for name in names]
    text = (
        f'SELECT b.s, {", ".join(flags)} FROM (SELECT "event.sequence" AS s{wanted} FROM {view}) b '
        f'JOIN {database}.event e ON e."event.sequence" = b.s WHERE {" OR ".join(flags)} ORDER BY b.s'
    )
    return text, names


def sources_of(table: pa.Table) -> dict[str, str]:
    """Return by column of a file how its value is made of a table."""
    found = {}
    for name in columns_of(table):
        if name.endswith(ADDRESS):
            high, low = (quoted(name.removesuffix(ADDRESS) + half) for half in (_HIGH, _LOW))
            found[name] = f"CAST({high} AS UHUGEINT) * 18446744073709551616 + CAST({low} AS UHUGEINT)"
        else:
            found[name] = quoted(name)
    return found


def _form(types: Mapping[str, pa.DataType]) -> pj.ParseOptions:
    return pj.ParseOptions(
        explicit_schema=pa.schema(_fields(nest(types))), newlines_in_values=False, unexpected_field_behavior="error"
    )


def _flat(lines: bytes, form: pj.ParseOptions) -> pa.Table:
    options = pj.ReadOptions(use_threads=False, block_size=len(lines) + 1)
    table = pj.read_json(pa.BufferReader(lines), read_options=options, parse_options=form)
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def _fields(tree: Mapping[str, Any]) -> Iterable[pa.Field]:
    for name, value in tree.items():
        yield pa.field(name, pa.struct(list(_fields(value))) if isinstance(value, dict) else value)
