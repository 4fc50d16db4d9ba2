"""Whose data lies where: the port each owner of personal data implements, mostly through its marks (`tables`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.errors import Invalid

SUBJECT: Final = "subject"
"""The kind of the one seed a walk begins with: the account that a request is about."""
IDS: Final = (SUBJECT, "account.id", "device.id")
"""The kinds of seeds that are ids of ours: unguessable, and so a match by them is no accident."""


class FieldUnknown(Invalid):
    """There is no such field that could be corrected."""

    code = "field_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreInfo:
    """A store and what the marks say of one category in it; `kind` is `table`, `log`, `events`, `files` or `keys`."""

    name: str
    kind: str
    category: str
    retention: str
    on_erase: str
    origin: str
    export: str
    purposes: tuple[str, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class Seed:
    """Something by which a person is found: an id, an address, a name they chose."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What was left out of a record, by which rule and how often."""

    rule: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one row or document says of a person in one category; `around` is what the row says beside it."""

    store: str
    id: str
    category: str
    origin: str
    purposes: tuple[str, ...]
    retention: str
    data: Mapping[str, Any]
    around: Mapping[str, Any] = field(default_factory=dict)
    counterparty: bool = False
    redactions: tuple[Redaction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What erasure or retention does to one row: `delete`, `null` or `shred` its fields, or keep it and by which class.

    `key_class` names the key whose destruction shreds, `forced_by` what forces the row to stay, `ended_at` when the
    time of a row that is due began to run, `entries` how many entries it stands for: events of a class are one target.
    """

    store: str
    id: str
    subject: str
    category: str
    action: str
    retention: str
    fields: tuple[str, ...] = ()
    key_class: str | None = None
    forced_by: str | None = None
    ended_at: datetime | None = field(default=None, compare=False)
    entries: int = field(default=1, compare=False)

    @property
    def leaf(self) -> str:
        """Return the line that stands for it under the root of a plan."""
        return f"{self.store}|{self.id}|{self.category}|{self.action}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A value that was corrected, without the value: keyed hashes of before and after."""

    store: str
    id: str
    field: str
    before_hash: str
    after_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """What is not settled with a person, such as money we owe them, and which categories of data that needs."""

    name: str
    says: str
    keeps: frozenset[str]


class PersonalDataSource(Protocol):
    """What compliance asks of an owner of data. Nothing in it commits, and all of it may be asked twice."""

    @property
    def name(self) -> str: ...

    def stores(self) -> Sequence[StoreInfo]:
        """Return what the marks say: one line a store and category."""
        ...

    def seeds(self, session: Session, seeds: Set[Seed]) -> Set[Seed]:
        """Return what else this owner knows of the person whom the seeds lead to."""
        ...

    def collect(self, session: Session, seeds: Set[Seed]) -> Iterator[Record]:
        """Yield all that lies here about the person, without what is about somebody else."""
        ...

    def due(self, session: Session, class_: str, before: datetime, limit: int) -> Iterator[Target]:
        """Yield what of a retention class ended before an instant, at most so many."""
        ...

    def still_due(self, session: Session, class_: str, before: datetime, targets: Sequence[Target]) -> Iterator[Target]:
        """Yield those of some targets that ended before an instant as things stand, each with its person."""
        ...

    def plan(self, session: Session, seeds: Set[Seed]) -> Iterator[Target]:
        """Yield what erasure does to each row about the person, those that stay too."""
        ...

    def erase(
        self, session: Session, targets: Sequence[Target], ctx: Context, *, only_of: str | None = None
    ) -> Counter[str]:
        """Carry out one batch in the caller's transaction; twice is once. Returns how many rows by action.

        What is done for a person, `only_of`, touches no row that does not lead to them; what ended goes whosever it is.
        """
        ...

    def remaining(self, session: Session, targets: Sequence[Target]) -> int:
        """Count the targets that can still be read, by looking."""
        ...

    def named(self, session: Session, targets: Sequence[Target], ids: Collection[str]) -> frozenset[str]:
        """Return the leaves of those targets that name one of some ids, whosever row it is."""
        ...

    def rectify(self, session: Session, store: str, id: str, field: str, value: str, ctx: Context) -> Change:
        """Correct one value; raises `FieldUnknown`."""
        ...

    def plant(self, session: Session, subject: str, marker: str, ctx: Context) -> int:
        """Write rows about a synthetic person with a marker in every text, and return how many markers."""
        ...


def ids_of(seeds: Collection[Seed]) -> list[str]:
    """Return the ids of ours among seeds, sorted."""
    return sorted({seed.value for seed in seeds if seed.kind in IDS})


def subject_of(seeds: Collection[Seed]) -> str:
    """Return whom the seeds are about."""
    return next(seed.value for seed in seeds if seed.kind == SUBJECT)
