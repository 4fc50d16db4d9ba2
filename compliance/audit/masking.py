"""What of an event a role sees (identity.md 3.5): by the category that each field is marked with."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from app.kernel.access import Actor
from ingest.events import catalog
from ingest.store.query import Document

MASKED: Final = "masked"
_NEVER: Final = frozenset({"name", "contact", "credential", "card", "communication"})
_ADDRESSES: Final = frozenset({"network.address", "location", "device.id"})
_MONEY: Final = frozenset({"money"})
_WORDS: Final = frozenset({"free_text"})
_HIDDEN: Final = frozenset({"onepay.personal"})
_SHOWN: Final = frozenset({"onepay.session.id", "user.id", "user.target.id", "onepay.subject.id"})
"""Ids by which acts are followed. A session names nobody and opens nothing; it is how acts of one visit are found."""
_NETWORK_BITS: Final = {4: 16, 6: 32}


def mask(document: Document, actor: Actor) -> Document:
    """Return a document as somebody may see it: what is sealed is left out, what is marked is shortened or left out."""
    shortened = _ADDRESSES | (_MONEY if actor.period is not None else frozenset())
    hidden = _NEVER | _WORDS
    masked: Document = _masked(document, "", shortened, hidden)
    return masked


def _masked(value: Mapping[str, Any], under: str, shortened: frozenset[str], hidden: frozenset[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, item in value.items():
        path = f"{under}.{name}" if under else name
        if path in _HIDDEN:
            continue
        category = _categories().get(path)
        if category in hidden:
            made[name] = MASKED
        elif category in shortened:
            made[name] = _short(path, item)
        elif isinstance(item, Mapping):
            made[name] = _masked(item, path, shortened, hidden)
        else:
            made[name] = item
    return made


def _short(path: str, value: Any) -> Any:  # a value of a document
    """Return the network of an address; of anything else that it is masked."""
    if path == "source.ip" and isinstance(value, str):
        try:
            bits = _NETWORK_BITS[ipaddress.ip_address(value).version]
        except ValueError:
            return MASKED
        return str(ipaddress.ip_network(f"{value}/{bits}", strict=False))
    return MASKED


@cache
def _categories() -> Mapping[str, str]:
    """Return the category of every field that may be masked."""
    return {path: category for path, category in catalog.categories().items() if path not in _SHOWN}
