"""The dry run: what of a class is due, where, how much, since when, what is held, and one root over all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from app.kernel.clock import rfc3339
from compliance.contracts.personal import PersonalDataSource, Target
from compliance.retention import held_events, keeping, placing
from compliance.retention import holds as legal
from compliance.retention.holds import Hold
from compliance.retention.parts import Retention
from compliance.retention.policies import Policy
from ingest.log import entries, merkle, units
from ingest.log.units import Unit
from ingest.store.placing import CLASSES

LOG: Final = "log"
SAMPLES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Up to a thousand leaves of one store, as they are kept with the run; a unit of the log is a batch of its own."""

    source: str
    store: str
    leaves: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is due in one place, for people: `held` of it stays for a case."""

    store: str
    count: int
    held: int
    bytes: int | None
    oldest: datetime | None
    newest: datetime | None
    samples: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return it as it stands in the run."""
        return {
            "store": self.store,
            "count": self.count,
            "held": self.held,
            "bytes": self.bytes,
            "oldest": rfc3339(self.oldest) if self.oldest else None,
            "newest": rfc3339(self.newest) if self.newest else None,
            "samples": list(self.samples),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is due of one class by one policy; `conflicts` name the cases that keep some of it."""

    policy: Policy
    before: datetime
    places: tuple[Place, ...]
    batches: tuple[Batch, ...]
    conflicts: tuple[str, ...]
    root: str

    @property
    def total(self) -> int:
        """How many rows and events would go, without those that are held."""
        return sum(place.count - place.held for place in self.places)


def make(session: Session, policy: Policy, at: datetime, *, parts: Retention) -> Plan:
    """Return what is due of a class at an instant, changing nothing.

    Raises `HoldNotAsPlaced`, and what the store raises when it is away.
    """
    before = policy.before(at)
    holds = legal.as_placed(session)
    if policy.class_ in CLASSES:
        places, batches, conflicts = _units(session, policy, before, holds, parts)
    else:
        places, batches, conflicts = [], [], set()
    rows, more, kept = _rows(session, policy, before, holds, parts)
    places += rows
    batches += more
    conflicts |= kept
    return Plan(
        policy=policy,
        before=before,
        places=tuple(places),
        batches=tuple(batches),
        conflicts=tuple(sorted(conflicts)),
        root=root_of(leaf for batch in batches for leaf in batch.leaves),
    )


def root_of(leaves: Iterable[str]) -> str:
    """Return the Merkle root over sorted leaves, by the tree functions of the log."""
    edge, _ = merkle.append(merkle.Edge(0, ()), [entries.leaf_hash(leaf.encode()) for leaf in sorted(leaves)])
    return merkle.root(edge).hex()


def unit_leaf(unit: Unit) -> str:
    """Return the line that stands for a unit of the log."""
    return f"{LOG}|{unit.class_}|{unit.month}|{unit.first}-{unit.last}|drop"


def _units(
    session: Session, policy: Policy, before: datetime, holds: Sequence[Hold], parts: Retention
) -> tuple[list[Place], list[Batch], set[str]]:
    places, batches, conflicts = [], [], set()
    told = placing.told(session)
    for unit in units.every(session, (policy.class_,), until=before):
        cases = told.told_in(unit)
        held = held_events.stored(session, holds, parts.log.store, unit.class_, unit.first - 1, unit.last)
        kept = unit.count if cases else len({sequence for some in held.values() for sequence in some})
        conflicts |= {*held, *cases}
        described = units.describe(session, unit.class_, unit.month)
        places.append(
            Place(
                store=f"{LOG} {unit.class_} {unit.month}",
                count=unit.count,
                held=kept,
                bytes=described.bytes,
                oldest=unit.oldest,
                newest=unit.newest,
                samples=tuple(f"#{sequence}" for sequence in described.samples),
            )
        )
        if cases:
            continue  # a hold that stands is told of in it, and would lie here by its row alone
        where = f"{unit.class_}|{unit.month}"
        batches.append(Batch(source=LOG, store=where, leaves=(unit_leaf(unit),), count=unit.count))
    return places, batches, conflicts


def _rows(
    session: Session, policy: Policy, before: datetime, holds: Sequence[Hold], parts: Retention
) -> tuple[list[Place], list[Batch], set[str]]:
    places, batches = [], []
    conflicts: set[str] = set()
    keeps = keeping.of(session, holds, parts.sources)
    for source, store, targets in due_by_store(session, policy.class_, before, parts):
        kept = keeping.by_case(session, source, targets, keeps)
        held = frozenset[str]().union(*kept.values())
        conflicts |= kept.keys()
        free = [target.id for target in targets if target.leaf not in held]
        ended = [target.ended_at for target in targets if target.ended_at is not None]
        places.append(
            Place(
                store=store,
                count=len(targets),
                held=len(held),
                bytes=None,  # of rows nobody can say what they take
                oldest=min(ended, default=None),
                newest=max(ended, default=None),
                samples=tuple(free[:SAMPLES]),
            )
        )
        leaves = [target.leaf for target in targets]
        for first in range(0, len(leaves), parts.settings.batch):
            some = tuple(leaves[first : first + parts.settings.batch])
            batches.append(Batch(source=source.name, store=store, leaves=some, count=len(some)))
    return places, batches, conflicts


def due_by_store(
    session: Session, class_: str, before: datetime, parts: Retention
) -> Iterator[tuple[PersonalDataSource, str, list[Target]]]:
    """Yield what owners say is due, by store, at most as much as one run takes."""
    left = parts.settings.rows_max
    for source in parts.sources:
        if left <= 0:
            return
        by_store: dict[str, list[Target]] = {}
        for target in source.due(session, class_, before, left):
            by_store.setdefault(target.store, []).append(target)
        for store, targets in sorted(by_store.items()):
            yield source, store, targets
            left -= len(targets)
