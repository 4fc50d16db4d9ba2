"""What the log says of requests, whatever their rows say: read in its order, so that the last word counts.

Its events are found by the id that stands in them and not by rows, which somebody could lead elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from sqlalchemy.orm import Session

from app.kernel.clock import parse_rfc3339
from compliance.privacy.request import Request
from compliance.told import instant
from ingest.events.envelope import at_path
from ingest.events.privacy import (
    RequestApproved,
    RequestBegun,
    RequestCompleted,
    RequestIdentified,
    RequestReceived,
    RequestRefused,
    RequestReturned,
    RequestStopped,
    SubjectErased,
)
from ingest.log import read

Documents: TypeAlias = Sequence[Mapping[str, Any]]
KINDS: Final = (
    RequestReceived.kind,
    RequestIdentified.kind,
    RequestApproved.kind,
    RequestBegun.kind,
    RequestReturned.kind,
    RequestRefused.kind,
    RequestStopped.kind,
    RequestCompleted.kind,
    SubjectErased.kind,
)
"""What says how a request stands."""
_REQUEST: Final = "onepay.request.id"
_ROOT: Final = "onepay.request.plan_root"
_SHA256: Final = "onepay.privacy.sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """The approval that counts: by which it was decided, from when on it may be carried out, and what was approved.

    `sha256` is the hash of what was read; that of an approval older than this field is None.
    """

    id: str | None
    begins_at: datetime
    root: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """By which plan an erasure is carried out, the hash of each row it names, and what goes beyond the approval."""

    root: str
    sha256: str
    beyond: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What the log says of a request of one person; what it says of another one's vouches for nothing.

    `called_off` is the kind of the event that ended it unanswered, whomever that names.
    """

    is_received: bool = False
    is_identified: bool = False
    approved: Approved | None = None
    begun: Begun | None = None
    called_off: str | None = None
    erased_at: datetime | None = None
    is_completed: bool = False
    is_carried_on: bool = False
    """Whether something was done for it after it was called off."""

    @property
    def stands(self) -> bool:
        """Tell whether its person asked, was shown to be who they are, and neither they nor we ended it."""
        return self.is_received and self.is_identified and self.called_off is None


def of(session: Session, found: Request) -> Logged:
    """Return what the log says of a request."""
    return fold(_about(session, found.id).get(found.id, ()), found.subject)


def by_request(session: Session) -> Mapping[str, Documents]:
    """Return what the log says of all requests, oldest first, by their ids."""
    return _about(session, None)


def fold(documents: Iterable[Mapping[str, Any]], subject: str) -> Logged:
    """Return what events of one request say together, given in the order of the log."""
    is_received = is_identified = is_completed = is_carried_on = False
    approved: Approved | None = None
    begun: Begun | None = None
    called_off: str | None = None
    erased_at: datetime | None = None
    for said in documents:
        kind, is_theirs = at_path(said, "event.action"), at_path(said, "onepay.subject.id") == [subject]
        if kind in (RequestStopped.kind, RequestRefused.kind):
            called_off = str(kind)
        elif kind == RequestReturned.kind:
            approved = None
        elif not is_theirs:
            continue
        elif kind == RequestReceived.kind:
            is_received = True
        elif kind == RequestIdentified.kind:
            is_identified = True
        elif kind == RequestApproved.kind:
            approved = _approved(said)
        elif kind == RequestBegun.kind:
            begun = _begun(said)
        elif kind == SubjectErased.kind:
            erased_at, is_carried_on = erased_at or instant(said), is_carried_on or called_off is not None
        elif kind == RequestCompleted.kind:
            is_completed, is_carried_on = True, is_carried_on or called_off is not None
    return Logged(
        is_received=is_received,
        is_identified=is_identified,
        approved=approved,
        begun=begun,
        called_off=called_off,
        erased_at=erased_at,
        is_completed=is_completed,
        is_carried_on=is_carried_on,
    )


def _about(session: Session, request_id: str | None) -> Mapping[str, Documents]:
    found = defaultdict[str, list[Mapping[str, Any]]](list)
    for said in read.documents_of(session, *KINDS, containing=request_id):
        found[str(at_path(said, _REQUEST))].append(said)
    return found


def _approved(said: Mapping[str, Any]) -> Approved:
    begins = at_path(said, "onepay.request.begins_at")
    # Of an approval that is older than this field the row alone knows how long its person was told that it waits.
    begins_at = parse_rfc3339(str(begins)) if begins else instant(said)
    return Approved(
        id=at_path(said, "onepay.approval.id"),
        begins_at=begins_at,
        root=at_path(said, _ROOT),
        sha256=at_path(said, _SHA256),
    )


def _begun(said: Mapping[str, Any]) -> Begun:
    beyond = tuple(at_path(said, "onepay.request.beyond") or ())
    return Begun(root=str(at_path(said, _ROOT)), sha256=str(at_path(said, _SHA256)), beyond=beyond)
