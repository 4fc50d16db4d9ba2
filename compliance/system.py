"""What compliance needs of an installation and offers to its edges. Made once by `compose`."""

from __future__ import annotations

from dataclasses import dataclass

from compliance.contracts.gate import ProcessingGate
from compliance.contracts.personal import PersonalDataSource
from compliance.privacy.parts import Privacy


@dataclass(frozen=True, slots=True, kw_only=True)
class Compliance:
    """The owners of personal data, as compliance asks them, and what the services of privacy work with."""

    sources: tuple[PersonalDataSource, ...]
    privacy: Privacy
    gate: ProcessingGate
    """Asked by whoever uses data for a purpose that a person can stop."""
