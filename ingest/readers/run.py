"""Reading a file of another system's log into ours: bounded, resumable, and adding nothing twice.

The id of an event derives from its source, instant, line, and how many equal lines stood before it; so files that
overlap, repeat or come shuffled add nothing. A reader of a format is a function from a line to what it tells.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import classify, crypto
from app.kernel.access import ANONYMOUS, EVENT_IMPORT_RUN
from app.kernel.clock import from_micros, micros
from app.kernel.context import Context, Source
from app.kernel.crypto import Secret
from app.kernel.db import Database, insert_once, wake_after
from app.kernel.errors import Invalid
from app.kernel.ids import derived
from ingest import models
from ingest.events.envelope import AT_END, AT_MIN, EventInvalid
from ingest.events.external import ExternalEvent
from ingest.events.health import ImportCompleted
from ingest.log import outbox
from ingest.readers import cutting

LINES_A_TRANSACTION: Final = 1_000
LINE_BYTES_MAX: Final = 65_536
PIECE_BYTES: Final = 2**20
SAMPLE_CHARS: Final = 160
PATTERNS_MAX: Final = 100
FIRST_LINES: Final = 1_000
EQUAL_LINES_MAX: Final = 1_000_000
UNDATED: Final = "no valid date"
UNFIT: Final = "more than an event holds"
_DIGEST_BYTES: Final = 12
_SOURCE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class FormatUnmatched(Invalid):
    """Most lines do not have the form that was named; nothing was recorded."""

    code = "import_format_unmatched"


class SourceInvalid(Invalid):
    """The name of a source is 1 to 64 letters, digits, dots, hyphens and underscores."""

    code = "import_source_invalid"


class FileUnreadable(Invalid):
    """The file cannot be read."""

    code = "import_file_unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a line tells: an event without person and line, the name it holds, and how often it happened."""

    at: datetime
    event: ExternalEvent
    user: str
    source: Source = field(default_factory=Source)
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A line that makes no event: the pattern it is counted by, and, where that does not say it itself, why.

    `is_foreign` if it is not of the format at all.
    """

    pattern: str
    why: str = ""
    is_foreign: bool = False

    @property
    def reason(self) -> str:
        return self.why or self.pattern


Parse = Callable[[str], Told | Skipped]


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of every line; the counts of a file that was interrupted go on, reasons and times are of this run."""

    source: str
    sha256: str
    bytes: int
    lines: int = 0
    events: int = 0
    repeats: int = 0
    skipped: int = 0
    skipped_by_pattern: Counter[str] = field(default_factory=Counter)
    skipped_by_reason: Counter[str] = field(default_factory=Counter)
    samples: dict[str, str] = field(default_factory=dict)
    first_at: datetime | None = None
    last_at: datetime | None = None
    resumed_at: int = 0
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an import has come."""

    bytes_done: int
    bytes_total: int
    lines: int
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOrder:
    """Which file, under which name of its source; a dry run records nothing."""

    file: Path
    source: str
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    event_id: str
    told: Told
    line: str


def read_file(
    db: Database,
    order: ImportOrder,
    parse: Parse,
    ctx: Context,
    *,
    key: Secret,
    progress: Callable[[Progress], None] = lambda progress: None,
    admit: Callable[[], None] = lambda: None,
    go_on: Callable[[], None] = lambda: None,
) -> Report:
    """Record what a file tells, a thousand lines a transaction, and return what became of its lines.

    Demands `event:import:run`. `key` makes ids and pseudonyms that nobody can guess back; `admit` is called before each
    transaction and may wait while the log is behind; `go_on` at each piece of the file, and raises where nobody wants
    the rest. Interrupted, the same call goes on where it was. Raises `FormatUnmatched` before anything is recorded,
    `FileUnreadable`, `SourceInvalid`, and `LogFull`.
    """
    ctx.actor.require(EVENT_IMPORT_RUN)
    if not _SOURCE.fullmatch(order.source):
        raise SourceInvalid(param="source")
    with _opened(order.file) as file:
        size = os.fstat(file.fileno()).st_size
        progress(Progress(bytes_done=0, bytes_total=size, lines=0, events=0))
        report = _begin(file, order, go_on)
        _check_format(file, parse, go_on)
        start = 0 if order.is_dry_run else _resume(db, report)
        pseudonyms = _Pseudonyms(key, order.source)
        file.seek(0)
        for batch in _batches(_lines(file, go_on), pseudonyms, parse, report, start):
            admit()
            if order.is_dry_run:
                with db.read() as session:
                    known = _known(session, batch)
                report.repeats += len(known)
                report.events += len(batch) - len(known)
            else:
                with db.begin() as session:
                    _record(session, batch, pseudonyms, report, ctx)
            progress(
                Progress(bytes_done=file.tell(), bytes_total=report.bytes, lines=report.lines, events=report.events)
            )
    if not order.is_dry_run:
        with db.begin() as session:
            _complete(session, report, ctx)
    return report


class _Pseudonyms:
    """Makes the ids of events and persons out of what the file says."""

    def __init__(self, key: Secret, source: str) -> None:
        self._ids = crypto.derive(key, "external event ids")
        self._users = crypto.derive(key, "external users")
        self._source = source
        self._equal: dict[bytes, int] = {}

    def seen(self, raw: bytes) -> int:
        """Count this line and return how many equal ones stood before it; its instant is part of it.

        Memory is bounded: equal lines further apart than `EQUAL_LINES_MAX` different ones count as one.
        """
        digest = hashlib.blake2b(raw, digest_size=_DIGEST_BYTES).digest()
        before = self._equal.get(digest, 0)
        self._equal[digest] = before + 1
        if len(self._equal) > EQUAL_LINES_MAX:
            del self._equal[next(iter(self._equal))]
        return before

    def event_id(self, told: Told, raw: bytes, nth: int, part: int) -> str:
        facts = f"{self._source}\0{micros(told.at)}\0{nth}\0{part}\0".encode()
        return derived("evt", told.at, _bits(crypto.mac(self._ids, facts + raw)))

    def user_hash(self, user: str) -> str:
        return crypto.mac(self._users, user.encode("utf-8", "surrogatepass")).hex()[:32]

    def subject(self, user: str) -> str:
        value = crypto.mac(self._users, b"subject\0" + user.encode("utf-8", "surrogatepass"))
        return derived("ext", from_micros(0), _bits(value))


def _bits(mac: bytes) -> int:
    return int.from_bytes(mac[:10], "big")


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    """Open a file that has an end; whoever opens a pipe otherwise waits for its writer, and a device never ends."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise FileUnreadable(f"{path} cannot be read: {why}.") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise FileUnreadable(f"{path} is a folder, a device or a pipe; an import reads a file, which has an end.")
    with os.fdopen(number, "rb") as file:
        yield file


