"""What an operator can ask of an installation: each command a generator of lines, run here or beside a running system.

A line is text to print, a progress, a file to write, or the exit code. Embedded, the event store lets no second process
in; so the command line runs a command in the process that has the home, through its admin port.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import health
from app.commands import auditing, controls, reporting, retention
from app.commands.lines import Arguments, Line, Run, file, leave, progress, text
from app.compose import System
from app.identity import signup
from app.kernel import crypto
from app.kernel.access import (
    EVENT_IMPORT_RUN,
    EVENT_RECORD_READ,
    IAM_ACCOUNT_INVITE,
    LEDGER_ENTRY_READ,
    LEDGER_VERIFY_RUN,
    LOG_PROOF_READ,
    OPS_RECONCILE_IMPORT,
    Actor,
    service,
)
from app.kernel.clock import from_micros, micros, rfc3339
from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from app.messaging.console import KEPT_MAX
from app.web import money_input
from compliance.engine import rerun
from dashboards import windows
from ingest.events.envelope import AT_END, AT_MIN, at_path
from ingest.log import archive, checkpoint, drawing, monitor, proofs, read, rounds, witness
from ingest.log.archive import line_of
from ingest.log.archive_check import ArchiveReader
from ingest.log.monitor import Verdict
from ingest.log.rounds import Kind
from ingest.models import entry
from ingest.readers import authlog, run
from ingest.readers.run import ImportOrder, Progress
from ingest.store.port import walk
from ingest.store.query import Eq, Order, Search, Window
from payments import money, topups
from payments.ledger import reading
from payments.models import book
from payments.money import EUR, Money
from payments.topups import BankLine
from payments.verification import verify as verification

Result = TypeVar("Result")
FORMATS: Final = ("sshd",)
TAIL_MAX: Final = 1_000
STOPPED: Final = 1
WAIT_SECONDS: Final = 0.5
ADMIT_SECONDS_MAX: Final = 600.0
PROGRESS_SECONDS: Final = 0.5
PATTERNS_SHOWN: Final = 10
EXAMPLE_CHARS: Final = 100
PATHS: Final[Mapping[str, str]] = {
    "trf": "onepay.transfer.id",
    "wal": "onepay.wallet.id",
    "top": "onepay.topup.id",
    "inc": "onepay.incident.id",
}


class NotADemo(Conflict):
    """This is for demonstration homes that are running; `make up` starts one."""

    code = "not_a_demo"


class HungUp(Exception):
    """Whoever asked has gone; the work ends at its next step, and what it had kept by then stands."""


class Stopping(Unavailable):
    """The process that serves this home is stopping; give the command again once it is back, or stopped."""

    code = "process_stopping"


class Note:
    """What long work tells while it goes on: how far it is. Telling it ends the work where nobody wants the rest."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._hung_up = Event()
        self.newest: tuple[int, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Say how far the work is, or raise `HungUp` or `Stopping`."""
        self.go_on()
        self.newest = (done, total)

    def go_on(self) -> None:
        """Raise `HungUp` where whoever asked has gone, and `Stopping` where the process ends."""
        if self._hung_up.is_set():
            raise HungUp
        if self._system.is_draining:
            raise Stopping

    def hang_up(self) -> None:
        """Say that whoever asked has gone."""
        self._hung_up.set()


def operator() -> Actor:
    """Return the actor of the command line: whoever can read the home's keys may do what these commands do."""
    return service(
        "operator",
        EVENT_IMPORT_RUN,
        EVENT_RECORD_READ,
        IAM_ACCOUNT_INVITE,
        LEDGER_ENTRY_READ,
        LEDGER_VERIFY_RUN,
        LOG_PROOF_READ,
        OPS_RECONCILE_IMPORT,
    )


def log_tail(system: System, args: Arguments) -> Iterator[Line]:
    """Print the newest numbered events, oldest first."""
    limit = min(int(args.get("limit", 20)), TAIL_MAX)
    with system.db.read() as session:
        head = read.head(session)
        rows = session.execute(
            sa.select(entry).where(entry.c.sequence > max(0, head.size - limit)).order_by(entry.c.sequence)
        ).all()
    for row in rows:
        yield text(f"{row.sequence:>9}  {rfc3339(row.at)}  {row.kind:<34} {row.event_id}")
    yield text(f"head {head.size}, root {head.root.hex()}")


def log_verify(system: System, args: Arguments) -> Iterator[Line]:
    """Compare bodies, store, commitments, leaves, root and signatures; exit 6 names the first places that differ."""
    first, last = int(args.get("first") or 1), int(args["last"]) if args.get("last") else None
    verdict = yield from _telling(system, "sequences", lambda note: system.rounds.verify(note, first=first, last=last))
    for finding in verdict.findings:
        yield text(str(finding))
    if not verdict.is_whole:
        yield text(
            f"So many findings ended it: sequences above {verdict.last} were not compared. "
            f"`onepay log verify --range {verdict.last + 1}:{last or verdict.size}` goes on there."
        )
    yield from _recorded(system, lambda session, ctx: _told(session, verdict, ctx))
    word = "BROKEN" if verdict.findings else "sound"
    awaited = f" ({verdict.awaited} not in the store yet)" if verdict.awaited else ""
    yield text(
        f"log {word}: sequences {verdict.first} to {verdict.last} of {verdict.size}, "
        f"{verdict.documents} store documents{awaited}, {verdict.lines} archive lines, "
        f"{verdict.checkpoints} checkpoints, root {verdict.root.hex()}"
    )
    yield leave(verdict.exit_code)


def _told(session: Session, verdict: Verdict, ctx: Context) -> None:
    monitor.tell(session, verdict, ctx)
    if verdict.is_whole and (verdict.first, verdict.last) == (1, verdict.size):
        rounds.keep(session, Kind.FULL, verdict, ctx)


def log_sample(system: System, args: Arguments) -> Iterator[Line]:
    """Draw events by a seed of the auditor's own; the same seed and range draw the same ones, wherever it is done."""
    with system.db.read() as session:
        size = read.head(session).size
        first = _bound(session, str(args.get("from") or 1), is_end=False)
        last = min(size, _bound(session, str(args.get("to") or size), is_end=True))
        drawn = drawing.draw(str(args["seed"]), first, last, int(args["count"]))
        for at in range(0, len(drawn), read.SLICE_MAX):
            some = drawn[at : at + read.SLICE_MAX]
            found = {one.sequence: one for one in read.entries_of(session, sorted(some))}
            for sequence in some:
                one = found[sequence]
                yield text(f"{sequence:>9}  {rfc3339(one.at)}  {one.kind:<34} {one.event_id}")
    yield text(f"{len(drawn)} of the sequences {first} to {last} by the seed {args['seed']!r}")


def _bound(session: Session, word: str, *, is_end: bool) -> int:
    """Return the sequence that a bound means: a number, or a day of arrival as YYYY-MM-DD, the last one included."""
    if word.isdecimal():
        return int(word)
    try:
        day = datetime.fromisoformat(f"{word}T00:00:00+00:00")
    except ValueError as error:
        raise Invalid(f"{word} is neither a sequence nor a day like 2026-11-30.") from error
    if is_end:
        return read.first_since(session, day + timedelta(days=1)) - 1
    return read.first_since(session, day)


def log_archive(system: System, args: Arguments) -> Iterator[Line]:
    """Say what the archive holds, read one body back from it, or take note that it was lost and fill it again."""
    if args.get("rebuild"):
        system.archive.rebuild(system.db)
        system.signer.sign(system.clock.now())
    if args.get("sequence"):
        with system.db.read() as session:
            (entry_,) = read.entries(session, int(args["sequence"]) - 1, int(args["sequence"])) or (None,)
        body = ArchiveReader(system.archive).body(entry_.sequence, entry_.class_) if entry_ is not None else None
        if body is None:
            raise NotFound(f"The archive has no body of sequence {args['sequence']}.")
        yield text(line_of(body).decode())
        return
    segments = system.archive.segments()
    for one in segments:
        yield text(f"{one.first:>9} to {one.last:>9}  {one.count:>7} bodies  {one.path}  {one.sha256[:16]}")
    with system.db.read() as session:
        size, head = archive.archived(session)[0], read.head(session).size
        kept = witness.standing(session)
    seen = f"the witness ({kept.rating}) has seen {kept.size}" if kept else "no witness has seen any"
    yield text(f"{system.archive.folder}: {size} of {head} events, {len(segments)} sealed segments; {seen}")


def log_proof(system: System, args: Arguments) -> Iterator[Line]:
    """Write the proof of one event (C2SP tlog-proof), and the policy that says whose signature it bears."""
    event_id = _event_named(system, str(args["event"]))
    if not event_id.startswith("evt_"):
        raise Invalid(
            "`onepay log proof` takes the id of one event (evt_…) or its evidence number (EV-…). "
            f"The events of a transfer, wallet, account or incident: `onepay log pack {event_id}`.",
            param="event",
        )
    system.signer.sign(system.clock.now())
    with system.db.read() as session:
        made = proofs.tlog_proof(session, event_id, system.context(operator()))
    yield file(f"{event_id}.tlog-proof", made.encode())
    yield file(f"{event_id}.policy", checkpoint.read_policy(system.keys).encode())
    yield text(
        "To verify it (the verifier is in each zip of `onepay log pack`; it needs Python 3.11 and cryptography):"
    )
    yield text(f"  python3 onepay_verify.py {event_id}.tlog-proof --policy {event_id}.policy")


def log_pack(system: System, args: Arguments) -> Iterator[Line]:
    """Write a zip with the events of an object, or one named event, that verifies without us."""
    wanted = _event_named(system, str(args["about"]))
    first, last = int(args.get("first") or 1), int(args["last"]) if args.get("last") else None
    system.signer.sign(system.clock.now())
    ids = [wanted] if wanted.startswith("evt_") else _events_about(system, wanted, Window(lo=first - 1, hi=last))
    if not ids:
        raise proofs.PackEmpty(f"The log holds no event about {wanted} yet.", object_id=wanted)
    with system.db.read() as session:
        made = proofs.pack(
            session,
            ids,
            system.context(operator()),
            policy=checkpoint.read_policy(system.keys),
            since=int(args["since"]) if args.get("since") else None,
        )
    events = f"{made.events} {'event' if made.events == 1 else 'events'}"
    yield text(f"{events}, proven under the log of {made.size} entries with root {made.root.hex()}")
    yield file(f"{wanted}.zip", made.data)
    yield text("To verify it, here or on another machine (Python 3.11 and the package cryptography):")
    yield text(f"  python3 -m zipfile -e {wanted}.zip pack && python3 pack/onepay_verify.py {wanted}.zip")


def ledger_verify(system: System, args: Arguments) -> Iterator[Line]:
    """Replay the ledger and compare it with the log, both ways; exit 6 names the first bad row of each kind."""

    def work(note: Note) -> verification.Verification:
        with system.db.read() as session:
            return verification.verify(
                session, keys=system.subject_keys, only_book=args.get("book") or None, progress=note
            )

    found = yield from _telling(system, "entries and transactions", work)
    yield from _recorded(system, lambda session, ctx: verification.record(session, found, ctx))
    for difference in found.differences:
        yield text(str(difference))
    word = "sound" if found.is_sound else "DIFFERS"
    yield text(f"ledger {word}: {found.transactions} transactions, {found.entries} entries, {found.books} books")
    yield leave(0 if found.is_sound else 6)


def ledger_explain(system: System, args: Arguments) -> Iterator[Line]:
    """Print the entries of a book with the balance after each, and where the log tells of them."""
    book_id, after, ctx = str(args["book"]), 0, system.context(operator())
    with system.db.read() as session:
        currency = session.scalar(sa.select(book.c.currency).where(book.c.id == book_id))
    while True:
        with system.db.read() as session:
            lines = reading.explain(session, book_id, ctx, after=after)
        if currency is None:
            raise NotFound(
                f"There is no book {book_id}: "
                "`onepay ledger explain` takes the id of a wallet (wal_…) or of another book."
            )
        if not lines and not after:
            yield text("Nothing was posted to this book yet.")
        for line in lines:
            moved, left = _amount(line.amount, currency), _amount(line.balance_after, currency)
            yield text(
                f"{line.version:>6}  {rfc3339(line.at)}  {moved:>16}  = {left:>16}  {line.kind:<9} "
                f"{line.object_id}  {line.transaction_id}  log {line.sequence or '–'}"
            )
        if not lines:
            return
        after = lines[-1].version


def ledger_trial_balance(system: System, args: Arguments) -> Iterator[Line]:
    """Print the sums of all books by currency and kind; each currency sums to zero."""
    with system.db.read() as session:
        rows = reading.trial_balance(session, system.context(operator()))
    for row in rows:
        posted, held = _amount(row.posted, row.currency), _amount(row.held, row.currency)
        yield text(f"{row.kind:<18} {row.books:>6} books  posted {posted:>20}  held {held:>18}")
    sums: dict[str, int] = {}
    for row in rows:
        sums[row.currency] = sums.get(row.currency, 0) + row.posted
    for currency, total in sorted(sums.items()):
        word = "balanced" if total == 0 else "NOT BALANCED"
        yield text(f"sum {_amount(total, currency)}: {word}")
    yield leave(6 if any(sums.values()) else 0)


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
            system.context(operator()),
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
    report = yield from _telling(system, "bytes", work)
    yield from _imported(report, system.settings.url)


def admin_invite(system: System, args: Arguments) -> Iterator[Line]:
    """Invite one of the first two administrators."""
    try:
        with system.db.begin() as session:
            account = signup.bootstrap(
                session, str(args["email"]), str(args["name"]), system.context(operator()), parts=system.identity
            )
    except signup.BootstrapOver as error:
        raise signup.BootstrapOver(
            f"{error} Theirs is {system.settings.url}/admin/users. This home is {system.settings.home}/: "
            "another installation has a folder of its own, which --home or ONEPAY_HOME names."
        ) from error
    when = "within a second" if system.is_served else "once `onepay serve` runs"
    yield text(f"Invited as administrator: {account}. The letter with the link is delivered {when}: `onepay mail`.")


def bank_line(system: System, args: Arguments) -> Iterator[Line]:
    """Play the bank: report a transfer with a customer's reference. Demonstration homes alone."""
    if not system.settings.demo:
        raise NotADemo
    identity = str(args.get("identity") or f"demo:{system.ids.new('bnk', system.clock.now())}")
    line = BankLine(identity=identity, amount=money_input.read(str(args["amount"]), EUR), text=str(args["reference"]))
    with system.db.begin(posting=True) as session:
        done = topups.bank_line(session, line, system.context(operator()))
    yield text(f"Credited {done.amount} to {done.wallet_id} ({done.id}).")


def mail(system: System, args: Arguments) -> Iterator[Line]:
    """Print the newest letters of the console messenger's mailbox, the newest last."""
    letters = system.messenger.mailbox(limit=KEPT_MAX, to=args.get("to") or None)
    shown = letters[: int(args.get("limit", 5))]
    for letter in reversed(shown):
        yield text(f"── {letter['at']}  to {letter['to']}\n{letter['subject']}\n\n{letter['text'].rstrip()}\n")
    if not letters and args.get("to"):
        yield text(f"There is no letter to {args['to']}; without --to all letters are shown.")
    elif not letters:
        yield text("The mailbox is empty.")
    elif len(shown) < len(letters):
        yield text(f"The newest {len(shown)} of {len(letters)} letters; -n shows more.")
    else:
        yield text(f"{len(shown)} of {len(letters)} letters.")


def status(system: System, args: Arguments) -> Iterator[Line]:
    """Print how each part does, or, as JSON, how far each is behind; exit 1 where nobody serves the home."""
    if args.get("json"):
        yield text(json.dumps({"served": system.is_served, **health.lag(system)}, indent=2))
        yield leave(0 if system.is_served else STOPPED)
        return
    if not system.is_served:
        yield text(
            f"Stopped: nobody serves {system.settings.home}/ now. What follows is how it was left; "
            "what is behind goes on with the next `onepay serve`, or `make up`."
        )
    for part in health.parts(system):
        detail = f" ({part.detail})" if part.detail else ""
        yield text(f"{'ok' if part.ok else 'LOOK':<5} {part.name:<12} {part.says}{detail}")
    yield leave(0 if system.is_served else STOPPED)


def demo_replay(system: System, args: Arguments) -> Iterator[Line]:
    """Start an attack of the demonstration again, live."""
    if system.replay is None:
        raise NotADemo
    yield text(system.replay(str(args["kind"])))


COMMANDS: Final[Mapping[str, Run]] = {
    **controls.COMMANDS,
    **retention.COMMANDS,
    **reporting.COMMANDS,
    **auditing.COMMANDS,
    "log tail": log_tail,
    "log archive": log_archive,
    "log sample": log_sample,
    "log verify": log_verify,
    "log proof": log_proof,
    "log pack": log_pack,
    "ledger verify": ledger_verify,
    "ledger explain": ledger_explain,
    "ledger trial-balance": ledger_trial_balance,
    "ingest": ingest,
    "admin invite": admin_invite,
    "demo bank-line": bank_line,
    "demo replay": demo_replay,
    "mail": mail,
    "status": status,
}


def _amount(minor: int, currency: object) -> str:
    return str(Money(minor, money.currency(currency)))


def _telling(system: System, unit: str, work: Callable[[Note], Result]) -> Generator[Line, None, Result]:
    """Do long work beside, and yield how far it has come while it goes on; short work is told by its result alone.

    That somebody hung up shows when they are told something, so long work says early how far it is.
    """
    note = Note(system)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="command") as beside:
        going_on = beside.submit(work, note)
        try:
            while not futures.wait([going_on], timeout=PROGRESS_SECONDS).done:
                if note.newest is not None:
                    yield progress(*note.newest, unit)
            return going_on.result()
        finally:
            note.hang_up()


