"""The trail searched: masked by role, page by page, inside an auditor's period; each search is an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.access import AUDIT_TRAIL_READ
from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid, NotFound
from compliance.audit import masking
from compliance.audit.filters import Filter
from compliance.reports.parts import Reports
from ingest.events.access import SearchExecuted
from ingest.log import forgotten, outbox, read
from ingest.store.port import EventStore
from ingest.store.query import Document, Eq, Search

PAGE_MAX: Final = 500
VIEW: Final = "audit"


class PageTooLong(Invalid):
    """A page of the trail holds 1 to 500 events."""

    code = "page_too_long"


class StoreBehind(Conflict):
    """The event store does not hold all of the log yet; it catches up by itself."""

    code = "store_behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """One page: events newest first, the key of the next page, how many match, how many sequences are not there yet."""

    events: Sequence[Document]
    after: str | None
    matches: int
    missing: int
    hi: int


def query(
    session: Session, wanted: Filter, ctx: Context, *, parts: Reports, limit: int = 50, after: str | None = None
) -> Trail:
    """Return one page of the trail; raises `PageTooLong`. The search is recorded with the hash of its filter."""
    ctx.actor.require(AUDIT_TRAIL_READ)
    if not 1 <= limit <= PAGE_MAX:
        raise PageTooLong
    inside = wanted.within(ctx.actor)
    hi = read.head(session).size
    window, where = inside.window(hi), inside.where()
    page = parts.store.search(Search(where=where, window=window, limit=limit, after=after))
    matches = parts.store.count(where, window)
    outbox.record(session, SearchExecuted(view=VIEW, query_hash=inside.hash, hits=matches), ctx)
    return Trail(
        events=[masking.mask(document, ctx.actor) for document in page.documents],
        after=page.after,
        matches=matches,
        missing=missing(session, parts.store, hi),
        hi=hi,
    )


def event(session: Session, event_id: str, ctx: Context, *, parts: Reports) -> Document:
    """Return one event, masked; one outside an auditor's period looks as one that is not there."""
    ctx.actor.require(AUDIT_TRAIL_READ)
    inside = Filter().within(ctx.actor)
    window = inside.window(read.head(session).size)
    found = parts.store.search(Search(where=Eq("event.id", event_id), window=window, limit=1)).documents
    if not found:
        raise NotFound(object_id=event_id)
    outbox.record(session, SearchExecuted(view=VIEW, query_hash=Filter(object=event_id).hash, hits=1), ctx)
    return masking.mask(found[0], ctx.actor)


def missing(session: Session, store: EventStore, hi: int) -> int:
    """Return how many sequences up to one the store lacks and should have."""
    return hi - store.coverage(0, hi) - forgotten.dropped(session, 0, hi)


def demand_whole(session: Session, store: EventStore, hi: int) -> None:
    """Raise `StoreBehind` unless the store answers for the whole log."""
    behind = missing(session, store, hi)
    if behind:
        raise StoreBehind(f"The event store lacks {behind} of {hi} sequences; it catches up by itself.")
