"""The files pages need: our own sheet and htmx as its wheel brings it, each under an address that never changes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from flask import Blueprint, Response

from app.gateway.policy import Policy, Public, route
from app.kernel import crypto
from app.kernel.errors import ConfigurationRefused, NotFound

HTMX_SHA256: Final = "71ea67185bfa8c98c39d31717c6fce5d852370fcdfd129db4543774d3145c0de"
_STATIC: Final = Path(__file__).with_name("static")
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file: its address holds the first digits of its digest."""

    name: str
    content: bytes
    mimetype: str


class Assets:
    """All files served to pages, read once at start; htmx is compared with the digest this release was tested with."""

    def __init__(self) -> None:
        self._by_address: dict[str, Asset] = {}
        self._address_by_file: dict[str, str] = {}
        for file in sorted(_STATIC.iterdir()):
            self._add(file.name, file.read_bytes(), file.suffix)
        htmx = _htmx()
        if crypto.sha256(htmx).hex() != HTMX_SHA256:
            raise ConfigurationRefused(
                "The htmx file of the installed package is not the one this release was tested with."
            )
        self._add("htmx.js", htmx, ".js")

    def address(self, file: str) -> str:
        """Return the address of a file by its plain name."""
        return f"/assets/{self._address_by_file[file]}"

    def find(self, address: str) -> Asset:
        """Return the file at an address; raises `NotFound`."""
        try:
            return self._by_address[address]
        except KeyError as error:
            raise NotFound from error

    def _add(self, file: str, content: bytes, suffix: str) -> None:
        stem = file.removesuffix(suffix)
        name = f"{stem}-{crypto.sha256(content).hex()[:12]}{suffix}"
        self._address_by_file[file] = name
        self._by_address[name] = Asset(name=name, content=content, mimetype=_TYPES[suffix])


def _htmx() -> bytes:
    files = distribution("django-htmx").files or []
    found = next((file for file in files if file.name == "htmx-2.min.js"), None)
    if found is None:
        raise ConfigurationRefused("The package django-htmx does not bring htmx 2.")
    return Path(str(found.locate())).read_bytes()


def blueprint(assets: Assets) -> Blueprint:
    """Return the routes of all assets; the icon also stands where browsers look for it unasked."""
    made = Blueprint("assets", __name__)

    @route(made, "GET", "/assets/<name>", Policy(permission=Public(reason="files of the pages, the same for all")))
    def asset(name: str) -> Response:
        found = assets.find(name)
        return Response(found.content, mimetype=found.mimetype)

    @route(made, "GET", "/favicon.ico", Policy(permission=Public(reason="the icon, the same for all")))
    def icon() -> Response:
        found = assets.find(assets.address("icon.svg").rpartition("/")[2])
        return Response(found.content, mimetype=found.mimetype)

    return made
