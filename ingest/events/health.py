"""How the system itself is: processes, jobs, the log, the store, controls, and secrets where none may be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from ingest.events.envelope import Event, EventClass, FieldType, Outcome, ecs


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessEvent(Event):
    """The life of one of our processes."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("process",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    component: str = ecs("onepay.health.component")
    build: str | None = ecs("onepay.health.build", default=None)
    sbom_hash: str | None = ecs("onepay.health.sbom_hash", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStarted(ProcessEvent):
    """A process began its work."""

    kind: ClassVar[str] = "health.process.started"
    types: ClassVar[tuple[str, ...]] = ("start",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStopped(ProcessEvent):
    """A process ended in good order; after a crash there is none of these."""

    kind: ClassVar[str] = "health.process.stopped"
    types: ClassVar[tuple[str, ...]] = ("end",)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatSent(ProcessEvent):
    """The whole way from recording to the store is alive; carries how far each part of it is behind."""

    kind: ClassVar[str] = "health.heartbeat.sent"
    is_reserved: ClassVar[bool] = True
    event_class: ClassVar[EventClass] = EventClass.OPERATIONS
    outbox_rows: int | None = ecs("onepay.health.outbox_rows", FieldType.LONG, default=None)
    outbox_age_ms: int | None = ecs("onepay.health.outbox_age_ms", FieldType.LONG, default=None)
    store_lag: int | None = ecs("onepay.health.store.lag", FieldType.LONG, default=None)
    parked: int | None = ecs("onepay.health.parked", FieldType.LONG, default=None)
    checkpoint_age_ms: int | None = ecs("onepay.health.checkpoint_age_ms", FieldType.LONG, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed(Event):
    """A job raised; what it keeps stands where it stood."""

    kind: ClassVar[str] = "health.job.failed"
    event_class: ClassVar[EventClass] = EventClass.OPERATIONS
    category: ClassVar[tuple[str, ...]] = ("process",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE
    job: str = ecs("onepay.health.job")
    run: str | None = ecs("onepay.health.run", default=None)
    error_type: str | None = ecs("error.type", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentParked(Event):
    """A store refused a document; a stub stands in its place until it is released."""

    kind: ClassVar[str] = "health.document.parked"
    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("process",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE
    of_event: str = ecs("onepay.health.of_event")
    store: str = ecs("onepay.health.store.name")
    error_type: str | None = ecs("error.type", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent(Event):
    """What was found about the one log."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("process",)
    size: int | None = ecs("onepay.health.log.size", FieldType.LONG, default=None)
    root: str | None = ecs("onepay.health.log.root", default=None)
    lag_ms: int | None = ecs("onepay.health.log.lag_ms", FieldType.LONG, default=None)
    state: str | None = ecs("onepay.health.log.state", default=None)
    cause: str | None = ecs("onepay.health.log.reason", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLagged(LogEvent):
    """The outbox grew beyond a limit, or came back below it (outcome success); `state` says which."""

    kind: ClassVar[str] = "health.log.lagged"
    event_class: ClassVar[EventClass] = EventClass.OPERATIONS
    outbox_rows: int | None = ecs("onepay.health.outbox_rows", FieldType.LONG, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogVerified(LogEvent):
    """The log was compared with itself and its copies."""

    kind: ClassVar[str] = "health.log.verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTampered(LogEvent):
    """A row, node or document is not what was sealed; `cause` names table, sequence and field."""

    kind: ClassVar[str] = "health.log.tampered"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRolledBack(LogEvent):
    """The log in the database is smaller than what was signed or witnessed, or does not begin with it."""

    kind: ClassVar[str] = "health.log.rolled_back"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE
    witness_size: int | None = ecs("onepay.health.log.witness_size", FieldType.LONG, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessMissed(LogEvent):
    """A witness of the log could not be reached."""

    kind: ClassVar[str] = "health.witness.missed"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE
    witness: str = ecs("onepay.health.witness")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlEvent(Event):
    """A protective part stopped or resumed its work."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("host",)
    types: ClassVar[tuple[str, ...]] = ("change",)
    control: str = ecs("onepay.health.control")
    since: datetime | None = ecs("onepay.health.since", FieldType.DATE, default=None)
    cause: str | None = ecs("onepay.health.cause", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFailed(ControlEvent):
    """A protective part does not do its work."""

    kind: ClassVar[str] = "health.control.failed"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRestored(ControlEvent):
    """A protective part does its work again."""

    kind: ClassVar[str] = "health.control.restored"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockDrifted(Event):
    """The clock stands before the newest event; times of arrival wait until it has caught up."""

    kind: ClassVar[str] = "health.clock.drifted"
    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("host",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE
    offset_ms: int = ecs("onepay.health.offset_ms", FieldType.LONG)
    source: str = ecs("onepay.health.source")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFound(Event):
    """A card number, key or token stood where it must not; never the value, only its kind and place."""

    kind: ClassVar[str] = "health.secret.found"
    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("file",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE
    pattern: str = ecs("onepay.health.pattern")
    count: int = ecs("onepay.health.count", FieldType.LONG)
    field: str | None = ecs("onepay.health.field", default=None)
    of_event: str | None = ecs("onepay.health.of_event", default=None)
    path: str | None = ecs("file.path", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportCompleted(Event):
    """A log of another system was read to its end."""

    kind: ClassVar[str] = "health.import.completed"
    event_class: ClassVar[EventClass] = EventClass.OPERATIONS
    category: ClassVar[tuple[str, ...]] = ("file",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    target: str = ecs("onepay.health.target")
    bytes: int = ecs("onepay.health.bytes", FieldType.LONG)
    sha256: str = ecs("file.hash.sha256")
    lines: int = ecs("onepay.health.lines", FieldType.LONG)
    events: int = ecs("onepay.health.events", FieldType.LONG)
    repeats: int = ecs("onepay.health.repeats", FieldType.LONG)
    skipped: int = ecs("onepay.health.skipped", FieldType.LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEvent(Event):
    """The state of an event store; `lo` and `hi` bound the sequences concerned, (lo, hi]."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("database",)
    store: str = ecs("onepay.health.store.name")
    backend: str = ecs("onepay.health.store.backend")
    lo: int | None = ecs("onepay.health.lo", FieldType.LONG, default=None)
    hi: int | None = ecs("onepay.health.hi", FieldType.LONG, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFailed(StoreEvent):
    """A store does not answer or takes nothing; it lacks the sequences (lo, hi] and is asked again."""

    kind: ClassVar[str] = "health.store.failed"
    types: ClassVar[tuple[str, ...]] = ("error",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE
    error_type: str | None = ecs("error.type", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRebuilt(StoreEvent):
    """A store was filled anew, or what it had lost was sent again."""

    kind: ClassVar[str] = "health.store.rebuilt"
    types: ClassVar[tuple[str, ...]] = ("change",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEvent(Event):
    """A file of the archive that holds bodies of one class."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("file",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    path: str = ecs("onepay.health.segment.path")
    sha256: str = ecs("onepay.health.segment.sha256")
    first: int = ecs("onepay.health.segment.first", FieldType.LONG)
    last: int = ecs("onepay.health.segment.last", FieldType.LONG)
    class_: str = ecs("onepay.health.segment.class")
    run: str | None = ecs("onepay.health.run", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSealed(SegmentEvent):
    """A segment of the archive is complete; nothing is added to it any more."""

    kind: ClassVar[str] = "health.segment.sealed"
    types: ClassVar[tuple[str, ...]] = ("creation",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentDropped(SegmentEvent):
    """A segment of the archive was deleted, for its period is over; what the tree holds of its events stays."""

    kind: ClassVar[str] = "health.segment.dropped"
    types: ClassVar[tuple[str, ...]] = ("deletion",)


KINDS: tuple[type[Event], ...] = (
    ProcessStarted,
    ProcessStopped,
    HeartbeatSent,
    JobFailed,
    DocumentParked,
    LogLagged,
    LogVerified,
    LogTampered,
    LogRolledBack,
    WitnessMissed,
    ControlFailed,
    ControlRestored,
    ClockDrifted,
    SecretFound,
    ImportCompleted,
    StoreFailed,
    StoreRebuilt,
    SegmentSealed,
    SegmentDropped,
)
