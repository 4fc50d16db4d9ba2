"""What the services of signed papers work with, and what they share: states, ends, one way to the second person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from app.kernel.approvals import Approvals
from app.kernel.context import Context
from app.kernel.crypto import Secret
from app.kernel.errors import Conflict, Invalid, NotFound
from compliance.catalog.controls import Catalogue, Control
from compliance.catalog.periods import parse

PROPOSED, IN_FORCE, EXPIRED, SUPERSEDED = "proposed", "in_force", "expired", "superseded"
WITHDRAWN, REJECTED, ENDED = "withdrawn", "rejected", "ended"
YEAR: Final = parse("P12M")
TEXT_MAX: Final = 2_000
MIB: Final = 1024 * 1024


class PaperInvalid(Invalid):
    """This paper lacks something, or says more than it may."""

    code = "paper_invalid"


class PaperTooLong(Invalid):
    """A paper is signed for at most twelve months."""

    code = "paper_too_long"


class PaperOpen(Conflict):
    """Another version of it waits for a second person."""

    code = "paper_open"


class PaperMoved(Conflict):
    """It is not in force any more, or another version came first."""

    code = "paper_moved"


Remind = Callable[[Session, str, str, str, Context], None]
"""Port to those who can be reached: writes a title and a text to an owner, or to whoever may sign in their place."""

Lack = Callable[[Session, str, datetime], str | None]
"""Says why a register of ours speaks against an attestation of a row of PCI DSS, or nothing."""
Live = Callable[[Session], Any]
"""Reads a document as it runs now: what a baseline of its name approves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cabinet:
    """Where files lie sealed, and under which key."""

    folder: Path
    key: Secret
    catalogue: Catalogue
    bytes_max: int = 25 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Made once by `compose`."""

    catalogue: Catalogue
    approvals: Approvals
    live: Mapping[str, Live]
    remind: Remind
    cabinet: Cabinet
    lack: Lack


def control_of(catalogue: Catalogue, framework: str, key: str) -> Control:
    """Return a control; raises `NotFound`."""
    found = catalogue.controls.get((framework, key))
    if found is None:
        raise NotFound(object_id=f"{framework} {key}")
    return found


def demand_end(end: datetime, at: datetime, limit: datetime, words: str, *, param: str) -> None:
    """Raise `PaperInvalid` for an end that is no future one, and `PaperTooLong` for one beyond the limit."""
    if end <= at:
        raise PaperInvalid("It ends in the future.", param=param)
    if end > limit:
        raise PaperTooLong(f"It is signed for at most {words}: until {limit:%Y-%m-%d}.", param=param)
