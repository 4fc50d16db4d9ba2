"""The log as files anybody can keep: the tree in tiles, the bodies by class and month, safe under a kill at any line.

    checkpoint                                   the newest signed head
    tile/<L>/<N>[.p/<W>], tile/entries/…         the tree and its entries, as C2SP tlog-tiles lays them
    body/<class>/open.ndjson                     bodies of a class that are still few
    body/<class>/<YYYY-MM>/<first>-<last>.ndjson.gz   sealed ones, of one month of `ingested`
    body/hold-<case>/<class>-<YYYY-MM>.ndjson.gz      what a legal hold kept when its month was dropped
    index.jsonl                                  every sealed segment: path, sha256, first, last, count
    archived                                     up to which sequence all of this is whole

The files are the truth about themselves: whatever was under way when the process died is done again, to the same bytes.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import re
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.access import service
from app.kernel.context import Context
from app.kernel.db import Database, insert_once
from app.kernel.errors import Unavailable
from app.kernel.ids import Ids, RandomIds
from app.kernel.logs import logger
from ingest import models
from ingest.events.health import SegmentSealed
from ingest.log import durable, outbox, read, tiles
from ingest.log import entries as form
from ingest.log.outbox import LogFull
from ingest.log.read import Body, Entry
from ingest.settings import ArchiveSettings
from ingest.store.columns import month_end, month_of
from ingest.store.placing import CLASSES, hold_case

CONSUMER: Final = "archive"
SIZE_NAME: Final = "archived"
INDEX_NAME: Final = "index.jsonl"
SKIPPED_NAME: Final = "skipped.json"
CHECKPOINT_NAME: Final = "checkpoint"
OPEN_NAME: Final = "open.ndjson"
HOLD: Final = "hold-"
SEALED, DROPPED = "sealed", "dropped"
# A clock of another machine may still stand before midnight, and number into the month that has ended here.
MONTH_GRACE: Final = timedelta(minutes=10)
TAIL_BYTES: Final = 131_072
# How long a writer waits for another one.
ALONE_SECONDS_MAX: Final = 30.0
ALONE_TRY_SECONDS: Final = 0.02
_SEQUENCE: Final = re.compile(rb'"sequence":([1-9][0-9]*)\}$')
_LINE: Final = re.compile(
    rb'\{"body":(.*),"salt":"((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)",'
    rb'"sequence":([1-9][0-9]*)\}',
    re.DOTALL,
)
_FORGOTTEN: Final = sa.select(models.forgotten.c["class"], models.forgotten.c.month)
_log = logger(__name__)


class ArchiveGone(Unavailable):
    """The archive holds less than was archived before; nothing is signed until its volume is back."""

    code = "archive_gone"


class ArchiveBusy(Unavailable):
    """Another process has been writing the archive for seconds; nothing was done here. Please try again."""

    code = "archive_busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One sealed file of bodies, as the index lists it."""

    path: str
    sha256: str
    first: int
    last: int
    count: int

    @property
    def class_(self) -> str:
        """The retention class of its bodies; of held ones too."""
        _, folder, rest = self.path.split("/", 2)
        return rest.split("-", 1)[0] if folder.startswith(HOLD) else folder

    @property
    def month(self) -> str:
        """The month in which its bodies were ingested."""
        _, folder, rest = self.path.split("/", 2)
        return rest.split("-", 1)[1].partition(".")[0] if folder.startswith(HOLD) else rest.partition("/")[0]

    @property
    def is_held(self) -> bool:
        """Whether it is what a hold kept."""
        return self.path.startswith(f"body/{HOLD}")


