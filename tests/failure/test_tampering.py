"""Whoever rewrites log or store behind the product's back is found, and the place is named."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from app import config
from app.commands import log
from app.compose import make_system
from app.kernel.clock import SystemClock
from ingest.log import checkpoint
from tests.failure.served import Served
from tests.support.installation import installed

MONTHS = "*/*.duckdb"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which people signed up and paid, everything shipped and signed."""
    home = tmp_path_factory.mktemp("original") / "home"
    with installed(home) as house:
        payee = house.customer("payee_one")
        payer = house.customer("payer_one", euros=100)
        browser = house.browser()
        browser.sign_in(payer)
        browser.get("/wallet")
        for n in range(5):
            body = {"payee": f"@{payee.handle}", "amount": {"amount": "1.00", "currency": "EUR"}}
            assert browser.api("POST", "/transfers", body, **{"Idempotency-Key": f"k{n}"}).status_code == 201
        for _ in range(3):
            stranger = house.browser("198.18.7.7")
            stranger.get("/sign-in")
            stranger.post("/sign-in", {"address": "nobody@onepay.example", "password": "not this one"})
        house.turn()
        checkpoint.sign(house.system.db, house.system.log_key, SystemClock().now())
    return home


@pytest.fixture
def home(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "home"))


def verified(home: Path) -> tuple[list[str], int]:
    """Return what `onepay log verify` prints of a home, and its exit code."""
    system = make_system(config.load({}, home=home))
    try:
        lines = list(log.verify(system, {}))
    finally:
        system.close()
    said = [line["text"] for line in lines if "text" in line]
    return said[:-1], lines[-1]["exit"]


def size(home: Path) -> int:
    return int(one(home, "SELECT size FROM ingest_head"))


def one(home: Path, query: str, *values: object) -> object:
    with closing(sqlite3.connect(home / "onepay.db")) as database:
        return database.execute(query, values).fetchone()[0]


def as_root(home: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    """Change the database as somebody who owns its file: the guards are taken away first, and put back after."""
    with closing(sqlite3.connect(home / "onepay.db")) as database:
        guards = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            database.execute(f"DROP TRIGGER {name}")
        for text, values in statements:
            assert database.execute(text, values).rowcount == 1, text
        for _, guard in guards:
            database.execute(guard)
        database.commit()


def in_store(home: Path, sequence: int, text: str) -> None:
    """Change the document of an event in its file."""
    changed = 0
    for file in (home / "events").glob(MONTHS):
        with duckdb.connect(str(file)) as database:
            # A file has the columns that its documents needed, so only the one that holds the event is asked.
            if database.execute('SELECT count(*) FROM event WHERE "event.sequence" = ?', [sequence]).fetchone()[0]:
                changed += database.execute(f'{text} WHERE "event.sequence" = ?', [sequence]).fetchone()[0]
    assert changed == 1, text


def flipped(data: bytes, place: int, bit: int = 0) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def test_untouched_it_is_sound(home: Path) -> None:
    assert verified(home) == ([], 0)


GUARDED = [
    ("UPDATE ingest_entry SET kind = 'auth.login.succeeded' WHERE sequence = 3", "ingest_entry"),
    ("DELETE FROM ingest_entry WHERE sequence = 3", "ingest_entry"),
    ("UPDATE ingest_node SET hash = zeroblob(32) WHERE level = 0 AND idx = 2", "ingest_node"),
    ("DELETE FROM ingest_node WHERE level = 1 AND idx = 1", "ingest_node"),
]


@pytest.mark.parametrize(("statement", "table"), GUARDED)
def test_the_database_itself_refuses_first(home: Path, statement: str, table: str) -> None:
    database = sqlite3.connect(home / "onepay.db")
    with closing(database), pytest.raises(sqlite3.IntegrityError, match=table):
        database.execute(statement)
    assert verified(home) == ([], 0)


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("UPDATE ingest_entry SET kind = CAST(x'80ff' AS TEXT) WHERE sequence = 3", "ingest_entry sequence 3 kind"),
        (
            "UPDATE ingest_entry SET event_id = CAST(x'ff' AS TEXT) WHERE sequence = 5",
            "ingest_entry sequence 5 event_id",
        ),
        ("UPDATE ingest_body SET class = CAST(x'c328' AS TEXT) WHERE sequence = 4", "ingest_body sequence 4 class"),
    ],
)
def test_what_is_no_text_any_more_is_named(home: Path, statement: str, place: str) -> None:
    as_root(home, (statement, ()))
    assert verified(home) == ([f"{place}: it cannot be read"], 6)


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("UPDATE ingest_entry SET at = 'noon' WHERE sequence = 3", "ingest_entry sequence 3 one of its fields"),
        ("UPDATE ingest_entry SET at = 9e30 WHERE sequence = 3", "ingest_entry sequence 3 one of its fields"),
        ("UPDATE ingest_entry SET commitment = 'text' WHERE sequence = 3", "ingest_entry sequence 3 commitment"),
        ("UPDATE ingest_entry SET kind = x'ff' WHERE sequence = 3", "ingest_entry sequence 3 kind"),
        ("UPDATE ingest_body SET body = 'text' WHERE sequence = 3", "ingest_body sequence 3 body"),
        ("UPDATE ingest_body SET salt = 7 WHERE sequence = 3", "ingest_body sequence 3 salt"),
        ("UPDATE ingest_node SET hash = 'xx' WHERE level = 0 AND idx = 2", "ingest_node sequence 3 hash at level 0"),
        ("UPDATE ingest_node SET hash = 12 WHERE level = 1 AND idx = 1", "ingest_node sequence 3 hash at level 1"),
        ("UPDATE ingest_head SET root = 'abc'", "ingest_head"),
    ],
)
def test_what_is_of_another_type_is_named(home: Path, statement: str, place: str) -> None:
    """SQLite keeps a value of any type in any column."""
    as_root(home, (statement, ()))
    said, code = verified(home)
    assert (len(said), said[0].startswith(place), code) == (1, True, 6), said


