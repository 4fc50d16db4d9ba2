"""Records of processing (GDPR Art. 30) as a report: the register as it is now, what was approved, and what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from compliance.catalog import purposes
from compliance.contracts.personal import StoreInfo
from compliance.privacy import graph
from compliance.registers import processing, processors
from compliance.reports.document import NOW_ALONE, Cell, Document, Table, minute, seal_at, written_over
from compliance.reports.parts import Making, Reports

MEASURES: Final = (
    "Personal fields of events are encrypted under a key per person and class; access is by role and masked; "
    "one tamper-evident log; two people for what cannot be taken back."
)
_COLUMNS: Final = (
    "Purpose", "Why", "Basis", "Law", "People", "Categories of data", "Stores", "Recipients", "Processors",
    "Third countries", "Kept", "Measures",
)  # fmt: skip


def build(session: Session, making: Making, parts: Reports) -> Document:
    """Return both registers, what holds what, whom data is handed to, and what differs from what was approved."""
    stores = graph.stores(parts.registers.sources)
    body = processing.document(session, parts=parts.registers)
    approved, officer = processing.approved(session), processors.appointed(session, making.as_of)
    changed = processing.differences(approved.body if approved else None, body)
    return Document(
        kind=making.kind,
        title="Records of processing (GDPR Art. 30)",
        lead=(
            f"{len(body['activities'])} purposes over {len({store.name for store in stores})} stores, from the marks "
            "that every column and event field carries; a field without a mark does not start. "
            + _standing(approved, body)
            + (f" {NOW_ALONE}" if making.is_past else "")
        ),
        since=making.since,
        as_of=making.as_of,
        build=parts.engine.build,
        seal=seal_at(session, making.as_of),
        facts=(
            ("Controller", body["controller"]),
            ("Data protection officer", officer.contact if officer else parts.registers.settings.dpo_contact),
            ("SHA-256 of the register", processing.digest(body)),
            ("Approved", minute(approved.at) if approved else None),
            ("SHA-256 of what was approved", approved.sha256 if approved else None),
            ("Purposes described and not used", len(purposes.shipped().keys() - body["activities"].keys())),
        ),
        tables=(
            Table(
                name="controller",
                title="Controller: processing by purpose, Art. 30(1)",
                columns=_COLUMNS,
                rows=tuple(_row(name, one) for name, one in sorted(body["activities"].items())),
            ),
            Table(
                name="processor",
                title="Processor: processing for others, Art. 30(2)",
                says="No controller is known for whom it processes; each would stand here with its contract.",
                columns=("Controller", "Processing", "Third countries", "Measures"),
                rows=(),
            ),
            _hands(session, making),
            _holdings(stores),
            Table(
                name="difference",
                title="Difference from the register that was approved",
                says="" if approved is not None else "None was approved yet, so that everything is new.",
                columns=("Purpose", "What", "Before", "Now"),
                rows=tuple(changed),
            ),
        ),
    )


def _standing(approved: processing.Approved | None, body: Mapping[str, Any]) -> str:
    if approved is None:
        return "Nobody has approved it yet."
    is_same = approved.sha256 == processing.digest(body)
    return "It is what was approved." if is_same else "It differs from what was approved."


def _row(name: str, one: Mapping[str, Any]) -> tuple[Cell, ...]:
    return (
        name,
        one["says"],
        str(one["basis"]).replace("_", " "),
        one["law"],
        one["people"],
        ", ".join(one["categories"]),
        ", ".join(one["stores"]),
        "; ".join(one["recipients"]) or "none but processors",
        ", ".join(one["processors"]) or "none",
        ", ".join(one["transfers"]) or "none",
        "; ".join(one["kept"]),
        MEASURES,
    )


def _hands(session: Session, making: Making) -> Table:
    found, untold = processors.as_of(session, making.as_of)
    return Table(
        name="processors",
        title="Processors and their contracts, Art. 28",
        says=written_over(untold),
        columns=("Name", "Does", "Purposes", "Countries", "Contract", "Review on", "Lacks"),
        rows=tuple(
            (
                one.name,
                one.does,
                ", ".join(one.purposes),
                ", ".join(one.countries),
                one.contract,
                one.review_on.isoformat(),
                "; ".join(one.lacks(making.as_of.date())) or "nothing",
            )
            for one in found
        ),
    )


def _holdings(stores: Sequence[StoreInfo]) -> Table:
    rows = sorted(
        (
            store.name,
            store.kind,
            store.category,
            ", ".join(sorted(store.fields)),
            ", ".join(sorted(store.purposes)),
            store.retention,
            store.on_erase,
            store.origin,
        )
        for store in stores
    )
    return Table(
        name="holdings",
        title="What is held where",
        columns=("Store", "Kind", "Category", "Fields", "Purposes", "Retention class", "When erased", "Origin"),
        rows=tuple(rows),
    )
