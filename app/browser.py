"""The cookies a browser is given: session, readable CSRF copy for the console, known device, open sign-in."""

from __future__ import annotations

from typing import Final

from flask import Response, request

from app.edge import system
from app.gateway import csrf
from app.gateway.pipeline import set_cookie
from app.identity.sessions import NewSession
from app.kernel.access import ActorKind
from app.oauth import guard

DEVICE_SECONDS: Final = 90 * 24 * 3600
CONSOLE_CSRF: Final = "onepay_csrf"


def signed_in(response: Response, begun: NewSession, kind: ActorKind, device_token: str | None) -> Response:
    """Give the browser its new session, and drop what belonged to the sign-in."""
    gate, names = system().gateway, system().gateway.cookies
    is_staff = kind is ActorKind.STAFF
    name = names.session_of(guard.STAFF if is_staff else guard.CUSTOMER)
    set_cookie(response, gate, name, begun.token, strict=is_staff, seconds=None)
    if device_token is not None:
        set_cookie(response, gate, names.device, device_token, strict=False, seconds=DEVICE_SECONDS)
    if is_staff:
        # Dash copies this cookie into X-CSRFToken; it is the session's token and no secret of its own.
        set_cookie(response, gate, CONSOLE_CSRF, csrf.token_of(begun.csrf), strict=True, seconds=None, readable=True)
    set_cookie(response, gate, names.login, "", strict=False, seconds=0)
    return response


def owes_code(response: Response, login_token: str) -> Response:
    """Give the browser the token of a sign-in that waits for its code."""
    set_cookie(response, system().gateway, system().gateway.cookies.login, login_token, strict=False, seconds=600)
    return response


def signed_out(response: Response, surface: str) -> Response:
    """Take the session away and have the browser forget what it kept of us (SES-8)."""
    gate = system().gateway
    set_cookie(response, gate, gate.cookies.session_of(surface), "", strict=False, seconds=0)
    if surface == guard.STAFF:
        set_cookie(response, gate, CONSOLE_CSRF, "", strict=True, seconds=0, readable=True)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def device_token() -> str | None:
    """Return the token of the device this request comes from, if it has one."""
    return request.cookies.get(system().gateway.cookies.device)


def login_token() -> str | None:
    """Return the token of the open sign-in."""
    return request.cookies.get(system().gateway.cookies.login)
