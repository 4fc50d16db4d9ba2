"""Every number of the security policy; a value that has bounds (`BOUNDS`) may be set between them, never beyond."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final

from app.kernel.errors import ConfigurationRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityPolicy:
    """Lengths in code points, times in seconds, counts as counts."""

    password_min: int = 12
    password_min_alone: int = 15
    password_max: int = 128
    hash_slots: int = 8
    hash_wait_seconds: int = 2
    link_seconds: int = 30 * 60
    invitation_seconds: int = 24 * 3600
    login_seconds: int = 10 * 60
    lock_after_customer: int = 5
    lock_after_staff: int = 10
    lock_seconds: int = 30 * 60
    delay_seconds_max: int = 60
    address_failures_max: int = 20
    network_failures_max: int = 100
    address_window_seconds: int = 10 * 60
    address_closed_seconds: int = 15 * 60
    code_failures_5min: int = 5
    code_failures_hour: int = 20
    code_failures_day: int = 50
    letters_max: int = 3
    letters_asked_minute: int = 10
    idle_customer_seconds: int = 5 * 60
    idle_staff_seconds: int = 15 * 60
    idle_administrator_seconds: int = 10 * 60
    absolute_customer_seconds: int = 12 * 3600
    absolute_staff_seconds: int = 8 * 3600
    absolute_administrator_seconds: int = 4 * 3600
    sessions_customer: int = 5
    sessions_staff: int = 2
    sessions_administrator: int = 1
    step_up_seconds: int = 5 * 60
    approval_proof_seconds: int = 60
    device_known_days: int = 90
    attempts_kept_days: int = 1
    links_kept_days: int = 1
    logins_kept_days: int = 1

    def __post_init__(self) -> None:
        default = {field.name: field.default for field in fields(self)}
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigurationRefused(
                    f"{name} is {value}; the policy allows {low} to {high} (default {default[name]})."
                )

    @property
    def step_up(self) -> timedelta:
        """Return how long a proof of a factor stays fresh."""
        return timedelta(seconds=self.step_up_seconds)

    @property
    def approval_proof(self) -> timedelta:
        """Return how fresh the proof of a factor must be for a second pair of eyes (APR-1)."""
        return timedelta(seconds=self.approval_proof_seconds)


def in_words(seconds: int) -> str:
    """Return a length of time in the largest unit that says it exactly, as letters and pages say it."""
    units = {"hour": 3600, "minute": 60, "second": 1}
    unit = next(unit for unit, length in units.items() if seconds % length == 0)
    count = seconds // units[unit]
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


# PCI DSS 8.2.8, 8.3.4, 8.3.6 and PSD2 RTS Art. 4(3) set the loose ends of these ranges.
BOUNDS: Final = {
    "password_min": (12, 64),
    "password_min_alone": (15, 64),
    "lock_after_customer": (3, 5),
    "lock_after_staff": (3, 10),
    "lock_seconds": (1800, 86_400),
    "idle_customer_seconds": (60, 900),
    "idle_staff_seconds": (60, 900),
    "idle_administrator_seconds": (60, 900),
    "absolute_customer_seconds": (600, 12 * 3600),
    "absolute_staff_seconds": (600, 8 * 3600),
    "link_seconds": (300, 3600),
    "letters_max": (1, 5),
    "letters_asked_minute": (1, 10),
    "step_up_seconds": (60, 300),
    "approval_proof_seconds": (30, 60),
    # Shorter would forget what still counts: a day of wrong codes.
    "attempts_kept_days": (1, 30),
    "links_kept_days": (0, 30),
    "logins_kept_days": (0, 30),
}
