"""What stands in a store for a document it refused: its envelope, and the body as text that nothing searches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from app.kernel import canonical
from app.kernel.clock import from_micros, micros, rfc3339
from ingest.events.envelope import AT_END, AT_MIN, EventClass, at_path, nest
from ingest.store.columns import PARKED_BODY
from ingest.store.placing import CLASSES

_MIN: Final = micros(AT_MIN)
_MAX: Final = micros(AT_END - timedelta(microseconds=1))
_CLASS_OF_OTHERS: Final = EventClass.GOVERNANCE.value
"""Kept longest, so that nothing is forgotten too early."""


def stub(*, event_id: str, kind: str, class_: str, at: int, body: bytes) -> bytes:
    """Return the body of a stub: made of the log's entry, so it fits whatever is wrong with the document.

    `at` is in microseconds since 1970. An instant that no store takes becomes the nearest that each does, and a class
    that there is none of becomes the one kept longest; what they were stands in the text.
    """
    return canonical.encode(
        nest(
            {
                "@timestamp": rfc3339(from_micros(min(max(at, _MIN), _MAX))),
                "event.id": event_id,
                "event.action": kind,
                "onepay.class": class_ if class_ in CLASSES else _CLASS_OF_OTHERS,
                "onepay.parked": True,
                PARKED_BODY: {"text": body.decode("utf-8", "replace")},
            }
        )
    )


def is_stub(document: Mapping[str, Any]) -> bool:
    """Tell whether a stored document stands for one that was refused."""
    return at_path(document, "onepay.parked") is True
