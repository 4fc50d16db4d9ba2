"""Which events a hold keeps: as they say themselves, and as the event store has them; either alone is enough to stay.

What the store leaves out of a document frees nothing, as the body that was sealed is asked. Of a body that is gone, or
is not what was sealed, nobody knows whom it names, so the event stays, as the archive has it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy.orm import Session

from app.kernel.db import Database
from compliance.retention import holds, naming
from compliance.retention.holds import Hold, Item
from ingest.log import read
from ingest.log.forgetting import Held, Keeping
from ingest.store.matches import compiled
from ingest.store.port import EventStore
from ingest.store.query import And, Eq, Or, Where, Window


def keeping(db: Database, store: EventStore, class_: str) -> Keeping:
    """Return who answers, while a unit goes, what of it is held, and whether a hold was placed since they looked.

    Both answers raise `HoldNotAsPlaced`.
    """

    def look(lo: int, hi: int) -> Held:
        with db.read() as session:
            seen = holds.as_placed(session)
            by_case = sequences(session, seen, store, class_, lo, hi)
        return Held(by_case=by_case, stands=holds.none_since(seen))

    return look


def sequences(
    session: Session, standing: Sequence[Hold], store: EventStore, class_: str, lo: int, hi: int
) -> Mapping[str, list[int]]:
    """Return by case which sequences of a unit are held, none of another class that lies between them.

    Reads every body of the unit where a hold names people or things. Raises what the store raises when it does not
    answer.
    """
    found = defaultdict[str, set[int]](set)
    for case, some in stored(session, standing, store, class_, lo, hi).items():
        found[case].update(some)
    for case, sequence in _sealed(session, standing, class_, lo, hi):
        found[case].add(sequence)
    return {case: sorted(some) for case, some in found.items()}


def stored(
    session: Session, standing: Sequence[Hold], store: EventStore, class_: str, lo: int, hi: int
) -> Mapping[str, list[int]]:
    """Return what of it the event store alone says is held, which is quick: for who counts, not for who removes."""
    found: dict[str, list[int]] = {}
    for hold in standing:
        kept: set[int] = set()
        for item in hold.items:
            if item.kind == "sequences":
                first, last = (int(part) for part in item.value.split(":"))
                kept.update(read.sequences_in(session, class_, max(first - 1, lo), min(last, hi)))
            elif item.kind == "class":
                kept.update(read.sequences_in(session, class_, lo, hi) if item.value == class_ else ())
            else:
                mine = And((Eq("onepay.class", class_), _names(item)))
                kept.update(sequence for sequence, _ in store.leaves(mine, Window(lo=lo, hi=hi)))
        if kept:
            found[hold.case] = sorted(kept)
    return found


def keep_key(standing: Sequence[Hold], store: EventStore, subject: str, class_: str) -> bool:
    """Tell whether a hold keeps an event about a person, of a class of the log: then the key that opens it stays."""
    mine = And((Eq("onepay.class", class_), Eq("onepay.subject.id", subject)))
    for item in (item for hold in standing for item in hold.items):
        if item.kind == "object":
            found = store.count(And((mine, naming.about(item.value))), Window())
        elif item.kind == "sequences":
            first, last = (int(part) for part in item.value.split(":"))
            found = store.count(mine, Window(lo=first - 1, hi=last))
        else:
            found = item in (Item(kind="class", value=class_), Item(kind="subject", value=subject))
        if found:
            return True
    return False


def _sealed(session: Session, standing: Sequence[Hold], class_: str, lo: int, hi: int) -> Iterator[tuple[str, int]]:
    """Yield the case and sequence of each event that names, as it was sealed, whom or what a hold keeps."""
    named = [(one.case, item) for one in standing for item in one.items if item.kind in naming.SAID]
    asks = [(case, item.value.encode(), compiled(_names(item))) for case, item in named]
    every = read.sequences_in(session, class_, lo, hi) if asks else []
    for first in range(0, len(every), read.SLICE_MAX):
        some = every[first : first + read.SLICE_MAX]
        sealed = read.sealed_at(session, some)
        unknown = [sequence for sequence in some if sequence not in sealed]
        yield from ((case, sequence) for sequence in unknown for case, _, _ in asks)
        for sequence, body in sealed.items():
            likely = [(case, holds_for) for case, value, holds_for in asks if value in body]
            document = json.loads(body) if likely else {}
            yield from ((case, sequence) for case, holds_for in likely if holds_for(document))


def _names(item: Item) -> Where:
    if item.kind == "subject":
        return Or((Eq("onepay.subject.id", item.value), Eq("user.id", item.value)))
    return naming.about(item.value)
