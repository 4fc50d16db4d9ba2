"""What an edge needs of its request: the system, a context, parsed input, and how refusals are answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TypeVar, cast

import pydantic
from flask import Flask, Response, current_app, g, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.exceptions import NotFound as WerkzeugNotFound

from app import problems
from app.compose import System
from app.gateway import pipeline, told
from app.gateway.policy import Policy
from app.gateway.shape import EncodingRefused, MethodRefused
from app.identity import sessions
from app.kernel.access import Permission
from app.kernel.context import Context
from app.kernel.db import is_deadlock
from app.kernel.errors import (
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    OnePayError,
    SignInRequired,
    TooLarge,
    Traced,
    Unavailable,
)
from app.kernel.logs import logger
from app.problems import Internal, Problem
from ingest.events.access import RequestDenied

DEPTH_MAX: Final = 8
KEYS_MAX: Final = 200
SAFE: Final = ("GET", "HEAD", "OPTIONS")
Model = TypeVar("Model", bound=pydantic.BaseModel)
Result = TypeVar("Result")
_log = logger(__name__)


def system() -> System:
    """Return the system this application serves."""
    return cast(System, current_app.extensions["onepay"])


def context() -> Context:
    """Return the context of the present request."""
    return Context(actor=g.actor, at=g.at, request_id=g.request_id, source=g.source, ids=system().ids)


@contextmanager
def acting(*, posting: bool = False, upon: str | None = None) -> Iterator[Session]:
    """Open the transaction of an act of whoever is signed in; raises `SignInRequired`, and does nothing, if that ended.

    Nobody else ends it before the commit: their account is held, before anything that the act holds; and beside it the
    account that is acted `upon`.
    """
    with system().db.begin(posting=posting) as session:
        if g.live is not None:
            try:
                sessions.demand_live(session, g.live.session_id, beside=upon)
            except SignInRequired:
                g.ended = "revoked"
                raise
        yield session


def acted(work: Callable[[Session], Result], *, upon: str | None = None) -> Result:
    """Carry out an act of whoever is signed in in one transaction; where two waited for each other, once more."""
    try:
        with acting(upon=upon) as session:
            return work(session)
    except Unavailable as error:
        if not is_deadlock(error):
            raise
    with acting(upon=upon) as session:
        return work(session)


def json_body(model: type[Model]) -> Model:
    """Return the validated JSON body; duplicate keys, NaN, depth over 8 and unknown fields are refused."""
    if request.mimetype != "application/json":
        raise EncodingRefused("Send the body as application/json.")
    raw = request.get_data(cache=True)
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:  # also what Python refuses itself: numbers of 4,300 digits
        raise Malformed("The body is not JSON.") from error
    if _measure(value, 1) > KEYS_MAX:
        raise Malformed(f"The body holds more than {KEYS_MAX} fields.")
    return validated(model, value)


def query(model: type[Model]) -> Model:
    """Return the validated query parameters; repeated and unknown ones are refused."""
    found: dict[str, Any] = {}
    for name, values in request.args.lists():
        if len(values) > 1:
            raise Invalid(f"{name} is given twice.", param=name)
        found[name] = values[0]
    return validated(model, found, strict=False)


def validated(model: type[Model], value: Any, *, strict: bool = True) -> Model:
    """Return the model of a value, or raise `Invalid` naming field and rule, never the value."""
    try:
        return model.model_validate(value, strict=strict)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        param = ".".join(str(part) for part in first["loc"]) or None
        raise Invalid(f"{param or 'body'}: {first['msg']}", param=param) from error


def json_answer(document: Mapping[str, Any] | list[Any], status: int = 200, **headers: str) -> Response:
    """Return a JSON answer."""
    response = Response(json.dumps(document, ensure_ascii=False), status=status, mimetype="application/json")
    response.headers.update(headers)
    return response


def install(app: Flask, page_of: Any) -> None:  # `page_of(problem) -> Response` of the web package
    """Answer every refusal of the application by the one table, as a document or as a page."""

    def answer(error: OnePayError) -> Response:
        try:
            leave_trace(error)
        except Unavailable as lost:
            # A refusal must leave its trace: one that could not is no answer, and the request may come again.
            where = {"http__request__id": g.get("request_id"), "error__type": error.code}
            _log.warning("a refusal left no event", extra=where)
            error = lost
        made = problems.of(error, request_id=g.request_id, instance=request.path)
        return cast(Response, page_of(error, made)) if wants_page() else document(made)

    def translated(error: HTTPException) -> Response:
        if isinstance(error, WerkzeugNotFound):
            return answer(NotFound())
        if isinstance(error, MethodNotAllowed):
            response = answer(MethodRefused())
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
            return response
        if isinstance(error, RequestEntityTooLarge):
            return answer(TooLarge("The request is too large."))
        return answer(Malformed())

    def unexpected(error: Exception) -> Response:
        where = {"http__request__id": g.get("request_id"), "url__path": told.path(request.path)}
        _log.exception("request failed", extra=where)
        # What asks for a page alone has changed nothing; the rest may have failed after its commit.
        return answer(Internal() if request.method in SAFE else Internal(problems.UNSURE))

    app.register_error_handler(OnePayError, answer)
    app.register_error_handler(HTTPException, translated)
    app.register_error_handler(Exception, unexpected)


def leave_trace(error: OnePayError) -> None:
    """Record what a refusal leaves behind, in a transaction of its own, after the refused one was rolled back."""
    ctx, parts = context(), system()
    if isinstance(error, Traced):
        with parts.db.begin() as session:
            error.trace(session, ctx)
    if isinstance(error, SignInRequired | Forbidden) or getattr(error, "is_others", False):
        event = _denied(error)
        parts.gateway.folding.tell(parts.db, event, event, ctx)


def document(problem: Problem) -> Response:
    """Return a problem as application/problem+json."""
    response = Response(
        json.dumps(problem.document(), ensure_ascii=False), status=problem.status, mimetype="application/problem+json"
    )
    response.headers.update(problem.headers())
    return response


def wants_page() -> bool:
    """Tell whether the client is a person's browser asking for a page."""
    return not request.path.startswith(("/api/", "/health", "/console/_dash", "/console/api")) and (
        request.accept_mimetypes.best_match(("application/json", "text/html"), default="application/json")
        == "text/html"
    )


def _denied(error: OnePayError) -> RequestDenied:
    policy: Policy | None = pipeline.policy_of(current_app)
    permission = policy.permission if policy else None
    return RequestDenied(
        method=request.method,
        status=int(problems.status_of(error)),
        path=told.path(request.path),
        route=str(request.url_rule) if request.url_rule else None,
        permission=permission.name if isinstance(permission, Permission) else None,
        reason="other_owner" if getattr(error, "is_others", False) else error.code,
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("A field stands twice in the body.")
    return found


def _not_json(text: str) -> NoReturn:
    raise Malformed(f"{text} is not JSON.")


def _measure(value: Any, depth: int) -> int:
    if depth > DEPTH_MAX:
        raise Malformed(f"The body is nested deeper than {DEPTH_MAX}.")
    if isinstance(value, dict):
        return len(value) + sum(_measure(item, depth + 1) for item in value.values())
    if isinstance(value, list):
        return sum(_measure(item, depth + 1) for item in value)
    return 0
