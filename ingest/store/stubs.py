"""What stands in a store for a document it refused: its envelope, and the body as text that nothing searches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.kernel import canonical
from app.kernel.clock import rfc3339
from ingest.events.envelope import at_path, nest
from ingest.store.columns import PARKED_BODY


def stub(*, event_id: str, kind: str, class_: str, at: datetime, body: bytes) -> bytes:
    """Return the body of a stub: made of the log's entry, so it fits whatever is wrong with the document."""
    return canonical.encode(
        nest(
            {
                "@timestamp": rfc3339(at),
                "event.id": event_id,
                "event.action": kind,
                "onepay.class": class_,
                "onepay.parked": True,
                PARKED_BODY: {"text": body.decode("utf-8", "replace")},
            }
        )
    )


def is_stub(document: Mapping[str, Any]) -> bool:
    """Tell whether a stored document stands for one that was refused."""
    return at_path(document, "onepay.parked") is True
