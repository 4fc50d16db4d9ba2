"""The files of the embedded store: one a class and month, attached on demand to one locked-down DuckDB."""

from __future__ import annotations

import fcntl
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

import duckdb

from app.kernel.errors import ConfigurationRefused
from ingest.events.envelope import FieldType
from ingest.settings import DuckSettings
from ingest.store.columns import DUCKDB, Schema
from ingest.store.placing import CLASSES, hold_case
from ingest.store.port import StoreBusy, StoreForked, StoreUnavailable
from ingest.store.query import Window
from ingest.store.sql import ADDRESS, naive, quoted

STORAGE_VERSION: Final = "v1.5.0"
"""The oldest DuckDB that must be able to read our files."""
# The default of 16 MB makes a commit wait for a checkpoint (0.2–0.6 s) every few thousand events.
CHECKPOINT_THRESHOLD: Final = "256MB"
PIN_SECONDS_MAX: Final = 60
HOLD: Final = "hold"
_ALWAYS: Final = (
    "ts",
    "@timestamp",
    "event.sequence",
    "event.ingested",
    "event.hash",
    "event.id",
    "event.action",
    "onepay.class",
    "onepay.parked",
    "body",
)
"""What each document has, and what is asked of every file."""
Row: TypeAlias = tuple[Any, ...]


@dataclass(slots=True, eq=False)
class File:
    """One file: where it lies, what it spans, and who is using it."""

    path: Path
    class_: str
    month: str
    alias: str
    columns: frozenset[str] = frozenset()
    documents: int = 0
    low: int = 0
    high: int = 0
    first: datetime | None = None
    last: datetime | None = None
    is_attached: bool = False
    is_writable: bool = False
    is_closed_to_readers: bool = False
    pins: int = 0
    used: int = 0

    @property
    def name(self) -> str:
        """Return how the unit is called in answers."""
        return f"{self.class_}/{self.month}"

    def meets(self, window: Window) -> bool:
        """Tell whether any document of the file can lie in the window."""
        if self.documents == 0 or self.first is None or self.last is None:
            return False
        if self.high <= window.lo or (window.hi is not None and self.low > window.hi):
            return False
        if window.since is not None and self.last < naive(window.since):
            return False
        return window.until is None or self.first < naive(window.until)


