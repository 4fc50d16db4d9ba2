"""What retention works with: the owners of rows, the places bodies lie in, and its figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from app.kernel.approvals import Approvals
from compliance.contracts.personal import PersonalDataSource
from ingest.log import forgetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Rows a batch, rows a run, and how long a plan may wait; a run above the limit of a class asks people."""

    batch: int = 1_000
    rows_max: int = 50_000
    plan_valid: timedelta = timedelta(hours=72)
    standing_rows: int = 10_000
    jump: int = 2
    median_days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Made once by `compose`."""

    sources: tuple[PersonalDataSource, ...]
    log: forgetting.Parts
    approvals: Approvals
    settings: Settings = field(default_factory=Settings)
