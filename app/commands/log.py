"""The commands about the log: its newest events, its archive, whether it is whole, and proofs to take elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.choices import TAIL_MAX
from app.commands.lines import Arguments, Line, Run, file, leave, text
from app.commands.working import recorded, telling
from app.compose import System
from app.kernel.access import EVENT_RECORD_READ, LOG_PROOF_READ, service
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.errors import Invalid, NotFound
from compliance.engine import rerun
from ingest.events.envelope import at_path
from ingest.log import archive, checkpoint, drawing, monitor, proofs, read, rounds, witness
from ingest.log.archive import line_of
from ingest.log.archive_check import ArchiveReader
from ingest.log.monitor import Verdict
from ingest.log.rounds import Kind
from ingest.models import entry
from ingest.store.port import walk
from ingest.store.query import Eq, Order, Search, Window

PATHS: Final[Mapping[str, str]] = {
    "trf": "onepay.transfer.id",
    "wal": "onepay.wallet.id",
    "top": "onepay.topup.id",
    "inc": "onepay.incident.id",
}
_OPERATOR: Final = service("operator", EVENT_RECORD_READ, LOG_PROOF_READ)


def tail(system: System, args: Arguments) -> Iterator[Line]:
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


def verify(system: System, args: Arguments) -> Iterator[Line]:
    """Compare bodies, store, commitments, leaves, root and signatures; exit 6 names the first places that differ."""
    first, last = int(args.get("first") or 1), int(args["last"]) if args.get("last") else None
    verdict = yield from telling(system, "sequences", lambda note: system.rounds.verify(note, first=first, last=last))
    for finding in verdict.findings:
        yield text(str(finding))
    if not verdict.is_whole:
        yield text(
            f"So many findings ended it: sequences above {verdict.last} were not compared. "
            f"`onepay log verify --range {verdict.last + 1}:{last or verdict.size}` goes on there."
        )
    yield from recorded(system, _OPERATOR, lambda session, ctx: _told(session, verdict, ctx))
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
    if verdict.is_of_all:
        rounds.keep(session, Kind.FULL, verdict, ctx)


def sample(system: System, args: Arguments) -> Iterator[Line]:
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


def archive_(system: System, args: Arguments) -> Iterator[Line]:
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


def proof(system: System, args: Arguments) -> Iterator[Line]:
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
        made = proofs.tlog_proof(session, event_id, system.context(_OPERATOR))
    yield file(f"{event_id}.tlog-proof", made.encode())
    yield file(f"{event_id}.policy", checkpoint.read_policy(system.keys).encode())
    yield text(
        "To verify it (the verifier is in each zip of `onepay log pack`; it needs Python 3.11 and cryptography):"
    )
    yield text(f"  python3 onepay_verify.py {event_id}.tlog-proof --policy {event_id}.policy")


def pack(system: System, args: Arguments) -> Iterator[Line]:
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
            system.context(_OPERATOR),
            policy=checkpoint.read_policy(system.keys),
            since=int(args["since"]) if args.get("since") else None,
        )
    events = f"{made.events} {'event' if made.events == 1 else 'events'}"
    yield text(f"{events}, proven under the log of {made.size} entries with root {made.root.hex()}")
    yield file(f"{wanted}.zip", made.data)
    yield text("To verify it, here or on another machine (Python 3.11 and the package cryptography):")
    yield text(f"  python3 -m zipfile -e {wanted}.zip pack && python3 pack/onepay_verify.py {wanted}.zip")


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


COMMANDS: Final[Mapping[str, Run]] = {
    "log tail": tail,
    "log archive": archive_,
    "log sample": sample,
    "log verify": verify,
    "log proof": proof,
    "log pack": pack,
}
