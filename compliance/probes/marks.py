"""A probe over the privacy marks: every column and event field says what it means for the person it is about."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa

from app.kernel.marks import Mark
from compliance.contracts.probes import Kind, Look, Probe, Reading, Violation
from ingest.events import catalog
from ingest.events.envelope import fields_of


def probes(tables: Sequence[sa.MetaData]) -> tuple[Probe, ...]:
    """Return the probe over all tables of the house and all events."""
    return (
        Probe(
            name="privacy.marks",
            kind=Kind.STATE,
            asks="Columns in the database and fields of events; wrong is one without a mark.",
            read=partial(_marks, tables=tables),
            plant=_plant,
        ),
    )


def _marks(look: Look, *, tables: Sequence[sa.MetaData]) -> Reading:
    """Compare what stands in the database with what is marked: a column that only the database knows is found too."""
    marked = {
        f"{table.name}.{column.name}"
        for metadata in tables
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.info.get("mark"), Mark)
    }
    stand = [f"{table}.{column}" for table, column in _columns(look)]
    wrong = [
        Violation(component="columns", object_id=name, says="has no privacy mark")
        for name in stand
        if name not in marked
    ]
    # A field of an event cannot be declared without its mark: `ecs` and `sealed` make it.
    fields = sum(len(fields_of(kind)) for kind in catalog.KINDS)  # type: ignore[arg-type,misc]  # as in the envelope
    return Reading(population={"columns": len(stand), "events": fields}, violations=wrong)


def _columns(look: Look) -> list[tuple[str, str]]:
    found = sa.inspect(look.session.connection())
    return [
        (table, column["name"])
        for table in found.get_table_names()
        if not table.startswith("app_schema_")
        for column in found.get_columns(table)
    ] + [(table, column) for table, column in look.fence.get("columns", ())]


def _plant(look: Look) -> str:
    look.fence["columns"] = (("app_account", "planted"),)
    return "app_account.planted"
