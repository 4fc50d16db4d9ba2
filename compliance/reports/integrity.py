"""Audit integrity: how large the log is, who signed and saw it, when it was last recomputed, and how to do it again."""

from __future__ import annotations

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
    rounds = _rounds(session, making)
    broken = [row for row in rounds if row.mismatches]
    full = next((row for row in rounds if row.kind == "full"), None)
    held = session.scalar(sa.select(sa.func.count()).where(log.entry.c.sequence <= seal.size)) or 0
    seen, now = witness.standing(session), OF_NOW if making.is_past else ""
    if broken:
        lead = f"Comparing found differences in {len(broken)} rounds; the first is: {broken[-1].findings[0]}."
    elif not rounds:
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
        ("Last sample", minute(next((row.at for row in rounds if row.kind == "sample"), None))),
        ("Rounds with differences", len(broken)),
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
        findings=sum(row.mismatches for row in broken),
        facts=facts,
        tables=(
            _findings(broken),
            _round_table(rounds),
            _checkpoints(session, seal, making),
            _months(session, seal, making, parts),
            _removed(session, seal, making),
            _repeat(seal),
        ),
    )


def _rounds(session: Session, making: Making) -> list[sa.Row[tuple[object, ...]]]:
    run = log.monitor_run.c
    return list(
        session.execute(
            sa.select(log.monitor_run)
            .where(run.at >= making.since, run.at <= making.as_of)
            .order_by(run.at.desc(), run.id.desc())
        )
    )


def _findings(broken: list[sa.Row[tuple[object, ...]]]) -> Table:
    found = {str(finding): row.at for row in broken for finding in row.findings}
    return Table(
        name="findings",
        title="Differences found",
        says="Each names table, sequence and field; with the time of the round that saw it first in this period.",
        columns=("First seen", "What"),
        rows=tuple((minute(at), what) for what, at in sorted(found.items(), key=lambda pair: (pair[1], pair[0]))),
    )


def _round_table(rounds: list[sa.Row[tuple[object, ...]]]) -> Table:
    return Table(
        name="rounds",
        title="Rounds of the monitor",
        says=f"The newest {ROUNDS_SHOWN} of {len(rounds)}, newest first." if len(rounds) > ROUNDS_SHOWN else "",
        columns=("When", "Kind", "From", "To", "Compared", "Differences", "Size", "Root"),
        rows=tuple(
            (minute(row.at), row.kind, row.lo, row.hi, row.compared, row.mismatches, row.size, row.root.hex())
            for row in rounds[:ROUNDS_SHOWN]
        ),
    )


def _checkpoints(session: Session, seal: Seal, making: Making) -> Table:
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


def _months(session: Session, seal: Seal, making: Making, parts: Reports) -> Table:
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
