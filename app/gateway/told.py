"""What log and operators may be told of an address: never the token of a link, never a card number."""

from __future__ import annotations

import re
from typing import Final

from app.kernel import classify

PATH_CHARS_MAX: Final = 512
# The token after it is a credential, whoever sends it and whatever becomes of the request.
_LINK: Final = re.compile(r"(?i)(/link/)[^/]+")


def path(text: str) -> str:
    """Return a path without what is secret in it, cut to what an event holds."""
    return classify.redact(_LINK.sub(r"\1[token]", text))[0][:PATH_CHARS_MAX]