def _recorded(system: System, record: Callable[[Session, Context], object]) -> Iterator[Line]:
    """Record a verdict; one that the log cannot take is told all the same: it is asked for when something fails."""
    try:
        with system.db.begin() as session:
            record(session, system.context(operator()))
    except Unavailable as error:
        yield text(f"This verdict could not be recorded: {error} ({error.code})")


def _event_named(system: System, words: str) -> str:
    """Return the id of the event that an evidence number names; other words are what they are."""
    if not words.upper().startswith(rerun.EV):
        return words
    sequence = rerun.sequence_of(words.upper())
    with system.db.read() as session:
        found = read.entries(session, sequence - 1, sequence)
    if not found:
        raise NotFound(f"The log has no entry {words} yet.", object_id=words)
    return found[0].event_id


def _events_about(system: System, object_id: str, window: Window) -> list[str]:
    """Return the ids of the events about an object, one more than a pack holds at the most."""
    path = PATHS.get(object_id.partition("_")[0], "onepay.subject.id")
    system.working_store.settle()
    found = walk(
        system.working_store, Search(where=Eq(path, object_id), window=window, order=Order.SEQUENCE, limit=1_000)
    )
    return [str(at_path(document, "event.id")) for document in islice(found, proofs.PACK_EVENTS_MAX + 1)]


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
