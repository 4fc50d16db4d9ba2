"""The form of every event: frozen dataclasses whose fields name their ECS path, rendered to one canonical body."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, Final

from app.kernel import classify
from app.kernel.access import ActorKind
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.errors import OnePayError
from app.kernel.marks import Mark, technical
from app.kernel.networks import client_of

ECS_VERSION: Final = "9.2.0"
BODY_VERSION: Final = 1
BODY_BYTES_MAX: Final = 16_384
STRING_BYTES_MAX: Final = 8_192
INTEGER_MAX: Final = 2**53 - 1
AT_MIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""No event happened before, for no store takes an older instant."""
AT_END: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""All events happened before. Dates end a year later, so that spans around an event may reach beyond it."""
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


class EventInvalid(OnePayError):
    """An event does not have the published form: a programming error, so the transaction rolls back."""

    code = "event_invalid"


class FieldType(StrEnum):
    """How a field is indexed; `OBJECT` is kept but never indexed."""

    KEYWORD = "keyword"
    KEYWORDS = "keywords"
    LONG = "long"
    BOOLEAN = "boolean"
    IP = "ip"
    DATE = "date"
    OBJECT = "object"


class EventClass(StrEnum):
    """Retention class of a body."""

    SECURITY = "security"
    MONEY = "money"
    GOVERNANCE = "governance"
    PRIVACY = "privacy"
    OPERATIONS = "operations"
    EXTERNAL = "external"


class Outcome(StrEnum):
    """`event.outcome` of ECS."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ecs:
    """Where a field of an event goes: path, type, privacy mark; `personal` ones are encrypted and never indexed."""

    path: str
    type: FieldType
    mark: Mark
    personal: bool = False
    free_text: bool = False


def _mark(category: str | None, retention: str = "class") -> Mark:
    if category is None:
        mark = technical(retention)["mark"]
        assert isinstance(mark, Mark)
        return mark
    return Mark(
        category=category,
        subject="onepay.subject.id",
        retention=retention,
        on_erase="keep_to_class_end",
        origin="observed",
        purposes=("security",),
    )


def ecs(
    path: str,
    type: FieldType = FieldType.KEYWORD,
    *,
    about: str | None = None,
    default: Any = dataclasses.MISSING,  # as dataclasses.field declares it
    free_text: bool = False,
) -> Any:  # a dataclass field stands for the value
    """Declare an event field in clear. `about` is the privacy category of what it says about the subject."""
    meta = {"ecs": Ecs(path=path, type=type, mark=_mark(about), free_text=free_text)}
    return dataclasses.field(metadata=meta, default=default)


