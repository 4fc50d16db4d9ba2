"""What legal holds keep of rows: those that name a held person or thing wherever they do, and whole classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from compliance.contracts.personal import PersonalDataSource, Target, ids_of
from compliance.contracts.walking import walk
from compliance.retention.holds import Hold


def by_case(
    session: Session,
    source: PersonalDataSource,
    targets: Sequence[Target],
    holds: Sequence[Hold],
    sources: Sequence[PersonalDataSource],
) -> Mapping[str, frozenset[str]]:
    """Return the leaves of those targets of an owner that stay, by the case they stay for.

    A person is held with all that leads to them, so that a row which names their wallet or device alone stays, too.
    """
    found = {}
    for hold in holds:
        ids = _ids(session, hold, sources)
        own = {target.leaf for target in targets if hold.keeps(target)}
        kept = own | source.named(session, targets, ids)
        if kept:
            found[hold.case] = frozenset(kept)
    return found


def leaves(
    session: Session,
    source: PersonalDataSource,
    targets: Sequence[Target],
    holds: Sequence[Hold],
    sources: Sequence[PersonalDataSource],
) -> frozenset[str]:
    """Return the leaves of those targets of an owner that stay for any case."""
    return frozenset().union(*by_case(session, source, targets, holds, sources).values())


def _ids(session: Session, hold: Hold, sources: Sequence[PersonalDataSource]) -> frozenset[str]:
    ids = {item.value for item in hold.items if item.kind in ("subject", "object")}
    for item in hold.items:
        if item.kind == "subject":
            ids.update(ids_of(walk(session, sources, item.value)))
    return frozenset(ids)
