"""The event store in memory: the reference the others are held against, and the store of what keeps nothing."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ingest.events.envelope import ADDED_WHEN_SEQUENCED
from ingest.store import paging, reckon
from ingest.store.columns import Schema, cut, lies_within, shipped
from ingest.store.matches import compiled, order_key
from ingest.store.paging import After
from ingest.store.placing import Placed, by_unit, hold_case, place
from ingest.store.port import check_bins, check_top, check_window, walk_leaves
from ingest.store.query import (
    Appended,
    Bin,
    Capabilities,
    Document,
    Dropped,
    Group,
    Order,
    Page,
    Search,
    Sequenced,
    Stats,
    Terms,
    Unit,
    Where,
    Window,
)

_HOLD: Final = "hold"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A document as it is searched, and what it was made of."""

    item: Placed
    document: Document

    @property
    def sequence(self) -> int:
        return self.item.source.sequence


class MemoryStore:
    """Keeps documents by unit and event id, and answers by looking at each."""

    backend: Final = "memory"

    def __init__(self, *, namespace: str = "onepay", schema: Schema | None = None) -> None:
        self.namespace = namespace
        self.schema = schema or shipped()
        self._units: dict[tuple[str, str], dict[str, _Kept]] = {}
        self._guard = threading.RLock()

    def open(self) -> Capabilities:
        return Capabilities(backend=self.backend, version="1", namespace=self.namespace, is_secured=None)

    def append(self, documents: Sequence[Sequenced]) -> Appended:
        placed, refused = place(documents, self.schema)
        stored = 0
        with self._guard:
            for unit, items in by_unit(placed).items():
                known = self._units.setdefault(unit, {})
                for item in items:
                    if item.id not in known:
                        known[item.id] = _Kept(item, item.document())
                        stored += 1
        return Appended(stored=stored, repeated=len(placed) - stored, refused=tuple(refused))

    def settle(self) -> None:
        """Nothing to wait for: what was appended is visible."""

    def tend(self, at: datetime) -> None:
        """No upkeep."""

    def coverage(self, lo: int, hi: int) -> int:
        return sum(lo < kept.sequence <= hi for kept in self._all())

    def missing(self, lo: int, hi: int) -> list[range]:
        present = sorted(kept.sequence for kept in self._all() if lo < kept.sequence <= hi)
        return reckon.gaps(present, lo, hi)

    def search(self, search: Search) -> Page:
        after = paging.check(search, self.schema)
        hi = after.hi if after else max((kept.sequence for kept in self._all()), default=0)
        if search.window.hi is not None:
            hi = min(hi, search.window.hi)
        found = []
        for document in self._matching(search.where, search.window):
            key = order_key(document)
            if key[1] <= hi and (after is None or paging.is_beyond(search.order, key, after)):
                found.append((key, document))
        found.sort(
            key=lambda item: item[0][1] if search.order is Order.SEQUENCE else item[0],
            reverse=search.order is Order.NEWEST,
        )
        taken = found[: search.limit]
        more = len(found) > len(taken)
        last = After(millis=taken[-1][0][0], sequence=taken[-1][0][1], hi=hi) if more else None
        documents = [deepcopy(document) for _, document in taken]
        if search.fields is not None:
            documents = [paging.projected(document, search.fields) for document in documents]
        return Page(documents=documents, after=last.text() if last else None, hi=hi)

    def count(self, where: Where, window: Window) -> int:
        return sum(1 for _ in self._matching(where, window))

    def leaves(self, where: Where, window: Window) -> Iterator[tuple[int, bytes]]:
        return walk_leaves(self, where, window)

    def histogram(
        self, where: Where, window: Window, every: timedelta, *, split: str | None = None, top: int = 10
    ) -> list[Bin]:
        span = check_bins(window, every, top)
        if split is not None:
            self.schema.type_of(split)
        return reckon.histogram_of(self._matching(where, window), span, every, split, top, self.schema)

    def terms(self, where: Where, window: Window, field: str, top: int = 10) -> Terms:
        check_top(top)
        self.schema.type_of(field)
        return reckon.terms_of(self._matching(where, window), field, top, self.schema)

    def groups(self, where: Where, window: Window, by: Sequence[str], *, at_least: int = 1) -> Iterator[Group]:
        for field in by:
            self.schema.type_of(field)
        return reckon.groups_of(self._matching(where, window), by, at_least, self.schema)

    def replace(self, documents: Sequence[Sequenced]) -> int:
        placed, _ = place(documents, self.schema)
        replaced = 0
        with self._guard:
            for unit, items in by_unit(placed).items():
                known = self._units.get(unit, {})
                for item in items:
                    if item.id in known and known[item.id].item.row.get("onepay.parked"):
                        known[item.id] = _Kept(item, item.document())
                        replaced += 1
        return replaced

    def altered(self, documents: Sequence[Sequenced]) -> list[tuple[int, str]]:
        placed, _ = place(documents, self.schema)
        with self._guard:
            pairs = [
                (item, self._units[unit][item.id].item)
                for unit, items in by_unit(placed).items()
                for item in items
                if item.id in self._units.get(unit, {})
            ]
        return sorted(
            (sealed.source.sequence, path)
            for sealed, kept in pairs
            for path in sealed.row.keys() | kept.row.keys()
            if path not in ADDED_WHEN_SEQUENCED and sealed.row.get(path) != kept.row.get(path)
        )

    def drop(
        self, class_: str, before: datetime, keep: Mapping[str, Collection[int]], *, since: datetime | None = None
    ) -> Dropped:
        with self._guard:
            gone = [unit for unit in self._units if unit[0] == class_ and lies_within(unit[1], since, before)]
            documents = {id: kept for unit in gone for id, kept in self._units.pop(unit).items()}
            saved: set[str] = set()
            for case, sequences in sorted(keep.items()):
                held = self._units.setdefault((_HOLD, hold_case(case)), {})
                for id, kept in documents.items():
                    if kept.sequence in sequences and id not in saved:
                        held[id] = kept
                        saved.add(id)
        names = tuple(sorted(f"{class_}/{month}" for class_, month in gone))
        return Dropped(units=names, documents=len(documents), kept=len(saved))

    def holds(self, class_: str, month: str) -> bool:
        with self._guard:
            return (class_, month) in self._units

    def stats(self) -> Stats:
        with self._guard:
            units = tuple(
                Unit(
                    name=f"{class_}/{month}",
                    documents=len(items),
                    bytes=sum(len(kept.item.source.body) for kept in items.values()),
                    low=min((kept.sequence for kept in items.values()), default=0),
                    high=max((kept.sequence for kept in items.values()), default=0),
                )
                for (class_, month), items in sorted(self._units.items())
            )
        return Stats(
            documents=sum(unit.documents for unit in units),
            bytes=sum(unit.bytes for unit in units),
            high=max((unit.high for unit in units), default=0),
            units=units,
        )

    def close(self) -> None:
        """Nothing to let go of."""

    def _all(self) -> list[_Kept]:
        with self._guard:
            return [kept for unit in self._units.values() for kept in unit.values()]

    def _matching(self, where: Where, window: Window) -> Iterator[Document]:
        check_window(window)
        holds = compiled(where, self.schema)
        return (kept.document for kept in self._all() if _is_within(kept, window) and holds(kept.document))


def _is_within(kept: _Kept, window: Window) -> bool:
    if kept.sequence <= window.lo or (window.hi is not None and kept.sequence > window.hi):
        return False
    at, _ = order_key(kept.document)
    return (window.since is None or at >= cut(window.since)) and (window.until is None or at < cut(window.until))
