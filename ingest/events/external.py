"""What logs of other systems tell; they cannot pose as our own, yet rules on ECS fields see both alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ingest.events.envelope import Event, EventClass, FieldType, Outcome, ecs, sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalEvent(Event):
    """One line of another system's log. `provider` is the program that wrote it; `message` is masked by the reader."""

    event_class: ClassVar[EventClass] = EventClass.EXTERNAL
    origin_of_kind: ClassVar[str] = "import"
    provider: str = ecs("event.provider")
    identifier: str | None = ecs("user.hash", about="account.id", default=None)
    message: str | None = ecs("message", about="free_text", default=None, free_text=True)
    method: str | None = ecs("onepay.external.method", default=None)
    process: str | None = ecs("process.name", default=None)
    pid: int | None = ecs("process.pid", FieldType.LONG, default=None)
    host: str | None = ecs("host.name", default=None)
    user_name: str | None = sealed("user_name", about="name")
    line: str | None = sealed("line", about="free_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSucceeded(ExternalEvent):
    """Somebody signed in there."""

    kind: ClassVar[str] = "external.login.succeeded"
    category: ClassVar[tuple[str, ...]] = ("authentication",)
    types: ClassVar[tuple[str, ...]] = ("start",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFailed(ExternalEvent):
    """Somebody was refused there."""

    kind: ClassVar[str] = "external.login.failed"
    category: ClassVar[tuple[str, ...]] = ("authentication",)
    types: ClassVar[tuple[str, ...]] = ("start",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(ExternalEvent):
    """A session began there."""

    kind: ClassVar[str] = "external.session.opened"
    category: ClassVar[tuple[str, ...]] = ("session",)
    types: ClassVar[tuple[str, ...]] = ("start",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClosed(ExternalEvent):
    """A session ended there."""

    kind: ClassVar[str] = "external.session.closed"
    category: ClassVar[tuple[str, ...]] = ("session",)
    types: ClassVar[tuple[str, ...]] = ("end",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecorded(ExternalEvent):
    """Anything else worth keeping; category and type are as its reader knows them."""

    kind: ClassVar[str] = "external.event.recorded"
    given_category: tuple[str, ...] = ecs("event.category", FieldType.KEYWORDS, default=())
    given_type: tuple[str, ...] = ecs("event.type", FieldType.KEYWORDS, default=())


KINDS: tuple[type[Event], ...] = (LoginSucceeded, LoginFailed, SessionOpened, SessionClosed, EventRecorded)
