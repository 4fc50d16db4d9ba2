"""A rule as data: event rules, correlations over them, and what OnePay adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeAlias

from ingest.store.query import Where


class Level(StrEnum):
    """How bad a finding is, mildest first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


class CorrelationType(StrEnum):
    """How a correlation judges the events of a window."""

    EVENT_COUNT = "event_count"
    VALUE_COUNT = "value_count"
    TEMPORAL_ORDERED = "temporal_ordered"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRule:
    """One document that picks events."""

    name: str
    title: str
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """One document that judges windows of what others picked. `at_least` counts events or distinct values of `field`.

    `gt` conditions are kept as the next whole number. `aliases` maps a group field to the field it has in each child.
    """

    name: str
    title: str
    type: CorrelationType
    children: tuple[str, ...]
    group_by: tuple[str, ...]
    timespan: timedelta
    at_least: int
    aliases: Mapping[str, Mapping[str, str]]
    field: str | None = None


Document: TypeAlias = EventRule | Correlation


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentKey:
    """How findings of this rule become incidents: kind, the fields that key them, how long a quiet one is joined."""

    kind: str
    fields: tuple[str, ...]
    join_within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTest:
    """Events by offsets, and how many episodes they must give."""

    name: str
    fires: int
    events: tuple[dict[str, Any], ...]
    is_canary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule file: its documents by name, the outermost last, and the OnePay block."""

    slug: str
    id: str
    title: str
    description: str
    level: Level
    tags: tuple[str, ...]
    documents: tuple[Document, ...]
    owner: str
    playbook: str
    reason: str
    incident: IncidentKey
    risk: tuple[str, ...]
    tests: tuple[RuleTest, ...]
    content_hash: str
    source: str

    @property
    def outermost(self) -> Document:
        return self.documents[-1]

    def document(self, name: str) -> Document:
        """Return a document of this file by its name."""
        return next(document for document in self.documents if document.name == name)

    @property
    def techniques(self) -> tuple[str, ...]:
        """Return the ATT&CK techniques the tags name, such as T1110.003."""
        return tuple(tag.removeprefix("attack.").upper() for tag in self.tags if tag.startswith("attack.t"))