def test_a_checkpoint_that_is_no_text_any_more_is_named(home: Path) -> None:
    newest = one(home, "SELECT max(size) FROM ingest_checkpoint")
    as_root(home, ("UPDATE ingest_checkpoint SET note = CAST(x'80' AS TEXT) WHERE size = ?", (newest,)))
    said, code = verified(home)
    assert (len(said), "ingest_checkpoint" in said[0], "cannot be read" in said[0], code) == (1, True, True, 6)


def test_one_flipped_bit_anywhere_in_a_body_is_named(home: Path) -> None:
    dice = random.Random(6)
    for _ in range(12):
        sequence = dice.randint(1, size(home))
        body = one(home, "SELECT body FROM ingest_body WHERE sequence = ?", sequence)
        changed = flipped(body, dice.randrange(len(body)), dice.randrange(8))
        put = "UPDATE ingest_body SET body = ? WHERE sequence = ?"

        as_root(home, (put, (changed, sequence)))
        assert verified(home) == ([f"ingest_body sequence {sequence} body: not what was sealed"], 6)

        as_root(home, (put, (body, sequence)))
    assert verified(home) == ([], 0)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("INSERT INTO event SELECT * FROM event", "more than once"),
        ('INSERT INTO event SELECT * REPLACE (999999 AS "event.sequence") FROM event', "beyond the head"),
    ],
    ids=["doubled", "beyond"],
)
def test_a_document_put_into_a_file_by_hand_is_named(home: Path, row: str, said: str) -> None:
    in_store(home, 3, row)
    lines, code = verified(home)
    assert code == 6
    assert any(said in line for line in lines), lines


def test_one_flipped_bit_of_a_leaf_is_named(home: Path) -> None:
    leaf = one(home, "SELECT hash FROM ingest_node WHERE level = 0 AND idx = 8")

    as_root(home, ("UPDATE ingest_node SET hash = ? WHERE level = 0 AND idx = 8", (flipped(leaf, 17),)))

    said, code = verified(home)
    assert (said, code) == (["ingest_node sequence 9 hash at level 0: it is not the hash of the entry"], 6)


def test_one_flipped_bit_of_an_inner_node_is_named(home: Path) -> None:
    node = one(home, "SELECT hash FROM ingest_node WHERE level = 2 AND idx = 1")

    as_root(home, ("UPDATE ingest_node SET hash = ? WHERE level = 2 AND idx = 1", (flipped(node, 31, 7),)))

    said, code = verified(home)
    assert (said, code) == (
        ["ingest_node sequence 5 hash at level 2, index 1: it is not the hash of its halves"],
        6,
    )


@pytest.mark.parametrize("bit", [0, 6])
@pytest.mark.parametrize("column", ["event_id", "kind", "class", "at", "ingested", "commitment"])
def test_one_flipped_bit_of_the_database_file_is_named(home: Path, column: str, bit: int) -> None:
    """Without any SQL: an entry is looked up in the file by its commitment, and one byte beside it is changed."""
    file, sequence = home / "onepay.db", 7
    with closing(sqlite3.connect(file)) as database:
        found = database.execute(
            'SELECT event_id, kind, "class", at, ingested, commitment FROM ingest_entry WHERE sequence = ?', [sequence]
        ).fetchone()
    event_id, kind, class_, at, ingested, sealed = found
    fields = {
        "event_id": event_id.encode(),
        "kind": kind.encode(),
        "class": class_.encode(),
        "at": at.to_bytes(8, "big"),
        "ingested": ingested.to_bytes(8, "big"),
        "commitment": sealed,
    }
    data, row = file.read_bytes(), b"".join(fields.values())
    assert data.count(row) == 1, "the row lies in the file as one run of bytes"
    before = row.index(fields[column]) if column != "ingested" else len(row) - len(sealed) - 8
    file.write_bytes(flipped(data, data.index(row) + before + len(fields[column]) - 1, bit))

    said, code = verified(home)

    assert code == 6
    assert any(line.startswith(f"ingest_entry sequence {sequence} {column}:") for line in said), said


