"""What the log says of legal holds: which were placed and never released, and what each of them keeps, by its hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from ingest.events.envelope import at_path
from ingest.events.privacy import LegalHoldPlaced, LegalHoldReleased
from ingest.log import forgotten, read
from ingest.log.forgetting import Unit
from ingest.log.read import Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A hold as its event says it: what it keeps by its hash, who placed it, and the day of its review if told.

    One that waits for its number has no sequence yet.
    """

    scope_hash: str
    by: str | None
    review_on: str | None
    class_: str
    sequence: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What all events of holds say, by case: the last word counts, as a case that was released may be held again.

    `unread` are those that may be of any case, as their body is gone and nothing ended it lawfully.
    """

    standing: Mapping[str, Placed]
    released: Mapping[str, str]
    unread: Sequence[Said]

    def told_in(self, unit: Unit) -> list[str]:
        """Return the cases of holds that stand and were placed in a class and month: as long, these do not go."""
        inside = range(unit.first, unit.last + 1)
        return sorted(
            case for case, one in self.standing.items() if one.class_ == unit.class_ and one.sequence in inside
        )


def told(session: Session) -> Told:
    """Return what the log says was placed and released."""
    standing, released, silent = dict[str, Placed](), dict[str, str](), list[Said]()
    for one in read.said(session, LegalHoldPlaced.kind, LegalHoldReleased.kind):
        if one.document is None:
            silent.append(one)
            continue
        case = str(at_path(one.document, "onepay.hold.case"))
        scope_hash = str(at_path(one.document, "onepay.hold.scope_hash"))
        if one.kind == LegalHoldReleased.kind:
            standing.pop(case, None)
            released[case] = scope_hash
        else:
            released.pop(case, None)
            standing[case] = Placed(
                scope_hash=scope_hash,
                by=at_path(one.document, "user.id"),
                review_on=at_path(one.document, "onepay.hold.review_on"),
                class_=one.class_,
                sequence=one.sequence,
            )
    return Told(standing=standing, released=released, unread=forgotten.not_ended(session, silent))
