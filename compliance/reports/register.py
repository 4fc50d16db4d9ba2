"""Records of processing (GDPR Art. 30), made from the marks on every column and field and the purposes they name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from compliance.catalog import purposes, retention
from compliance.contracts.personal import StoreInfo
from compliance.privacy import graph
from compliance.reports import models
from compliance.reports.document import Cell, Document, Table, seal_at
from compliance.reports.parts import Making, Reports

MEASURES: Final = (
    "Personal fields of events are encrypted under a key per person and class; access is by role and masked; "
    "one tamper-evident log; two people for what cannot be taken back."
)
_COLUMNS: Final = (
    "Purpose", "Why", "Basis", "Law", "People", "Categories of data", "Stores", "Recipients", "Third countries",
    "Kept", "Measures",
)  # fmt: skip


def build(session: Session, making: Making, parts: Reports) -> Document:
    """Return both registers, what holds what, and what changed since the report before."""
    stores = graph.stores(parts.sources)
    register = _register(stores)
    before = _before(session, making, parts)
    changed = _changed(before, register)
    used = {name for store in stores for name in store.purposes}
    return Document(
        kind=making.kind,
        title="Records of processing (GDPR Art. 30)",
        lead=(
            f"{len(register)} purposes over {len({store.name for store in stores})} stores, from the marks that "
            "every column and event field carries; a field without a mark does not start."
        ),
        since=making.since,
        as_of=making.as_of,
        build=parts.engine.build,
        seal=seal_at(session, making.as_of),
        facts=(
            ("Controller", parts.settings.legal_name),
            ("Data protection officer", parts.settings.dpo_contact),
            ("Purposes in use", len(used)),
            ("Purposes described and not used", len(purposes.shipped().keys() - used)),
            ("Changes since the report before", len(changed) if before is not None else None),
        ),
        tables=(
            Table(
                name="controller",
                title="Controller: processing by purpose, Art. 30(1)",
                columns=_COLUMNS,
                rows=tuple(register.values()),
            ),
            Table(
                name="processor",
                title="Processor: processing for others, Art. 30(2)",
                says="No controller is known for whom it processes; each would stand here with its contract.",
                columns=("Controller", "Processing", "Third countries", "Measures"),
                rows=(),
            ),
            _holdings(stores),
            Table(
                name="difference",
                title="Difference since the report before",
                says="" if before is not None else "This is the first register that was made.",
                columns=("Purpose", "What", "Before", "Now"),
                rows=tuple(changed),
            ),
        ),
    )


def _register(stores: list[StoreInfo]) -> dict[str, tuple[Cell, ...]]:
    classes = retention.shipped()
    made: dict[str, tuple[Cell, ...]] = {}
    for name, purpose in sorted(purposes.shipped().items()):
        mine = [store for store in stores if name in store.purposes]
        if not mine:
            continue
        kept = sorted({store.retention for store in mine if store.retention in classes})
        made[name] = (
            name,
            purpose.says,
            purpose.basis.replace("_", " "),
            purpose.law,
            ", ".join(_people(mine)),
            ", ".join(sorted({store.category for store in mine})),
            ", ".join(sorted({store.name for store in mine})),
            "; ".join(purpose.recipients),
            "none",
            "; ".join(f"{one} {classes[one].keep.text}" for one in kept),
            MEASURES,
        )
    return made


def _people(stores: list[StoreInfo]) -> list[str]:
    categories = {store.category for store in stores}
    return [*(["customers"] if categories - {"staff"} else []), *(["staff"] if "staff" in categories else [])]


def _holdings(stores: list[StoreInfo]) -> Table:
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


def _before(session: Session, making: Making, parts: Reports) -> Mapping[str, Any] | None:
    """Return the register of the report before, by purpose; None where there is none, or its file is gone."""
    of = models.report.c
    before = session.scalar(
        sa.select(of.id)
        .where(of.kind == making.kind, of.state == "done", of.as_of < making.as_of)
        .order_by(of.as_of.desc(), of.id.desc())
        .limit(1)
    )
    if before is None:
        return None
    try:
        said = json.loads((parts.folder / before / f"{making.kind}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    table = next(one for one in said["tables"] if one["name"] == "controller")
    return {row["Purpose"]: row for row in table["rows"]}


def _changed(before: Mapping[str, Any] | None, now: Mapping[str, tuple[Cell, ...]]) -> list[tuple[Cell, ...]]:
    if before is None:
        return []
    changed: list[tuple[Cell, ...]] = []
    for name in sorted(before.keys() | now.keys()):
        if name not in now or name not in before:
            changed.append((name, "the purpose", *(("there", "gone") if name not in now else ("not there", "new"))))
            continue
        fields = dict(zip(_COLUMNS, now[name], strict=True))
        changed += [
            (name, field, before[name].get(field), value)
            for field, value in fields.items()
            if before[name].get(field) != value
        ]
    return changed
