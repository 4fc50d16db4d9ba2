"""What log and operators may be told of an address: never the token of a link, never a card number."""

from __future__ import annotations

import re
from typing import Final

from app.kernel import classify

PATH_CHARS_MAX: Final = 512
# What stands behind these is a credential, whoever sends it in whatever form and whatever becomes of the request.
_BEHIND: Final = re.compile(r"((?:^|[^a-z0-9])(?:link|certificate)[^a-z0-9_.-]+).+", re.IGNORECASE | re.DOTALL)
# A token as we make them, wherever it stands.
_TOKEN: Final = re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])", re.ASCII)


def path(text: str) -> str:
    """Return a path without what is secret in it, cut to what an event holds."""
    plain = _TOKEN.sub("[token]", _BEHIND.sub(r"\1[token]", text))
    return classify.redact(plain)[0][:PATH_CHARS_MAX]
