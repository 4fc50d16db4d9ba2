"""What legal holds keep of rows: those that name a held person or thing wherever they do, and whole classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from compliance.contracts.personal import PersonalDataSource, Target, ids_of
from compliance.contracts.walking import walk
from compliance.retention.holds import Hold


@dataclass(frozen=True, slots=True)
class Keeping:
    """A hold, and all ids by which a row may name whom or what it holds."""

    hold: Hold
    ids: frozenset[str]


def of(session: Session, holds: Sequence[Hold], sources: Sequence[PersonalDataSource]) -> Sequence[Keeping]:
    """Return what each hold keeps by: a person with all that leads to them, such as their wallet or device."""
    return [Keeping(hold, _ids(session, hold, sources)) for hold in holds]


def by_case(
    session: Session, source: PersonalDataSource, targets: Sequence[Target], keeping: Sequence[Keeping]
) -> Mapping[str, frozenset[str]]:
    """Return the leaves of those targets of an owner that stay, by the case they stay for."""
    found = {}
    for one in keeping if targets else ():
        own = {target.leaf for target in targets if one.hold.keeps(target)}
        kept = own | source.named(session, targets, one.ids)
        if kept:
            found[one.hold.case] = frozenset(kept)
    return found


def leaves(
    session: Session, source: PersonalDataSource, targets: Sequence[Target], keeping: Sequence[Keeping]
) -> frozenset[str]:
    """Return the leaves of those targets of an owner that stay for any case."""
    return frozenset().union(*by_case(session, source, targets, keeping).values())


def _ids(session: Session, hold: Hold, sources: Sequence[PersonalDataSource]) -> frozenset[str]:
    ids = {item.value for item in hold.items if item.kind in ("subject", "object")}
    for item in hold.items:
        if item.kind == "subject":
            ids.update(ids_of(walk(session, sources, item.value)))
    return frozenset(ids)
