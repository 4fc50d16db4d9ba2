"""The words of a feed's address: known ones, each once, in bounds; what a grid never asks is a bad request."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from flask import request

from app.kernel import numbers
from app.kernel.errors import Malformed
from dashboards.calls import is_text

LIMIT_MAX: Final = 200
AFTER_CHARS_MAX: Final = 500
OWN: Final = frozenset({"limit", "after"})


class BadFeed(Malformed):
    """This is no address of a feed."""

    code = "bad_feed"


def check(known: Collection[str]) -> None:
    """Raise `BadFeed` naming the word that this feed does not know, has twice, or that is out of bounds."""
    for name, values in request.args.lists():
        if name not in known and name not in OWN:
            raise BadFeed(f"This feed knows no word {name[:50]!r}.", param=name[:50])
        if len(values) != 1:
            raise BadFeed(f"The word {name} stands more than once.", param=name)
        if not is_text(values[0]):
            raise BadFeed(f"The word {name} is no text.", param=name)
    limit = request.args.get("limit")
    if limit is not None and not 1 <= (numbers.whole(limit) or 0) <= LIMIT_MAX:
        raise BadFeed(f"A limit is a number from 1 to {LIMIT_MAX}.", param="limit")
    if len(request.args.get("after", "")) > AFTER_CHARS_MAX:
        raise BadFeed("The key of the next block cannot be read.", param="after")
