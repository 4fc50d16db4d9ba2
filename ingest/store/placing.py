"""Where a document lies follows from its event alone: the unit of its class and month, under its event id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.kernel.clock import micros, rfc3339
from ingest.events.envelope import ADDED_WHEN_SEQUENCED, EventClass
from ingest.store.columns import Misfit, Schema, add_place, month_of, parse_body
from ingest.store.query import Refusal, Sequenced

CLASSES: Final = frozenset(item.value for item in EventClass)
_CASE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}", re.ASCII)


@dataclass(slots=True, eq=False)
class Place:
    """Where a document that fits lies."""

    class_: str
    month: str
    id: str
    source: Sequenced


@dataclass(slots=True, eq=False)
class Placed:
    """A document that fits: where it lies, what is indexed of it, its body parsed and as text. Nobody changes it."""

    class_: str
    month: str
    id: str
    row: dict[str, Any]
    body: dict[str, Any]
    text: str
    source: Sequenced

    def document(self) -> dict[str, Any]:
        """Return a new document of the body and what was added when it was sequenced."""
        source = self.source
        return add_place(parse_body(self.text), source.sequence, rfc3339(source.ingested), source.hash)


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
    try:
        text = item.body.decode()
    except UnicodeDecodeError as error:
        raise Misfit("the body is not UTF-8") from error
    body = parse_body(text)
    row = schema.row_of(body)
    class_, id = row.get("onepay.class"), row.get("event.id")
    if class_ not in CLASSES:
        raise Misfit("the body names no retention class")
    if id is None or "@timestamp" not in row:
        raise Misfit("the body has no instant or no event id")
    if not row.keys().isdisjoint(ADDED_WHEN_SEQUENCED):
        raise Misfit("the body has what only sequencing adds")
    row["event.sequence"] = item.sequence
    row["event.ingested"] = micros(item.ingested)
    row["event.hash"] = item.hash
    return Placed(class_, month_of(item.ingested), id, row, body, text, item)
