"""The walk from a person to all that leads to their data: ids, addresses, devices, wallets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy.orm import Session

from app.kernel.errors import TooLarge
from compliance.contracts.personal import SUBJECT, PersonalDataSource, Seed

SEEDS_MAX: Final = 10_000


class TooManySeeds(TooLarge):
    """So much leads to this person that a search would not end; somebody has to look."""

    code = "too_many_seeds"


def walk(session: Session, sources: Sequence[PersonalDataSource], subject: str) -> frozenset[Seed]:
    """Return all that leads to a person's data, asked of every owner until nothing new is found."""
    known = frozenset((Seed(SUBJECT, subject), Seed("account.id", subject)))
    while True:
        found = known.union(*(source.seeds(session, known) for source in sources))
        if len(found) > SEEDS_MAX:
            raise TooManySeeds
        if found == known:
            return known
        known = found
