"""What the registers need of an installation."""

from __future__ import annotations

from dataclasses import dataclass

from app.kernel.approvals import Approvals
from compliance.contracts.personal import PersonalDataSource
from compliance.settings import PrivacySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Registers:
    """Made once by `compose`."""

    sources: tuple[PersonalDataSource, ...]
    approvals: Approvals
    settings: PrivacySettings
