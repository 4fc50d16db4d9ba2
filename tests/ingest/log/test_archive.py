"""The archive: files that anybody can read back, whole after a kill at any write, and compared with the log."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import shutil
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from ingest import models
from ingest.events.health import HeartbeatSent, SegmentSealed
from ingest.log import checkpoint, merkle, monitor, note, read, tiles
from ingest.log.archive import Archive, ArchiveGone, archived
from ingest.log.checkpoint import LogKey, Signer
from ingest.settings import ArchiveSettings
from tests.support import sealing
from tests.support.dying import Died, dying_at
from tests.support.ground import Ground

NOVEMBER, DECEMBER = datetime(2026, 11, 30, 23, 0, tzinfo=UTC), datetime(2026, 12, 1, 1, 0, tzinfo=UTC)


@pytest.fixture
def archive(ground: Ground, tmp_path: Path) -> Archive:
    return made(ground, tmp_path / "archive")


def made(ground: Ground, folder: Path, segment_bytes_max: int = 8 * 2**20) -> Archive:
    return Archive(ArchiveSettings(folder=folder, segment_bytes_max=segment_bytes_max), ids=ground.ids)


def grow(ground: Ground, count: int) -> None:
    events = [sealing.failed_login() if n % 3 else HeartbeatSent(component="web") for n in range(count)]
    sealing.record(ground, *events)
    sealing.sequencer(ground).drain()


def bodies_on_disk(folder: Path) -> dict[int, tuple[bytes, bytes]]:
    """Read every body with the standard library alone: (salt, canonical body) by sequence; none may stand twice."""
    found: dict[int, tuple[bytes, bytes]] = {}
    for file in sorted(folder.glob("body/*/**/*.ndjson*")):
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        for line in data.decode().splitlines():
            value = json.loads(line)
            text = json.dumps(value["body"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            assert value["sequence"] not in found
            found[value["sequence"]] = (base64.b64decode(value["salt"]), text.encode())
    return found


def assert_whole(ground: Ground, archive: Archive) -> int:
    """Assert that the files hold the log: each body once, each entry, and tiles that hash to the root."""
    with ground.db.read() as session:
        head = read.head(session)
        root = merkle.root(merkle.edge_at(read.tree(session), archive.size))
        log = sealing.every_entry(session)
        commitments = {entry.sequence: entry.commitment for entry in log if entry.sequence <= archive.size}
        rows = {row.path: row.sha256 for row in session.execute(sa.select(models.segment))}
    found = bodies_on_disk(archive.folder)
    assert set(found) == set(commitments)
    for sequence, (salt, body) in found.items():
        assert hashlib.sha256(salt + body).digest() == commitments[sequence]
    bundles = range(-(-archive.size // tiles.WIDTH))
    entries = [entry for n in bundles for entry in tiles.read_entries(archive.folder, n, archive.size)]
    leaves = [leaf for n in bundles for leaf in tiles.read_leaves(archive.folder, n, archive.size)]
    assert leaves == [hashlib.sha256(b"\x00" + entry).digest() for entry in entries]
    assert sealing.root_of(leaves) == root
    listed = {one.path: one.sha256 for one in archive.segments()}
    on_disk = {
        str(file.relative_to(archive.folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in archive.folder.glob("body/*/*/*.gz")
    }
    assert listed == on_disk == rows
    return head.size


def sealed_events(ground: Ground) -> list[str]:
    sealing.sequencer(ground).drain()
    with ground.db.read() as session:
        rows = session.scalars(
            sa.select(models.body.c.body)
            .join(models.entry, models.entry.c.sequence == models.body.c.sequence)
            .where(models.entry.c.kind == SegmentSealed.kind)
        )
        return [json.loads(body)["onepay"]["health"]["segment"]["path"] for body in rows]


def test_everything_is_in_files_and_can_be_read_with_the_standard_library(ground: Ground, archive: Archive) -> None:
    grow(ground, 300)
    assert archive.advance(ground.db, ground.clock.now()) == 300
    grow(ground, 800)
    assert archive.advance(ground.db, ground.clock.now()) == 1_100
    assert assert_whole(ground, archive) == 1_100
    assert archive.segments() == []
    with ground.db.read() as session:
        assert archived(session) == (1_100, ground.clock.now())


def test_a_month_that_ends_is_sealed_once_per_class_and_told(ground: Ground, archive: Archive) -> None:
    ground.clock.move(NOVEMBER - ground.clock.now())
    grow(ground, 30)
    archive.advance(ground.db, ground.clock.now())
    ground.clock.move(DECEMBER - ground.clock.now())
    for _ in range(2):
        archive.advance(ground.db, ground.clock.now())
    months = {(one.class_, one.month, one.count) for one in archive.segments()}
    assert months == {("operations", "2026-11", 10), ("security", "2026-11", 20)}
    assert sealed_events(ground) == [one.path for one in archive.segments()]
    archive.advance(ground.db, ground.clock.now())
    assert_whole(ground, archive)


def test_bodies_of_two_months_in_one_slice_go_to_two_segments(ground: Ground, archive: Archive) -> None:
    ground.clock.move(NOVEMBER - ground.clock.now())
    grow(ground, 10)
    ground.clock.move(DECEMBER - ground.clock.now())
    grow(ground, 10)
    archive.advance(ground.db, ground.clock.now())
    assert {one.month for one in archive.segments()} == {"2026-11"}
    assert assert_whole(ground, archive) == 20


def test_a_large_open_file_is_sealed(ground: Ground, tmp_path: Path) -> None:
    archive = made(ground, tmp_path / "archive", segment_bytes_max=2_000)
    for _ in range(5):
        grow(ground, 9)
        archive.advance(ground.db, ground.clock.now())
    security = [one for one in archive.segments() if one.class_ == "security"]
    assert len(security) >= 3
    assert all(before.last < after.first for before, after in pairwise(security))
    assert_whole(ground, archive)


@pytest.mark.parametrize("number", range(40))
def test_killed_at_any_write_it_is_whole_after_the_next_turn(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    archive = made(ground, tmp_path / "archive", segment_bytes_max=4_000)
    ground.clock.move(NOVEMBER - ground.clock.now())
    grow(ground, 250)
    archive.advance(ground.db, ground.clock.now())
    grow(ground, 20)
    ground.clock.move(DECEMBER - ground.clock.now())
    grow(ground, 20)
    died = False
    with dying_at(monkeypatch, number):
        try:
            archive.advance(ground.db, ground.clock.now())
        except Died:
            died = True
    assert died or number > 25, "there are fewer writes than this test meets"

    again = made(ground, archive.folder, segment_bytes_max=4_000)
    for _ in range(2):
        again.advance(ground.db, ground.clock.now())
    assert not list(archive.folder.glob("body/*/*/.*")) or died
    paths = sealed_events(ground)
    again.advance(ground.db, ground.clock.now())
    assert len(paths) == len(set(paths))
    assert assert_whole(ground, again) == again.size
    assert monitor.verify(ground.db, archive=again).findings == ()


def test_a_lost_archive_stops_signing_until_it_is_rebuilt(ground: Ground, archive: Archive, key: LogKey) -> None:
    signer = Signer(db=ground.db, key=key, archive=archive)
    grow(ground, 40)
    assert signer.sign(ground.clock.now()).size == 40
    shutil.rmtree(archive.folder)
    grow(ground, 2)
    with pytest.raises(ArchiveGone, match="holds 0 of 40"):
        signer.sign(ground.clock.now())
    archive.rebuild(ground.db)
    assert signer.sign(ground.clock.now()).size == 42
    assert_whole(ground, archive)


def test_no_more_is_signed_than_is_archived_and_the_checkpoint_lies_beside_the_tiles(
    ground: Ground, archive: Archive, key: LogKey
) -> None:
    grow(ground, 300)
    archive.advance(ground.db, ground.clock.now())
    grow(ground, 5)
    made = checkpoint.sign(ground.db, key, ground.clock.now(), archive=archive)
    assert made.size == 300
    signed = note.parse_tree_head(note.open_note((archive.folder / "checkpoint").read_text(), key.verifier))
    leaves = [leaf for n in range(2) for leaf in tiles.read_leaves(archive.folder, n, signed.size)]
    assert (signed.size, signed.root) == (300, sealing.root_of(leaves))
    assert checkpoint.sign(ground.db, key, ground.clock.now(), archive=archive) is None
    archive.advance(ground.db, ground.clock.now())
    assert checkpoint.sign(ground.db, key, ground.clock.now(), archive=archive).size == 305
    assert monitor.verify(ground.db, key=key, archive=archive).findings == ()


def test_a_damaged_body_is_left_out_and_archived_once_it_is_whole(ground: Ground, archive: Archive) -> None:
    grow(ground, 30)
    with ground.db.read() as session:
        sound = read.body(session, 8).body
    spoil(ground, 8, sound.replace(b"wrong", b"right"))
    archive.advance(ground.db, ground.clock.now())
    assert set(bodies_on_disk(archive.folder)) == set(range(1, 31)) - {8}
    told = [str(finding) for finding in monitor.verify(ground.db, archive=archive).findings]
    assert told == [
        "ingest_body sequence 8 body or salt: not what was sealed",
        "archive sequence 8 line: it is missing or damaged",
    ]
    spoil(ground, 8, sound)
    archive.advance(ground.db, ground.clock.now())
    assert monitor.verify(ground.db, archive=archive).findings == ()
    ground.clock.move(timedelta(days=60))
    archive.advance(ground.db, ground.clock.now())
    assert monitor.verify(ground.db, archive=archive).findings == ()


def spoil(ground: Ground, sequence: int, body: bytes) -> None:
    with ground.db.begin() as session:
        session.execute(sa.update(models.body).where(models.body.c.sequence == sequence).values(body=body))


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("body/security/open.ndjson", "archive sequence 2 body"),
        ("tile/entries/000.p/30", "archive sequence 2 entry in its bundle"),
        ("tile/0/000.p/30", "archive sequence 2 leaf in its tile"),
    ],
)
def test_one_changed_byte_is_named(ground: Ground, archive: Archive, file: str, told: str) -> None:
    grow(ground, 30)
    archive.advance(ground.db, ground.clock.now())
    path = archive.folder / file
    data = bytearray(path.read_bytes())
    at = {"ndjson": data.find(b"wrong_password"), "30": 40 if "tile/0" in file else data.find(b"login", 300)}
    data[at[path.name.rpartition(".")[2]]] ^= 1
    path.write_bytes(data)
    (found, *others) = monitor.verify(ground.db, archive=archive).findings
    assert str(found).startswith(told)
    assert others == []
