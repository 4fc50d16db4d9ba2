"""The key of a request that must have one effect: its form, its owner, and a fingerprint of what it asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.kernel import canonical, crypto
from app.kernel.errors import Malformed

HEADER: Final = "Idempotency-Key"
FIELD: Final = "idempotency_key"
_SHAPE: Final = re.compile(r"^[\x21-\x7e]{1,255}$")


class KeyRequired(Malformed):
    """Send an Idempotency-Key of 1 to 255 visible ASCII characters."""

    code = "idempotency_key_required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Who repeats (scope), under which key, what exactly (SHA-256 over method, route and validated body)."""

    scope: str
    key: str
    route: str
    fingerprint: bytes


def read(value: str | None, *, scope: str, method: str, route: str, content: Mapping[str, Any]) -> Key:
    """Return the key of a request; raises `KeyRequired` where it is missing or malformed."""
    text = (value or "").strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not _SHAPE.match(text):
        raise KeyRequired
    print_ = crypto.sha256(canonical.encode({"method": method, "route": route, "content": dict(content)}))
    return Key(scope=scope, key=text, route=route, fingerprint=print_)
