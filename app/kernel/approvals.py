"""Four eyes: what may be asked of a second person, and the port through which services ask and act upon the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from sqlalchemy.orm import Session

from app.kernel import canonical, crypto
from app.kernel.access import Permission
from app.kernel.context import Context
from app.kernel.errors import Conflict, SamePerson

Payload = Mapping[str, Any]
"""Exactly what will be done: a value with a canonical form (texts, integers, booleans, lists, objects)."""

TTL: Final = timedelta(hours=24)


class ApprovalMissing(Conflict):
    """Another person has to approve this first."""

    code = "approval_missing"


class ApprovalExpired(Conflict):
    """The approval has lapsed; ask again."""

    code = "approval_expired"


class ApprovalChanged(Conflict):
    """What was approved is not what would be done; ask again."""

    code = "approval_changed"


class ApprovalUsed(Conflict):
    """This approval was used already."""

    code = "approval_used"


class ApprovalClosed(Conflict):
    """This is decided already, or was withdrawn."""

    code = "approval_closed"


class State(StrEnum):
    """States of an approval: requested, then approved and executed or failed, or closed without effect."""

    REQUESTED = "requested"
    APPROVED = "approved"
    EXECUTED = "executed"
    FAILED = "failed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Verdict(StrEnum):
    """What a second person says."""

    APPROVED = "approved"
    REJECTED = "rejected"


def _nobody(_payload: Payload) -> frozenset[str]:
    return frozenset()


def _nothing(_session: Session, _id: str, _state: State, _ctx: Context) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalKind:
    """One thing that needs a second person, declared by its owner.

    `run` does it, in the transaction of the deciding vote and as the requester; it calls the ordinary service, which
    takes the approval, and returns what came of it, for people, or nothing. A kind without `run` is repeated by its
    requester with the id. `render` tells from the payload alone what will run. `excluded` are accounts that may not
    decide beside the requester, as whom the payload is about. `closed` hears that an approval ended without effect:
    rejected, withdrawn, expired or failed. `follows` says what a yes sets going where that is not the thing itself,
    and `became` how that stands now, by the approval's id. `grows` says what is done beside what was approved, where
    that may become more before it is done.
    """

    name: str
    title: str
    asks: Permission
    decides: Permission
    render: Callable[[Payload], Sequence[str]]
    run: Callable[[Session, Payload, str, Context], str | None] | None = None
    quorum: int = 1
    ttl: timedelta = TTL
    excluded: Callable[[Payload], frozenset[str]] = _nobody
    closed: Callable[[Session, str, State, Context], None] = _nothing
    follows: str | None = None
    became: Callable[[Session, str], str | None] | None = None
    grows: str | None = None

    @property
    def what_follows(self) -> str:
        """Return what approving does, for whoever is about to."""
        said = self.follows or (
            "Approving does it at once." if self.run is not None else "Approving lets who asked do it, once."
        )
        return said if self.quorum == 1 else f"{self.quorum} people have to approve; the last one's yes counts. {said}"

    @property
    def eligible_min(self) -> int:
        """Return how many people must hold the deciding permission, as the requester may be one of them (APR-3)."""
        return self.quorum + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an approval stands: who asked for what, until when, who said what, and what came of it."""

    id: str
    kind: str
    state: State
    digest: str
    object_id: str | None
    requested_by: str
    reason: str
    asked_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    executed_at: datetime | None
    result: str | None
    votes: tuple[tuple[str, Verdict, datetime], ...]
    """(account, verdict, instant), the first first."""
    subject: str | None = None

    def is_open(self, at: datetime) -> bool:
        """Tell whether somebody may still decide."""
        return self.state is State.REQUESTED and at < self.expires_at


class Approvals(Protocol):
    """Keeps approvals: made by `app.identity.approvals`, handed to services as a port by `compose`."""

    def ask(
        self,
        session: Session,
        kind: str,
        payload: Payload,
        ctx: Context,
        *,
        object_id: str | None = None,
        reason: str = "",
        subject: str | None = None,
    ) -> str:
        """Ask, demanding the kind's asking permission, and return the approval's id.

        The same payload asked again by the same person while it is open is the same approval. `subject` is the person
        under whose key the payload is sealed: it goes with them.
        """
        ...

    def take(self, session: Session, id: str | None, kind: str, payload: Payload, ctx: Context) -> None:
        """Use an approval up for what is about to be done, once, as its requester.

        Raises `ApprovalMissing`, `ApprovalExpired`, `ApprovalChanged`, `ApprovalUsed` or `ApprovalClosed`.
        """
        ...

    def cancel(self, session: Session, id: str, ctx: Context) -> bool:
        """End an approval that waits because what it is about is over; false if it did not wait any more.

        Called by its owner, who has demanded what that needs and is not told through `closed`.
        """
        ...

    def state_of(self, session: Session, id: str) -> Standing:
        """Return how an approval stands, demanding nothing; raises `NotFound`."""
        ...


def digest(kind: str, payload: Payload) -> str:
    """Return the SHA-256 that binds an approval to its kind and exact payload, in hexadecimal digits."""
    return crypto.sha256(canonical.encode({"kind": kind, "payload": dict(payload), "v": 1})).hex()


__all__ = [
    "ApprovalChanged",
    "ApprovalClosed",
    "ApprovalExpired",
    "ApprovalKind",
    "ApprovalMissing",
    "ApprovalUsed",
    "Approvals",
    "Payload",
    "SamePerson",
    "Standing",
    "State",
    "Verdict",
    "digest",
]
