"""Where a document lies follows from its event alone: the unit of its class and month, under its event id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.kernel.clock import rfc3339
from ingest.events.envelope import EventClass
from ingest.store.columns import Misfit, Schema, add_place, month_of, parse_body
from ingest.store.query import Refusal, Sequenced

CLASSES: Final = frozenset(item.value for item in EventClass)
_CASE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A document that fits: where it lies, what is indexed of it, and all of it."""

    class_: str
    month: str
    id: str
    row: dict[str, Any]
    document: dict[str, Any]
    source: Sequenced


def place(documents: Iterable[Sequenced], schema: Schema) -> tuple[list[Placed], list[Refusal]]:
    """Read documents and tell those that fit from those that do not."""
    placed: list[Placed] = []
    refused: list[Refusal] = []
    for item in documents:
        try:
            placed.append(_placed(item, schema))
        except Misfit as misfit:
            refused.append(Refusal(sequence=item.sequence, reason=str(misfit)))
    return placed, refused


def by_unit(placed: Sequence[Placed]) -> dict[tuple[str, str], list[Placed]]:
    """Sort documents by class and month."""
    units: dict[tuple[str, str], list[Placed]] = {}
    for item in placed:
        units.setdefault((item.class_, item.month), []).append(item)
    return units


def hold_case(case: str) -> str:
    """Return the name of a legal hold as part of a file or index name; it must be lower-case letters and digits."""
    assert _CASE.fullmatch(case), "the name of a hold is lower-case ASCII"
    return case


def _placed(item: Sequenced, schema: Schema) -> Placed:
    document = parse_body(item.body)
    event = document.get("event")
    if not isinstance(event, dict):
        raise Misfit("the body has no event")
    add_place(document, item.sequence, rfc3339(item.ingested), item.hash)
    row = schema.row_of(document)
    class_ = row.get("onepay.class")
    if class_ not in CLASSES:
        raise Misfit("the body names no retention class")
    if "@timestamp" not in row or "event.id" not in row:
        raise Misfit("the body has no instant or no event id")
    return Placed(
        class_=class_,
        month=month_of(item.ingested),
        id=row["event.id"],
        row=row,
        document=document,
        source=item,
    )
