"""Keys: made, changed and destroyed; never anything of the key itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ingest.events.envelope import Event, EventClass, FieldType, Outcome, ecs


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretEvent(Event):
    """The life of a key that protects others; `purpose` says what it is for."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("configuration",)
    types: ClassVar[tuple[str, ...]] = ("change",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    strict: ClassVar[bool] = True
    purpose: str = ecs("onepay.key.purpose")
    version: int = ecs("onepay.key.version", FieldType.LONG)
    fingerprint: str | None = ecs("onepay.key.fingerprint", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretCreated(SecretEvent):
    """A key was made."""

    kind: ClassVar[str] = "key.secret.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRotated(SecretEvent):
    """Everything an older key protected is now under this one; `count` says how much that was."""

    kind: ClassVar[str] = "key.secret.rotated"
    count: int = ecs("onepay.key.count", FieldType.LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretDestroyed(SecretEvent):
    """A key was destroyed; nothing it protected was left under it."""

    kind: ClassVar[str] = "key.secret.destroyed"
    types: ClassVar[tuple[str, ...]] = ("deletion",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectKeyEvent(Event):
    """What became of the keys of a person in some retention classes; `run` is the erasure it belongs to."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("configuration",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    strict: ClassVar[bool] = True
    classes: tuple[str, ...] = ecs("onepay.key.classes", FieldType.KEYWORDS)
    run: str | None = ecs("onepay.key.run", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectKeyDestroyed(SubjectKeyEvent):
    """The keys of a person in these classes go now, and what they protect with them, unless `kept` follows."""

    kind: ClassVar[str] = "key.subject_key.destroyed"
    types: ClassVar[tuple[str, ...]] = ("deletion",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectKeyKept(SubjectKeyEvent):
    """Keys that the log had called destroyed were kept: a legal hold came before they went."""

    kind: ClassVar[str] = "key.subject_key.kept"
    types: ClassVar[tuple[str, ...]] = ("info",)


KINDS: tuple[type[Event], ...] = (SecretCreated, SecretRotated, SecretDestroyed, SubjectKeyDestroyed, SubjectKeyKept)
