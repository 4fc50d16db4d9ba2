"""Bodies with a place in the log, made without the log: what tests of stores append."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from app.kernel import canonical
from app.kernel.clock import rfc3339
from ingest.events.envelope import nest
from ingest.store.query import Sequenced

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def sequenced(
    sequence: int,
    *,
    at: datetime | None = None,
    ingested: datetime | None = None,
    kind: str = "auth.login.failed",
    class_: str = "security",
    **fields: Any,
) -> Sequenced:
    """Return a document; fields are catalogue paths with `__` for the dot."""
    at = at or START + timedelta(seconds=sequence)
    flat: dict[str, Any] = {
        "@timestamp": rfc3339(at),
        "event.id": f"evt_{sequence:026d}",
        "event.action": kind,
        "onepay.class": class_,
        "onepay.v": 1,
    }
    flat.update({path.replace("__", "."): value for path, value in fields.items()})
    flat = {path: value for path, value in flat.items() if value is not None}
    return Sequenced(
        sequence=sequence,
        ingested=ingested or START + timedelta(milliseconds=sequence),
        hash=f"{sequence:064x}",
        body=canonical.encode(nest(flat)),
    )


def refused(sequence: int) -> Sequenced:
    """Return a document that no store can take: a field the catalogue does not know."""
    body = canonical.encode({"@timestamp": rfc3339(START), "event": {"id": f"evt_{sequence}"}, "colour": "red"})
    return Sequenced(sequence=sequence, ingested=START, hash="00" * 32, body=body)
