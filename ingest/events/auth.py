"""Who tried to get in, who got in, and what changed about the ways in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from ingest.events.envelope import Event, EventClass, FieldType, Outcome, ecs


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthEvent(Event):
    """What all events of this family share."""

    event_class: ClassVar[EventClass] = EventClass.SECURITY


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginEvent(AuthEvent):
    """A try to sign in; `account` only where the typed identifier belongs to one."""

    category: ClassVar[tuple[str, ...]] = ("authentication",)
    types: ClassVar[tuple[str, ...]] = ("start",)
    account: str | None = ecs("user.id", about="account.id", default=None)
    identifier: str | None = ecs("user.hash", about="account.id", default=None)
    step: str | None = ecs("onepay.auth.step", default=None)
    new_device: bool | None = ecs("onepay.auth.new_device", FieldType.BOOLEAN, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSucceeded(LoginEvent):
    """Somebody signed in."""

    kind: ClassVar[str] = "auth.login.succeeded"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    factors: tuple[str, ...] = ecs("onepay.auth.factors", FieldType.KEYWORDS, default=())
    idle_days: int | None = ecs("onepay.auth.idle_days", FieldType.LONG, about="behaviour", default=None)
    account_days: int | None = ecs("onepay.account_days", FieldType.LONG, about="account.id", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFailed(LoginEvent):
    """Somebody gave a wrong password or code, or named an account that does not exist."""

    kind: ClassVar[str] = "auth.login.failed"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginThrottled(LoginEvent):
    """A try was turned away before anything was checked, because of a delay or lock-out."""

    kind: ClassVar[str] = "auth.login.throttled"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE
    until: datetime | None = ecs("onepay.auth.until", FieldType.DATE, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginChallenged(AuthEvent):
    """The password was right and a second factor is asked for."""

    kind: ClassVar[str] = "auth.login.challenged"
    category: ClassVar[tuple[str, ...]] = ("authentication",)
    account: str = ecs("user.id", about="account.id")
    factor: str = ecs("onepay.auth.factor")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvent(AuthEvent):
    """A change of an account."""

    category: ClassVar[tuple[str, ...]] = ("iam",)
    types: ClassVar[tuple[str, ...]] = ("change", "user")
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    account: str = ecs("user.target.id", about="account.id")
    channel: str | None = ecs("onepay.auth.channel", default=None)
    until: datetime | None = ecs("onepay.auth.until", FieldType.DATE, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRegistered(AccountEvent):
    """An account came to be."""

    kind: ClassVar[str] = "auth.account.registered"
    types: ClassVar[tuple[str, ...]] = ("creation", "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountVerified(AccountEvent):
    """The address of an account was proven."""

    kind: ClassVar[str] = "auth.account.verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLocked(AccountEvent):
    """An account was locked: by too many failures (with `until`), by its owner, or by containment."""

    kind: ClassVar[str] = "auth.account.locked"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUnlocked(AccountEvent):
    """A lock ended."""

    kind: ClassVar[str] = "auth.account.unlocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(AccountEvent):
    """A password was set: by its owner, by recovery, or because it had to be (`reason` self, recovery or forced)."""

    kind: ClassVar[str] = "auth.password.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorEvent(AuthEvent):
    """A way to prove oneself was added or taken away."""

    category: ClassVar[tuple[str, ...]] = ("iam",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    strict: ClassVar[bool] = True
    account: str = ecs("user.target.id", about="account.id")
    factor: str = ecs("onepay.auth.factor")
    factor_id: str = ecs("onepay.auth.factor_id", about="credential")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorEnrolled(FactorEvent):
    """A second factor was added."""

    kind: ClassVar[str] = "auth.factor.enrolled"
    types: ClassVar[tuple[str, ...]] = ("creation", "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorRemoved(FactorEvent):
    """A second factor was taken away."""

    kind: ClassVar[str] = "auth.factor.removed"
    types: ClassVar[tuple[str, ...]] = ("deletion", "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaEvent(AuthEvent):
    """A check of a factor or code."""

    category: ClassVar[tuple[str, ...]] = ("authentication",)
    account: str = ecs("user.id", about="account.id")
    factor: str = ecs("onepay.auth.factor")


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaVerified(MfaEvent):
    """A one-time code was accepted."""

    kind: ClassVar[str] = "auth.mfa.verified"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaFailed(MfaEvent):
    """A one-time code was refused: wrong, expired, replayed or exhausted."""

    kind: ClassVar[str] = "auth.mfa.failed"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUpCompleted(MfaEvent):
    """Somebody signed in proved a factor anew."""

    kind: ClassVar[str] = "auth.stepup.completed"
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUpFailed(MfaEvent):
    """A proof of a factor was refused."""

    kind: ClassVar[str] = "auth.stepup.failed"
    outcome_of_kind: ClassVar[Outcome] = Outcome.FAILURE


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityDisowned(AuthEvent):
    """The owner of an account said that something was not them."""

    kind: ClassVar[str] = "auth.activity.disowned"
    category: ClassVar[tuple[str, ...]] = ("authentication",)
    account: str = ecs("user.id", about="account.id")
    of_event: str | None = ecs("onepay.auth.of_event", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent(AuthEvent):
    """The life of a session."""

    category: ClassVar[tuple[str, ...]] = ("session",)
    outcome_of_kind: ClassVar[Outcome] = Outcome.SUCCESS
    account: str = ecs("user.id", about="account.id")
    session: str = ecs("onepay.session.id", about="credential")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(SessionEvent):
    """A session began."""

    kind: ClassVar[str] = "auth.session.started"
    types: ClassVar[tuple[str, ...]] = ("start",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(SessionEvent):
    """A session ended: logout, idle, absolute, revoked or superseded."""

    kind: ClassVar[str] = "auth.session.ended"
    types: ClassVar[tuple[str, ...]] = ("end",)
    by: str | None = ecs("onepay.auth.by", about="staff", default=None)


KINDS: tuple[type[Event], ...] = (
    LoginSucceeded,
    LoginFailed,
    LoginThrottled,
    LoginChallenged,
    AccountRegistered,
    AccountVerified,
    AccountLocked,
    AccountUnlocked,
    PasswordChanged,
    FactorEnrolled,
    FactorRemoved,
    MfaVerified,
    MfaFailed,
    StepUpCompleted,
    StepUpFailed,
    ActivityDisowned,
    SessionStarted,
    SessionEnded,
)
