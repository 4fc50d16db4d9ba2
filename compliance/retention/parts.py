"""What retention works with: the owners of rows, the places bodies lie in, and its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

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
    subject_exists: Callable[[Session, str], bool]
    """Port to accounts: whether there is one of this id, of whomever."""
    roles: Callable[[Session, str, datetime], frozenset[str]]
    """Port to accounts: the roles that a colleague held at an instant."""
    settings: Settings = field(default_factory=Settings)
