"""Audit integrity: how large the log is, who signed and saw it, when it was last recomputed, and how to do it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.reports.document import Cell, Document, Seal, Table, minute, seal_at
from compliance.reports.parts import Making, Reports
from ingest import models as log
from ingest.log import forgotten, witness
from ingest.log.forgotten import Removal

CHECKPOINTS_SHOWN: Final = 25
ROUNDS_SHOWN: Final = 50
OF_NOW: Final = ", as of now"
UNENDED: Final = "not ended yet"


def build(session: Session, making: Making, parts: Reports) -> Document:
    """Return what is known of the log's soundness at an instant."""
    seal = seal_at(session, making.as_of)
    rounds, broken, full = _rounds(session, making), _broken(session, making), _newest(session, making, "full")
    sample = _newest(session, making, "sample")
    held = session.scalar(sa.select(sa.func.count()).where(log.entry.c.sequence <= seal.size)) or 0
    seen, now = witness.standing(session), OF_NOW if making.is_past else ""
    if broken.rounds:
        lead = f"Comparing found differences in {broken.rounds:,} rounds; the first is: {next(iter(broken.first))}."
    elif not rounds.count:
        lead = "Nothing of the log was recomputed in this period."
    elif full is None:
        lead = "The whole log was not recomputed in this period; what was sampled agrees."
    else:
        lead = f"The log was recomputed whole on {minute(full.at)}, up to sequence {full.size:,}, and agrees."
    facts: tuple[tuple[str, Cell], ...] = (
        ("Tree size", seal.size),
        ("Root", seal.root or None),
        ("Signed at", minute(seal.at)),
        ("Entries held", held),
        ("Gaps in the sequence", seal.size - held),
        ("Last whole recomputation", minute(full.at) if full else None),
        ("Last sample", minute(sample.at) if sample else None),
        ("Rounds with differences", broken.rounds),
        (f"Witness{now}", f"{seen.name}, {seen.rating}" if seen else None),
        (f"Witness has seen{now}", seen.size if seen else None),
        (f"Witness seen at{now}", minute(seen.at) if seen else None),
    )
    return Document(
        kind=making.kind,
        title="Integrity of the audit log",
        lead=lead,
        since=making.since,
        as_of=making.as_of,
        build=parts.engine.build,
        seal=seal,
        findings=broken.differences,
        facts=facts,
        tables=(
            _findings(broken),
            _round_table(rounds),
            _checkpoints(session, making),
            _months(seal, making, parts),
            _removed(session, seal, making),
            _repeat(seal),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rounds:
    """The rounds of a period: how many, and the newest of them."""

    count: int
    shown: Sequence[sa.Row[tuple[object, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Broken:
    """What rounds found: in how many, how much, and when each difference was seen first, the oldest first."""

    rounds: int
    differences: int
    first: Mapping[str, datetime]


def _rounds(session: Session, making: Making) -> _Rounds:
    run, within = log.monitor_run.c, _within(making)
    newest = sa.select(log.monitor_run).where(within).order_by(run.at.desc(), run.id.desc()).limit(ROUNDS_SHOWN)
    count = session.scalar(sa.select(sa.func.count()).select_from(log.monitor_run).where(within)) or 0
    return _Rounds(count=count, shown=session.execute(newest).all())


def _newest(session: Session, making: Making, kind: str) -> sa.Row[tuple[object, ...]] | None:
    run = log.monitor_run.c
    query = sa.select(log.monitor_run).where(_within(making), run.kind == kind)
    return session.execute(query.order_by(run.at.desc(), run.id.desc()).limit(1)).one_or_none()


def _broken(session: Session, making: Making) -> _Broken:
    """Read rounds with differences alone, one by one: a log that was changed may have a year of them."""
    run, first = log.monitor_run.c, dict[str, datetime]()
    rounds = differences = 0
    query = sa.select(run.at, run.mismatches, run.findings).where(_within(making), run.mismatches > 0)
    for row in session.execute(query.order_by(run.at, run.id).execution_options(yield_per=ROUNDS_SHOWN)):
        rounds, differences = rounds + 1, differences + row.mismatches
        for finding in row.findings:
            first.setdefault(str(finding), row.at)
    return _Broken(rounds=rounds, differences=differences, first=first)


def _within(making: Making) -> sa.ColumnElement[bool]:
    run = log.monitor_run.c
    return sa.and_(run.at >= making.since, run.at <= making.as_of)


def _findings(broken: _Broken) -> Table:
    return Table(
        name="findings",
        title="Differences found",
        says="Each names table, sequence and field; with the time of the round that saw it first in this period.",
        columns=("First seen", "What"),
        rows=tuple(
            (minute(at), what) for what, at in sorted(broken.first.items(), key=lambda pair: (pair[1], pair[0]))
        ),
    )


def _round_table(rounds: _Rounds) -> Table:
    return Table(
        name="rounds",
        title="Rounds of the monitor",
        says=f"The newest {ROUNDS_SHOWN} of {rounds.count:,}, newest first." if rounds.count > ROUNDS_SHOWN else "",
        columns=("When", "Kind", "From", "To", "Compared", "Differences", "Size", "Root"),
        rows=tuple(
            (minute(row.at), row.kind, row.lo, row.hi, row.compared, row.mismatches, row.size, row.root.hex())
            for row in rounds.shown
        ),
    )


def _checkpoints(session: Session, making: Making) -> Table:
    of = log.checkpoint.c
    rows = session.execute(
        sa.select(log.checkpoint).where(of.at <= making.as_of).order_by(of.size.desc()).limit(CHECKPOINTS_SHOWN)
    )
    count = session.scalar(sa.select(sa.func.count()).select_from(log.checkpoint).where(of.at <= making.as_of))
    return Table(
        name="checkpoints",
        title="Signed heads",
        says=f"The newest of {count}; signatures stand in the note of each: the log's own first, then cosignatures.",
        columns=("Signed", "Size", "Root", "Signatures"),
        rows=tuple((minute(row.at), row.size, row.root.hex(), row.note.count("\n— ")) for row in rows),
    )


def _months(seal: Seal, making: Making, parts: Reports) -> Table:
    rows = sorted(
        (one.class_, one.month, one.count, one.first, one.last, "held" if one.is_held else "", one.sha256)
        for one in parts.archive.segments()
        if one.last <= seal.size
    )
    return Table(
        name="archive",
        title="Months in the archive",
        says="Sealed files of bodies by class and month; the current month is still open."
        + (" These are the files that lie there now." if making.is_past else ""),
        columns=("Class", "Month", "Bodies", "First", "Last", "Kept for a case", "SHA-256"),
        rows=tuple(rows),
    )


def _removed(session: Session, seal: Seal, making: Making) -> Table:
    found = [one for one in forgotten.removals(session, 0, seal.size or 1) if one.begun_at <= making.as_of]
    return Table(
        name="removed",
        title="Removed by retention",
        says="Bodies that lawfully went. Their entries and proofs stay; the root did not change by it.",
        columns=("Class", "Month", "First", "Last", "Bodies", "Kept for cases", "State", "Run", "Ended"),
        rows=tuple(
            (one.class_, one.month, one.first, one.last, one.count, one.held, state, one.run, minute(ended_at))
            for one in found
            for state, ended_at in [_then(one, making)]
        ),
    )


def _then(one: Removal, making: Making) -> tuple[str, datetime | None]:
    """Return how far a removal had come and when it ended: of one that ended later only that it had begun."""
    if one.ended_at is not None and one.ended_at > making.as_of:
        return UNENDED, None
    return one.state, one.ended_at


def _repeat(seal: Seal) -> Table:
    size = seal.size or 1
    return Table(
        name="repeat",
        title="How to repeat it",
        columns=("Step", "What", "Command"),
        rows=(
            (1, "Recompute everything and compare it with store, archive and signatures", "onepay log verify"),
            (2, "Recompute up to this report's head", f"onepay log verify --range 1:{size}"),
            (3, "Draw a sample of your own", f"onepay log sample --seed 'your words' --to {size} -n 25"),
            (4, "Take an event away with its proof", "onepay log pack evt_…"),
            (5, "Verify the pack on a machine without OnePay", "python3 onepay_verify.py pack.zip"),
        ),
    )
