"""What can be set about detection. Those who compose a system set it; no operator does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """Events a run reads, seconds it may take, and how late a rule may be.

    Groups are asked for together until their history has `group_history_max` events; one group alone is read whole.
    """

    run_events_max: int = 10_000
    run_seconds_max: float = 20.0
    groups_per_query_max: int = 200
    group_history_max: int = 20_000
    coverage_patience: timedelta = timedelta(seconds=60)
    retry_first: timedelta = timedelta(seconds=5)
    retry_max: timedelta = timedelta(minutes=5)
    lag_seconds_max: int = 120
