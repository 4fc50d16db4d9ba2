"""Comparing by hand: a sound log is sound, and one changed value anywhere is named by table, sequence and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from ingest import models
from ingest.events.envelope import at_path
from ingest.log import checkpoint, monitor, note, read
from ingest.log.checkpoint import LogKey
from ingest.log.monitor import RangeInvalid, Verdict
from ingest.log.note import TreeHead
from ingest.log.store_check import Copy
from ingest.store.memory import MemoryStore
from ingest.store.query import Page, Search, Sequenced, Window
from tests.support import sealing
from tests.support.ground import Ground

Seal = Callable[[int], list[str]]
SIZE = 13


@pytest.fixture
def log(ground: Ground, seal: Seal) -> Ground:
    """A log of 13 events, signed at 6 and at 13, without the triggers that an insider would also remove."""
    seal(6)
    ground.clock.move(timedelta(seconds=10))
    seal(SIZE - 6)
    with ground.db.begin() as session:
        for table in ("entry", "node"):
            for verb in ("update", "delete"):
                session.execute(sa.text(f"DROP TRIGGER ingest_{table}_no_{verb}"))
    return ground


def shipped(ground: Ground, into: MemoryStore | None = None) -> MemoryStore:
    store = into or MemoryStore()
    with ground.db.read() as session:
        size = read.head(session).size
        store.append(
            [
                Sequenced(sequence=entry.sequence, ingested=entry.ingested, hash=entry.leaf.hex(), body=body.body)
                for entry, body in zip(read.entries(session, 0, size), read.bodies(session, 0, size), strict=True)
            ]
        )
    return store


def told(verdict: Verdict) -> list[str]:
    return [f"{finding.table} {finding.sequence} {finding.field}" for finding in verdict.findings]


def change(ground: Ground, table: sa.Table, key: sa.ColumnElement[bool], **values: object) -> None:
    with ground.db.begin() as session:
        assert session.execute(sa.update(table).where(key).values(values)).rowcount == 1


@pytest.mark.parametrize("size", range(1, 20))
def test_a_sound_log_is_sound_at_every_size(ground: Ground, seal: Seal, key: LogKey, size: int) -> None:
    seal(size)
    store = shipped(ground)

    verdict = monitor.verify(ground.db, key=key, copy=Copy(name="main", store=store, done=size))

    assert (verdict.findings, verdict.exit_code, verdict.documents, verdict.checkpoints) == ((), 0, size, 1)


def test_an_empty_log_is_sound(ground: Ground) -> None:
    assert monitor.verify(ground.db).exit_code == 0


def test_a_log_of_several_pages_is_sound_and_progress_is_told(ground: Ground, seal: Seal) -> None:
    seal(2_345)
    steps: list[tuple[int, int]] = []

    assert monitor.verify(ground.db, progress=lambda done, total: steps.append((done, total))).findings == ()
    assert steps == [(1_000, 2_345), (2_000, 2_345), (2_345, 2_345)]


class Forged(MemoryStore):
    """Also answers with documents that were never sent."""

    def __init__(self, forged: dict[int, int]) -> None:
        super().__init__()
        self.forged = forged

    def search(self, search: Search) -> Page:
        page = super().search(search)
        by_sequence = {
            at_path(one, "event.sequence"): one for one in super().search(replace(search, window=Window())).documents
        }
        added = [
            {**by_sequence[of], "event": {**by_sequence[of]["event"], "sequence": sequence}}
            for sequence, of in self.forged.items()
            if of in by_sequence and search.window.lo < sequence and sequence <= (search.window.hi or sequence)
        ]
        return replace(page, documents=[*page.documents, *added])


class Counting(Forged):
    """Counts what it answers with, as a real store does."""

    def coverage(self, lo: int, hi: int) -> int:
        return super().coverage(lo, hi) + sum(lo < sequence <= hi for sequence in self.forged)


def test_a_doubled_document_is_one_finding(log: Ground) -> None:
    store = shipped(log, Counting({6: 6}))

    verdict = monitor.verify(log.db, copy=Copy(name="main", store=store, done=SIZE))

    assert told(verdict) == ["store main 6 document"]


@pytest.mark.parametrize(("sequence", "found"), [(6, "more than once"), (14, "beyond the head"), (99_999, "beyond")])
def test_a_document_that_was_never_sealed_is_named(log: Ground, sequence: int, found: str) -> None:
    store = shipped(log, Forged({sequence: 6}))

    verdict = monitor.verify(log.db, copy=Copy(name="main", store=store, done=SIZE))

    assert told(verdict) == [f"store main {sequence} document"]
    assert found in str(verdict.findings[0])
    assert verdict.exit_code == 6


def test_a_log_that_grows_and_is_signed_meanwhile_is_sound(ground: Ground, seal: Seal, key: LogKey) -> None:
    seal(5)

    def grow(done: int, total: int) -> None:
        seal(4)

    verdict = monitor.verify(ground.db, key=key, progress=grow)

    assert (verdict.findings, verdict.size, verdict.checkpoints) == ((), 5, 1)


ENTRY = models.entry.c.sequence
BODY = models.body.c.sequence


@pytest.mark.parametrize("sequence", [1, 2, 6, 7, 12, 13])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("event_id", "evt_other"),
        ("kind", "auth.login.succeeded"),
        ("class", "money"),
        ("at", lambda row: row.at + timedelta(microseconds=1)),
        ("ingested", lambda row: row.ingested + timedelta(microseconds=1)),
        ("commitment", b"\1" * 32),
    ],
)
def test_a_changed_entry_is_named(log: Ground, sequence: int, column: str, value: object) -> None:
    with log.db.read() as session:
        row = session.execute(sa.select(models.entry).where(sequence == ENTRY)).one()
    change(log, models.entry, sequence == ENTRY, **{column: value(row) if callable(value) else value})

    verdict = monitor.verify(log.db)

    assert told(verdict) == [f"ingest_entry {sequence} {column}"]
    assert verdict.exit_code == 6


@pytest.mark.parametrize("sequence", [1, 8, 13])
def test_a_changed_body_is_named(log: Ground, sequence: int) -> None:
    with log.db.read() as session:
        body = read.body(session, sequence)
    store = shipped(log)
    copy = Copy(name="main", store=store, done=SIZE)

    change(log, models.body, sequence == BODY, body=body.body.replace(b"wrong_password", b"right_password"))
    assert told(monitor.verify(log.db)) == [f"ingest_body {sequence} body or salt"]
    assert f"ingest_body {sequence} body" in told(monitor.verify(log.db, copy=copy))

    change(log, models.body, sequence == BODY, body=body.body.replace(b"auth.login.failed", b"auth.login.faked"))
    assert told(monitor.verify(log.db)) == [f"ingest_body {sequence} body"]

    change(log, models.body, sequence == BODY, body=body.body, salt=b"x" * 16)
    assert f"ingest_body {sequence} salt" in told(monitor.verify(log.db, copy=copy))

    change(log, models.body, sequence == BODY, salt=body.salt, **{"class": "money"})
    assert told(monitor.verify(log.db)) == [f"ingest_body {sequence} class"]

    change(log, models.body, sequence == BODY, **{"class": body.class_})
    assert monitor.verify(log.db, copy=copy).findings == ()


def test_every_single_changed_node_is_named(log: Ground) -> None:
    with log.db.read() as session:
        nodes = session.execute(sa.select(models.node)).all()
    assert len(nodes) == 13 + 6 + 3 + 1
    for node in nodes:
        where = (models.node.c.level == node.level) & (models.node.c.idx == node.idx)
        change(log, models.node, where, hash=b"\1" * 32)
        name = "hash at level 0" if node.level == 0 else f"hash at level {node.level}, index {node.idx}"
        assert told(monitor.verify(log.db)) == [f"ingest_node {(node.idx << node.level) + 1} {name}"]
        change(log, models.node, where, hash=node.hash)
    assert monitor.verify(log.db).findings == ()


def test_every_missing_row_is_named(log: Ground) -> None:
    with log.db.begin() as session:
        session.execute(sa.delete(models.body).where(BODY == 3))
        session.execute(sa.delete(models.node).where((models.node.c.level == 0) & (models.node.c.idx == 6)))
        session.execute(sa.delete(models.node).where((models.node.c.level == 2) & (models.node.c.idx == 2)))
        session.execute(sa.delete(models.entry).where(ENTRY == 10))

    assert sorted(told(monitor.verify(log.db))) == [
        "ingest_body 3 sequence",
        "ingest_entry 10 sequence",
        "ingest_node 7 hash at level 0",
        "ingest_node 9 hash at level 2, index 2",
    ]


def test_rows_beyond_the_head_are_named(log: Ground) -> None:
    with log.db.begin() as session:
        session.execute(sa.insert(models.body).values(sequence=14, salt=b"", body=b"", **{"class": "money"}))
        session.execute(sa.insert(models.node).values(level=0, idx=14, hash=b"\1" * 32))

    assert told(monitor.verify(log.db)) == ["ingest_body 14 sequence", "ingest_node 15 sequence"]


@pytest.mark.parametrize(
    ("values", "named"),
    [({"root": b"\1" * 32}, ["ingest_head 13 root"]), ({"size": 12}, None)],
)
def test_a_changed_head_is_found(log: Ground, values: dict[str, object], named: list[str] | None) -> None:
    change(log, models.head, models.head.c.id == 1, **values)

    found = told(monitor.verify(log.db))

    assert found == named if named else "ingest_head 12 root" in found


def test_a_changed_checkpoint_is_named(log: Ground, key: LogKey) -> None:
    six = models.checkpoint.c.size == 6
    with log.db.read() as session:
        row = session.execute(sa.select(models.checkpoint).where(six)).one()

    change(log, models.checkpoint, six, root=b"\1" * 32)
    assert told(monitor.verify(log.db)) == ["ingest_checkpoint 6 root"]
    change(log, models.checkpoint, six, root=row.root, note=row.note.replace("\n6\n", "\n5\n"))
    assert told(monitor.verify(log.db, key=key)) == ["ingest_checkpoint 6 note"]
    change(log, models.checkpoint, six, note=row.note, size=14)
    assert told(monitor.verify(log.db)) == ["ingest_checkpoint 14 size"]


def instant_of(ground: Ground, size: int) -> datetime:
    with ground.db.read() as session:
        found = session.scalar(sa.select(models.checkpoint.c.at).where(models.checkpoint.c.size == size))
    assert found is not None
    return found


@pytest.mark.parametrize(("size", "moved"), [(6, -1), (6, 11), (13, -1)])
def test_a_checkpoint_dated_otherwise_is_named(log: Ground, size: int, moved: int) -> None:
    at = instant_of(log, size)
    change(log, models.checkpoint, models.checkpoint.c.size == size, at=at + timedelta(seconds=moved))
    assert told(monitor.verify(log.db)) == [f"ingest_checkpoint {size} at"]


@pytest.mark.parametrize(("ahead", "expected"), [(60, []), (61, [f"ingest_checkpoint {SIZE} at"])])
def test_a_checkpoint_dated_after_now_is_named(log: Ground, ahead: int, expected: list[str]) -> None:
    at = log.clock.now() + timedelta(seconds=ahead)
    change(log, models.checkpoint, models.checkpoint.c.size == SIZE, at=at)
    assert told(monitor.verify(log.db, clock=log.clock)) == expected


def test_a_checkpoint_signed_while_the_clock_stands_back_is_dated_as_its_entries(log: Ground, key: LogKey) -> None:
    log.clock.move(timedelta(hours=-1))
    sealing.record(log, sealing.failed_login())
    sealing.sequencer(log).drain()
    made = checkpoint.sign(log.db, key, log.clock.now())
    assert made is not None
    assert made.at == instant_of(log, SIZE)
    assert monitor.verify(log.db, key=key, clock=log.clock).findings == ()


def test_a_log_that_was_cut_behind_what_was_signed_is_found(log: Ground, key: LogKey) -> None:
    with log.db.read() as session:
        first = session.execute(sa.select(models.checkpoint).where(models.checkpoint.c.size == 6)).one()
        last = read.entries(session, 5, 6)[0]
    change(log, models.head, models.head.c.id == 1, size=6, root=first.root, last_ingested=last.ingested)
    node = models.node.c
    with log.db.begin() as session:
        session.execute(sa.delete(models.entry).where(ENTRY > 6))
        session.execute(sa.delete(models.body).where(BODY > 6))
        session.execute(
            sa.delete(models.node).where(sa.or_(*[(node.level == n) & (node.idx >= 6 >> n) for n in range(4)]))
        )
        session.execute(sa.delete(models.checkpoint).where(models.checkpoint.c.size > 6))
    # The database alone is whole; what was signed last lies beside the key.
    assert monitor.verify(log.db).findings == ()
    assert told(monitor.verify(log.db, key=key)) == ["ingest_head 6 size"]


def test_a_log_that_does_not_begin_with_what_was_signed_last_is_found(log: Ground, key: LogKey) -> None:
    other = TreeHead(origin=key.verifier.name, size=6, root=b"r" * 32)
    key.last.write_text(note.sign(other.text, key.verifier, key.seed))
    assert told(monitor.verify(log.db, key=key)) == ["log.last 6 root"]


def test_what_was_signed_last_is_missed_and_must_be_readable(log: Ground, key: LogKey) -> None:
    key.last.write_bytes(b"\xff nonsense")
    assert told(monitor.verify(log.db, key=key)) == ["log.last 13 note"]
    key.last.unlink()
    assert told(monitor.verify(log.db, key=key)) == ["log.last 13 note"]


def test_a_range_finds_what_lies_in_it_and_above_it(log: Ground) -> None:
    change(log, models.entry, ENTRY == 3, kind="auth.login.succeeded")

    assert told(monitor.verify(log.db, first=1, last=4)) == ["ingest_entry 3 kind"]
    assert told(monitor.verify(log.db, first=5, last=13)) == []
    with log.db.begin() as session:
        session.execute(sa.update(models.node).where(models.node.c.level == 3).values(hash=b"\1" * 32))
    assert told(monitor.verify(log.db, first=5, last=5)) == ["ingest_node 1 hash at level 3, index 0"]


def test_a_verdict_says_how_far_it_compared(log: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "SLICE_MAX", 3)
    whole = monitor.verify(log.db, first=2, last=12)
    assert (whole.first, whole.last, whole.is_whole) == (2, 12, True)

    monkeypatch.setattr(monitor, "FINDINGS_MAX", 2)
    for sequence in (4, 6, 13):
        change(log, models.entry, sequence == ENTRY, kind="auth.login.succeeded")
    ended = monitor.verify(log.db, first=2)
    assert (ended.first, ended.last, ended.is_whole) == (2, 7, False)
    assert told(ended) == ["ingest_entry 4 kind", "ingest_entry 6 kind"]
    assert told(monitor.verify(log.db, first=8)) == ["ingest_entry 13 kind"]


def test_a_verdict_says_how_many_the_store_does_not_have_yet(log: Ground) -> None:
    copy = Copy(name="main", store=shipped(log), done=10)
    found = [monitor.verify(log.db, copy=copy, first=first, last=last) for first, last in [(1, 13), (1, 9), (12, 13)]]
    assert [(verdict.findings, verdict.documents, verdict.awaited) for verdict in found] == [
        ((), 10, 3), ((), 9, 0), ((), 0, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(("first", "last"), [(0, 3), (5, 3), (1, 14), (15, 15)])
def test_a_range_outside_the_log_is_refused(log: Ground, first: int, last: int) -> None:
    with pytest.raises(RangeInvalid):
        monitor.verify(log.db, first=first, last=last)


def tampered(store: MemoryStore, sequence: int, change: Callable[[dict[str, object]], object]) -> None:
    for unit in store._units.values():
        for kept in unit.values():
            if kept.sequence == sequence:
                change(kept.document)


def test_a_changed_document_of_the_store_is_named_by_its_field(log: Ground) -> None:
    store = shipped(log)
    tampered(store, 5, lambda document: document["event"].update(reason="right_password"))
    tampered(store, 6, lambda document: document["event"].update(hash="00" * 32))
    tampered(store, 7, lambda document: document["event"].update(ingested="2026-11-02T09:00:00.000001Z"))
    tampered(store, 9, lambda document: document.update(added="by somebody"))

    verdict = monitor.verify(log.db, copy=Copy(name="main", store=store, done=SIZE))

    assert told(verdict) == [
        "store main 5 event.reason",
        "store main 6 event.hash",
        "store main 7 event.ingested",
        "store main 9 added",
    ]


def test_a_document_that_the_store_lost_is_named_unless_it_is_parked_or_not_yet_shipped(log: Ground) -> None:
    store = MemoryStore()
    whole = shipped(log)
    documents = [kept.item.source for unit in whole._units.values() for kept in unit.values()]
    store.append([document for document in documents if document.sequence not in (4, 8, 12, 13)])
    with log.db.begin() as session:
        session.execute(sa.insert(models.parked).values(target="main", sequence=8, reason="x", at=log.clock.now()))

    assert told(monitor.verify(log.db, copy=Copy(name="main", store=store, done=11))) == ["store main 4 document"]


def test_the_verdict_is_an_event(log: Ground) -> None:
    change(log, models.entry, ENTRY == 3, kind="auth.login.succeeded")
    broken = monitor.verify(log.db)
    change(log, models.entry, ENTRY == 3, kind="auth.login.failed")
    sound = monitor.verify(log.db)
    with log.db.begin() as session:
        monitor.tell(session, broken, log.ctx())
        monitor.tell(session, sound, log.ctx())
    sealing.sequencer(log).drain()

    with log.db.read() as session:
        bodies = [json.loads(body.body) for body in read.bodies(session, SIZE, SIZE + 2)]
    assert [body["event"]["action"] for body in bodies] == ["health.log.tampered", "health.log.verified"]
    assert bodies[0]["onepay"]["health"]["log"]["reason"].startswith("ingest_entry sequence 3 kind")
    assert [body["event"]["outcome"] for body in bodies] == ["failure", "success"]


def test_checkpoints_are_compared_in_slices_not_one_by_one(ground: Ground, key: LogKey) -> None:
    """The statements of a verification grow with pages, not with checkpoints."""
    asked = []
    for count in (3, 30):
        for _ in range(count):
            sealing.record(ground, sealing.failed_login())
            sealing.sequencer(ground).drain()
            checkpoint.sign(ground.db, key, ground.clock.now())
        heard: list[str] = []

        def listen(_c: object, _cursor: object, statement: str, *_: object, heard: list[str] = heard) -> None:
            heard.append(statement)

        sa.event.listen(ground.db.engine, "before_cursor_execute", listen)
        verdict = monitor.verify(ground.db, key=key)
        sa.event.remove(ground.db.engine, "before_cursor_execute", listen)
        assert verdict.findings == ()
        asked.append(len(heard))
    assert asked[0] == asked[1]
