"""Probes: questions to the running system that have a population, name violations, and must catch a planted one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.errors import Unavailable
from ingest.store.port import EventStore

VIOLATIONS_KEPT: Final = 25


class ProbeOverran(Unavailable):
    """A probe took longer than its deadline."""

    code = "probe_timeout"


class NothingToPlantIn(Unavailable):
    """There is nothing yet that a violation could be planted in: whether it would be seen is not known."""

    code = "probe_nothing_to_plant_in"


class Kind(StrEnum):
    """Over what a probe looks: a window of the log, rows as they are, or a forbidden act within a fence."""

    WINDOW = "window"
    STATE = "state"
    LIVE = "live"


class WhenEmpty(StrEnum):
    """What a population of nobody means: nothing is known, or a whole register was counted and is empty."""

    NOT_EVALUABLE = "NOT_EVALUABLE"
    NOT_APPLICABLE = "NOT_APPLICABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The sequences (lo, hi] that a window probe reads."""

    lo: int
    hi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """An approved document: what the system is compared with."""

    name: str
    version: int
    sha256: str
    body: Any  # JSON


class Deadline:
    """When a reading must be over, by the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def check(self) -> None:
        """Raise `ProbeOverran` once the time is over; loops of a probe ask at every turn."""
        if time.monotonic() > self._until:
            raise ProbeOverran


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All that a probe may use. `ctx` is there to plant with; the session is never committed.

    `is_fence` tells that this is the look at what `plant` planted; `fence` is where it may leave what is no row.
    """

    session: Session
    store: EventStore
    window: Window
    ctx: Context
    profile: str
    deadline: Deadline
    baselines: Callable[[Session, str], Baseline | None]
    is_fence: bool = False
    fence: dict[str, Any] = field(default_factory=dict)

    @property
    def at(self) -> datetime:
        """The only clock there is."""
        return self.ctx.at

    def baseline(self, name: str) -> Baseline | None:
        """Return the baseline in force, by the session of this look."""
        return self.baselines(self.session, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One object that does not hold: by a pseudonymous id, in plain words."""

    component: str
    object_id: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a probe saw: how many could have violated, by component, and which did.

    `unknown` is the reason for which nothing can be said, such as a missing baseline; `asked` are query and parameters.
    """

    population: Mapping[str, int]
    violations: Sequence[Violation] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)
    unknown: str | None = None

    @property
    def counted(self) -> int:
        """The whole population."""
        return sum(self.population.values())


class Use(StrEnum):
    """Who must have an account before what a probe asks about is in use at all."""

    ANYBODY = "anybody"
    CUSTOMERS = "customers"


Planted: TypeAlias = str | frozenset[str]
"""The id of the object that was planted, or those of several: each of them has to be named."""


def planted_ids(planted: Planted) -> frozenset[str]:
    """Return the ids of all that was planted."""
    return frozenset((planted,)) if isinstance(planted, str) else planted


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One question. `asks` says in one sentence what is counted and what counts as a violation.

    `read` is asked of the real system, and in a fence of what `plant` put there: violations, whose objects' ids `plant`
    returns and of which `read` must name each. A probe that judges by several parts plants one for each of them, or the
    other parts could go silent unseen.
    """

    name: str
    kind: Kind
    asks: str
    read: Callable[[Look], Reading]
    plant: Callable[[Look], Planted]
    empty_means: WhenEmpty = WhenEmpty.NOT_EVALUABLE
    use: Use = Use.ANYBODY
