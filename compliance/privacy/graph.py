"""The marks as a whole: which stores they describe, and what is wrong with those that lead to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from app.kernel.errors import ConfigurationRefused
from app.kernel.marks import Mark
from compliance.catalog import purposes, retention
from compliance.catalog.purposes import Purpose
from compliance.catalog.retention import RetentionClass
from compliance.catalog.unended import UNENDED
from compliance.contracts.marked.marks import mark_of
from compliance.contracts.personal import PersonalDataSource, StoreInfo
from compliance.contracts.tables import MarkedTables
from ingest.events import catalog
from ingest.events.envelope import Ecs, fields_of

OF_EVENTS: Final = "class"
"""The retention of an event field: that of its kind."""
_SEALED_ALONE: Final = frozenset(("name", "contact", "card", "free_text", "communication"))


def demand(sources: Sequence[PersonalDataSource]) -> None:
    """Raise `ConfigurationRefused` with everything that the marks say and nobody could carry out (PRV-1)."""
    wrong = check(sources, purposes.shipped(), retention.shipped())
    if wrong:
        raise ConfigurationRefused("The privacy marks cannot be used:\n" + "\n".join(wrong))


def check(
    sources: Sequence[PersonalDataSource],
    known_purposes: Mapping[str, Purpose],
    known_classes: Mapping[str, RetentionClass],
) -> list[str]:
    """Return what is wrong with marks, each with the column or field it is about."""
    wrong = []
    for source in sources:
        if isinstance(source, MarkedTables):
            wrong += source.check()
            wrong += _endless(source, known_classes)
            for table in source.every_table():
                for column in table.columns:
                    mark = mark_of(column)
                    if mark is not None:
                        wrong += _unknown(f"{table.name}.{column.name}", mark, known_purposes, known_classes)
    for kind in catalog.KINDS:
        for attribute, declared in fields_of(kind):  # type: ignore[arg-type]  # mypy takes the class for its instance
            place = f"{kind.kind}.{attribute}"
            wrong += _unknown(place, declared.mark, known_purposes, known_classes)
            wrong += _in_clear(place, declared)
        if kind.event_class.value not in known_classes:
            wrong.append(f"{kind.kind} is of the class {kind.event_class.value}, which has no period")
    return wrong


def _endless(source: MarkedTables, known_classes: Mapping[str, RetentionClass]) -> list[str]:
    """Return the stores that are kept by a period and that nothing ends: no run does, and nobody says what does."""
    carried = source.carried_out()
    classes: dict[str, set[str]] = {}
    for store in source.stores():
        classes.setdefault(store.name, set()).add(store.retention)
    wrong = [
        f"{name} is kept by {', '.join(sorted(of))}, and neither a run nor anything that is named ends its rows"
        for name, of in classes.items()
        if name not in carried and name not in UNENDED and of & set(known_classes)
    ]
    return wrong + [
        f"{name} is to end by {one.column}, which is no column of it"
        for name, one in UNENDED.items()
        for table in source.every_table()
        if table.name == name and one.column is not None and one.column not in table.c
    ]


def ended_by(sources: Sequence[PersonalDataSource]) -> Mapping[str, str]:
    """Return by what the rows of each store end: the class of the run that carries it out, or what is named."""
    found = {name: f"{one.by}: {one.why}" for name, one in UNENDED.items()}
    for source in sources:
        if isinstance(source, MarkedTables):
            found.update({name: f"runs of {class_}" for name, class_ in source.carried_out().items()})
    return found


def stores(sources: Sequence[PersonalDataSource]) -> list[StoreInfo]:
    """Return all that is held about people, as the marks say it."""
    return [store for source in sources for store in source.stores()]


def _unknown(
    place: str, mark: Mark, known_purposes: Mapping[str, Purpose], known_classes: Mapping[str, RetentionClass]
) -> list[str]:
    wrong = [f"{place}: there is no purpose {name}" for name in mark.purposes if name not in known_purposes]
    if mark.retention != OF_EVENTS and mark.retention not in known_classes:
        wrong.append(f"{place}: there is no retention class {mark.retention}")
    if mark.category != "none" and not mark.purposes:
        wrong.append(f"{place} is personal and names no purpose")
    return wrong


def _in_clear(place: str, declared: Ecs) -> list[str]:
    """What tells of a person in words is sealed; free text of foreign logs is redacted as it is read."""
    if declared.personal or declared.free_text or declared.mark.category not in _SEALED_ALONE:
        return []
    return [f"{place} says {declared.mark.category} outside the sealed part"]
