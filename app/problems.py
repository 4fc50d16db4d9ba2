"""The one table from errors to answers: RFC 9457 problem documents, and the same for pages."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from app.gateway import shape
from app.kernel import errors
from app.kernel.errors import OnePayError

UNSURE: Final = (
    "Something failed on our side, and we do not know how far it came. "
    "Look whether it was done, or ask again with the same idempotency key, which does nothing twice."
)


class Internal(OnePayError):
    """Something failed on our side. Nothing was changed."""


# The first line that fits decides, so narrower classes stand above wider ones.
TABLE: Final[tuple[tuple[type[OnePayError], HTTPStatus], ...]] = (
    (shape.MethodRefused, HTTPStatus.METHOD_NOT_ALLOWED),
    (shape.WrongHost, HTTPStatus.MISDIRECTED_REQUEST),
    (shape.UrlTooLong, HTTPStatus.REQUEST_URI_TOO_LONG),
    (shape.HeadersTooLarge, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    (shape.LengthRequired, HTTPStatus.LENGTH_REQUIRED),
    (shape.EncodingRefused, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (errors.Malformed, HTTPStatus.BAD_REQUEST),
    (errors.SignInRequired, HTTPStatus.UNAUTHORIZED),
    (errors.StepUpRequired, HTTPStatus.UNAUTHORIZED),
    (errors.Refused, HTTPStatus.PAYMENT_REQUIRED),
    (errors.Forbidden, HTTPStatus.FORBIDDEN),
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.Gone, HTTPStatus.GONE),
    (errors.ContentRefused, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (errors.TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (errors.Invalid, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.TooManyAttempts, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (OnePayError, HTTPStatus.INTERNAL_SERVER_ERROR),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What a client is told: status, stable code, a sentence, the field at fault, the request's id."""

    status: HTTPStatus
    code: str
    detail: str
    request_id: str
    instance: str
    param: str | None = None
    object_id: str | None = None
    retry_after: int | None = None
    extra: dict[str, Any] | None = None

    @property
    def is_retryable(self) -> bool:
        return self.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

    def document(self) -> dict[str, Any]:
        """Return the problem document."""
        body: dict[str, Any] = {
            "type": f"/help/errors#{self.code}",
            "title": self.status.phrase,
            "status": int(self.status),
            "code": self.code,
            "detail": self.detail,
            "instance": self.instance,
            "request_id": self.request_id,
            "retryable": self.is_retryable,
        }
        optional = {"param": self.param, "object": self.object_id, **(self.extra or {})}
        return body | {name: value for name, value in optional.items() if value is not None}

    def headers(self) -> dict[str, str]:
        """Return the headers that belong to the answer."""
        found = {}
        if self.retry_after is not None:
            found["Retry-After"] = str(self.retry_after)
        elif self.is_retryable:
            found["Retry-After"] = "1"
        if self.status is HTTPStatus.UNAUTHORIZED:
            challenge = f'Session error="{self.code}"'
            if self.extra:
                pairs = ", ".join(f'{name}="{value}"' for name, value in self.extra.items())
                challenge = f"{challenge}, {pairs}"
            found["WWW-Authenticate"] = challenge
        return found


def of(error: OnePayError, *, request_id: str, instance: str) -> Problem:
    """Return the problem an error is answered with."""
    status = status_of(error)
    extra = None
    if isinstance(error, errors.StepUpRequired):
        # RFC 9470: which level, and how fresh.
        extra = {"acr_values": error.acr, "max_age": error.max_age_seconds}
    hidden = status is HTTPStatus.INTERNAL_SERVER_ERROR
    return Problem(
        status=status,
        code="internal" if hidden else error.code,
        detail=UNSURE if hidden and not isinstance(error, Internal) else str(error),
        request_id=request_id,
        instance=instance,
        param=error.param,
        object_id=error.object_id,
        retry_after=error.retry_after,
        extra=extra,
    )


def status_of(error: OnePayError) -> HTTPStatus:
    """Return the status of an error."""
    return next(status for kind, status in TABLE if isinstance(error, kind))


def codes() -> list[tuple[str, int, str]]:
    """Return (code, status, meaning) of every error of the one tree that an edge may answer with."""
    found: dict[str, tuple[str, int, str]] = {}
    waiting: list[type[OnePayError]] = [OnePayError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        status = next(status for base, status in TABLE if issubclass(kind, base))
        if kind is not OnePayError and status is not HTTPStatus.INTERNAL_SERVER_ERROR:
            found.setdefault(kind.code, (kind.code, int(status), (kind.__doc__ or "").splitlines()[0]))
    return sorted(found.values())
