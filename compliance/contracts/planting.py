"""Planting an event: a document as the log would ship it, for a fence that holds nothing else."""

from __future__ import annotations

from datetime import datetime

from app.kernel import canonical
from app.kernel.access import Actor
from app.kernel.context import Context, Source
from compliance.contracts.probes import Look
from ingest.events.envelope import Event, render
from ingest.log import entries
from ingest.store.query import Sequenced


def plant(
    look: Look,
    event: Event,
    sequence: int,
    *,
    actor: Actor | None = None,
    at: datetime | None = None,
    source: Source | None = None,
) -> str:
    """Append an event to the fence's store under a sequence of its window and return its id."""
    assert look.is_fence, "events are planted within fences alone"
    ctx = Context(
        actor=actor or look.ctx.actor,
        at=at or look.at,
        request_id=look.ctx.request_id,
        source=source or look.ctx.source,
        ids=look.ctx.ids,
    )
    event_id = ctx.new_id("evt")
    document = render(event, ctx, event_id=event_id, origin="live", version="0", environment="fence").document
    body = canonical.encode(document)
    look.store.append([Sequenced(sequence=sequence, ingested=ctx.at, hash=entries.leaf_hash(body).hex(), body=body)])
    look.store.settle()
    return event_id
