"""What administrators change: accounts, roles, rules of the house."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ingest.events.envelope import Event, EventClass, FieldType, Outcome, ecs


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
class AllowlistChanged(Event):
    """A network rule began, ended or lapsed."""

    kind: ClassVar[str] = "admin.allowlist.changed"
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


KINDS: tuple[type[Event], ...] = (
    AccountInvited,
    AccountDisabled,
    AccountEnabled,
    BootstrapUsed,
    RoleGranted,
    AllowlistChanged,
)