def sealed(name: str, *, about: str, default: Any = None) -> Any:  # as `ecs`
    """Declare a personal field: encrypted under the key of (subject, class), kept in `onepay.personal` alone."""
    mark = Mark(category=about, subject="onepay.subject.id", retention="class", on_erase="shred", purposes=("service",))
    return dataclasses.field(
        metadata={"ecs": Ecs(path=name, type=FieldType.KEYWORD, mark=mark, personal=True)}, default=default
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. `about` are the pseudonymous ids of the persons it is about, the first one its owner.

    A reserved kind has its published form already, and nothing records it yet. `reason` is a code of a closed set: what
    a person wrote goes into a sealed field.
    """

    kind: ClassVar[str]
    event_class: ClassVar[EventClass]
    category: ClassVar[tuple[str, ...]] = ()
    types: ClassVar[tuple[str, ...]] = ("info",)
    event_kind: ClassVar[str] = "event"
    outcome_of_kind: ClassVar[Outcome | None] = None
    origin_of_kind: ClassVar[str | None] = None
    strict: ClassVar[bool] = False
    is_reserved: ClassVar[bool] = False

    is_reading: ClassVar[bool] = False
    """Whether it tells that somebody read a person's data: then it says what for, or is refused."""

    about: tuple[str, ...] = ()
    outcome: Outcome | None = None
    reason: str | None = ecs("event.reason", default=None)
    duration: int | None = ecs("event.duration", FieldType.LONG, default=None)

    def read_for(self) -> str | None:
        """Return what data is read for where the event itself tells; else the context does."""
        return None


ENVELOPE: Final[Mapping[str, FieldType]] = {
    "@timestamp": FieldType.DATE,
    "ecs.version": FieldType.KEYWORD,
    "event.kind": FieldType.KEYWORD,
    "event.category": FieldType.KEYWORDS,
    "event.type": FieldType.KEYWORDS,
    "event.action": FieldType.KEYWORD,
    "event.outcome": FieldType.KEYWORD,
    "event.id": FieldType.KEYWORD,
    "event.dataset": FieldType.KEYWORD,
    "event.provider": FieldType.KEYWORD,
    "event.sequence": FieldType.LONG,
    "event.ingested": FieldType.DATE,
    "event.hash": FieldType.KEYWORD,
    "service.name": FieldType.KEYWORD,
    "service.version": FieldType.KEYWORD,
    "service.environment": FieldType.KEYWORD,
    "user.id": FieldType.KEYWORD,
    "user.roles": FieldType.KEYWORDS,
    "user.target.id": FieldType.KEYWORD,
    "source.ip": FieldType.IP,
    "source.port": FieldType.LONG,
    "source.as.number": FieldType.LONG,
    "source.geo.country_iso_code": FieldType.KEYWORD,
    "user_agent.name": FieldType.KEYWORD,
    "user_agent.version": FieldType.KEYWORD,
    "user_agent.os.name": FieldType.KEYWORD,
    "user_agent.device.name": FieldType.KEYWORD,
    "device.id": FieldType.KEYWORD,
    "trace.id": FieldType.KEYWORD,
    "onepay.v": FieldType.LONG,
    "onepay.class": FieldType.KEYWORD,
    "onepay.origin": FieldType.KEYWORD,
    "onepay.actor.kind": FieldType.KEYWORD,
    "onepay.approval.id": FieldType.KEYWORD,
    "onepay.network.client": FieldType.KEYWORD,
    "onepay.network.kind": FieldType.KEYWORD,
    "onepay.network.place": FieldType.KEYWORD,
    "onepay.subject.id": FieldType.KEYWORDS,
    "onepay.session.id": FieldType.KEYWORD,
    "onepay.purpose": FieldType.KEYWORD,
    "onepay.truncated": FieldType.KEYWORDS,
    "onepay.parked": FieldType.BOOLEAN,
    "onepay.personal": FieldType.OBJECT,
    "onepay.synthetic.run": FieldType.KEYWORD,
    "onepay.synthetic.kind": FieldType.KEYWORD,
    "onepay.synthetic.sig": FieldType.KEYWORD,
}
CATEGORY_OF: Final[Mapping[str, str]] = {
    "user.id": "account.id",
    "user.target.id": "account.id",
    "source.ip": "network.address",
    "source.port": "network.address",
    "source.as.number": "network.address",
    "source.geo.country_iso_code": "location",
    "user_agent.name": "device.id",
    "user_agent.version": "device.id",
    "user_agent.os.name": "device.id",
    "user_agent.device.name": "device.id",
    "device.id": "device.id",
    "onepay.network.client": "network.address",
    "onepay.network.place": "location",
    "onepay.subject.id": "account.id",
    "onepay.session.id": "credential",
}
"""The privacy category of what the envelope says of a person; the rest of it says nothing about anybody."""
ADDED_WHEN_SEQUENCED: Final = ("event.sequence", "event.ingested", "event.hash")


@cache
def fields_of(kind: type[Any]) -> tuple[tuple[str, Ecs], ...]:  # a subclass of Event; the cache wants a plain type
    """Return (attribute, declaration) of the fields of an event class that are rendered."""
    return tuple((f.name, f.metadata["ecs"]) for f in dataclasses.fields(kind) if "ecs" in f.metadata)


def family_of(kind: str) -> str:
    """Return the family, the first word of a kind."""
    return kind.split(".", 1)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A body before it is sealed: the document, the personal fields and whose they are, and secrets in free text."""

    document: dict[str, Any]
    personal: dict[str, str]
    owner: str | None
    subjects: tuple[str, ...]
    found: tuple[tuple[str, str], ...]


def render(event: Event, ctx: Context, *, event_id: str, origin: str, version: str, environment: str) -> Rendered:
    """Return the ECS document of an event: no nulls, empty strings, empty arrays or floats."""
    if not AT_MIN <= ctx.at < AT_END:
        raise EventInvalid(f"{rfc3339(ctx.at)} is no instant that a store takes")
    if event.reason and not _CODE.fullmatch(event.reason):
        raise EventInvalid(f"the reason of {event.kind} is no code; words of people are sealed")
    if event.is_reading and not (ctx.purpose or event.read_for()):
        raise EventInvalid(f"{event.kind} does not say what was read for")
    flat = _envelope(event, ctx, event_id, origin, version, environment)
    personal: dict[str, str] = {}
    truncated: list[str] = []
    found: list[tuple[str, str]] = []
    for name, declared in fields_of(type(event)):  # type: ignore[arg-type]  # mypy takes the class for its instance
        value = getattr(event, name)
        if value is None or (value := _plain(value)) in ("", []):
            continue
        if declared.free_text and isinstance(value, str):
            value, hits = classify.redact(value)
            found += [(declared.path, hit.kind) for hit in hits]
        if declared.personal:
            personal[declared.path] = str(value)
        else:
            flat[declared.path] = _bounded(value, declared.path, truncated)
    if truncated:
        flat["onepay.truncated"] = truncated
    subjects = tuple(flat.get("onepay.subject.id", ()))
    return Rendered(
        document=nest(flat),
        personal=personal,
        owner=subjects[0] if subjects else None,
        subjects=subjects,
        found=tuple(found),
    )


def _envelope(event: Event, ctx: Context, event_id: str, origin: str, version: str, environment: str) -> dict[str, Any]:
    kind, source, actor = type(event), ctx.source, ctx.actor
    is_person = actor.kind in (ActorKind.CUSTOMER, ActorKind.MERCHANT)
    subjects = event.about or ((actor.id,) if actor.id and is_person else ())
    flat: dict[str, Any] = {
        **_of_kind(kind),  # type: ignore[arg-type]  # as above
        "@timestamp": rfc3339(ctx.at),
        "event.id": event_id,
        "service.version": version,
        "service.environment": environment,
        "trace.id": ctx.request_id,
        "onepay.origin": kind.origin_of_kind or origin,
        "onepay.actor.kind": actor.kind.value,
    }
    optional: dict[str, Any] = {
        "event.outcome": event.outcome.value if event.outcome else None,
        "user.id": actor.id,
        "user.roles": sorted(actor.roles),
        "source.ip": source.ip,
        "source.port": source.port,
        "source.as.number": source.as_number,
        "source.geo.country_iso_code": source.country,
        "user_agent.name": source.user_agent_name,
        "user_agent.version": source.user_agent_version,
        "user_agent.os.name": source.os_name,
        "user_agent.device.name": source.device_name,
        "device.id": source.device_id,
        "onepay.network.client": None if source.ip is None else client_of(source.ip),
        "onepay.network.kind": source.network_kind,
        "onepay.network.place": source.place,
        "onepay.subject.id": list(dict.fromkeys(subjects)),
        "onepay.session.id": source.session_id,
        "onepay.purpose": ctx.purpose or event.read_for(),
        "onepay.approval.id": ctx.approval_id,
    }
    for path, value in optional.items():
        if value not in (None, "", []):
            flat[path] = value
    return flat


@cache
def _of_kind(kind: type[Any]) -> Mapping[str, Any]:
    """Return what all events of a kind say alike."""
    same: dict[str, Any] = {
        "ecs.version": ECS_VERSION,
        "event.kind": kind.event_kind,
        "event.type": kind.types,
        "event.action": kind.kind,
        "event.dataset": f"onepay.{family_of(kind.kind)}",
        "event.provider": "onepay",
        "service.name": "onepay",
        "onepay.v": BODY_VERSION,
        "onepay.class": kind.event_class.value,
    }
    if kind.category:
        same["event.category"] = kind.category
    if kind.outcome_of_kind:
        same["event.outcome"] = kind.outcome_of_kind.value
    return same


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted paths into nested objects."""
    document: dict[str, Any] = {}
    for path, value in flat.items():
        parents, leaf = _steps(path)
        place = document
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = value
    return document


@cache
def _steps(path: str) -> tuple[tuple[str, ...], str]:
    *parents, leaf = path.split(".")
    return tuple(parents), leaf


def at_path(document: Mapping[str, Any], path: str) -> Any:  # a document is untyped data
    """Return the value at a dotted path, or None where it is absent."""
    value: Any = document
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _plain(value: Any) -> Any:
    if type(value) is str:
        return value
    match value:
        case StrEnum():
            return value.value
        case bool() | int() | str() | None:
            if isinstance(value, int) and not -INTEGER_MAX <= value <= INTEGER_MAX:
                raise EventInvalid("an integer passes 2^53")
            return value
        case datetime():
            return rfc3339(value)
        case tuple() | list() | frozenset():
            return [_plain(item) for item in (sorted(value) if isinstance(value, frozenset) else value)]
        case dict():
            return {key: _plain(item) for key, item in value.items() if item not in (None, "", [])}
        case _:
            raise EventInvalid(f"{type(value).__name__} has no place in an event")


def _bounded(value: Any, path: str, truncated: list[str]) -> Any:
    if isinstance(value, str) and len(data := value.encode("utf-8")) > STRING_BYTES_MAX:
        truncated.append(path)
        return data[:STRING_BYTES_MAX].decode("utf-8", "ignore")
    if isinstance(value, list):
        return [_bounded(item, path, truncated) for item in value]
    return value
