"""Against forged requests: the session's token, an origin of ours, and what the browser says of where it comes from."""

from __future__ import annotations

from typing import Any

from flask import Flask, Request, Response, g
from flask import session as flask_session
from flask.sessions import SessionInterface, SessionMixin
from flask_wtf import csrf as wtf
from wtforms.validators import ValidationError

from app.kernel import crypto
from app.kernel.crypto import Secret
from app.kernel.errors import Forbidden

FIELD = "csrf_token"
HEADER = "X-CSRFToken"


class CsrfRefused(Forbidden):
    """This page is too old or was not ours. Reload it and try again."""

    code = "csrf_refused"


class RowSession(dict[str, Any], SessionMixin):
    """Flask's session, holding nothing but the CSRF secret of the session row or of the pre-session cookie."""

    modified = False
    permanent = False


class RowSessions(SessionInterface):
    """Hands Flask the session that the guard found; nothing is ever written back by Flask."""

    def open_session(self, app: Flask, request: Request) -> RowSession:
        return RowSession()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        return None


def secret_of_pre(key: Secret, cookie: str) -> str:
    """Return the CSRF secret of somebody not signed in, bound to their pre-session cookie."""
    return crypto.mac(key, b"pre-session|" + cookie.encode("utf-8", "replace")).hex()


def check(request: Request, origins: frozenset[str]) -> None:
    """Raise `CsrfRefused` unless token, Origin and Sec-Fetch-Site all say that our own page sent this."""
    origin = request.headers.get("Origin")
    if origin is not None and origin not in origins:
        raise CsrfRefused
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise CsrfRefused
    try:
        wtf.validate_csrf(request.headers.get(HEADER) or request.form.get(FIELD))
    except ValidationError as error:
        raise CsrfRefused from error


def token_of(secret: str) -> str:
    """Return the token of a session that has only now begun, for the answer that begins it."""
    flask_session[FIELD] = secret
    # The library keeps the token of one request; a new session needs a new one.
    g.pop(FIELD, None)
    return token()


def token() -> str:
    """Return the token for a form of the present session."""
    return str(wtf.generate_csrf())
