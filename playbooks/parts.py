"""What response needs of the installation: what the others do and know, the library, clocks, settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from app.kernel.containment import Containment
from app.kernel.context import Context
from playbooks.clocks import ClockRules
from playbooks.form import Playbook
from playbooks.settings import PlaybookSettings

Contradiction = Callable[[Session, str, datetime, datetime], str | None]
"""Port of others: what they find at an account from one instant to another that still stands, in words, or None."""

BreachRegister = Callable[[Session, str, str, Context], str]
"""Port of others: start the clock of a breach for an incident and its title, once; returns its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Joined once, by `playbooks.engine.shipped.parts` in `compose`, and given to every service that needs it."""

    containments: Mapping[str, Containment]
    library: Mapping[str, Playbook]
    clock_rules: ClockRules
    contradictions: Mapping[str, Contradiction] = field(default_factory=dict)
    settings: PlaybookSettings = field(default_factory=PlaybookSettings)
    open_breach: BreachRegister | None = None
