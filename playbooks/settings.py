"""What can be set about response. Those who compose a system set it; no operator does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookSettings:
    """How much joins one incident, how long approvals and containment last, and what needs a second person."""

    join_max_alerts: int = 500
    auto_containment: bool = True
    approval_lasts: timedelta = timedelta(minutes=30)
    containment_lasts: timedelta = timedelta(hours=24)
    block_addresses_alone_max: int = 50
    block_hours_alone_max: int = 1
    failures_max: int = 5
    action_takes_max: timedelta = timedelta(seconds=10)
    executions_a_run_max: int = 100
