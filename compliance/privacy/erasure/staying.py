"""What stays after an erasure, in words: by what it is kept, and until which day at the latest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app.kernel.context import Context
from compliance.catalog.retention import RetentionClass
from compliance.contracts.personal import Target

HOLD: Final = "legal_hold"
"""By what a row stays that a legal hold keeps."""
_UNSETTLED: Final = {HOLD: "GDPR Art. 17(3)(e)"}
_CONTRACT: Final = "GDPR Art. 6(1)(b)"
"""On what stays until it is settled rests: a claim, or what is still owed between its person and us."""
WHO: Final = frozenset(("name", "contact"))
"""Categories by which somebody is known: while one of them waits for something to be settled, ids lead to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that stays: in words, by which law, and until when."""

    says: str
    law: str
    until: str


def says(class_: str, classes: Mapping[str, RetentionClass]) -> str:
    """Return what a class holds in its own words, or what is kept by something that has to be settled."""
    known = classes.get(class_)
    if known is not None:
        return known.says
    name = _named(class_)
    return f"What {'an' if name[0] in 'aeiou' else 'a'} {name} keeps"


def _named(class_: str) -> str:
    return class_.replace("_", " ")


def law(class_: str, classes: Mapping[str, RetentionClass]) -> str:
    """Return by which law a row stays: that of its class, or of what has to be settled."""
    known = classes.get(class_)
    return known.ground if known else _UNSETTLED.get(class_, _CONTRACT)


def waits(target: Target, classes: Mapping[str, RetentionClass]) -> bool:
    """Tell whether a row stays until something is settled, and not by the period of a class."""
    return target.action == "keep" and (target.forced_by or target.retention) not in classes


def lines(targets: Iterable[Target], classes: Mapping[str, RetentionClass], ctx: Context) -> Sequence[Line]:
    """Return what stays of some targets: a line a class, and a line a thing that has to be settled."""
    keeps = sorted({target.forced_by or target.retention for target in targets})
    return [line(each, classes, ctx) for each in keeps]


def line(class_: str, classes: Mapping[str, RetentionClass], ctx: Context) -> Line:
    """Return one thing that stays, as the preview, the last letter and the certificate say it."""
    return Line(says=says(class_, classes), law=law(class_, classes), until=until(class_, classes, ctx))


def order(said: str) -> tuple[datetime, str]:
    """Return by what a day in words is sorted; what waits to be settled comes last."""
    try:
        return datetime.strptime(" ".join(said.split()[:3]), "%d %B %Y").replace(tzinfo=UTC), said
    except ValueError:
        return datetime.max.replace(tzinfo=UTC), said


def until(class_: str, classes: Mapping[str, RetentionClass], ctx: Context) -> str:
    """Return the day a class ends by the period in force, counted from now: whatever began before ends sooner."""
    known = classes.get(class_)
    if known is None:
        # Of a hold the letter says no more than that there is one.
        return "it is settled" if class_ == HOLD else f"the {_named(class_)} is settled"
    at = ctx.at
    if known.anchor == "end of book year":
        at = at.replace(month=12, day=31)
    if known.anchor == "month of ingested":
        # A month goes as a whole, once all of it is past the period.
        at = (at.replace(day=1) + timedelta(days=32)).replace(day=1)
    return f"{known.keep.after(at):%-d %B %Y} at the latest"


def leads(kept: Iterable[tuple[str, str]], classes: Mapping[str, RetentionClass]) -> str:
    """Return to whom an id leads after an erasure; `kept` are (category, what keeps it) of all that stays."""
    why = sorted({_named(keeps) for category, keeps in kept if category in WHO and keeps not in classes})
    if not why:
        return "leads to nobody any more"
    return f"leads to its person until what keeps their name or address ({', '.join(why)}) is settled, then to nobody"
