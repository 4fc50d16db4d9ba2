"""What the registers need of an installation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.kernel.approvals import Approvals
from compliance.contracts.personal import PersonalDataSource
from compliance.settings import PrivacySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Registers:
    """Made once by `compose`."""

    sources: tuple[PersonalDataSource, ...]
    approvals: Approvals
    incident_exists: Callable[[Session, str], bool]
    """Port to response: whether there is an incident of this id."""
    settings: PrivacySettings