def _begin(file: BufferedReader, order: ImportOrder, go_on: Callable[[], None]) -> Report:
    digest = hashlib.sha256()
    while piece := file.read(PIECE_BYTES):
        go_on()
        digest.update(piece)
    return Report(source=order.source, sha256=digest.hexdigest(), bytes=file.tell(), is_dry_run=order.is_dry_run)


def _check_format(file: BufferedReader, parse: Parse, go_on: Callable[[], None]) -> None:
    file.seek(0)
    looked = foreign = 0
    for _, raw in zip(range(FIRST_LINES), _lines(file, go_on), strict=False):
        if raw == b"":
            continue
        told = _parsed(raw, parse)
        looked += 1
        foreign += isinstance(told, Skipped) and told.is_foreign
    if foreign * 2 > looked:
        raise FormatUnmatched(
            f"{foreign} of the first {looked} lines do not have this form; nothing was recorded. "
            "Is this the right file, and the right --format?"
        )


def _resume(db: Database, report: Report) -> int:
    """Return the line to go on at; a file that was read to its end is read again, which adds nothing."""
    with db.begin() as session:
        kept = models.imported.c
        where = (kept.source == report.source) & (kept.sha256 == report.sha256)
        row = session.execute(sa.select(models.imported).where(where)).one_or_none()
        if row is None or row.state == "done":
            session.execute(sa.delete(models.imported).where(where))
            session.execute(sa.insert(models.imported).values(_row(report, "running")))
            return 0
        report.lines, report.events = row.lines, row.events
        report.repeats, report.skipped = row.repeats, row.skipped
        report.resumed_at = row.next_line
        return int(row.next_line)


def _batches(
    raws: Iterable[bytes], pseudonyms: _Pseudonyms, parse: Parse, report: Report, start: int
) -> Iterator[list[_Found]]:
    """Yield what so many lines tell, counting the lines in the report as they are passed."""
    batch: list[_Found] = []
    lines = 0
    for number, raw in enumerate(raws):
        nth = pseudonyms.seen(raw)
        if number < start:
            continue
        told = _parsed(raw, parse)
        if isinstance(told, Skipped):
            _skip(report, told, raw)
        else:
            report.first_at = min(told.at, report.first_at or told.at)
            report.last_at = max(told.at, report.last_at or told.at)
            line = cutting.cut(raw.decode("utf-8"), cutting.KEPT_BYTES_MAX)
            batch += [_Found(pseudonyms.event_id(told, raw, nth, part), told, line) for part in range(told.times)]
        report.lines, lines = report.lines + 1, lines + 1
        if lines == LINES_A_TRANSACTION or len(batch) >= LINES_A_TRANSACTION:
            yield batch
            batch, lines = [], 0
    if lines:
        yield batch


def _lines(file: BufferedReader, go_on: Callable[[], None]) -> Iterator[bytes]:
    """Yield lines without their ends; of one that is too long, as much as shows that it is."""
    while raw := file.readline(LINE_BYTES_MAX + 2):
        go_on()
        rest = raw
        while len(rest) == LINE_BYTES_MAX + 2 and not rest.endswith(b"\n"):
            go_on()
            rest = file.readline(LINE_BYTES_MAX + 2)
        yield raw.rstrip(b"\r\n")


