"""What people asked of their data, what was decided and done, and what they consented to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from ingest.events.envelope import Event, EventClass, FieldType, Outcome, ecs


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyEvent(Event):
    """Something about the rights of one person, who is its subject."""

    event_class: ClassVar[EventClass] = EventClass.PRIVACY
    types: ClassVar[tuple[str, ...]] = ("info",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEvent(PrivacyEvent):
    """A purpose that rests on consent, and which text of it was before the person."""

    types: ClassVar[tuple[str, ...]] = ("change",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    purpose: str = ecs("onepay.consent.purpose", about="behaviour")
    text_hash: str | None = ecs("onepay.consent.text_hash", default=None)
    channel: str | None = ecs("onepay.privacy.channel", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentGiven(ConsentEvent):
    """A person gave consent to a purpose."""

    kind: ClassVar[str] = "privacy.consent.given"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentWithdrawn(ConsentEvent):
    """A person took consent back: the purpose ends at once."""

    kind: ClassVar[str] = "privacy.consent.withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectionRecorded(ConsentEvent):
    """A person objected to a purpose: it stops until that is decided."""

    kind: ClassVar[str] = "privacy.objection.recorded"
    request: str | None = ecs("onepay.request.id", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectionDecided(ConsentEvent):
    """An objection was decided: upheld, or compelling grounds were found."""

    kind: ClassVar[str] = "privacy.objection.decided"
    decision: str = ecs("onepay.privacy.decision")
    request: str | None = ecs("onepay.request.id", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEvent(PrivacyEvent):
    """A step of a request: which right, when it is due, how it stands."""

    request: str = ecs("onepay.request.id")
    right: str = ecs("onepay.request.right", about="behaviour")
    due_at: str | None = ecs("onepay.request.due_at", default=None)
    state: str | None = ecs("onepay.request.outcome", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReceived(RequestEvent):
    """A person asked for something of their data, on a day that may lie before it was entered."""

    kind: ClassVar[str] = "privacy.request.received"
    received_on: str | None = ecs("onepay.request.received_on", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestIdentified(RequestEvent):
    """Whoever asked was shown to be the person."""

    kind: ClassVar[str] = "privacy.request.identified"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPaused(RequestEvent):
    """The clock stands while a question of identity is unanswered."""

    kind: ClassVar[str] = "privacy.request.paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestResumed(RequestEvent):
    """The clock goes on."""

    kind: ClassVar[str] = "privacy.request.resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestExtended(RequestEvent):
    """The time to answer was extended, with reasons told to the person."""

    kind: ClassVar[str] = "privacy.request.extended"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestApproved(RequestEvent):
    """What a person asked for may be given or done; of an erasure from when on, and by which plan.

    The hash is of what goes and stays by that plan, as whoever approved it read it.
    """

    kind: ClassVar[str] = "privacy.request.approved"
    begins_at: datetime | None = ecs("onepay.request.begins_at", FieldType.DATE, default=None)
    plan_root: str | None = ecs("onepay.request.plan_root", default=None)
    sha256: str | None = ecs("onepay.privacy.sha256", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBegun(RequestEvent):
    """An erasure began by a plan, or goes on by less of it as a hold came; the hash is of each row that it names.

    `beyond` are the stores and categories of which more goes than was approved, as what kept it was settled.
    """

    kind: ClassVar[str] = "privacy.request.begun"
    plan_root: str = ecs("onepay.request.plan_root")
    sha256: str = ecs("onepay.privacy.sha256")
    beyond: tuple[str, ...] = ecs("onepay.request.beyond", FieldType.KEYWORDS, default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReturned(RequestEvent):
    """What was approved of a request is not any more: it is decided again."""

    kind: ClassVar[str] = "privacy.request.returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused(RequestEvent):
    """A request was refused, with reasons told to the person."""

    kind: ClassVar[str] = "privacy.request.refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStopped(RequestEvent):
    """A request was taken back, or its person said that it was not theirs."""

    kind: ClassVar[str] = "privacy.request.stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCompleted(RequestEvent):
    """What a person asked for was given or done; of an erasure the hash of its certificate."""

    kind: ClassVar[str] = "privacy.request.completed"
    sha256: str | None = ecs("onepay.privacy.sha256", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageDelivered(PrivacyEvent):
    """A person fetched the copy of their data."""

    kind: ClassVar[str] = "privacy.package.delivered"
    types: ClassVar[tuple[str, ...]] = ("access",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    strict: ClassVar[bool] = True
    request: str = ecs("onepay.request.id")
    sha256: str = ecs("onepay.privacy.sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectRestricted(PrivacyEvent):
    """A person's data is kept and not used, but for what the law or they themselves ask."""

    kind: ClassVar[str] = "privacy.subject.restricted"
    types: ClassVar[tuple[str, ...]] = ("change",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    request: str | None = ecs("onepay.request.id", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectReleased(PrivacyEvent):
    """A restriction was lifted, after the person was told."""

    kind: ClassVar[str] = "privacy.subject.released"
    types: ClassVar[tuple[str, ...]] = ("change",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    request: str | None = ecs("onepay.request.id", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRectified(PrivacyEvent):
    """A value about a person was corrected; before and after are told as keyed hashes."""

    kind: ClassVar[str] = "privacy.record.rectified"
    types: ClassVar[tuple[str, ...]] = ("change",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    request: str | None = ecs("onepay.request.id", default=None)
    before_hash: str = ecs("onepay.privacy.before_hash")
    after_hash: str = ecs("onepay.privacy.after_hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectErased(PrivacyEvent):
    """A person was erased: rows by plan, and the keys of these classes."""

    kind: ClassVar[str] = "privacy.subject.erased"
    types: ClassVar[tuple[str, ...]] = ("deletion",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    strict: ClassVar[bool] = True
    request: str = ecs("onepay.request.id")
    classes: tuple[str, ...] = ecs("onepay.privacy.classes", FieldType.KEYWORDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldEvent(Event):
    """What is kept in spite of its period, for a case; the hash stands for what it holds."""

    event_class: ClassVar[EventClass] = EventClass.PRIVACY
    types: ClassVar[tuple[str, ...]] = ("change",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    strict: ClassVar[bool] = True
    case: str = ecs("onepay.hold.case")
    scope_hash: str = ecs("onepay.hold.scope_hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHoldPlaced(HoldEvent):
    """A legal hold came into force, and is to be looked at again on a day."""

    kind: ClassVar[str] = "privacy.hold.placed"
    review_on: str | None = ecs("onepay.hold.review_on", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHoldReleased(HoldEvent):
    """Two people released a legal hold."""

    kind: ClassVar[str] = "privacy.hold.released"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionEvent(Event):
    """A run of retention: under which policy, of what ended before when, over which plan, how much."""

    event_class: ClassVar[EventClass] = EventClass.PRIVACY
    types: ClassVar[tuple[str, ...]] = ("info",)
    strict: ClassVar[bool] = True
    run: str = ecs("onepay.retention.run")
    policy: str = ecs("onepay.retention.policy")
    policy_hash: str = ecs("onepay.retention.policy_hash")
    before: str = ecs("onepay.retention.before")
    plan_root: str = ecs("onepay.retention.plan_root")
    count: int = ecs("onepay.retention.count", FieldType.LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPlanned(RetentionEvent):
    """What is due was counted; nothing was removed."""

    kind: ClassVar[str] = "privacy.retention.planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionApproved(RetentionEvent):
    """A run may be carried out."""

    kind: ClassVar[str] = "privacy.retention.approved"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionExecuted(RetentionEvent):
    """What was planned, and was neither held nor gone, was removed."""

    kind: ClassVar[str] = "privacy.retention.executed"
    types: ClassVar[tuple[str, ...]] = ("deletion",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionCertified(RetentionEvent):
    """Another reader looked for what was removed, and found none of it."""

    kind: ClassVar[str] = "privacy.retention.certified"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    sha256: str = ecs("onepay.retention.sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionAborted(RetentionEvent):
    """A run ended without removing more; the reason says why."""

    kind: ClassVar[str] = "privacy.retention.aborted"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachEvent(PrivacyEvent):
    """Something about a breach of personal data: which, until when its authority is to be told, its incident."""

    breach: str = ecs("onepay.breach.id")
    due_at: str = ecs("onepay.breach.due_at")
    incident: str | None = ecs("onepay.breach.incident", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachOpened(BreachEvent):
    """Somebody became aware of a breach: its clock runs from then."""

    kind: ClassVar[str] = "privacy.breach.opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachAssessed(BreachEvent):
    """What is known of a breach was written down, or two people decided whether it is notified.

    The hash is of all that an assessment says, as it stood then.
    """

    kind: ClassVar[str] = "privacy.breach.assessed"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    decision: str | None = ecs("onepay.privacy.decision", default=None)
    high_risk: bool | None = ecs("onepay.breach.high_risk", FieldType.BOOLEAN, default=None)
    sha256: str | None = ecs("onepay.privacy.sha256", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachNotified(BreachEvent):
    """The authority, people, or the controller were told of a breach, in words named by their hash."""

    kind: ClassVar[str] = "privacy.breach.notified"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    recipient: str = ecs("onepay.breach.recipient")
    sha256: str = ecs("onepay.privacy.sha256")


KINDS: tuple[type[Event], ...] = (
    ConsentGiven,
    ConsentWithdrawn,
    ObjectionRecorded,
    ObjectionDecided,
    RequestReceived,
    RequestIdentified,
    RequestPaused,
    RequestResumed,
    RequestExtended,
    RequestApproved,
    RequestBegun,
    RequestReturned,
    RequestRefused,
    RequestStopped,
    RequestCompleted,
    PackageDelivered,
    SubjectRestricted,
    SubjectReleased,
    RecordRectified,
    SubjectErased,
    LegalHoldPlaced,
    LegalHoldReleased,
    RetentionPlanned,
    RetentionApproved,
    RetentionExecuted,
    RetentionCertified,
    RetentionAborted,
    BreachOpened,
    BreachAssessed,
    BreachNotified,
)
