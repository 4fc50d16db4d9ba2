"""What the log says last of each role that somebody holds or held: when it was given, or that it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from compliance.told import instant
from ingest.events.admin import RoleGranted, RoleLapsed, RoleRevoked
from ingest.events.envelope import at_path
from ingest.log import read

GRANTED: Final = RoleGranted.kind
_ENDS: Final = (RoleLapsed.kind, RoleRevoked.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWord:
    """The newest event about a role of somebody."""

    at: datetime
    has_ended: bool


def last_words(session: Session) -> Mapping[tuple[str, str], LastWord]:
    """Return by account and role what the newest event that still speaks says."""
    return {
        (single(at_path(said, "user.target.id")), single(at_path(said, "user.target.roles"))): LastWord(
            at=instant(said), has_ended=at_path(said, "event.action") in _ENDS
        )
        for said in read.documents_of(session, GRANTED, *_ENDS)
    }


def single(value: Any) -> str:  # a field that may hold one value or several
    """Return the only value of a field."""
    return str(value[0] if isinstance(value, list) and value else value)
