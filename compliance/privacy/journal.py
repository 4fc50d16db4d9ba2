"""The journal of erasures: an older database brings nobody back, since the event store still says who was erased."""

from __future__ import annotations

from app.kernel.context import Context
from app.kernel.db import Database
from compliance.privacy import erase
from compliance.privacy.parts import Privacy
from ingest.events.envelope import at_path
from ingest.events.privacy import SubjectErased
from ingest.log.shredding import Parts as Shredding
from ingest.store.port import walk
from ingest.store.query import Eq, Order, Search


def replay(db: Database, ctx: Context, *, parts: Privacy, shreds: Shredding) -> int:
    """Erase again who was erased by the event store and is back in this database; returns how many.

    Nothing is written where nobody is back. Raises `ErasureUnfinished`, and `StoreUnavailable` while the store is away.
    """
    asked = Search(where=Eq("event.action", SubjectErased.kind), order=Order.SEQUENCE, limit=1_000)
    erased = [
        (str(at_path(document, "onepay.request.id")), str(at_path(document, "onepay.subject.id")[0]))
        for document in walk(parts.store, asked)
    ]
    return erase.replay(db, erased, ctx, parts=parts, shreds=shreds)
