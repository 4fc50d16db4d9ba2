"""What log and operators may be told of an address: never the token of a link, never a card number."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from app.kernel import classify

PATH_CHARS_MAX: Final = 512
ENCODED_MAX: Final = 8
# What stands behind these is a credential, whoever sends it in whatever form and whatever becomes of the request.
_BEHIND: Final = re.compile(r"((?:^|[^a-z0-9])(?:link|certificate)[^a-z0-9_.-]+).+", re.IGNORECASE | re.DOTALL)
# A token as we make them, wherever it stands.
_TOKEN: Final = re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])", re.ASCII)


def path(text: str) -> str:
    """Return a path without what is secret in it, cut to what an event holds.

    Where something secret is encoded in it, also more than once, the path is told as it reads.
    """
    read = text
    for _ in range(ENCODED_MAX):
        masked = _masked(read)
        if masked != read:
            return masked[:PATH_CHARS_MAX]
        read, before = unquote(read), read
        if read == before:
            return text[:PATH_CHARS_MAX]
    return "[encoded]"


def _masked(text: str) -> str:
    return classify.redact(_TOKEN.sub("[token]", _BEHIND.sub(r"\1[token]", text)))[0]
