"""The commands about the trail: query, export, sample. Each leaves its own event, as on the pages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.commands import reporting
from app.commands.lines import Arguments, Line, Run, text
from app.compose import System
from app.kernel.access import (
    AUDIT_SAMPLE_DRAW,
    AUDIT_TRAIL_EXPORT,
    AUDIT_TRAIL_READ,
    COMPLIANCE_REPORT_READ,
    service,
)
from app.kernel.context import Context
from compliance.audit import export as exports
from compliance.audit import filters, trail
from compliance.audit import sample as samples
from compliance.audit.filters import Filter
from ingest.events.envelope import at_path
from ingest.store.query import Document

_OPERATOR: Final = service("operator", AUDIT_SAMPLE_DRAW, AUDIT_TRAIL_EXPORT, AUDIT_TRAIL_READ, COMPLIANCE_REPORT_READ)


def query(system: System, args: Arguments) -> Iterator[Line]:
    """Print the newest events that fit, masked."""
    wanted, ctx = _asked(system, args)
    with system.db.begin() as session:
        found = trail.query(session, wanted, ctx, parts=system.reports, limit=int(args.get("limit") or 50))
    for document in reversed(found.events):
        yield text(json.dumps(document, ensure_ascii=False) if args.get("json") else _line(document))
    behind = f"; the store lacks {found.missing} sequences, which follow" if found.missing else ""
    yield text(f"{len(found.events)} of {found.matches} events{behind}")


def export(system: System, args: Arguments) -> Iterator[Line]:
    """Write events with their proofs here."""
    wanted, ctx = _asked(system, args)
    system.signer.sign(system.clock.now())
    with system.db.begin() as session:
        id, _ = exports.ask(session, wanted, "", ctx, parts=system.reports)
    yield from reporting.written(system, id)


def sample(system: System, args: Arguments) -> Iterator[Line]:
    """Draw events that fit, by a seed; the same seed, filter and log draw the same ones."""
    wanted, ctx = _asked(system, args)
    with system.db.begin() as session:
        drawn = samples.draw(session, str(args["seed"]), wanted, int(args["count"]), ctx, parts=system.reports)
    for document in drawn.events:
        yield text(_line(document))
    yield text(
        f"{len(drawn.sequences)} of {drawn.population} events that fit, by the seed {drawn.seed!r}, "
        f"up to sequence {drawn.size}; filter {drawn.filter.hash}"
    )


def _asked(system: System, args: Arguments) -> tuple[Filter, Context]:
    ctx = system.context(_OPERATOR)
    words: dict[str, Any] = dict(args.get("filter") or {})
    return filters.read(words, ctx.at), ctx


def _line(document: Document) -> str:
    who = at_path(document, "user.id") or at_path(document, "onepay.actor.kind") or "–"
    return (
        f"{at_path(document, 'event.sequence'):>9}  {document['@timestamp']}  {at_path(document, 'event.action'):<34} "
        f"{at_path(document, 'event.outcome') or '–':<8} {who}"
    )


COMMANDS: Final[Mapping[str, Run]] = {"audit query": query, "audit export": export, "audit sample": sample}
