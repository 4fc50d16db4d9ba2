"""The shape a request must have before anything of it is parsed: method, path, sizes, encodings, host."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from app.kernel.errors import Malformed, OnePayError, TooLarge

# A name, an IPv4 address, or an IPv6 address in brackets; then perhaps a port. What is served is compared with it.
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9.-]{1,253}))(?::[0-9]{1,5})?")
URL_MAX: Final = 4096
HEADERS_MAX: Final = 64
HEADER_BYTES_MAX: Final = 16_384
METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
_WITH_BODY: Final = frozenset(("POST", "PUT", "PATCH"))
_SLASHES: Final = ("%2f", "%2F", "%5c", "%5C", "\\")


class MethodRefused(OnePayError):
    """This method is not used here."""

    code = "method_not_allowed"


class WrongHost(OnePayError):
    """This host is not served here."""

    code = "wrong_host"


class UrlTooLong(OnePayError):
    """The address is too long."""

    code = "url_too_long"


class HeadersTooLarge(OnePayError):
    """The headers are too many or too long."""

    code = "headers_too_large"


class LengthRequired(OnePayError):
    """The request has a body of unknown length."""

    code = "length_required"


class EncodingRefused(OnePayError):
    """Compressed or differently typed bodies are not accepted here."""

    code = "unsupported_media_type"


def check(environ: dict[str, Any], hosts: Collection[str], body_max: int) -> None:  # a WSGI environment
    """Raise the refusal that fits a request out of shape; nothing is changed."""
    named = _HOST.fullmatch(environ.get("HTTP_HOST", ""))
    if named is None or (named.group(1) or named.group(2)).lower() not in hosts:
        raise WrongHost
    if environ.get("REQUEST_METHOD") not in METHODS:
        raise MethodRefused
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ.get("PATH_INFO", "")
    if len(raw) + len(environ.get("QUERY_STRING", "")) > URL_MAX:
        raise UrlTooLong
    _check_path(environ.get("PATH_INFO", ""), str(raw).partition("?")[0])
    headers = [(name, value) for name, value in environ.items() if name.startswith("HTTP_")]
    if len(headers) > HEADERS_MAX or sum(len(n) + len(str(v)) for n, v in headers) > HEADER_BYTES_MAX:
        raise HeadersTooLarge
    if environ.get("HTTP_CONTENT_ENCODING"):
        raise EncodingRefused
    _check_body(environ, body_max)


def _check_path(path: str, raw: str) -> None:
    segments = path.split("/")
    if (
        not path.startswith("/")
        or "\x00" in path
        or "//" in path
        or ".." in segments
        or any(slash in text for slash in _SLASHES for text in (raw, path))
    ):
        raise Malformed("The path cannot be read.")


def _check_body(environ: dict[str, Any], body_max: int) -> None:
    length = environ.get("CONTENT_LENGTH") or ""
    if environ.get("REQUEST_METHOD") not in _WITH_BODY:
        return
    if environ.get("HTTP_TRANSFER_ENCODING") and not length:
        raise LengthRequired
    if length and not (length.isascii() and length.isdigit()):
        raise Malformed("The length cannot be read.")
    if int(length or 0) > body_max:
        raise TooLarge(f"A request here may have at most {body_max} bytes.")
