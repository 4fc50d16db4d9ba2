"""What containment is: an act with a radius that is shown first, an effect once by key, and a way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from sqlalchemy.orm import Session

from app.kernel.context import Context
from app.kernel.errors import Conflict, Invalid


class BadParameter(Invalid):
    """The action cannot be done with this parameter."""

    code = "bad_parameter"


class ContainmentRefused(Conflict):
    """The owner of the thing refuses this action."""

    code = "containment_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Radius:
    """Whom and what an action touches: counts by plain words, and sentences a person reads before the click."""

    counts: Mapping[str, int] = field(default_factory=dict)
    lines: tuple[str, ...] = ()


class Standing(StrEnum):
    """What became of an action, asked by its key."""

    DONE = "done"
    UNDONE = "undone"
    UNKNOWN = "unknown"


class Containment(Protocol):
    """One containment action of an owner of things. `run` is repeated harmlessly under the same key."""

    name: str

    def preview(self, session: Session, params: Mapping[str, str], ctx: Context) -> Radius: ...

    def run(self, session: Session, params: Mapping[str, str], key: str, ctx: Context) -> str:
        """Act and return a reference for `undo`; raises `BadParameter` or `ContainmentRefused` and changes nothing."""
        ...

    def undo(self, session: Session, ref: str, key: str, ctx: Context) -> None: ...

    def check(self, session: Session, key: str) -> Standing: ...