def _parsed(raw: bytes, parse: Parse) -> Told | Skipped:
    if not raw:
        return Skipped(pattern="empty line")
    if len(raw) > LINE_BYTES_MAX:
        return Skipped(pattern="line too long", is_foreign=True)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return Skipped(pattern="not UTF-8", is_foreign=True)
    told = parse(text)
    if isinstance(told, Told) and not AT_MIN <= told.at < AT_END:
        return Skipped(pattern=UNDATED)
    return told


def _skip(report: Report, skipped: Skipped, raw: bytes) -> None:
    report.skipped += 1
    pattern = skipped.pattern
    if pattern not in report.skipped_by_pattern and len(report.skipped_by_pattern) >= PATTERNS_MAX:
        pattern = "other"
    report.skipped_by_pattern[pattern] += 1
    report.skipped_by_reason[skipped.reason] += 1
    if raw and pattern not in report.samples:
        text, _ = classify.redact(raw[: SAMPLE_CHARS * 4].decode("utf-8", "replace"))
        report.samples[pattern] = text[:SAMPLE_CHARS]


def _known(session: Session, batch: Sequence[_Found]) -> set[str]:
    """Return the ids that are recorded already; the outbox first, because rows go from there to the entries."""
    ids = [found.event_id for found in batch]
    known: set[str] = set()
    for column in (models.outbox.c.id, models.entry.c.event_id):
        for start in range(0, len(ids), LINES_A_TRANSACTION):
            known |= set(session.scalars(sa.select(column).where(column.in_(ids[start : start + LINES_A_TRANSACTION]))))
    return known


def _record(session: Session, batch: Sequence[_Found], pseudonyms: _Pseudonyms, report: Report, ctx: Context) -> None:
    known = _known(session, batch)
    rows, unfit = _outbox_rows(
        session, [found for found in batch if found.event_id not in known], pseudonyms, report, ctx
    )
    # What another import put in between is a repeat too.
    new = sum(
        insert_once(session, models.outbox, *[_bare(row) for row in rows[start : start + LINES_A_TRANSACTION]])
        for start in range(0, len(rows), LINES_A_TRANSACTION)
    )
    outbox.insert_rendered(session, [told for row in rows for told in row.get("found", ())])
    report.events += new
    report.repeats += len(batch) - new - unfit
    if new:
        wake_after(session)
    kept = models.imported.c
    where = (kept.source == report.source) & (kept.sha256 == report.sha256)
    session.execute(sa.update(models.imported).where(where).values(_row(report, "running")))


def _outbox_rows(
    session: Session, batch: Sequence[_Found], pseudonyms: _Pseudonyms, report: Report, ctx: Context
) -> tuple[list[dict[str, Any]], int]:
    """Return the rows of a batch, and how many make none: a line that no event holds is skipped, and stops no file."""
    rows: list[dict[str, Any]] = []
    last: Told | None = None
    for found in batch:
        try:
            rows.append(_outbox_row(session, found, pseudonyms, ctx))
        except EventInvalid:
            # The events of a repeated line follow each other, and it is one line.
            if found.told is not last:
                _skip(report, Skipped(pattern=UNFIT), found.line.encode("utf-8"))
            last = found.told
    return rows, len(batch) - len(rows)


def _outbox_row(session: Session, found: _Found, pseudonyms: _Pseudonyms, ctx: Context) -> dict[str, Any]:
    told = found.told
    event = replace(
        told.event,
        provider=cutting.cut(told.event.provider, cutting.WORD_BYTES_MAX),
        method=cutting.cut(told.event.method or "", cutting.WORD_BYTES_MAX) or None,
        process=cutting.cut(told.event.process or "", cutting.WORD_BYTES_MAX) or None,
        host=cutting.cut(told.event.host or "", cutting.WORD_BYTES_MAX) or None,
        about=(pseudonyms.subject(told.user),),
        identifier=pseudonyms.user_hash(told.user) if told.user else None,
        message=cutting.cut(told.event.message or "", cutting.MESSAGE_BYTES_MAX),
        user_name=cutting.cut(told.user, cutting.NAME_BYTES_MAX) or None,
        line=found.line,
    )
    of_line = Context(actor=ANONYMOUS, at=told.at, request_id=ctx.request_id, source=told.source, ids=ctx.ids)
    return outbox.row_of(session, event, of_line, found.event_id)


def _bare(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "found"}


def _complete(session: Session, report: Report, ctx: Context) -> None:
    kept = models.imported.c
    where = (kept.source == report.source) & (kept.sha256 == report.sha256)
    session.execute(sa.update(models.imported).where(where).values(_row(report, "done")))
    outbox.record(
        session,
        ImportCompleted(
            target=report.source,
            bytes=report.bytes,
            sha256=report.sha256,
            lines=report.lines,
            events=report.events,
            repeats=report.repeats,
            skipped=report.skipped,
        ),
        ctx,
    )


def _row(report: Report, state: str) -> dict[str, object]:
    return {
        "source": report.source,
        "sha256": report.sha256,
        "next_line": report.lines,
        "lines": report.lines,
        "events": report.events,
        "repeats": report.repeats,
        "skipped": report.skipped,
        "state": state,
    }