class Files:
    """Opens and closes files, keeps a bounded number attached, and knows which ones a question touches."""

    def __init__(self, settings: DuckSettings, namespace: str, schema: Schema) -> None:
        self.settings = settings
        self.namespace = namespace
        self._layout = dict(_layout(schema))
        self._by_unit: dict[tuple[str, str], File] = {}
        self._changed = threading.Condition()
        self._local = threading.local()
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._parent: duckdb.DuckDBPyConnection | None = None
        self._lock_file: IO[str] | None = None
        self._pid = 0
        self._aliases = 0
        self._clock = 0

    def open(self) -> None:
        """Take the folder for this process, or raise `StoreBusy`; then read what each file spans."""
        folder = self.settings.folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_file = _take(folder / "LOCK")
        self._pid = os.getpid()
        try:
            self._read_all()
        except BaseException:
            self._let_go()
            raise

    def _read_all(self) -> None:
        self._parent = duckdb.connect(":memory:")
        for statement in self._options():
            self._parent.execute(statement)
        with self._changed:
            for class_, month, path in self._on_disk():
                file = self._register(class_, month, path)
                self._attach(file, writable=True)
                self.measure(file)
                self._shrink()

    def close(self) -> None:
        """Checkpoint and let go of every file, then of the folder."""
        if self._parent is None:
            return
        self.check_process()
        with self._changed:
            self._changed.wait_for(lambda: not any(file.pins for file in self._by_unit.values()), PIN_SECONDS_MAX)
            for file in self._by_unit.values():
                self.checkpoint(file)
                self._detach(file)
            self._let_go()

    def _let_go(self) -> None:
        for cursor in list(self._cursors):
            cursor.close()
        self._cursors.clear()
        self._local = threading.local()
        self._by_unit.clear()
        if self._parent is not None:
            self._parent.close()
            self._parent = None
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return the cursor of this thread: two threads on one cursor would mix up their results."""
        self.check_process()
        if self._parent is None:
            raise StoreUnavailable("the event store is closed")
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._parent.cursor()
            self._cursors.add(cursor)
        return cursor

    def fetch(self, statement: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Run a statement on this thread's cursor and return all its rows; an unfinished result would block it."""
        return self.cursor().execute(statement, dict(parameters or {})).fetchall()

    def check_process(self) -> None:
        """Raise `StoreForked` in a child process, where the inherited handle would work and no lock would stop it."""
        if os.getpid() != self._pid:
            raise StoreForked(f"the event store was opened in process {self._pid}, this is {os.getpid()}")

    def high(self) -> int:
        """Return the highest sequence of all files."""
        with self._changed:
            return max((file.high for file in self._by_unit.values()), default=0)

    def all(self) -> list[File]:
        """Return every file by name."""
        with self._changed:
            return [self._by_unit[unit] for unit in sorted(self._by_unit)]

    @contextmanager
    def meeting(self, window: Window) -> Iterator[list[File]]:
        """Attach the files that a window meets, and keep them from being closed meanwhile."""
        self.check_process()
        with self._changed:
            self._wait(lambda: not any(f.is_closed_to_readers for f in self._by_unit.values() if f.meets(window)))
            files = [file for file in self._by_unit.values() if file.meets(window)]
            for file in files:
                file.pins += 1
                self._attach(file, writable=file.is_writable)
        try:
            yield files
        finally:
            with self._changed:
                for file in files:
                    file.pins -= 1
                self._shrink()
                self._changed.notify_all()

    @contextmanager
    def writing(self, class_: str, month: str) -> Iterator[File]:
        """Attach the file of a unit for writing, and make it where there is none; the caller is the only writer."""
        self.check_process()
        with self._changed:
            file = self._by_unit.get((class_, month)) or self._register(class_, month, self._path(class_, month))
            if file.is_attached and not file.is_writable:
                self._drained([file])
                self._detach(file)
                self._reopen([file])
            file.pins += 1
            self._attach(file, writable=True)
            self._shrink()
        try:
            yield file
        finally:
            with self._changed:
                file.pins -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, files: Sequence[File]) -> Iterator[None]:
        """Keep readers from these files until done; whoever reads them now is waited for."""
        with self._changed:
            self._drained(files)
        try:
            yield
        finally:
            with self._changed:
                self._reopen(files)

    def remove(self, file: File) -> None:
        """Delete a file for good; the caller is alone with it."""
        with self._changed:
            self._detach(file)
            del self._by_unit[file.class_, file.month]
        for path in (file.path, wal_of(file.path)):
            path.unlink(missing_ok=True)

    def measure(self, file: File) -> None:
        """Read anew what a file spans."""
        low, high = 'coalesce(min("event.sequence"), 0)', 'coalesce(max("event.sequence"), 0)'
        (row,) = self.fetch(f"SELECT count(*), {low}, {high}, min(ts), max(ts) FROM {file.alias}.event")
        with self._changed:
            file.documents, file.low, file.high, file.first, file.last = row

    def grown(self, file: File, documents: int, low: int, high: int, first: datetime, last: datetime) -> None:
        """Widen what a file spans by what was appended to it."""
        with self._changed:
            is_new = file.documents == 0 or file.first is None or file.last is None
            file.low = low if is_new else min(low, file.low)
            file.high = max(high, file.high)
            file.first = first if file.first is None else min(first, file.first)
            file.last = last if file.last is None else max(last, file.last)
            file.documents += documents

    def checkpoint(self, file: File) -> None:
        """Fold a file's write-ahead log into it, if it has one."""
        if file.is_attached and file.is_writable and _size(wal_of(file.path)):
            self.cursor().execute(f"CHECKPOINT {file.alias}")

    def size(self, file: File) -> int:
        """Return the bytes a file takes, its write-ahead log included."""
        return _size(file.path) + _size(wal_of(file.path))

    def _options(self) -> list[str]:
        folder = self.settings.folder.resolve()
        return [
            f"SET memory_limit = '{self.settings.memory_mb}MB'",
            f"SET threads = {self.settings.threads}",
            f"SET checkpoint_threshold = '{CHECKPOINT_THRESHOLD}'",
            f"SET temp_directory = {_literal(folder / 'tmp')}",
            f"SET max_temp_directory_size = '{self.settings.temp_mb}MB'",
            "SET preserve_insertion_order = false",
            "SET TimeZone = 'UTC'",
            "SET autoinstall_known_extensions = false",
            "SET autoload_known_extensions = false",
            "SET allow_community_extensions = false",
            "SET python_enable_replacements = false",
            f"SET allowed_directories = [{_literal(folder)}]",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ]

    def _on_disk(self) -> Iterator[tuple[str, str, Path]]:
        folder = self.settings.folder
        for class_ in sorted(CLASSES):
            for path in sorted((folder / class_).glob("????-??.duckdb")):
                yield class_, path.stem, path
        prefix = f"{self.namespace}-{HOLD}-"
        for path in sorted(folder.glob(f"{prefix}*.duckdb")):
            yield HOLD, path.stem.removeprefix(prefix), path

    def is_on_disk(self, class_: str, month: str) -> bool:
        """Tell whether anything of a unit's file is in its folder."""
        path = self.settings.folder / class_ / f"{month}.duckdb"
        return path.exists() or wal_of(path).exists()

    def _path(self, class_: str, month: str) -> Path:
        if class_ == HOLD:
            return self.settings.folder / f"{self.namespace}-{HOLD}-{hold_case(month)}.duckdb"
        folder = self.settings.folder / class_
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / f"{month}.duckdb"

    def _register(self, class_: str, month: str, path: Path) -> File:
        self._aliases += 1
        file = File(path=path, class_=class_, month=month, alias=f"u{self._aliases}")
        self._by_unit[class_, month] = file
        return file

    def _attach(self, file: File, *, writable: bool) -> None:
        self._clock += 1
        file.used = self._clock
        if file.is_attached:
            return
        cursor = self.cursor()
        access = f"STORAGE_VERSION '{STORAGE_VERSION}'" if writable else "READ_ONLY"
        try:
            cursor.execute(f"ATTACH {_literal(file.path.resolve())} AS {file.alias} ({access})")
        except duckdb.Error as error:
            raise StoreUnavailable(f"the file {file.path.name} of {file.class_} cannot be opened: {error}") from error
        file.is_attached, file.is_writable = True, writable
        if writable:
            self._prepare(file)
        file.columns = frozenset(_columns(cursor, file.alias))

    def widen(self, file: File, names: Iterable[str]) -> None:
        """Give a file the columns it lacks. It has those its documents fill: each empty one would cost every batch."""
        for name in sorted(set(names) - file.columns):
            type = self._layout[name].split(" ", 1)[0]
            self.fetch(f"ALTER TABLE {file.alias}.event ADD COLUMN {quoted(name)} {type}")
        with self._changed:
            file.columns = file.columns.union(names)

    def _prepare(self, file: File) -> None:
        known = _columns(self.cursor(), file.alias)
        if not known:
            columns = ", ".join(f"{quoted(name)} {self._layout[name]}" for name in _ALWAYS)
            self.fetch(f"CREATE TABLE {file.alias}.event ({columns})")
        for name, type in known.items():
            bare = self._layout.get(name, type).split(" ", 1)[0]
            if type != bare:
                raise ConfigurationRefused(
                    f"the column {name} of {file.path.name} is {type} and not {bare}: run `onepay store rebuild`"
                )

    def _detach(self, file: File) -> None:
        if file.is_attached:
            self.checkpoint(file)
            self.cursor().execute(f"DETACH {file.alias}")
            file.is_attached = file.is_writable = False

    def _shrink(self) -> None:
        attached = [file for file in self._by_unit.values() if file.is_attached]
        spare = sorted((file for file in attached if file.pins == 0), key=lambda file: file.used)
        for file in spare[: max(0, len(attached) - self.settings.files_open_max)]:
            self._detach(file)

    def _drained(self, files: Sequence[File]) -> None:
        """Let no new reader begin, or a stream of them would never end, and wait for those who have."""
        for file in files:
            file.is_closed_to_readers = True
        try:
            self._wait(lambda: not any(file.pins for file in files))
        except StoreUnavailable:
            self._reopen(files)
            raise

    def _reopen(self, files: Sequence[File]) -> None:
        for file in files:
            file.is_closed_to_readers = False
        self._changed.notify_all()

    def _wait(self, ready: Callable[[], bool]) -> None:
        if not self._changed.wait_for(ready, PIN_SECONDS_MAX):
            raise StoreUnavailable("the event store is busy with a long question")


def wal_of(path: Path) -> Path:
    """Return where DuckDB keeps the write-ahead log of a file."""
    return path.with_name(path.name + ".wal")


def _layout(schema: Schema) -> Iterator[tuple[str, str]]:
    yield "ts", "TIMESTAMP_MS"
    for path, type in schema.indexed.items():
        yield path, DUCKDB[type]
        if type is FieldType.IP:
            yield path + ADDRESS, "UHUGEINT"
    yield "body", "VARCHAR USING COMPRESSION zstd"


def _columns(cursor: duckdb.DuckDBPyConnection, alias: str) -> dict[str, str]:
    rows = cursor.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = ? AND table_name = 'event'", [alias]
    ).fetchall()
    return dict(rows)


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _take(path: Path) -> IO[str]:
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        pid, _, command = file.read(200).strip().partition(" ")
        file.close()
        raise StoreBusy(
            f"the event store is open in process {pid or '?'} ({command or 'unknown'}). "
            "Stop it, or use its console or API."
        ) from error
    file.truncate(0)
    file.write(f"{os.getpid()} {' '.join([Path(sys.argv[0]).name, *sys.argv[1:2]])}\n")
    file.flush()
    return file
