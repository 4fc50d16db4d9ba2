"""The DuckDB store: the contract, and what only it promises about files, processes and threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from app.kernel.errors import ConfigurationRefused
from ingest.events.envelope import FieldType
from ingest.settings import DuckSettings
from ingest.store.columns import Schema, shipped
from ingest.store.duck import DuckStore
from ingest.store.port import StoreBusy, StoreForked, walk
from ingest.store.query import EVERYTHING, Eq, Exists, Not, Order, Search, Window
from tests.ingest.store.documents import START, sequenced
from tests.ingest.store.store_contract import StoreContract

ALL = Window()


class TestDuckStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[DuckStore]:
        store = opened(tmp_path / "events")
        yield store
        store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "events"


def opened(folder: Path, schema: Schema | None = None, **settings: int) -> DuckStore:
    store = DuckStore(DuckSettings(folder=folder, **settings), schema=schema)
    store.open()
    return store


def month(number: int) -> datetime:
    return datetime(2025 + number // 12, 1 + number % 12, 15, tzinfo=UTC)


def test_each_class_and_month_is_a_file(folder: Path) -> None:
    store = opened(folder)
    store.append([sequenced(1, ingested=month(0)), sequenced(2, ingested=month(1))])
    store.append([sequenced(3, ingested=month(1), class_="money")])
    store.drop("security", month(1), {"case-1": [1]})
    store.close()

    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.duckdb*")) == [
        "money/2025-02.duckdb",
        "onepay-hold-case-1.duckdb",
        "security/2025-02.duckdb",
    ]
    assert folder.stat().st_mode & 0o077 == 0


def test_a_second_process_is_told_who_has_the_store(folder: Path) -> None:
    store = opened(folder)
    try:
        with pytest.raises(StoreBusy, match=rf"open in process {os.getpid()} \(.+\)\. Stop it"):
            opened(folder)
    finally:
        store.close()
    opened(folder).close()


def test_a_child_process_cannot_use_the_store(folder: Path) -> None:
    store = opened(folder)
    store.append([sequenced(1)])
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        outcomes = []
        for use in (lambda: store.count(EVERYTHING, ALL), lambda: store.append([sequenced(2)]), store.close):
            try:
                use()
                outcomes.append("used")
            except StoreForked:
                outcomes.append("forked")
        os.write(write, " ".join(outcomes).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"forked forked forked"
    os.close(read)
    os.close(write)
    assert store.coverage(0, 1) == 1
    store.close()


def test_the_database_is_locked_down(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("a\n1\n", encoding="utf-8")
    store = opened(folder)
    cursor = store._files.cursor()
    for statement in (
        "SET threads = 8",
        "SET enable_external_access = true",
        f"FROM read_csv('{outside}')",
        f"ATTACH '{tmp_path / 'other.duckdb'}'",
        f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
        "INSTALL httpfs",
        "LOAD httpfs",
    ):
        with pytest.raises(duckdb.Error):
            cursor.execute(statement)
    settings = dict(
        cursor.execute(
            "SELECT name, value FROM duckdb_settings() WHERE name IN "
            "('threads', 'memory_limit', 'checkpoint_threshold', 'max_temp_directory_size')"
        ).fetchall()
    )
    store.close()
    assert settings == {
        "threads": "2",
        "memory_limit": "244.1 MiB",
        "checkpoint_threshold": "244.1 MiB",
        "max_temp_directory_size": "976.5 MiB",
    }


def test_more_files_than_may_be_open_answer_all_the_same(folder: Path) -> None:
    store = opened(folder, files_open_max=3)
    store.append([sequenced(n, ingested=month(n % 10), at=month(n % 10)) for n in range(1, 101)])

    def attached() -> int:
        return sum(file.is_attached for file in store._files.all())

    assert attached() <= 3
    assert store.coverage(0, 100) == 100
    assert store.count(EVERYTHING, Window(since=month(2), until=month(4))) == 20
    assert attached() <= 3
    assert len(list(walk(store, Search(limit=30)))) == 100
    store.close()


def test_a_question_opens_only_the_files_it_meets_and_old_ones_read_only(folder: Path) -> None:
    store = opened(folder, files_open_max=1)
    store.append([sequenced(n, ingested=month(n), at=month(n)) for n in range(1, 6)])
    assert store.count(EVERYTHING, Window(since=month(2), until=month(3))) == 1

    (file,) = [file for file in store._files.all() if file.is_attached]
    assert (file.month, file.is_writable) == ("2025-03", False)
    store.append([sequenced(6, ingested=month(2))])
    assert store.coverage(0, 6) == 6
    store.close()


def test_a_file_older_than_the_catalogue_has_its_new_fields_absent(folder: Path) -> None:
    fields = dict(shipped().fields)
    older = Schema({path: type for path, type in fields.items() if path not in ("user.id", "source.ip")})
    store = opened(folder, older)
    store.append([sequenced(1, ingested=month(0)), sequenced(2, ingested=month(1))])
    store.close()

    store = opened(folder, files_open_max=1)
    store.append([sequenced(3, ingested=month(1), user__id="u", source__ip="10.0.0.1")])
    assert store.count(Eq("user.id", "u"), ALL) == 1
    assert store.count(Not(Exists("user.id")), ALL) == 2
    assert [group.key for group in store.groups(EVERYTHING, ALL, ["source.ip", "user.id"])] == [("10.0.0.1", "u")]
    assert len(store.search(Search(fields=("user.id",))).documents) == 3
    store.close()


def test_a_read_only_file_without_a_new_field_answers(folder: Path) -> None:
    store = opened(folder)
    store.append([sequenced(1, ingested=month(0)), sequenced(2, ingested=month(1), source__ip="10.0.0.1")])
    for file in store._files.all():  # as a file that was attached read-only before the field came to be
        if file.month == "2025-01":
            file.columns = file.columns - {"source.ip", "source.ip/n", "user.roles"}
    assert store.count(Not(Exists("source.ip")), ALL) == 1
    assert [group.count for group in store.groups(EVERYTHING, ALL, ["source.ip"])] == [1]
    assert store.terms(EVERYTHING, ALL, "user.roles").counts == []
    assert len(store.search(Search(fields=("source.ip", "user.roles"))).documents) == 2
    store.close()


def test_a_retyped_field_stops_the_start(folder: Path) -> None:
    store = opened(folder)
    store.append([sequenced(1, user__id="u")])
    store.close()

    with pytest.raises(ConfigurationRefused, match=r"user\.id .* VARCHAR and not BIGINT: run `onepay store rebuild`"):
        opened(folder, Schema({**shipped().fields, "user.id": FieldType.LONG}))


def test_a_drop_that_died_before_deleting_doubles_nothing(folder: Path) -> None:
    store = opened(folder)
    store.append([sequenced(n, ingested=month(0)) for n in (1, 2, 3)])
    store._copy(store._files.all(), store._hold_file("case-1"), [2])
    assert store.coverage(0, 3) == 4  # this is the moment
    store.close()

    store = opened(folder)
    assert store.coverage(0, 3) == 3
    assert store.drop("security", month(1), {"case-1": [2]}).kept == 1
    assert [document["event"]["sequence"] for document in walk(store, Search())] == [2]
    store.close()


def test_readers_and_the_writer_do_not_disturb_each_other(folder: Path) -> None:
    store = opened(folder, files_open_max=2)
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        seen = 0
        try:
            while not done.is_set():
                count = store.count(EVERYTHING, ALL)
                assert count >= seen
                seen = count
                page = store.search(Search(order=Order.SEQUENCE, limit=50))
                assert len(page.documents) <= 50
        except BaseException as error:  # noqa: BLE001 - carried over to the test's thread
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for start in range(0, 1500, 50):
        store.append([sequenced(n, ingested=month(n % 4)) for n in range(start + 1, start + 51)])
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert store.coverage(0, 1500) == 1500
    store.close()


WRITER = """
import sys
from pathlib import Path
from datetime import UTC, datetime
from ingest.settings import DuckSettings
from ingest.store.duck import DuckStore
from tests.ingest.store.documents import sequenced
store = DuckStore(DuckSettings(folder=Path(sys.argv[1])))
store.open()
start = int(sys.argv[2])
while True:
    batch = [sequenced(n, ingested=datetime(2026, 1 + n % 2, 15, tzinfo=UTC)) for n in range(start, start + 20)]
    store.append(batch)
    start += 20
    print(start - 1, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9_and_resending_doubles_nothing(folder: Path) -> None:
    root = str(Path(__file__).parents[3])
    acknowledged = 0
    for kill in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(max(1, acknowledged - 29))],
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": root},
        )
        assert writer.stdout is not None
        for _ in range(3 + kill):
            acknowledged = int(writer.stdout.readline())
        time.sleep(0.003 * kill)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()

    store = opened(folder)
    assert store.coverage(0, acknowledged) == acknowledged
    assert store.missing(0, acknowledged) == []
    store.close()


def test_upkeep_folds_the_write_ahead_log_in(folder: Path) -> None:
    store = opened(folder)
    store.append([sequenced(n) for n in range(1, 101)])
    wal = next(folder.rglob("*.wal"))
    assert wal.stat().st_size > 0
    store.tend(START + timedelta(hours=1))
    assert not wal.exists() or wal.stat().st_size == 0
    assert store.coverage(0, 100) == 100
    store.close()
