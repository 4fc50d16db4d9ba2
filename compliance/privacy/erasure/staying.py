"""What stays after an erasure, in words: by what it is kept, and until which day at the latest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from app.kernel.context import Context
from compliance.catalog.retention import RetentionClass

WHO: Final = frozenset(("name", "contact"))
"""Categories by which somebody is known: while one of them waits for something to be settled, ids lead to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that stays: in words, by which law, None where it is not settled, and until when."""

    says: str
    law: str | None
    until: str


def says(class_: str, classes: Mapping[str, RetentionClass]) -> str:
    """Return what keeps a row in the words of its class, or of what has to be settled."""
    known = classes.get(class_)
    return known.says if known else class_.replace("_", " ")


def lines(kept: Collection[tuple[str, str]], classes: Mapping[str, RetentionClass], ctx: Context) -> Sequence[Line]:
    """Return what stays, a line a class or what has to be settled; `kept` are (category, what keeps it).

    A class of which something waits to be settled, such as the name of whom we owe money, may end later by that.
    """
    unsettled = {category for category, keeps in kept if keeps not in classes}
    found = []
    for keeps in sorted({keeps for _, keeps in kept}):
        said, known = until(keeps, classes, ctx), classes.get(keeps)
        if known is not None and not unsettled.isdisjoint(category for category, by in kept if by == keeps):
            said = f"{said}, or once that is settled, if it is later"
        found.append(Line(says=says(keeps, classes), law=known.ground if known else None, until=said))
    return found


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


def leads(kept: Iterable[tuple[str, str]], classes: Mapping[str, RetentionClass]) -> str:
    """Return to whom an id leads after an erasure; `kept` are (category, what keeps it) of all that stays."""
    why = sorted({says(keeps, classes) for category, keeps in kept if category in WHO and keeps not in classes})
    if not why:
        return "leads to nobody any more"
    return f"leads to its person until what keeps their name or address ({', '.join(why)}) is settled, then to nobody"
