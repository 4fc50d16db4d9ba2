"""The embedded event store: DuckDB, one file a class and month, so that forgetting is deleting a file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from app.kernel.clock import from_micros, rfc3339
from ingest.events.envelope import FieldType, nest
from ingest.settings import DuckSettings
from ingest.store import arrow, paging, reckon
from ingest.store.columns import (
    DUCKDB,
    Schema,
    add_place,
    address_text,
    from_millis,
    lies_within,
    month_of,
    parse_body,
    shipped,
)
from ingest.store.duck_files import HOLD, File, Files, Row
from ingest.store.paging import After
from ingest.store.placing import CLASSES, hold_case
from ingest.store.port import QueryTooBroad, StoreUnavailable, check_bins, check_top, check_window
from ingest.store.query import (
    EVERYTHING,
    Appended,
    Bin,
    Capabilities,
    Document,
    Dropped,
    Group,
    Key,
    Order,
    Page,
    Search,
    Sequenced,
    Stats,
    Terms,
    Unit,
    Where,
    Window,
)
from ingest.store.sql import ADDRESS, Parameters, numbered, quoted, render, render_window

LEAVES_AT_ONCE: Final = 50_000
_SEQUENCE: Final = '"event.sequence"'
_ORDERS: Final = {
    Order.NEWEST: "millis DESC, sequence DESC",
    Order.OLDEST: "millis, sequence",
    Order.SEQUENCE: "sequence",
}
_BEYOND: Final = {
    Order.NEWEST: '(ts < {at} OR (ts = {at} AND "event.sequence" < {sequence})) AND ts <= {at}',
    Order.OLDEST: '(ts > {at} OR (ts = {at} AND "event.sequence" > {sequence})) AND ts >= {at}',
    Order.SEQUENCE: '"event.sequence" > {sequence}',
}


class DuckStore:
    """Searches files with SQL; every answer is exact."""

    backend: Final = "duck"

    def __init__(self, settings: DuckSettings, *, namespace: str = "onepay", schema: Schema | None = None) -> None:
        self.schema = schema or shipped()
        self.namespace = namespace
        self._tables = arrow.Tables(self.schema)
        self._files = Files(settings, namespace, self.schema)
        self._writer = threading.Lock()
        self._batches = count()

    def open(self) -> Capabilities:
        with _translated():
            self._files.open()
            self._undo_half_drops()
        return Capabilities(
            backend=self.backend,
            version=duckdb.__version__,
            namespace=self.namespace,
            is_secured=None,
            notes=("one process, files readable by its owner alone",),
        )

    def append(self, documents: Sequence[Sequenced]) -> Appended:
        units, refused = self._tables.of(documents)
        stored = 0
        with self._writer, _translated():
            for (class_, month), table in sorted(units.items()):
                with self._files.writing(class_, month) as file:
                    stored += self._append_to(file, table)
        return Appended(stored=stored, repeated=len(documents) - len(refused) - stored, refused=tuple(refused))

    def settle(self) -> None:
        """Nothing to wait for: a commit is visible to every cursor."""
        self._files.check_process()

    def tend(self, at: datetime) -> None:
        with self._writer, _translated():
            for file in self._files.all():
                if file.is_writable:
                    with self._files.writing(file.class_, file.month):
                        self._files.checkpoint(file)

    def coverage(self, lo: int, hi: int) -> int:
        return self.count(EVERYTHING, Window(lo=lo, hi=hi))

    def missing(self, lo: int, hi: int) -> list[range]:
        if self.coverage(lo, hi) == hi - lo:
            return []
        # The sequence behind the last one is put in, so that what is missing at the end shows as a gap like others.
        rows = self._ask(
            EVERYTHING,
            Window(lo=lo, hi=hi),
            lambda files, source, add: (
                f"SELECT before + 1, s FROM (SELECT s, lag(s, 1, {add.add(lo)}) OVER (ORDER BY s) AS before "
                f"FROM ({source(_SEQUENCE)} UNION ALL SELECT {add.add(hi + 1)}) e(s)) g "
                "WHERE s <> before + 1 ORDER BY s"
            ),
        )
        return [range(first, behind) for first, behind in rows] or [range(lo + 1, hi + 1)]

    def search(self, search: Search) -> Page:
        after = paging.check(search, self.schema)
        hi = after.hi if after else self._files.high()
        if search.window.hi is not None:
            hi = min(hi, search.window.hi)
        window = replace(search.window, hi=max(hi, search.window.lo))
        # Bodies are large: unless rows come in the order they lie in, they are fetched after the page is known.
        columns = self._columns_for(search.fields)
        is_direct = search.order is Order.SEQUENCE or search.fields is not None
        wanted = ["epoch_ms(ts) AS millis", '"event.sequence" AS sequence', *(columns if is_direct else [])]

        def statement(files: list[File], source: Source, parameters: Parameters) -> str:
            beyond = _beyond(search.order, after, parameters)
            inner = source(", ".join(wanted), *self._uses(search.fields), extra=beyond, numbered_files=not is_direct)
            return f"SELECT * FROM ({inner}) e ORDER BY {_ORDERS[search.order]} LIMIT {search.limit + 1}"

        with self._files.meeting(window) as files:
            rows = self._ask_in(files, search.where, window, statement)
            taken = rows[: search.limit]
            documents = (
                [self._document(row[2:], search.fields) for row in taken] if is_direct else self._fetch(files, taken)
            )
        last = taken[-1] if len(rows) > len(taken) else None
        key = None if last is None else After(millis=last[0], sequence=last[1], hi=hi).text()
        return Page(documents=documents, after=key, hi=hi)

    def count(self, where: Where, window: Window) -> int:
        rows = self._ask(where, window, lambda files, source, _: f"SELECT count(*) FROM ({source('1 AS x')}) e")
        return int(rows[0][0]) if rows else 0

    def leaves(self, where: Where, window: Window) -> Iterator[tuple[int, bytes]]:
        check_window(window)
        render(where, self.schema, Parameters())  # refuses what cannot be asked, even where nothing is asked
        hi = self._files.high() if window.hi is None else min(window.hi, self._files.high())
        for lo in range(window.lo, hi, LEAVES_AT_ONCE):
            some = replace(window, lo=lo, hi=min(lo + LEAVES_AT_ONCE, hi))
            yield from self._ask(where, some, lambda files, source, _: source(f'{_SEQUENCE}, unhex("event.hash")'))

    def histogram(
        self, where: Where, window: Window, every: timedelta, *, split: str | None = None, top: int = 10
    ) -> list[Bin]:
        span = check_bins(window, every, top)
        width = every // timedelta(milliseconds=1)
        counts = self._ask(
            where,
            window,
            lambda files, source, add: (
                f"SELECT millis // {add.add(width)} AS bin, count(*) "
                f"FROM ({source('epoch_ms(ts) AS millis')}) e GROUP BY bin"
            ),
        )
        parts: dict[tuple[int, Key], int] = {}
        if split is not None:
            leading = dict(self.terms(where, window, split, top).counts)
            rows = self._ask(
                where,
                window,
                lambda files, source, add: (
                    f"SELECT millis // {add.add(width)} AS bin, {self._fetched(split, 'k0')}, count(*) "
                    f"FROM ({source(f'epoch_ms(ts) AS millis, {self._group_column(split)}', split)}) e"
                    f"{self._unnested([split])} WHERE k0 IS NOT NULL GROUP BY bin, k0"
                ),
            )
            named = ((int(bin), self._key(split, value), int(number)) for bin, value, number in rows)
            parts = {(bin, key): number for bin, key, number in named if key in leading}
        return reckon.bins(span, every, {int(bin): int(number) for bin, number in counts}, parts)

    def terms(self, where: Where, window: Window, field: str, top: int = 10) -> Terms:
        check_top(top)
        rows = self._ask(
            where,
            window,
            lambda files, source, _: (
                f"SELECT {self._fetched(field, 'k0')}, count(*) AS n, sum(n) OVER () "
                f"FROM ({source(self._group_column(field), field)}) e{self._unnested([field])} "
                "WHERE k0 IS NOT NULL GROUP BY k0 "
                f"ORDER BY n DESC, CAST(k0 AS VARCHAR) LIMIT {top}"
            ),
            check=(field,),
        )
        counts = [(self._key(field, value), int(number)) for value, number, _ in rows]
        total = int(rows[0][2]) if rows else 0
        return Terms(counts=counts, other=total - sum(number for _, number in counts), error_max=0)

    def groups(self, where: Where, window: Window, by: Sequence[str], *, at_least: int = 1) -> Iterator[Group]:
        names = [f"k{number}" for number in range(len(by))]
        columns = ["ts", *(self._group_column(field, number) for number, field in enumerate(by))]

        def statement(files: list[File], source: Source, parameters: Parameters) -> str:
            fetched = "".join(f", {self._fetched(field, name)}" for field, name in zip(by, names, strict=True))
            present = " AND ".join(f"{name} IS NOT NULL" for name in names) or "true"
            grouped = f" GROUP BY {', '.join(names)}" if names else ""
            ordered = f" ORDER BY {', '.join(names)}" if names else ""
            return (
                f"SELECT count(*), epoch_ms(min(ts)), epoch_ms(max(ts)){fetched} "
                f"FROM ({source(', '.join(columns), *by)}) e{self._unnested(by)} WHERE {present}{grouped} "
                f"HAVING count(*) >= {parameters.add(max(1, at_least))}{ordered}"
            )

        for number, first, last, *values in self._ask(where, window, statement):
            key = tuple(self._key(field, value) for field, value in zip(by, values, strict=True))
            yield Group(key=key, count=int(number), first=from_millis(first), last=from_millis(last))

    def replace(self, documents: Sequence[Sequenced]) -> int:
        units, _ = self._tables.of(documents)
        replaced = 0
        with self._writer, _translated():
            for (class_, month), table in sorted(units.items()):
                with self._files.writing(class_, month) as file:
                    replaced += self._replace_in(file, table)
        return replaced

    def altered(self, documents: Sequence[Sequenced]) -> list[tuple[int, str]]:
        units, _ = self._tables.of(documents)
        found: list[tuple[int, str]] = []
        for (class_, month), table in sorted(units.items()):
            ends = pc.min_max(table["event.sequence"]).as_py()
            with self._files.meeting(Window(lo=ends["min"] - 1, hi=ends["max"])) as files, _translated():
                for file in files:
                    if file.class_ == HOLD or (file.class_, file.month) == (class_, month):
                        found += self._altered_in(file, table)
        return found

    def drop(
        self, class_: str, before: datetime, keep: Mapping[str, Collection[int]], *, since: datetime | None = None
    ) -> Dropped:
        assert class_ in CLASSES, "a hold is not a class"
        with self._writer, _translated():
            gone = [
                file for file in self._files.all() if file.class_ == class_ and lies_within(file.month, since, before)
            ]
            documents, kept = sum(file.documents for file in gone), 0
            holds = {case: self._hold_file(case) for case in sorted(keep)} if gone else {}
            with self._files.alone([*gone, *holds.values()]):
                held: set[int] = set()
                for case, hold in holds.items():
                    wanted = sorted(set(keep[case]) - held)
                    kept += self._copy(gone, hold, wanted)
                    held.update(wanted)
                for file in gone:
                    self._files.remove(file)
        assert not any(file.path.exists() for file in gone), "a dropped file is still there"
        return Dropped(units=tuple(file.name for file in gone), documents=documents, kept=kept)

    def holds(self, class_: str, month: str) -> bool:
        return self._files.is_on_disk(class_, month)

    def stats(self) -> Stats:
        units = tuple(
            Unit(
                name=file.name,
                documents=file.documents,
                bytes=self._files.size(file),
                low=file.low,
                high=file.high,
            )
            for file in self._files.all()
        )
        return Stats(
            documents=sum(unit.documents for unit in units),
            bytes=sum(unit.bytes for unit in units),
            high=max((unit.high for unit in units), default=0),
            units=units,
        )

    def close(self) -> None:
        with self._writer, _translated():
            self._files.close()

    # -- asking ---------------------------------------------------------------------------------------------------

    def _ask(self, where: Where, window: Window, statement: Statement, *, check: Sequence[str] = ()) -> list[Row]:
        check_window(window)
        for path in check:
            self.schema.type_of(path)
        render(where, self.schema, Parameters())  # refuses what cannot be asked, even where no file is met
        with self._files.meeting(window) as files:
            return self._ask_in(files, where, window, statement)

    def _ask_in(self, files: list[File], where: Where, window: Window, statement: Statement) -> list[Row]:
        if not files:
            render(where, self.schema, Parameters())
            return []
        parameters = Parameters()

        def source(columns: str, *uses: str, extra: str = "true", numbered_files: bool = False) -> str:
            return " UNION ALL ".join(
                f"SELECT {columns}{f', {number} AS file' if numbered_files else ''} FROM {self._table(file, uses)} "
                f"WHERE {render_window(window, parameters)} AND {extra} "
                f"AND {render(where, self.schema, parameters, file.columns)}"
                for number, file in enumerate(files)
            )

        text = statement(files, source, parameters)
        with _translated():
            return self._files.fetch(text, parameters.by_name)

    def _table(self, file: File, uses: Sequence[str]) -> str:
        lacking = sorted({path for path in uses if path not in file.columns})
        if not lacking:
            return f"{file.alias}.event"
        nulls = [f"CAST(NULL AS {DUCKDB[self.schema.type_of(path)]}) AS {quoted(path)}" for path in lacking]
        nulls += [f"CAST(NULL AS UHUGEINT) AS {quoted(path + ADDRESS)}" for path in lacking if self._is_address(path)]
        return f"(SELECT *, {', '.join(nulls)} FROM {file.alias}.event) narrow"

    def _is_address(self, path: str) -> bool:
        return self.schema.type_of(path) is FieldType.IP

    def _group_column(self, path: str, number: int = 0) -> str:
        """Return the column that becomes part of a key: `k0` as it is, or `b0` where each element is one of its own."""
        match self.schema.type_of(path):
            case FieldType.IP:
                return f"{numbered(quoted(path))} AS k{number}"
            case FieldType.DATE:
                return f"epoch_ms({quoted(path)}) AS k{number}"
            case FieldType.KEYWORDS:
                return f"{quoted(path)} AS b{number}"
            case _:
                return f"{quoted(path)} AS k{number}"

    def _unnested(self, by: Sequence[str]) -> str:
        lists = [number for number, path in enumerate(by) if self.schema.type_of(path) is FieldType.KEYWORDS]
        return "".join(f", unnest(list_distinct(b{number})) AS t{number}(k{number})" for number in lists)

    def _fetched(self, path: str, name: str) -> str:
        # The driver takes five microseconds for an integer of 128 bits, and hardly any for its text.
        return f"CAST({name} AS VARCHAR)" if self._is_address(path) else name

    def _key(self, path: str, value: Any) -> Key:  # a value of a row
        match self.schema.type_of(path):
            case FieldType.IP:
                return address_text(int(value))
            case FieldType.DATE:
                return rfc3339(from_millis(value))
            case _:
                assert isinstance(value, str | int)
                return value

    def _uses(self, fields: tuple[str, ...] | None) -> tuple[str, ...]:
        """Return the columns that make up documents cut to some fields; none where their bodies are needed."""
        if fields is None or any(self.schema.fields[path] is FieldType.OBJECT for path in fields):
            return ()
        return fields

    def _columns_for(self, fields: tuple[str, ...] | None) -> list[str]:
        uses = self._uses(fields)
        if not uses:
            return [_SEQUENCE, 'epoch_us("event.ingested")', '"event.hash"', "body"]
        return [
            f"epoch_us({quoted(path)})" if self.schema.fields[path] is FieldType.DATE else quoted(path) for path in uses
        ]

    def _document(self, row: Row, fields: tuple[str, ...] | None) -> Document:
        uses = self._uses(fields)
        if not uses:
            sequence, ingested, hash, body = row
            document = add_place(parse_body(body.encode()), sequence, rfc3339(from_micros(ingested)), hash)
            return document if fields is None else paging.projected(document, fields)
        flat = {
            path: rfc3339(from_micros(value)) if self.schema.fields[path] is FieldType.DATE else value
            for path, value in zip(uses, row, strict=True)
            if value is not None
        }
        return nest(flat)

    def _fetch(self, files: list[File], rows: list[Row]) -> list[Document]:
        by_sequence: dict[int, Document] = {}
        for number, file in enumerate(files):
            wanted = sorted(row[1] for row in rows if row[2] == number)
            if not wanted:
                continue
            text = (
                f"SELECT {', '.join(self._columns_for(None))} FROM {file.alias}.event "
                'WHERE "event.sequence" BETWEEN $low AND $high AND "event.sequence" IN '
                "(SELECT unnest(CAST($wanted AS BIGINT[])))"
            )
            with _translated():
                found = self._files.fetch(text, {"low": wanted[0], "high": wanted[-1], "wanted": wanted})
            for row in found:
                by_sequence[row[0]] = self._document(row, None)
        return [by_sequence[row[1]] for row in rows]

    # -- writing --------------------------------------------------------------------------------------------------

    def _append_to(self, file: File, table: pa.Table) -> int:
        fresh = self._new_ones(file, table)
        if not fresh.num_rows:
            return 0
        self._insert(file, fresh)
        sequences, instants = pc.min_max(fresh["event.sequence"]).as_py(), pc.min_max(fresh["ts"]).as_py()
        self._files.grown(file, fresh.num_rows, sequences["min"], sequences["max"], instants["min"], instants["max"])
        return int(fresh.num_rows)

    def _new_ones(self, file: File, table: pa.Table) -> pa.Table:
        sequences = table["event.sequence"].to_pylist()
        rows = {sequence: row for row, sequence in reversed(list(enumerate(sequences)))}
        maybe = [sequence for sequence in rows if sequence <= file.high]
        if maybe and file.documents:
            known = self._files.fetch(
                f"SELECT {_SEQUENCE} FROM {file.alias}.event WHERE {_SEQUENCE} BETWEEN $low AND $high",
                {"low": min(maybe), "high": max(maybe)},
            )
            for (sequence,) in known:
                rows.pop(sequence, None)
        wanted = [rows[sequence] for sequence in sorted(rows)]
        return table if wanted == list(range(len(sequences))) else table.take(pa.array(wanted, pa.int64()))

    def _insert(self, file: File, table: pa.Table) -> None:
        self._files.widen(file, arrow.columns_of(table))
        cursor = self._files.cursor()
        name = f"batch_{next(self._batches)}"
        cursor.register(name, table)
        try:
            cursor.execute(arrow.insertion(file.alias, table, name))
        finally:
            cursor.unregister(name)

    def _altered_in(self, file: File, table: pa.Table) -> Iterator[tuple[int, str]]:
        cursor = self._files.cursor()
        name = f"batch_{next(self._batches)}"
        cursor.register(name, table)
        try:
            text, columns = arrow.comparison(file.alias, file.columns, table, name)
            rows = cursor.execute(text).fetchall()
        finally:
            cursor.unregister(name)
        for sequence, *flags in rows:
            yield from ((sequence, column) for column, differs in zip(columns, flags, strict=True) if differs)

    def _replace_in(self, file: File, table: pa.Table) -> int:
        self._files.widen(file, arrow.columns_of(table))
        cursor = self._files.cursor()
        sequences = table["event.sequence"].to_pylist()
        cursor.execute("BEGIN")
        try:
            rows = self._files.fetch(
                f"DELETE FROM {file.alias}.event WHERE {_SEQUENCE} IN (SELECT unnest(CAST($s AS BIGINT[]))) "
                f'AND "onepay.parked" RETURNING {_SEQUENCE}',
                {"s": sequences},
            )
            stubs = {row[0] for row in rows}
            wanted = [number for number, sequence in enumerate(sequences) if sequence in stubs]
            if wanted:
                self._insert(file, table.take(pa.array(wanted)))
            cursor.execute("COMMIT")
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
        self._files.measure(file)
        return len(wanted)

    def _hold_file(self, case: str) -> File:
        with self._files.writing(HOLD, hold_case(case)) as file:
            return file

    def _copy(self, gone: list[File], hold: File, wanted: list[int]) -> int:
        copied = 0
        with self._files.writing(HOLD, hold.month):
            for file in gone:
                with self._files.writing(file.class_, file.month):
                    self._files.widen(hold, file.columns)
                    names = ", ".join(quoted(name) for name in sorted(file.columns))
                    (row,) = self._files.fetch(
                        f"INSERT INTO {hold.alias}.event ({names}) SELECT {names} FROM {file.alias}.event "
                        f"WHERE {_SEQUENCE} IN (SELECT unnest(CAST($wanted AS BIGINT[]))) "
                        f"AND {_SEQUENCE} NOT IN (SELECT {_SEQUENCE} FROM {hold.alias}.event)",
                        {"wanted": wanted},
                    )
                    copied += int(row[0])
            self._files.checkpoint(hold)
            self._files.measure(hold)
        return copied

    def _undo_half_drops(self) -> None:
        """Take out of holds what still lies in its own file: a drop died between copying and deleting."""
        units = {(file.class_, file.month) for file in self._files.all()}
        for hold in self._files.all():
            if hold.class_ != HOLD:
                continue
            with self._files.writing(HOLD, hold.month):
                rows = self._files.fetch(
                    f'SELECT {_SEQUENCE}, "onepay.class", "event.ingested" FROM {hold.alias}.event'
                )
                doubled = [row[0] for row in rows if (row[1], month_of(row[2])) in units]
                if doubled:
                    self._files.fetch(
                        f"DELETE FROM {hold.alias}.event WHERE {_SEQUENCE} IN (SELECT unnest(CAST($s AS BIGINT[])))",
                        {"s": doubled},
                    )
                    self._files.measure(hold)


Source: TypeAlias = Callable[..., str]
Statement: TypeAlias = Callable[[list[File], Source, Parameters], str]


def _beyond(order: Order, after: After | None, parameters: Parameters) -> str:
    if after is None:
        return "true"
    at = f"CAST({parameters.add(_naive(after.millis))} AS TIMESTAMP_MS)" if order is not Order.SEQUENCE else ""
    return _BEYOND[order].format(at=at, sequence=parameters.add(after.sequence))


def _naive(millis: int) -> datetime:
    return from_millis(millis).replace(tzinfo=None)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise QueryTooBroad("the question needs more memory than the event store has; narrow it") from error
    except duckdb.Error as error:
        raise StoreUnavailable(f"the event store failed: {error}") from error
