"""Events taken away: JSON lines and CSV, masked; packs of the log with bodies, proofs and a verifier.

The body in a pack is what was sealed, since a masked one fits no commitment. That is why an auditor's export waits for
an officer or the data protection officer; personal fields stay encrypted in all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from app.kernel.access import AUDIT_REQUEST_ANSWER, AUDIT_TRAIL_EXPORT, LOG_PROOF_READ, Actor, ActorKind, service
from app.kernel.approvals import ApprovalKind, Approvals, Payload
from app.kernel.clock import parse_rfc3339, rfc3339
from app.kernel.context import Context
from app.kernel.errors import Invalid
from compliance.audit import filters, masking, trail
from compliance.audit.filters import Filter
from compliance.reports import asked, runs, writing
from compliance.reports.document import Cell
from compliance.reports.parts import Made, Making, Reports
from ingest.events.access import DataExported
from ingest.events.envelope import at_path
from ingest.log import checkpoint, proofs, read
from ingest.log.proofs import PACK_EVENTS_MAX, NotYetSealed
from ingest.store.port import walk
from ingest.store.query import PAGE_MAX, Document, Order, Search

KIND: Final = runs.EXPORT
APPROVAL: Final = "audit.export"
VIEW: Final = "audit"
_COLUMNS: Final = (
    "event.sequence", "@timestamp", "event.ingested", "event.action", "event.outcome", "event.reason", "user.id",
    "onepay.subject.id", "source.ip", "trace.id", "onepay.session.id", "onepay.class", "event.id", "event.hash",
)  # fmt: skip
# A head that begins with an at sign is a formula to a spreadsheet, and would be written behind an apostrophe.
_HEADS: Final = tuple(name.removeprefix("@") for name in _COLUMNS)


class ExportTooLarge(Invalid):
    """So many events are not exported at once; narrow the filter, or export part by part."""

    code = "export_too_large"


class ExportEmpty(Invalid):
    """No event fits, so there is nothing to take away."""

    code = "export_empty"


def ask(session: Session, wanted: Filter, reason: str, ctx: Context, *, parts: Reports) -> tuple[str, bool]:
    """Ask for an export of what is signed; returns the id of the work, or of an auditor's approval and True.

    Raises `ExportTooLarge`, `ExportEmpty`, and `StoreBehind` while the store does not hold the whole log.
    """
    ctx.actor.require(AUDIT_TRAIL_EXPORT)
    inside = wanted.within(ctx.actor)
    trail.demand_whole(session, parts.store, read.head(session).size)
    sealed = checkpoint.newest(session)
    if sealed is None:
        raise NotYetSealed
    size = sealed.size
    count = parts.store.count(inside.where(), inside.window(size))
    most = parts.settings.export_events_max
    if count > most:
        raise ExportTooLarge(f"{count:,} events fit, and at most {most:,} are exported at once.")
    if count == 0:
        raise ExportEmpty
    if ctx.actor.period is None:
        return _put(session, inside, ctx.actor, size, ctx), False
    payload = _payload(inside, ctx.actor, count, size)
    return parts.approvals.ask(session, APPROVAL, payload, ctx, reason=reason), True


def kind(approvals: Approvals) -> ApprovalKind:
    """Return what an officer or the DPO decides: exactly this filter, in this period."""

    def decided(session: Session, payload: Payload, id: str, ctx: Context) -> str:
        approvals.take(session, id, APPROVAL, payload, ctx)
        wanted = filters.read(payload["filter"], ctx.at)
        report = _put(session, wanted.within(ctx.actor), ctx.actor, int(payload["size"]), ctx)
        return f"The export is being made: {report}"

    return ApprovalKind(
        name=APPROVAL,
        title="Take a part of the trail away",
        asks=AUDIT_TRAIL_EXPORT,
        decides=AUDIT_REQUEST_ANSWER,
        render=_rendered,
        run=decided,
    )


def make(making: Making, parts: Reports) -> Made:
    """Write events as JSON lines and CSV, and packs of at most 5,000 that prove them."""
    wanted = filters.read(making.params["filter"], making.asked_at)
    size, actor = int(making.params["size"]), _actor(making.params)
    window, where = wanted.window(size), wanted.where()
    with parts.db.read() as session:
        trail.demand_whole(session, parts.store, size)
        sealed = checkpoint.of_size(session, size)
        if sealed is None:
            raise NotYetSealed
    total = parts.store.count(where, window)
    packs = -(-total // PACK_EVENTS_MAX)
    search = Search(where=where, window=window, order=Order.SEQUENCE, limit=PAGE_MAX)
    ids: list[str] = []
    done = written = number = 0
    with (making.folder / "events.ndjson").open("wb") as lines, (making.folder / "events.csv").open("wb") as table:
        table.write(writing.lines(_HEADS, ()))
        for document in walk(parts.store, search):
            shown = masking.mask(document, actor)
            line = json.dumps(shown, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
            lines.write(line.encode("utf-8", "replace"))
            table.write(writing.lines(_row(shown), ()))
            ids.append(str(at_path(document, "event.id")))
            done += 1
            if done % PAGE_MAX == 0:
                making.progress(done, 2 * total)
            if len(ids) == PACK_EVENTS_MAX or done == total:
                number += 1
                _pack(making, parts, ids, number, packs, sealed)
                written += len(ids)
                making.progress(done + written, 2 * total)
                ids = []
    files = {one.name: writing.hashed(one) for one in sorted(making.folder.iterdir())}
    about = {"filter": wanted.plain(), "events": done, "log": {"size": sealed.size, "root": sealed.root.hex()}}
    (making.folder / "manifest.json").write_bytes(writing.manifest(files, about))
    told = DataExported(
        view=VIEW,
        format="ndjson,csv,pack",
        rows=done,
        bytes=sum(size for _, size in files.values()),
        query_hash=wanted.hash,
    )
    return Made(note=f"{done:,} events", size=sealed.size, root=sealed.root.hex(), events=(told,))


def _pack(
    making: Making, parts: Reports, ids: list[str], number: int, packs: int, sealed: checkpoint.Checkpoint
) -> None:
    name = "proofs.zip" if packs == 1 else f"proofs-{number:03d}.zip"
    ctx = Context(
        actor=service("reports", LOG_PROOF_READ),
        at=making.asked_at,
        request_id=making.ctx.request_id,
        ids=making.ctx.ids,
    )
    with parts.db.read() as session:
        made = proofs.pack(session, ids, ctx, policy=parts.policy(), sealed=sealed)
    (making.folder / name).write_bytes(made.data)


def _put(session: Session, wanted: Filter, actor: Actor, size: int, ctx: Context) -> str:
    params = {"filter": wanted.plain(), "size": size, "period": _period(actor)}
    report = runs.put(session, KIND, params, (ctx.at, ctx.at), ctx)
    asked.record(session, report, params, ctx)
    return report


def _payload(wanted: Filter, actor: Actor, count: int, size: int) -> dict[str, Any]:
    return {"filter": wanted.plain(), "events": count, "size": size, "period": _period(actor), "hash": wanted.hash}


def _period(actor: Actor) -> list[str]:
    return [rfc3339(at) for at in actor.period or ()]


def _actor(params: Mapping[str, Any]) -> Actor:
    """Return for whom documents are masked."""
    period: list[datetime] = [parse_rfc3339(at) for at in params["period"]]
    return Actor(id=None, kind=ActorKind.STAFF, period=(period[0], period[1]) if period else None)


def _rendered(payload: Payload) -> list[str]:
    asked = ", ".join(f"{name} {value}" for name, value in sorted(payload["filter"].items())) or "everything"
    return [
        f"{payload['events']:,} events of the trail, as JSON lines and CSV, masked",
        "The same events as packs with bodies, proofs and a verifier: addresses stand in the bodies in clear",
        f"Filter: {asked}",
        f"Up to sequence {payload['size']:,}",
    ]


def _row(document: Document) -> tuple[str, ...]:
    return tuple(_iter_text(document))


def _iter_text(document: Document) -> Iterator[str]:
    for path in _COLUMNS:
        value: Cell | list[Cell] = at_path(document, path)
        yield " ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
