"""Settings of compliance, with what an embedded installation has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from app.kernel.clock import ZONE


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacySettings:
    """Where the law's clock runs, who is responsible, and how long things wait."""

    legal_timezone: ZoneInfo = ZONE
    holiday_country: str = "DE"
    holiday_region: str | None = None
    controller_name: str = "OnePay"
    dpo_contact: str = "dpo@onepay.example"
    authority: str = "the data protection authority of the place where you live or work"
    identity_ask_within: timedelta = timedelta(days=5)
    identity_remind_after: timedelta = timedelta(days=20)
    identity_refuse_after: timedelta = timedelta(days=30)
    cool_down: timedelta = timedelta(hours=72)
    erase_delay: timedelta = timedelta(hours=72)
    package_ttl: timedelta = timedelta(days=7)
    downloads_max: int = 5
    batch: int = 1_000
    step_up: timedelta = timedelta(minutes=5)
    receipt_age: timedelta = timedelta(days=60)
