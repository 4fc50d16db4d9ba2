"""What stays after an erasure, in words: by what it is kept, and until which day at the latest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from app.kernel.context import Context
from compliance.catalog.retention import RetentionClass


def says(class_: str, classes: Mapping[str, RetentionClass]) -> str:
    """Return what keeps a row in the words of its class, or of what has to be settled."""
    known = classes.get(class_)
    return known.says if known else class_.replace("_", " ")


def until(class_: str, classes: Mapping[str, RetentionClass], ctx: Context) -> str:
    """Return the day a class ends by the period in force, counted from now: whatever began before ends sooner."""
    known = classes.get(class_)
    if known is None:
        return "it is settled"
    at = ctx.at
    if known.anchor == "end of book year":
        at = at.replace(month=12, day=31)
    if known.anchor == "month of ingested":
        # A month goes as a whole, once all of it is past the period.
        at = (at.replace(day=1) + timedelta(days=32)).replace(day=1)
    return f"{known.keep.after(at):%-d %B %Y} at the latest"
