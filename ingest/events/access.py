"""What was asked of the system, and what it refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from ingest.events.envelope import Event, EventClass, FieldType, Outcome, ecs, sealed

PURPOSE_OF_VIEW: Final[Mapping[str, str]] = {
    "approval": "Decide what somebody asked for",
    "consents": "Look at what a person agreed to",
    "people": "Look after accounts",
    "person": "Look after an account",
    "privacy_package": "Prepare the copy somebody asked for",
    "privacy_plan": "Prepare the erasure somebody asked for",
    "privacy_request": "Answer what somebody asked of their data",
    "privacy_requests": "Answer what people ask of their data",
}
"""What pages and jobs that show a person's data are for. A view that is not named here asks whoever looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEvent(Event):
    """One request, or several of one kind folded into `count`."""

    event_class: ClassVar[EventClass] = EventClass.SECURITY
    category: ClassVar[tuple[str, ...]] = ("web",)
    types: ClassVar[tuple[str, ...]] = ("access",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE
    method: str | None = ecs("http.request.method", default=None)
    status: int | None = ecs("http.response.status_code", FieldType.LONG, default=None)
    path: str | None = ecs("url.path", default=None)
    route: str | None = ecs("onepay.access.route", default=None)
    permission: str | None = ecs("onepay.access.permission", default=None)
    count: int | None = ecs("onepay.access.count", FieldType.LONG, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDenied(RequestEvent):
    """A request was denied: no sign-in, no permission, or another's object."""

    kind: ClassVar[str] = "access.request.denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBlocked(RequestEvent):
    """A request was turned away before any view: by host, network, shape or schema."""

    kind: ClassVar[str] = "access.request.blocked"
    category: ClassVar[tuple[str, ...]] = ("intrusion_detection",)
    types: ClassVar[tuple[str, ...]] = ("denied",)
    layer: str = ecs("onepay.access.layer")


@dataclass(frozen=True, slots=True, kw_only=True)
class CspViolated(Event):
    """A browser reported a breach of the content policy."""

    kind: ClassVar[str] = "access.csp.violated"
    event_class: ClassVar[EventClass] = EventClass.SECURITY
    category: ClassVar[tuple[str, ...]] = ("web",)
    types: ClassVar[tuple[str, ...]] = ("access",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE
    directive: str | None = ecs("rule.id", default=None)
    path: str | None = ecs("url.path", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRead(Event):
    """Staff looked at records of people; recorded before the answer, with what for: said by them, or by the view."""

    kind: ClassVar[str] = "access.data.read"
    event_class: ClassVar[EventClass] = EventClass.SECURITY
    category: ClassVar[tuple[str, ...]] = ("database",)
    types: ClassVar[tuple[str, ...]] = ("access",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    is_reading: ClassVar[bool] = True
    view: str = ecs("onepay.access.view")
    count: int = ecs("onepay.access.count", FieldType.LONG)

    def read_for(self) -> str | None:
        """Return what the view is for."""
        return PURPOSE_OF_VIEW.get(self.view)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRevealed(Event):
    """Staff saw one masked field of a person in clear; the reason says for which purpose, in words it is sealed."""

    kind: ClassVar[str] = "access.field.revealed"
    event_class: ClassVar[EventClass] = EventClass.SECURITY
    category: ClassVar[tuple[str, ...]] = ("database",)
    types: ClassVar[tuple[str, ...]] = ("access",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    strict: ClassVar[bool] = True
    view: str = ecs("onepay.access.view")
    field: str = ecs("onepay.access.field")
    why: str | None = sealed("why", about="free_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchExecuted(Event):
    """Staff searched for a person: what they typed as its keyed hash, and how many it found."""

    kind: ClassVar[str] = "access.search.executed"
    event_class: ClassVar[EventClass] = EventClass.SECURITY
    category: ClassVar[tuple[str, ...]] = ("database",)
    types: ClassVar[tuple[str, ...]] = ("access",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    view: str = ecs("onepay.access.view")
    query_hash: str = ecs("onepay.access.query_hash", about="account.id")
    hits: int = ecs("onepay.access.hits", FieldType.LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataExported(Event):
    """Data left the system as a file: in which format, how much, and the hash of what it was asked by."""

    kind: ClassVar[str] = "access.data.exported"
    event_class: ClassVar[EventClass] = EventClass.SECURITY
    category: ClassVar[tuple[str, ...]] = ("database",)
    types: ClassVar[tuple[str, ...]] = ("access",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    strict: ClassVar[bool] = True
    view: str = ecs("onepay.access.view")
    format: str = ecs("onepay.access.format")
    rows: int = ecs("onepay.access.rows", FieldType.LONG)
    bytes: int = ecs("onepay.access.bytes", FieldType.LONG)
    query_hash: str = ecs("onepay.access.query_hash")


KINDS: tuple[type[Event], ...] = (
    RequestDenied,
    RequestBlocked,
    CspViolated,
    DataRead,
    FieldRevealed,
    SearchExecuted,
    DataExported,
)
