"""The one tree of errors: each kind of refusal a person or program can meet, with a stable code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.kernel.context import Context


class OnePayError(Exception):
    """A refusal or failure with a stable `code` and a sentence for a person, without data about others."""

    code = "internal"

    def __init__(
        self,
        message: str = "",
        *,
        param: str | None = None,
        object_id: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """`param` names the field at fault, `object_id` what the answer is about, `retry_after` counts seconds."""
        super().__init__(message or (type(self).__doc__ or self.code).splitlines()[0])
        self.param = param
        self.object_id = object_id
        self.retry_after = retry_after


class Malformed(OnePayError):
    """The request cannot be read."""

    code = "malformed"


class Invalid(OnePayError):
    """A value is not allowed."""

    code = "invalid"


class ReasonMissing(Invalid):
    """Write a few words: at least ten letters or digits."""

    code = "reason_missing"


class SignInRequired(OnePayError):
    """Please sign in first."""

    code = "sign_in_required"


class StepUpRequired(OnePayError):
    """Please confirm with your second factor."""

    code = "step_up_required"

    def __init__(self, message: str = "", *, acr: str = "mfa", max_age_seconds: int = 300) -> None:
        super().__init__(message)
        self.acr = acr
        self.max_age_seconds = max_age_seconds


class Refused(OnePayError):
    """The payment was refused; nothing moved."""

    code = "payment_refused"


class Forbidden(OnePayError):
    """You may not do this."""

    code = "forbidden"

    def __init__(self, message: str = "", *, permission: str | None = None) -> None:
        super().__init__(message)
        self.permission = permission


class SamePerson(Forbidden):
    """Another person has to do this."""

    code = "same_person"


class NotFound(OnePayError):
    """There is nothing here."""

    code = "not_found"


class Conflict(OnePayError):
    """The state of things does not allow this."""

    code = "conflict"


class WrongState(Conflict):
    """The thing is in a state that does not allow this."""

    code = "wrong_state"


class Changed(Conflict):
    """Somebody else changed this in the meantime."""

    code = "changed"


class Gone(OnePayError):
    """This has ended."""

    code = "gone"


class TooLarge(OnePayError):
    """That is too much at once."""

    code = "too_large"


class ContentRefused(OnePayError):
    """What this holds is not what it is said to be, or nothing that is taken here."""

    code = "content_refused"


class TooManyAttempts(OnePayError):
    """Please wait before the next try."""

    code = "too_many_attempts"


class Unavailable(OnePayError):
    """A part of the system is not available; please try again shortly."""

    code = "unavailable"


class ConfigurationRefused(OnePayError):
    """The configuration cannot be used."""

    code = "configuration_refused"


class SchemaMismatch(OnePayError):
    """The schema of the database and this code do not fit."""

    code = "schema_mismatch"


@runtime_checkable
class Traced(Protocol):
    """An error whose refusal must leave a trace: the edge rolls back, then calls `trace` in a second transaction."""

    def trace(self, session: Session, ctx: Context) -> None: ...
