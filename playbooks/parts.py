"""What response needs of the installation: containments of the others, the library, rules of clocks, settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.kernel.containment import Containment
from playbooks.clocks import ClockRules
from playbooks.form import Playbook
from playbooks.settings import PlaybookSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Joined once, by `playbooks.engine.shipped.parts` in `compose`, and given to every service that needs it."""

    containments: Mapping[str, Containment]
    library: Mapping[str, Playbook]
    clock_rules: ClockRules
    settings: PlaybookSettings = field(default_factory=PlaybookSettings)
