"""The command that reads the log file of another system, and says what became of each of its lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Final

from app.choices import FORMATS
from app.commands.lines import Arguments, Line, Run, text
from app.commands.working import Note, telling
from app.compose import System
from app.kernel import crypto
from app.kernel.access import EVENT_IMPORT_RUN, service
from app.kernel.clock import from_micros, micros
from app.kernel.errors import Invalid
from dashboards import windows
from ingest.events.envelope import AT_END, AT_MIN
from ingest.readers import authlog, run
from ingest.readers.run import ImportOrder, Progress

WAIT_SECONDS: Final = 0.5
ADMIT_SECONDS_MAX: Final = 600.0
PATTERNS_SHOWN: Final = 10
EXAMPLE_CHARS: Final = 100
_OPERATOR: Final = service("operator", EVENT_IMPORT_RUN)


def ingest(system: System, args: Arguments) -> Iterator[Line]:
    """Read a log file of another system into ours; what was read before adds nothing."""
    if args.get("format") not in FORMATS:
        raise Invalid(f"--format is one of {', '.join(FORMATS)}", param="format")
    path = Path(str(args["file"]))
    year = int(args["year"]) if args.get("year") else None
    dates = authlog.dates(zone=str(args.get("tz") or "UTC"), year=year, file_time=_changed_at(path))
    order = ImportOrder(file=path, source=str(args["source"]), is_dry_run=bool(args.get("dry_run")))

    def work(note: Note) -> run.Report:
        def noted(done: Progress) -> None:
            note(done.bytes_done, done.bytes_total)

        return run.read_file(
            system.db,
            order,
            authlog.parser(dates),
            system.context(_OPERATOR),
            key=crypto.derive(system.keys.secret("identity"), "imports"),
            progress=noted,
            admit=lambda: _admit(system, note),
            go_on=note.go_on,
        )

    if year is None:
        yield text(
            "Lines that name no year are dated to the newest such day before the file was last changed, "
            f"{dates.file_time:%Y-%m-%d}. That is a guess: --year says it."
        )
    if not args.get("tz"):
        yield text("Lines that name no time zone are read as UTC. That is a guess: --tz says it.")
    report = yield from telling(system, "bytes", work)
    yield from _imported(report, system.settings.url)


def _admit(system: System, note: Note) -> None:
    """Wait while the log is behind, so that an import never delays what happens now; alone, do the log's work."""
    if not system.is_served:
        system.sequencer.drain()
        system.watch.look(system.clock.now())
        return
    for _ in range(int(ADMIT_SECONDS_MAX / WAIT_SECONDS)):
        if not system.watch.is_degraded:
            return
        note.go_on()
        Event().wait(WAIT_SECONDS)


def _changed_at(path: Path) -> datetime:
    """Return when a file was last changed, as far as an event can be dated; a file system keeps any number."""
    try:
        seconds = path.stat().st_mtime
    except (OSError, ValueError):
        return AT_MIN  # what cannot be read is refused when it is opened, and says why
    last = AT_END - timedelta(days=1)
    return from_micros(min(max(int(seconds * 1_000_000), micros(AT_MIN)), micros(last)))


def _imported(report: run.Report, url: str) -> Iterator[Line]:
    """Say what became of every line, why some made no event, and where the console shows those that did."""
    dry = "dry run: " if report.is_dry_run else ""
    told = report.lines - report.skipped
    yield text(
        f"{dry}{report.lines} lines: {told} made {report.events + report.repeats} events "
        f"({report.events} new, {report.repeats} known already), {report.skipped} were skipped."
    )
    if told != report.events + report.repeats:
        yield text('A line that says "message repeated 5 times" makes five events.')
    for reason, count in report.skipped_by_reason.most_common():
        yield text(f"  skipped {count:>6}  {reason}")
    others = [each for each in report.skipped_by_pattern.most_common() if each[0] not in report.skipped_by_reason]
    if others:
        yield text("The most frequent of those by their beginning, each with an example:")
    for pattern, count in others[:PATTERNS_SHOWN]:
        yield text(f"  {count:>14}  {pattern:<40}  {report.samples.get(pattern, '')[:EXAMPLE_CHARS]}".rstrip())
    if report.first_at is not None and report.last_at is not None and not report.is_dry_run:
        until = report.last_at + timedelta(seconds=1)
        since = max(report.first_at, until - windows.SPAN_MAX)
        yield text(
            f"They stand at their own time: {url}/console/soc/events?from={_address(since)}&to={_address(until)}"
        )


def _address(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


COMMANDS: Final[Mapping[str, Run]] = {"ingest": ingest}
