"""What the log says of legal holds: which were placed and never released, and what each of them keeps, by its hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from ingest.events.envelope import at_path
from ingest.events.privacy import LegalHoldPlaced, LegalHoldReleased
from ingest.log import forgotten, read
from ingest.log.read import Said
from ingest.log.units import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A hold as its event says it: what it keeps by its hash, who placed it, and the day of its review if told.

    `placers` are all who placed it since it was released last, as one that is mended is placed again. One that waits
    for its number has no sequence yet.
    """

    scope_hash: str
    by: str | None
    placers: frozenset[str]
    review_on: str | None
    class_: str
    sequence: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """That a hold was released: what it kept by its hash, and where those placings of its case stand that speak."""

    scope_hash: str
    class_: str
    sequence: int | None
    placed: Sequence[int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What all events of holds say, by case: the last word counts, as a case that was released may be held again.

    `unread` are those that may be of any case, as their body is gone and nothing ended it lawfully.
    """

    standing: Mapping[str, Placed]
    released: Mapping[str, Released]
    unread: Sequence[Said]

    def told_in(self, unit: Unit) -> list[str]:
        """Return the cases for whose events a class and month stays.

        These are holds that stand and were placed in it, and those that were released in it and placed elsewhere, in
        words that are still there: the newer word never goes before the older one.
        """
        inside = range(unit.first, unit.last + 1)
        mine = [case for case, one in self.standing.items() if one.class_ == unit.class_ and one.sequence in inside]
        mine += [
            case
            for case, one in self.released.items()
            if one.class_ == unit.class_ and one.sequence in inside and any(_is_before(at, inside) for at in one.placed)
        ]
        return sorted(mine)


def _is_before(sequence: int | None, inside: range) -> bool:
    return sequence is not None and sequence < inside.start


def told(session: Session) -> Told:
    """Return what the log says was placed and released."""
    standing, released, silent = dict[str, Placed](), dict[str, Released](), list[Said]()
    placings = dict[str, list[int | None]]()
    for one in read.said(session, LegalHoldPlaced.kind, LegalHoldReleased.kind):
        if one.document is None:
            silent.append(one)
            continue
        case = str(at_path(one.document, "onepay.hold.case"))
        scope_hash = str(at_path(one.document, "onepay.hold.scope_hash"))
        before = standing.pop(case, None)
        if one.kind == LegalHoldReleased.kind:
            released[case] = Released(
                scope_hash=scope_hash,
                class_=one.class_,
                sequence=one.sequence,
                placed=tuple(placings.get(case, ())),
            )
        else:
            released.pop(case, None)
            placings.setdefault(case, []).append(one.sequence)
            by = at_path(one.document, "user.id")
            standing[case] = Placed(
                scope_hash=scope_hash,
                by=by,
                placers=frozenset({by} - {None}) | (before.placers if before is not None else frozenset()),
                review_on=at_path(one.document, "onepay.hold.review_on"),
                class_=one.class_,
                sequence=one.sequence,
            )
    return Told(standing=standing, released=released, unread=forgotten.not_ended(session, silent))
