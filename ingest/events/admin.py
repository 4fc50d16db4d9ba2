"""What administrators change: accounts, roles, rules of the house."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ingest.events.envelope import Event, EventClass, FieldType, Outcome, ecs, sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminEvent(Event):
    """An act of administration on another account."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("iam",)
    types: ClassVar[tuple[str, ...]] = ("admin", "change", "user")
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    target: str = ecs("user.target.id", about="account.id")
    target_roles: tuple[str, ...] = ecs("user.target.roles", FieldType.KEYWORDS, about="staff", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInvited(AdminEvent):
    """A colleague was invited, with the role they will hold."""

    kind: ClassVar[str] = "admin.account.invited"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDisabled(AdminEvent):
    """An account was switched off."""

    kind: ClassVar[str] = "admin.account.disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEnabled(AdminEvent):
    """An account was switched on again by another administrator."""

    kind: ClassVar[str] = "admin.account.enabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapUsed(AdminEvent):
    """An administrator was invited from the command line, before two were active."""

    kind: ClassVar[str] = "admin.bootstrap.used"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleGranted(AdminEvent):
    """A role was given."""

    kind: ClassVar[str] = "admin.role.granted"
    strict: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRequested(AdminEvent):
    """An administrator asked that somebody gets a role."""

    kind: ClassVar[str] = "admin.role.requested"
    strict: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRefused(AdminEvent):
    """A role was not given: a second administrator said no, or duties exclude it (`event.reason`)."""

    kind: ClassVar[str] = "admin.role.refused"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE
    strict: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRevoked(AdminEvent):
    """A role was taken back before its end: by hand or by a review (`event.reason`); the words are sealed."""

    kind: ClassVar[str] = "admin.role.revoked"
    strict: ClassVar[bool] = True
    why: str | None = sealed("why", about="free_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRecertified(AdminEvent):
    """A grant was looked at in a review of access: kept, removed, lapsed, or left as nobody else holds it.

    The grant is named by whose register it stands in, and its reference there. Why is sealed.
    """

    kind: ClassVar[str] = "admin.access.recertified"
    decision: str = ecs("onepay.admin.decision")
    review: str | None = ecs("onepay.compliance.review", default=None)
    grant: str | None = ecs("onepay.admin.grant", default=None)
    why: str | None = sealed("why", about="free_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleLapsed(AdminEvent):
    """A role came to its end."""

    kind: ClassVar[str] = "admin.role.lapsed"
    strict: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalEvent(Event):
    """Something about a thing that needs a second person; which one, the envelope names (`onepay.approval.id`)."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("iam",)
    types: ClassVar[tuple[str, ...]] = ("admin", "change", "user")
    action: str = ecs("onepay.approval.action")
    payload_hash: str = ecs("onepay.approval.payload_hash")
    decision: str | None = ecs("onepay.approval.decision", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequested(ApprovalEvent):
    """Somebody asked for a second person."""

    kind: ClassVar[str] = "admin.approval.requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDecided(ApprovalEvent):
    """Somebody approved or rejected, or whoever asked withdrew."""

    kind: ClassVar[str] = "admin.approval.decided"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalExecuted(ApprovalEvent):
    """What was approved was done, or failed as it was tried (`event.reason`)."""

    kind: ClassVar[str] = "admin.approval.executed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRefused(ApprovalEvent):
    """A decision or a use was refused: own, used, changed, lapsed, closed, or by who may not (`event.reason`)."""

    kind: ClassVar[str] = "admin.approval.refused"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalExpired(ApprovalEvent):
    """Nobody decided in time."""

    kind: ClassVar[str] = "admin.approval.expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationChanged(Event):
    """Something that the house runs by was changed: which thing, which part of it, from what to what."""

    event_class: ClassVar[EventClass] = EventClass.GOVERNANCE
    category: ClassVar[tuple[str, ...]] = ("configuration",)
    types: ClassVar[tuple[str, ...]] = ("change",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    strict: ClassVar[bool] = True
    object: str = ecs("onepay.change.object")
    field: str = ecs("onepay.change.field")
    before: str | None = ecs("onepay.change.before", default=None)
    after: str | None = ecs("onepay.change.after", default=None)
    weaker: bool = ecs("onepay.admin.weaker", FieldType.BOOLEAN, default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChanged(ConfigurationChanged):
    """A setting or a register of the house was changed; where it holds words of people, hashes stand for them."""

    kind: ClassVar[str] = "admin.setting.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowlistChanged(ConfigurationChanged):
    """A network rule began, ended or lapsed."""

    kind: ClassVar[str] = "admin.allowlist.changed"


KINDS: tuple[type[Event], ...] = (
    AccountInvited,
    AccountDisabled,
    AccountEnabled,
    BootstrapUsed,
    RoleRequested,
    RoleGranted,
    RoleRefused,
    RoleRevoked,
    RoleLapsed,
    AccessRecertified,
    ApprovalRequested,
    ApprovalDecided,
    ApprovalExecuted,
    ApprovalRefused,
    ApprovalExpired,
    SettingChanged,
    AllowlistChanged,
)