class Archive:
    """The folder of one log. Whoever writes into it holds its lock; readers need none."""

    def __init__(self, settings: ArchiveSettings, *, ids: Ids | None = None) -> None:
        self.folder = settings.folder
        self._segment_bytes_max = settings.segment_bytes_max
        self._ids = ids or RandomIds()
        self._index: tuple[tuple[int, int, int], list[Segment]] | None = None

    @property
    def size(self) -> int:
        """Up to which sequence the archive is whole."""
        try:
            return int((self.folder / SIZE_NAME).read_text("ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    def segments(self) -> list[Segment]:
        """Return what the index lists, in its order."""
        file = self.folder / INDEX_NAME
        try:
            seen = file.stat()
            version = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
            if self._index is None or self._index[0] != version:
                lines = file.read_bytes().splitlines()
                self._index = (version, [Segment(**canonical.decode(line)) for line in lines])
        except FileNotFoundError:
            return []
        return list(self._index[1])

    def advance(self, db: Database, at: datetime) -> int:
        """Write what the log has more than the archive, seal what is due, and return the size reached.

        Raises `ArchiveGone` where the folder holds less than it did, and `ArchiveBusy`.
        """
        with self.alone():
            self._check(db)
            self._mend_tails()
            while (hi := self._write_slice(db, at)) is not None:
                durable.write(self.folder / SIZE_NAME, str(hi).encode())
                self._move_cursor(db, hi, at)
            self._seal_ended(db, at)
            self._retry_skipped(db)
            self._register(db, at)
            return self.size

    def seal_month(self, db: Database, class_: str, month: str, at: datetime) -> None:
        """Seal what is open of a month that is over, so that dropping it is unlinking files."""
        with self.alone():
            self._mend_tails()
            if self._open_month(db, class_) == month:
                self._seal(class_, month)
            self._register(db, at)

    def hold(self, case: str, class_: str, month: str, bodies: Sequence[Body]) -> Segment:
        """Keep bodies for a legal hold, added to what it keeps of this unit already; the caller holds the lock."""
        path = f"body/{HOLD}{hold_case(case)}/{class_}-{month}.ndjson.gz"
        known = dict(self.lines(path))
        known.update({body.sequence: line_of(body) for body in bodies})
        return self._write_segment(path, [known[sequence] for sequence in sorted(known)])

    def unlink(self, class_: str, month: str) -> list[Segment]:
        """Delete the sealed segments of a unit and return those the index still listed; the caller holds the lock."""
        folder = self.folder / "body" / class_ / month
        for file in sorted(folder.glob("*")):
            durable.remove(file)
        if folder.is_dir():
            folder.rmdir()
            durable.sync(folder.parent)
        listed = self.segments()
        gone = [one for one in listed if not one.is_held and (one.class_, one.month) == (class_, month)]
        if gone:
            self._write_index([one for one in listed if one not in gone])
        return gone

    def publish(self, note: str) -> None:
        """Put the newest signed head beside the tiles it covers."""
        durable.make_folder(self.folder)
        durable.write(self.folder / CHECKPOINT_NAME, note.encode())

    def rebuild(self, db: Database) -> None:
        """Take note that the folder lost what was archived; it is filled again from the bodies the database has."""
        with db.begin() as session:
            session.execute(
                sa.update(models.cursor)
                .where(models.cursor.c.consumer == CONSUMER)
                .values(sequence=min(self.size, _cursor(session)))
            )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other writers out of the folder."""
        durable.make_folder(self.folder)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, durable.PRIVATE)
        try:
            pause, waited = threading.Event(), 0.0
            while not _is_taken(descriptor):
                if waited >= ALONE_SECONDS_MAX:
                    raise ArchiveBusy(retry_after=5)
                pause.wait(ALONE_TRY_SECONDS)
                waited += ALONE_TRY_SECONDS
            yield
        finally:
            os.close(descriptor)

    # -- reading --------------------------------------------------------------------------------------------------

    def lines(self, path: str) -> Iterator[tuple[int, bytes]]:
        """Yield (sequence, line) of a sealed or open file; one that is missing or damaged ends where it does."""
        file = self.folder / path
        try:
            data = gzip.decompress(file.read_bytes()) if path.endswith(".gz") else file.read_bytes()
        except (OSError, EOFError, ValueError):
            return
        for line in data.split(b"\n"):
            if (found := _SEQUENCE.search(line)) is not None:
                yield int(found.group(1)), line

    def bodies(self, class_: str, beyond: int) -> Iterator[Body]:
        """Yield the bodies of a class behind a sequence, of whole lines of sealed files and of the open one."""
        sealed = [one.path for one in self.segments() if one.class_ == class_ and one.last > beyond]
        for path in (*sealed, f"body/{class_}/{OPEN_NAME}"):
            for sequence, line in self.lines(path):
                body = body_of(line, class_) if sequence > beyond else None
                if body is not None:
                    yield body

    # -- writing --------------------------------------------------------------------------------------------------

    def _check(self, db: Database) -> None:
        with db.read() as session:
            known = _cursor(session)
        if known > self.size:
            raise ArchiveGone(
                f"The archive in {self.folder} holds {self.size} of {known} archived events. Bring its volume back, or "
                "run `onepay log archive --rebuild`.",
                retry_after=60,
            )

    def _write_slice(self, db: Database, at: datetime) -> int | None:
        """Write the next slice of the log into bodies and tiles, and return up to where; None where there is none."""
        lo = self.size
        with db.read() as session:
            hi = min(lo + read.SLICE_MAX, read.head(session).size)
            if hi <= lo:
                return None
            entries, bodies = read.entries(session, lo, hi), read.bodies(session, lo, hi)
            gone = {(row[0], row[1]) for row in session.execute(_FORGOTTEN)}
            # Inside one transaction, so that hashes and entries are of one state.
            tiles.grow(
                self.folder,
                lo,
                hi,
                hashes=lambda level, first, end: _hashes(session, level, first, end),
                entries=lambda first, end: [entry.encoded for entry in read.entries(session, first, end)],
            )
        by_sequence = {body.sequence: body for body in bodies}
        skipped: list[int] = []
        runs: list[tuple[str, str, list[tuple[int, bytes]]]] = []
        for entry in entries:
            month = month_of(entry.ingested)
            if (entry.class_, month) in gone:
                continue
            line = _sound_line(entry, by_sequence.get(entry.sequence))
            if line is None:
                skipped.append(entry.sequence)
                continue
            run = next((one for one in reversed(runs) if one[0] == entry.class_), None)
            if run is None or run[1] != month:
                run = (entry.class_, month, [])
                runs.append(run)
            run[2].append((entry.sequence, line))
        for class_, month, lines in runs:
            self._append(db, class_, month, lines)
        if skipped:
            _log.error("bodies that are not what was sealed were not archived", extra={"onepay__count": len(skipped)})
            self._write_skipped(sorted({*self._skipped(), *skipped}))
        return hi

    def _append(self, db: Database, class_: str, month: str, lines: Sequence[tuple[int, bytes]]) -> None:
        known = max(self._last_sealed(class_), self._open_ends(class_)[1])
        fresh = [line for sequence, line in lines if sequence > known]
        if not fresh:
            return
        open_month = self._open_month(db, class_)
        if open_month is not None and (open_month != month or self._open_bytes(class_) >= self._segment_bytes_max):
            self._seal(class_, open_month)
        file = self._open_file(class_)
        durable.make_folder(file.parent)
        durable.append(file, b"".join(line + b"\n" for line in fresh))

    def _seal_ended(self, db: Database, at: datetime) -> None:
        for class_ in sorted(CLASSES):
            month = self._open_month(db, class_)
            if month is None:
                continue
            if at >= month_end(month) + MONTH_GRACE or self._open_bytes(class_) >= self._segment_bytes_max:
                self._seal(class_, month)

    def _seal(self, class_: str, month: str) -> None:
        """Turn what is open of a class into a segment; a crash between any two of the steps is mended by `_mend_tail`.

        The segment is there before the index lists it, and both before the open file loses its lines.
        """
        first, last = self._open_ends(class_)
        lines = [line for _, line in self.lines(f"body/{class_}/{OPEN_NAME}")]
        self._write_segment(f"body/{class_}/{month}/{first}-{last}.ndjson.gz", lines)
        durable.remove(self._open_file(class_))

    def _write_segment(self, path: str, lines: Sequence[bytes]) -> Segment:
        # Without an instant in it, the same lines give the same file.
        data = gzip.compress(b"".join(line + b"\n" for line in lines), mtime=0)
        file = self.folder / path
        durable.make_folder(file.parent)
        durable.write(file, data)
        sequences = [sequence_of(line) for line in lines]
        made = Segment(
            path=path,
            sha256=hashlib.sha256(data).hexdigest(),
            first=min(sequences),
            last=max(sequences),
            count=len(lines),
        )
        self._write_index([*(one for one in self.segments() if one.path != path), made])
        return made

    def _write_index(self, segments: Sequence[Segment]) -> None:
        lines = [
            {"count": one.count, "first": one.first, "last": one.last, "path": one.path, "sha256": one.sha256}
            for one in segments
        ]
        durable.write(self.folder / INDEX_NAME, b"".join(canonical.encode(line) + b"\n" for line in lines))

    def _mend_tails(self) -> None:
        """Take from open files what a crash left in them: a line cut short, and lines that a segment holds already."""
        for class_ in sorted(CLASSES):
            file = self._open_file(class_)
            if not file.exists():
                continue
            data = file.read_bytes() if file.stat().st_size <= TAIL_BYTES else None
            if data is None:
                with file.open("rb") as tail:
                    tail.seek(-TAIL_BYTES, os.SEEK_END)
                    data = tail.read()
            whole = data[: data.rfind(b"\n") + 1]
            cut = len(data) - len(whole)
            while whole and _SEQUENCE.search(whole[:-1]) is None:
                shorter = whole[: whole.rfind(b"\n", 0, -1) + 1]
                cut, whole = cut + len(whole) - len(shorter), shorter
            if cut:
                with file.open("r+b") as out:
                    out.truncate(file.stat().st_size - cut)
                    os.fsync(out.fileno())
            self._finish_sealing(class_)

    def _finish_sealing(self, class_: str) -> None:
        first, _ = self._open_ends(class_)
        if not first:
            return
        for file in sorted((self.folder / "body" / class_).glob(f"????-??/{first}-*.ndjson.gz")):
            path = str(file.relative_to(self.folder))
            lines = list(self.lines(path))
            if all(one.path != path for one in self.segments()):
                self._write_segment(path, [line for _, line in lines])
            sealed = {sequence for sequence, _ in lines}
            left = [line for at, line in self.lines(f"body/{class_}/{OPEN_NAME}") if at not in sealed]
            if left:
                durable.write(self._open_file(class_), b"".join(line + b"\n" for line in left))
            else:
                durable.remove(self._open_file(class_))

    def _retry_skipped(self, db: Database) -> None:
        """Archive bodies that were damaged when their turn came, and are what was sealed again."""
        waiting = self._skipped()
        if not waiting:
            return
        left: list[int] = []
        for sequence in waiting:
            with db.read() as session:
                (entry,) = read.entries(session, sequence - 1, sequence) or (None,)
                body = read.body(session, sequence)
                is_gone = entry is not None and _is_forgotten(session, entry)
            line = None if entry is None or body is None else _sound_line(entry, body)
            if line is None or entry is None:
                left += [] if is_gone else [sequence]
                continue
            path = f"body/{entry.class_}/{month_of(entry.ingested)}/{sequence}-{sequence}.ndjson.gz"
            self._write_segment(path, [line])
        if left != waiting:
            self._write_skipped(left)

    def _register(self, db: Database, at: datetime) -> None:
        """Bring the table of segments to what the index lists, with an event for each new one."""
        segments = self.segments()
        with db.read() as session:
            sealed = sa.select(models.segment.c.path, models.segment.c.sha256).where(models.segment.c.state == SEALED)
            known = {row.path: row.sha256 for row in session.execute(sealed)}
        fresh = [one for one in segments if known.get(one.path) != one.sha256]
        if not fresh:
            return
        ctx = Context(actor=service("archive"), at=at, request_id=self._ids.new("run", at), ids=self._ids)
        try:
            with db.begin() as session:
                for one in fresh:
                    register(session, one, at)
                outbox.record_many(session, [_sealed(one) for one in fresh], ctx)
        except LogFull:
            # The files are whole; that they are is told once there is room.
            _log.warning("sealed segments are told later, the log is full", extra={"onepay__count": len(fresh)})

    def _move_cursor(self, db: Database, sequence: int, at: datetime) -> None:
        with db.begin() as session:
            insert_once(session, models.cursor, {"consumer": CONSUMER, "sequence": 0, "at": at})
            session.execute(
                sa.update(models.cursor).where(models.cursor.c.consumer == CONSUMER).values(sequence=sequence, at=at)
            )

    # -- the open files -------------------------------------------------------------------------------------------

    def _open_file(self, class_: str) -> Path:
        return self.folder / "body" / class_ / OPEN_NAME

    def _open_bytes(self, class_: str) -> int:
        file = self._open_file(class_)
        return file.stat().st_size if file.exists() else 0

    def _open_ends(self, class_: str) -> tuple[int, int]:
        """Return the first and last sequence of an open file, 0 and 0 where there is none."""
        file = self._open_file(class_)
        if not self._open_bytes(class_):
            return 0, 0
        with file.open("rb") as lines:
            first = sequence_of(lines.readline())
            lines.seek(max(0, file.stat().st_size - TAIL_BYTES))
            tail = lines.read()
        return first, sequence_of(tail[tail.rfind(b"\n", 0, -1) + 1 :])

    def _open_month(self, db: Database, class_: str) -> str | None:
        first, _ = self._open_ends(class_)
        if not first:
            return None
        with db.read() as session:
            ingested = session.scalar(sa.select(models.entry.c.ingested).where(models.entry.c.sequence == first))
        assert ingested is not None, "what is archived has an entry"
        return month_of(ingested)

    def _last_sealed(self, class_: str) -> int:
        mine = [one.last for one in self.segments() if one.class_ == class_ and not one.is_held]
        return max(mine, default=0)

    def _skipped(self) -> list[int]:
        try:
            return list(canonical.decode((self.folder / SKIPPED_NAME).read_bytes())["sequences"])
        except FileNotFoundError:
            return []

    def _write_skipped(self, sequences: Sequence[int]) -> None:
        durable.write(self.folder / SKIPPED_NAME, canonical.encode({"sequences": list(sequences)}))


def line_of(body: Body) -> bytes:
    """Return the line of a sound body: canonical, as the body is, and readable with nothing but a JSON parser."""
    return b'{"body":%b,"salt":"%b","sequence":%d}' % (body.body, b64encode(body.salt), body.sequence)


def body_of(line: bytes, class_: str) -> Body | None:
    """Return the body of a line, byte for byte as it was sealed; None where the line is damaged."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    body, salt, sequence = found.groups()
    return Body(sequence=int(sequence), class_=class_, salt=b64decode(salt), body=body)


def sequence_of(line: bytes) -> int:
    """Return which sequence a line of the archive is about."""
    found = _SEQUENCE.search(line.rstrip(b"\n"))
    assert found is not None, "a line of the archive ends with its sequence"
    return int(found.group(1))


def register(session: Session, one: Segment, at: datetime) -> None:
    """Note a sealed segment in the table; one that grew, as a hold does, replaces what was noted."""
    values = {
        "path": one.path,
        "class": one.class_,
        "month": one.month,
        "first": one.first,
        "last": one.last,
        "count": one.count,
        "sha256": one.sha256,
        "state": SEALED,
        "run": None,
        "at": at,
    }
    if insert_once(session, models.segment, values) == 0:
        session.execute(sa.update(models.segment).where(models.segment.c.path == one.path).values(values))


def archived(session: Session) -> tuple[int, datetime | None]:
    """Return up to which sequence the log is archived and when that was last said, as the database knows it."""
    row = session.execute(sa.select(models.cursor).where(models.cursor.c.consumer == CONSUMER)).one_or_none()
    return (0, None) if row is None else (row.sequence, row.at)


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _cursor(session: Session) -> int:
    return archived(session)[0]


def _hashes(session: Session, level: int, first: int, end: int) -> list[bytes]:
    node = models.node.c
    rows = session.scalars(
        sa.select(node.hash).where(node.level == level, node.idx >= first, node.idx < end).order_by(node.idx)
    )
    return list(rows)


def _sound_line(entry: Entry, body: Body | None) -> bytes | None:
    """Return the line of a body that is what the entry commits to; a damaged one has no place in the archive."""
    if body is None or form.commitment(body.salt, body.body) != entry.commitment:
        return None
    return line_of(body)


def _is_forgotten(session: Session, entry: Entry) -> bool:
    unit = models.forgotten.c
    found = sa.select(unit.first).where(unit["class"] == entry.class_, unit.month == month_of(entry.ingested))
    return session.scalar(found) is not None


def _sealed(one: Segment) -> SegmentSealed:
    return SegmentSealed(path=one.path, sha256=one.sha256, first=one.first, last=one.last, class_=one.class_)
