"""What a hold can name: somebody who has an account, and what a row or an event is called by. Else it holds nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy.orm import Session

from compliance.contracts.marked import naming
from compliance.contracts.tables import MarkedTables
from compliance.retention.parts import Retention
from ingest.events import catalog
from ingest.log import read
from ingest.store.query import In, Or, Where, Window

SAID: Final = {
    "subject": "There is no account {value}: people are held by the id of their account, such as acc_01….",
    "object": "Nothing is called {value}: things are held by their id, as their page shows it.",
}


def about(object_id: str) -> Where:
    """Return the condition of the events that name a thing."""
    return Or(tuple(In(path, (object_id,)) for path in catalog.objects()))


def unknown(session: Session, kind: str, values: Collection[str], *, parts: Retention) -> list[str]:
    """Return those of some values that nobody and nothing is called; raises what the store raises where it is asked."""
    if kind == "subject":
        return sorted(value for value in values if not parts.subject_exists(session, value))
    left = set(values)
    for source in parts.sources:
        for table in source.every_table() if isinstance(source, MarkedTables) else ():
            left -= naming.standing(session, table, left)
    left -= read.sequences_of(session, left).keys() | read.waiting(session, left).keys()
    # What is in no table any more, or never was, stands in what was told of it.
    return sorted(value for value in left if not parts.log.store.count(about(value), Window()))
