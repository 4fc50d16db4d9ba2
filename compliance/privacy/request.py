"""What a request of a person is: the rights, how far one has come, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

FOLLOWING: Final = "remainder"
"""The channel of an erasure that nobody asked for again: it completes an earlier one."""
JOURNAL: Final = "journal"
"""The channel of an erasure that this database forgot, known from the log alone: who recalls it carries it out."""
BY_HAND: Final = ("letter", "call", "e-mail", "in_person")
"""How a request reaches colleagues, who enter it."""
CHANNELS: Final = frozenset(("web", "api", "form", *BY_HAND))
"""How somebody can ask."""


class Kind(StrEnum):
    """The rights of GDPR chapter III that a person can use here."""

    ACCESS = "access"
    PORTABILITY = "portability"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"
    RESTRICTION = "restriction"
    OBJECTION = "objection"
    HUMAN_REVIEW = "human_review"


class State(StrEnum):
    """How far a request has come (4.2)."""

    IDENTITY = "identity"
    SCOPED = "scoped"
    IN_REVIEW = "in_review"
    WAITING = "waiting"
    EXECUTING = "executing"
    READY = "ready"
    DELIVERED = "delivered"
    EXECUTED = "executed"
    VERIFIED = "verified"
    CLOSED = "closed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    STOPPED = "stopped"


ENDED: Final = frozenset((State.CLOSED, State.REFUSED, State.WITHDRAWN, State.STOPPED))
ANSWERED: Final = ENDED | {State.READY, State.DELIVERED, State.EXECUTED, State.VERIFIED}
BEGUN: Final = frozenset((State.EXECUTING, State.EXECUTED, State.VERIFIED))
PACKED: Final = frozenset((Kind.ACCESS, Kind.PORTABILITY))
LINKED: Final = PACKED | {Kind.ERASURE}
"""Kinds of which one answers for all that are open: what stops a use stops it for each request by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks for; `detail` says what is wrong or which decision is meant, `purpose` what to stop."""

    kind: str
    detail: str | None = None
    purpose: str | None = None
    channel: str = "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a request."""

    state: str
    at: datetime
    role: str
    note: str | None
    event_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What was found in one store and category, or what is done there; of an erasure by which law some of it stays."""

    store: str
    category: str
    searched: bool
    found: int
    held: int
    skipped: str | None
    action: str | None
    retention: str | None
    stays_until: str | None
    law: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What a copy does not say: by which rule, why, and how often."""

    rule: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it stands."""

    id: str
    kind: Kind
    subject: str
    channel: str
    received_on: date
    received_at: datetime
    rules: int
    due: date
    internal_due: date
    due_at: datetime
    paused_days: int
    asked_at: datetime | None
    state: State
    is_verified: bool
    is_extended: bool
    is_incomplete: bool
    linked_to: str | None
    purpose: str | None
    detail: str | None
    outcome: str | None
    handled_by: str | None
    approved_by: str | None
    approval_id: str | None
    not_before: datetime | None
    answered_at: datetime | None
    closed_at: datetime | None

    def is_overdue(self, at: datetime) -> bool:
        """Tell whether the last day has ended without an answer."""
        return at >= self.due_at and self.answered_at is None

    @property
    def is_open(self) -> bool:
        return self.state not in ENDED

    @property
    def may_be_called_off(self) -> bool:
        """Tell whether its person can still end it: what has begun to be carried out is carried through."""
        return self.is_open and self.state not in BEGUN


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFilter:
    """Which requests a list shows."""

    kind: Kind | None = None
    state: State | None = None
    is_open: bool | None = None
    is_answered: bool | None = None
    is_overdue: bool | None = None
    subject: str | None = None

    def fits(self, one: Request, at: datetime) -> bool:
        """Tell whether a request stands as is wanted."""
        return (
            self.state in (None, one.state)
            and self.is_open in (None, one.is_open)
            and self.is_answered in (None, one.answered_at is not None)
            and (not self.is_overdue or one.is_overdue(at))
        )


class Fate(StrEnum):
    """What became of a letter."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    EXPIRED = "expired"
    """Nobody could be given it for as long as it was kept."""
    LOST = "lost"
    """It was set aside: it could not be read, or its handing over never ended."""
    UNREACHABLE = "unreachable"
    """There was no address to write to."""
    UNKNOWN = "unknown"
    """The message that took it is gone, as with an erased person, or was not noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A letter about a request: what it is called, when it was written, and what became of it.

    Nobody writes down when something became of it, so nothing is said of a letter as it stood in the past.
    """

    title: str
    at: datetime
    fate: Fate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A request with its steps and what was found: the history of its clock is among the steps."""

    request: Request
    steps: Sequence[Step]
    items: Sequence[Item]
    left_out: Sequence[LeftOut] = ()
    letters: Sequence[Written] = ()
    """What was written to the person, oldest first."""
