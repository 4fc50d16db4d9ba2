"""The security headers of every answer, by surface."""

from __future__ import annotations

import secrets
from typing import Final

from werkzeug.datastructures import Headers

_COMMON: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    (
        "Permissions-Policy",
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
        "microphone=(), midi=(), payment=(), usb=(), publickey-credentials-get=(self), "
        "publickey-credentials-create=(self), clipboard-write=(self)",
    ),
    ("Reporting-Endpoints", 'csp="/csp-report"'),
)
_END: Final = "; base-uri 'none'; frame-ancestors 'none'; report-to csp; report-uri /csp-report"
API_POLICY: Final = "default-src 'none'; sandbox" + _END
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'none'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'" + _END
)
_CONSOLE: Final = (
    "default-src 'none'; script-src 'self' 'nonce-{n}'; style-src 'self' 'nonce-{n}'; style-src-attr 'none'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; form-action 'self'" + _END
)
NEVER_CACHED: Final = "no-store"
IMMUTABLE: Final = "public, max-age=31536000, immutable"
IMMUTABLE_STAFF: Final = "private, max-age=31536000, immutable"


def new_nonce() -> str:
    """Return 128 random bits for the one answer."""
    return secrets.token_urlsafe(16)


def console_policy(nonce: str) -> str:
    """Return the content policy of the console for one answer."""
    return _CONSOLE.format(n=nonce)


def apply(headers: Headers, *, policy: str, is_tls: bool, cache: str = NEVER_CACHED) -> None:
    """Set every header of one answer; files that never change are cached for good, everything else never."""
    for name, value in _COMMON:
        headers[name] = value
    headers["Content-Security-Policy"] = policy
    headers.pop("Server", None)
    if is_tls:
        headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
    headers["Cache-Control"] = cache
    if cache == IMMUTABLE:
        headers.pop("Set-Cookie", None)
        headers.pop("Vary", None)
    else:
        headers["Vary"] = "Cookie"
