"""What the engine is made of: catalogue, probes, papers people signed, and the figures that can be set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TypeAlias

from sqlalchemy.orm import Session

from compliance.catalog.controls import Catalogue
from compliance.contracts.probes import Baseline, Probe, Use
from compliance.states import State
from ingest.shipper import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """An attestation in force: the state it gives, and when it ends."""

    state: State
    id: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """An exception for a control, or for one component of it, until an instant."""

    id: str
    component: str | None
    until_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """How often something is done, by a risk analysis that holds until its review is due."""

    id: str
    fresh: timedelta
    review_by: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What people signed: by framework and key, and by requirement id where the company chooses how often.

    Exceptions that ended by their day are among them: they tell since when a control fails again.
    """

    attestations: Mapping[tuple[str, str], Paper] = field(default_factory=dict)
    exceptions: Mapping[tuple[str, str], tuple[Exemption, ...]] = field(default_factory=dict)
    chosen: Mapping[str, Chosen] = field(default_factory=dict)


ReadPapers: TypeAlias = Callable[[Session, datetime], Papers]
ReadShipped: TypeAlias = Callable[[Session], Standing]
ReadBaseline: TypeAlias = Callable[[Session, str], Baseline | None]
ReadUse: TypeAlias = Callable[[Session, Use], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The figures of the engine, the same in every installation but for the day of its assessment.

    `service_provider` and `issuer` say which rows apply to this company, `assessment_anchor` from which day its
    quarters of scans count.
    """

    service_provider: bool = True
    issuer: bool = False
    assessment_anchor: date = date(2026, 1, 1)
    canary_max_age: timedelta = timedelta(hours=24)
    canary_every: timedelta = timedelta(hours=1)
    probe_seconds_max: float = 20.0
    tick_seconds_max: float = 20.0
    window_max: int = 100_000
    sealed_every: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One installation's engine."""

    catalogue: Catalogue
    probes: Mapping[str, Probe]
    profile: str
    build: str
    host: str
    papers: ReadPapers
    shipped: ReadShipped
    baseline: ReadBaseline
    in_use: ReadUse
    settings: Settings = field(default_factory=Settings)
