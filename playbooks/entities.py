"""Typed entities: what an event field names, said so that different rules on one thing meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

KIND_BY_PATH: Final[Mapping[str, str]] = {
    "source.ip": "address",
    "client.ip": "address",
    "onepay.network.client": "address",
    "user.id": "account",
    "user.target.id": "account",
    "user.hash": "identifier",
    "device.id": "device",
    "onepay.session.id": "session",
    "host.name": "host",
}
ENTITIES_MAX: Final = 500


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """One thing an incident is about."""

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


def entity_of(path: str, value: str) -> Entity:
    """Return the entity that a field's value names; a field without a kind of its own keeps its path."""
    return Entity(KIND_BY_PATH.get(path, path), value)


def entities_of(values_by_path: Mapping[str, Sequence[str]]) -> list[Entity]:
    """Return every entity once, bounded, in order of first mention."""
    found = dict.fromkeys(entity_of(path, value) for path, values in values_by_path.items() for value in values)
    return list(found)[:ENTITIES_MAX]


def key_of(kind: str, synthetic: str | None, keys: Iterable[Entity]) -> str:
    """Return the key under which findings meet: kind of incident, synthetic run, and the entities in order."""
    return "|".join((kind, synthetic or "", *(str(entity) for entity in sorted(keys))))