def test_a_removed_row_is_named(home: Path) -> None:
    as_root(home, ("DELETE FROM ingest_entry WHERE sequence = ?", (11,)))
    said, code = verified(home)
    assert (said[0], code) == ("ingest_entry sequence 11 sequence: the row is missing", 6)


def test_a_removed_body_is_named(home: Path) -> None:
    as_root(home, ("DELETE FROM ingest_body WHERE sequence = ?", (11,)))
    assert verified(home) == (["ingest_body sequence 11 sequence: the row is missing"], 6)


def test_the_newest_row_cannot_be_cut_off(home: Path) -> None:
    last = size(home)
    as_root(
        home,
        ("DELETE FROM ingest_entry WHERE sequence = ?", (last,)),
        ("DELETE FROM ingest_body WHERE sequence = ?", (last,)),
        ("UPDATE ingest_head SET size = ?", (last - 1,)),
    )
    said, code = verified(home)
    assert code == 6
    assert any(line.startswith(f"ingest_checkpoint sequence {last} size: it is beyond the head") for line in said), said


def test_two_swapped_rows_are_both_named(home: Path) -> None:
    swapped = "UPDATE ingest_entry SET sequence = ? WHERE sequence = ?"
    as_root(home, (swapped, (10_000, 4)), (swapped, (4, 9)), (swapped, (9, 10_000)))

    said, code = verified(home)

    assert code == 6
    for sequence in (4, 9):
        assert any(f"sequence {sequence} " in line for line in said), said


def test_two_swapped_bodies_are_both_named(home: Path) -> None:
    swapped = "UPDATE ingest_body SET sequence = ? WHERE sequence = ?"
    as_root(home, (swapped, (10_000, 4)), (swapped, (4, 9)), (swapped, (9, 10_000)))

    said, code = verified(home)

    assert code == 6
    for sequence in (4, 9):
        assert any(line.startswith(f"ingest_body sequence {sequence} ") for line in said), said


STORE = "store duck-onepay sequence"
BESIDE = ": it is searched by what was not sealed"


def failed_sign_in(home: Path) -> int:
    return int(one(home, "SELECT max(sequence) FROM ingest_entry WHERE kind = 'auth.login.failed'"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        # What the console shows.
        (
            """UPDATE event SET body = replace(body, '"ip":"198.18.7.7"', '"ip":"198.18.7.6"')""",
            "source.ip: it is not what was sealed",
        ),
        ("""UPDATE event SET "event.hash" = repeat('0', 64)""", "event.hash: it is not what was sealed"),
        # What detectors ask: the document looks whole, and yet no question would find it.
        ("UPDATE event SET \"source.ip\" = '198.18.7.6'", "source.ip" + BESIDE),
        (
            "UPDATE event SET \"event.action\" = 'access.request.denied'",
            "event.action" + BESIDE,
        ),
        ('UPDATE event SET "event.outcome" = NULL', "event.outcome" + BESIDE),
        ("UPDATE event SET ts = ts - INTERVAL 1 DAY", "ts" + BESIDE),
    ],
)
def test_one_changed_value_of_a_stored_document_is_named(home: Path, change: str, named: str) -> None:
    sequence = failed_sign_in(home)

    in_store(home, sequence, change)

    said, code = verified(home)
    assert (said, code) == ([f"{STORE} {sequence} {named}"], 6)


def test_a_removed_document_is_named(home: Path) -> None:
    sequence = failed_sign_in(home)
    in_store(home, sequence, "DELETE FROM event")
    # A shipper that is running would send it again; verifying alone changes nothing.
    assert verified(home) == ([f"{STORE} {sequence} document: it is missing"], 6)


def test_a_document_that_claims_to_be_parked_is_named(home: Path) -> None:
    sequence = failed_sign_in(home)
    parked = """UPDATE event SET body = replace(body, '"onepay":{', '"onepay":{"parked":true,')"""
    in_store(home, sequence, parked)
    assert verified(home) == ([f"{STORE} {sequence} onepay.parked: it is a stub of what nothing refused"], 6)


def test_the_command_line_leaves_with_6_and_the_place(home: Path) -> None:
    leaf = one(home, "SELECT hash FROM ingest_node WHERE level = 0 AND idx = 3")
    process = Served(home=home)
    sound = process.command("log", "verify")
    assert (sound.returncode, "log sound" in sound.stdout) == (0, True), sound.stdout + sound.stderr

    as_root(home, ("UPDATE ingest_node SET hash = ? WHERE level = 0 AND idx = 3", (flipped(leaf, 0),)))

    broken = process.command("log", "verify")
    assert broken.returncode == 6
    assert "ingest_node sequence 4 hash at level 0" in broken.stdout
    assert "log BROKEN" in broken.stdout
    # The finding is itself an event; and the ledger, which nobody touched, verifies.
    assert one(home, "SELECT count(*) FROM ingest_outbox WHERE kind = 'health.log.tampered'") == 1
    assert process.command("ledger", "verify").returncode == 0
