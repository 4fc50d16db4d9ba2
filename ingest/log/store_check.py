"""The log against a store that must hold every event: its documents, and what it searches by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.canonical import NotCanonical
from app.kernel.clock import rfc3339
from app.kernel.db import Database
from ingest import models
from ingest.events.envelope import ADDED_WHEN_SEQUENCED, at_path
from ingest.log import entries as form
from ingest.log import read
from ingest.log.comparing import Comparison
from ingest.log.forgotten import Removal
from ingest.log.read import Body, Entry
from ingest.store.port import EventStore, walk
from ingest.store.query import Document, In, Order, Search, Sequenced, Window
from ingest.store.stubs import is_stub


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A store that must hold every event up to `done`, under the name its target has."""

    name: str
    store: EventStore
    done: int


@dataclass(slots=True)
class StoreCheck:
    """Compares one copy, page by page."""

    found: Comparison
    copy: Copy
    documents: int = 0
    excused: set[int] = field(default_factory=set)

    def beyond(self, db: Database) -> None:
        """Find documents of the store that no sequence of the log stands for yet."""
        above = Search(window=Window(lo=self.found.head.size), order=Order.SEQUENCE, limit=read.SLICE_MAX)
        found = [at_path(document, "event.sequence") for document in self.copy.store.search(above).documents]
        if not found:
            return
        with db.read() as session:
            # Read after the store was asked, so that growth meanwhile is no finding.
            size = read.head(session).size
        for sequence in found:
            if sequence > size:
                self._add(sequence, "document", f"it is beyond the head, {size}")

    def page(self, session: Session, lo: int, hi: int) -> dict[int, Document] | None:
        """Return the documents of the store in this page, or None where there is nothing to compare yet."""
        if lo >= self.copy.done:
            return None
        hi = min(hi, self.copy.done)
        wanted = Search(window=Window(lo=lo, hi=hi), order=Order.SEQUENCE, limit=read.SLICE_MAX)
        found: dict[int, Document] = {}
        is_doubled = False
        for document in walk(self.copy.store, wanted):
            sequence = at_path(document, "event.sequence")
            if sequence in found:
                is_doubled = True
                self._add(sequence, "document", "it is there more than once")
            found[sequence] = document
        # A document that stands twice is one damage; that the sum is too large says no more.
        if not is_doubled and self.copy.store.coverage(lo, hi) > len(found):
            self._add(lo + 1, "documents", f"there are more than sequences up to {hi}")
        self._excuse(session, lo, hi)
        return found

    def some(self, session: Session, sequences: Sequence[int]) -> dict[int, Document]:
        """Return the documents of single ascending sequences, at most a page of them."""
        wanted = [sequence for sequence in sequences if sequence <= self.copy.done]
        if not wanted:
            return {}
        lo, hi = wanted[0] - 1, wanted[-1]
        search = Search(
            where=In("event.sequence", tuple(wanted)),
            window=Window(lo=lo, hi=hi),
            order=Order.SEQUENCE,
            limit=read.SLICE_MAX,
        )
        found: dict[int, Document] = {}
        for document in walk(self.copy.store, search):
            sequence = at_path(document, "event.sequence")
            if sequence in found:
                self._add(sequence, "document", "it is there more than once")
            found[sequence] = document
        self._excuse(session, lo, hi)
        return found

    def presence(self, entry: Entry, documents: Mapping[int, Document], unit: Removal | None, is_held: bool) -> None:
        """Name a document that is not there and must be, or is there though it was dropped."""
        sequence = entry.sequence
        if sequence > self.copy.done:
            return
        if unit is not None and not is_held:
            if sequence in documents and unit.is_unstored:
                self._add(sequence, "document", "it is there, though it was dropped")
        elif sequence not in documents and sequence not in self.excused:
            self._add(sequence, "document", "it is missing")

    def _excuse(self, session: Session, lo: int, hi: int) -> None:
        parked = models.parked.c
        waiting = sa.select(parked.sequence).where(
            parked.target == self.copy.name, parked.sequence > lo, parked.sequence <= hi, parked.released_at.is_(None)
        )
        self.excused = set(session.scalars(waiting))

    def compare(self, entry: Entry, body: Body, document: Document, leaf: bytes) -> None:
        """Compare a document with what was sealed; a stub stands for one that the store refused."""
        if is_stub(document):
            if entry.sequence not in self.excused:
                self._add(entry.sequence, "onepay.parked", "it is a stub of what nothing refused")
            return
        self.documents += 1
        added = {"event.ingested": rfc3339(entry.ingested), "event.hash": leaf.hex()}
        for path, value in added.items():
            if at_path(document, path) != value:
                self._add(entry.sequence, path, "it is not what was sealed")
        if form.commitment(body.salt, as_sealed(document)) != entry.commitment:
            self._add(entry.sequence, _first_difference(_without_added(document), body), "it is not what was sealed")

    def searched_by(self, sealed: Sequence[Sequenced]) -> None:
        """Compare what the store searches by with bodies that are what was sealed."""
        if not sealed:
            return
        for sequence, name in self.copy.store.altered(sealed):
            self._add(sequence, name, "it is searched by what was not sealed")

    def _add(self, sequence: int, field: str, said: str) -> None:
        self.found.add(f"store {self.copy.name}", sequence, field, said)


def as_sealed(document: Document) -> bytes:
    """Return the body that a document of a store says it was; nothing where it could not be one."""
    try:
        return canonical.encode(_without_added(document))
    except NotCanonical:
        return b""


def _without_added(document: Document) -> Document:
    stripped = dict(document)
    for path in ADDED_WHEN_SEQUENCED:
        parent, _, leaf = path.partition(".")
        stripped[parent] = {name: value for name, value in stripped.get(parent, {}).items() if name != leaf}
    return stripped


def _first_difference(document: Document, body: Body) -> str:
    try:
        original = canonical.decode(body.body)
    except NotCanonical:
        return "document"
    return next(_differences(original, document, ()), "document")


def _differences(left: Any, right: Any, path: Sequence[str]) -> Iterator[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        for name in sorted(left.keys() | right.keys()):
            yield from _differences(left.get(name), right.get(name), [*path, name])
    elif left != right:
        yield ".".join(path) or "document"
