"""The log's own verifier behind a permission: a range or everything, as work with progress."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.kernel.access import AUDIT_TRAIL_VERIFY
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from compliance.reports import runs, writing
from compliance.reports.parts import Made, Making, Reports
from ingest.log import monitor, read, rounds
from ingest.log.monitor import RangeInvalid, Verdict
from ingest.log.rounds import Kind

KIND = "audit.verify"


def ask(session: Session, ctx: Context, *, first: int | None = None, last: int | None = None) -> str:
    """Ask that a range of sequences is verified, or all; raises `RangeInvalid`. Returns the id of the work."""
    ctx.actor.require(AUDIT_TRAIL_VERIFY)
    size = read.head(session).size
    if not 1 <= (first or 1) <= (last or size) <= size:
        raise RangeInvalid(f"The log holds sequences 1 to {size:,}; {first or 1} to {last or size} is no range of it.")
    return runs.put(session, KIND, {"first": first or 1, "last": last}, (ctx.at, ctx.at), ctx)


def make(making: Making, parts: Reports) -> Made:
    """Compare the range with its copies, keep what was found as a file, and leave its event."""
    first, last = int(making.params["first"]), making.params["last"]
    verdict = parts.rounds.verify(making.progress, first=first, last=last)
    if verdict.is_of_all:
        with parts.db.begin() as session:
            rounds.keep(session, Kind.FULL, verdict, making.ctx)
    (making.folder / "verification.json").write_bytes(writing.plain(_said(verdict, making)))
    return Made(
        note=f"Broken: {verdict.findings[0]}" if verdict.findings else f"Sound: {verdict.span}",
        size=verdict.size,
        root=verdict.root.hex(),
        findings=len(verdict.findings),
        events=(monitor.event_of(verdict),),
    )


def _said(verdict: Verdict, making: Making) -> dict[str, object]:
    return {
        "asked_at": rfc3339(making.asked_at),
        "first": verdict.first,
        "last": verdict.last,
        "size": verdict.size,
        "root": verdict.root.hex(),
        "sound": not verdict.findings,
        "compared": verdict.compared,
        "store_documents": verdict.documents,
        "not_in_the_store_yet": verdict.awaited,
        "archive_lines": verdict.lines,
        "checkpoints": verdict.checkpoints,
        "findings": [str(finding) for finding in verdict.findings],
    }
