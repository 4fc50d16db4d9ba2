"""The log against itself: body, commitment, entry, leaf, tree and root."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.canonical import NotCanonical
from app.kernel.clock import rfc3339
from ingest import models
from ingest.events.envelope import at_path
from ingest.log import entries as form
from ingest.log import forgotten, merkle, read
from ingest.log.archive_check import ArchiveCheck
from ingest.log.comparing import MISREAD, Comparison, Finding, hashes, root_of, unread_field
from ingest.log.entries import NotPlain
from ingest.log.forgotten import Removal
from ingest.log.merkle import Place
from ingest.log.read import Body, Entry, Head
from ingest.log.store_check import StoreCheck, as_sealed
from ingest.store.query import Document, Sequenced
from ingest.store.stubs import is_stub

Row = TypeVar("Row", Entry, Body)


@dataclass(slots=True)
class TreeCheck:
    """Compares the log with its tree, page by page, and with a copy where there is one."""

    found: Comparison
    copy: StoreCheck | None = None
    archive: ArchiveCheck | None = None
    unread: set[tuple[str, int]] = field(default_factory=set)

    @property
    def head(self) -> Head:
        return self.found.head

    def page(self, session: Session, lo: int, hi: int) -> None:
        """Compare the sequences above `lo` up to `hi`."""
        edge = hashes(read.nodes(session, merkle.places(0, self.head.size)))
        nodes = {**edge, **_nodes(session, lo, hi, self.head.size), **self.found.corrected}
        documents = self.copy.page(session, lo, hi) if self.copy is not None else None
        self._compare(session, range(lo + 1, hi + 1), nodes, documents)
        self._climb(nodes, lo, hi)

    def some(self, session: Session, sequences: Sequence[int]) -> None:
        """Compare single sequences, in ascending order; at most a page of them."""
        assert 0 < len(sequences) <= read.SLICE_MAX, "some are a page at most"
        edge = hashes(read.nodes(session, merkle.places(0, self.head.size)))
        nodes = {**edge, **_nodes_of(session, sequences, self.head.size), **self.found.corrected}
        documents = self.copy.some(session, sequences) if self.copy is not None else None
        self._compare(session, sequences, nodes, documents)

    def _compare(
        self,
        session: Session,
        sequences: Sequence[int],
        nodes: dict[Place, bytes],
        documents: dict[int, Document] | None,
    ) -> None:
        lo, hi = sequences[0] - 1, sequences[-1]
        entries = {row.sequence: row for row in self._rows("ingest_entry", read.entries_of, session, sequences)}
        bodies = {row.sequence: row for row in self._rows("ingest_body", read.bodies_of, session, sequences)}
        units, held = forgotten.removals(session, lo, hi), forgotten.held_in(session, lo, hi)
        sealed: list[Sequenced] = []
        for sequence in sequences:
            entry, place = entries.get(sequence), (0, sequence - 1)
            if entry is None:
                if ("ingest_entry", sequence) not in self.unread:
                    self.found.add("ingest_entry", sequence, "sequence", "the row is missing")
                continue
            body = bodies.get(sequence)
            unit = forgotten.covers(units, entry.class_, sequence)
            believed = self._entry(entry, body, nodes, documents, unit)
            if place not in nodes:
                self.found.add("ingest_node", sequence, "hash at level 0", "the row is missing")
            if nodes.get(place) != believed:
                nodes[place] = self.found.corrected[place] = believed
            if self.archive is not None:
                self.archive.compare(entry, believed, body, units, held)
            if self.copy is None or documents is None:
                continue
            self.copy.presence(entry, documents, unit, sequence in held)
            if body is not None and sequence in documents:
                self.copy.compare(entry, body, documents[sequence], believed)
                fits = form.commitment(body.salt, body.body) == entry.commitment
                if fits and not is_stub(documents[sequence]):
                    item = Sequenced(sequence=sequence, ingested=entry.ingested, hash=believed.hex(), body=body.body)
                    sealed.append(item)
        if self.copy is not None:
            self.copy.searched_by(sealed)

    def root(self, session: Session) -> None:
        """Compare the right edge with the root of the head."""
        nodes = self.found.edges(session, [self.head.size])
        lost = next((place for place in merkle.places(0, self.head.size) if place not in nodes), None)
        if lost is not None:
            self._node(lost, "the row is missing")
        elif root_of(nodes, self.head.size) != self.head.root:
            self.found.add("ingest_head", self.head.size, "root", "it is not the root of the tree")

    def extends(self, session: Session, size: int, root: bytes) -> None:
        """Compare the log with a head it had before: it must begin with it."""
        if size > self.head.size:
            self.found.add("ingest_head", self.head.size, "size", f"it was {size} before: the log was cut")
        elif size and root_of(self.found.edges(session, [size]), size) != root:
            self.found.add("ingest_node", size, "root", "the log does not begin with what it was at this size")

    def _rows(
        self,
        table: str,
        rows: Callable[[Session, Sequence[int]], list[Row]],
        session: Session,
        sequences: Sequence[int],
    ) -> list[Row]:
        """Return the rows of a page without those that SQLite keeps and nobody can read; these are named.

        It takes bytes that are no text, and values of any type for any column.
        """
        try:
            found = rows(session, sequences)
        except MISREAD as error:
            field = unread_field(error)
            if field is None:
                raise
            if len(sequences) > 1:
                middle = len(sequences) // 2
                halves = (sequences[:middle], sequences[middle:])
                return [row for half in halves for row in self._rows(table, rows, session, half)]
            self._unreadable(table, sequences[0], field, "it cannot be read")
            return []
        whole = []
        for row in found:
            field = _mistyped(row)
            if field is None:
                whole.append(row)
            else:
                self._unreadable(table, row.sequence, field, "it is of another type")
        return whole

    def _unreadable(self, table: str, sequence: int, field: str, said: str) -> None:
        self.found.add(table, sequence, field, said)
        self.unread.add((table, sequence))

    def _entry(
        self,
        entry: Entry,
        body: Body | None,
        nodes: Mapping[Place, bytes],
        documents: Mapping[int, Document] | None,
        unit: Removal | None,
    ) -> bytes:
        """Compare one entry with its leaf and body, and return the leaf that is to be believed."""
        index = entry.sequence - 1
        stored = nodes.get((0, index))
        try:
            leaf = entry.leaf
        except NotPlain:
            # Such a row has no leaf of its own; what it was is told by its body, or by the tree alone.
            for name in (_differing(entry, body) if body is not None else []) or ["one of its fields"]:
                self.found.add("ingest_entry", entry.sequence, name, "it is not what was sealed")
            return stored or b""
        # What retention removes may be gone from the moment on that it said so, and must be once it said it is.
        if body is None and unit is None and ("ingest_body", entry.sequence) not in self.unread:
            self.found.add("ingest_body", entry.sequence, "sequence", "the row is missing")
        if body is not None and unit is not None and unit.state == forgotten.GONE:
            self.found.add("ingest_body", entry.sequence, "sequence", "it is there, though it was dropped")
        fits = body is not None and form.commitment(body.salt, body.body) == entry.commitment
        if stored is None or stored == leaf:
            if body is not None and not fits:
                self.found.add(
                    "ingest_body", entry.sequence, _damaged_part(entry, body, documents), "not what was sealed"
                )
            elif body is not None and body.class_ != entry.class_:
                self.found.add(
                    "ingest_body", entry.sequence, "class", f"{body.class_!r}, the entry says {entry.class_!r}"
                )
            return leaf
        differing = _differing(entry, body) if body is not None else []
        if body is not None and not fits:
            mended = replace(entry, commitment=form.commitment(body.salt, body.body))
            if mended.leaf == stored:
                differing = ["commitment"]
        if not differing and _node_holds(nodes, index, self.head):
            differing = ["ingested"] if fits else ["one of its fields"]
        if not differing:
            self.found.add("ingest_node", entry.sequence, "hash at level 0", "it is not the hash of the entry")
            return leaf
        for name in differing:
            self.found.add("ingest_entry", entry.sequence, name, "it is not what was sealed")
        return stored

    def _climb(self, nodes: dict[Place, bytes], lo: int, hi: int) -> None:
        """Compare every complete subtree above the page with its two halves."""
        for level in range(1, self.head.size.bit_length()):
            for idx in range(lo >> level, (hi - 1 >> level) + 1):
                if idx + 1 << level > self.head.size:
                    break
                halves = [nodes.get((level - 1, 2 * idx + half)) for half in (0, 1)]
                if halves[0] is None or halves[1] is None:
                    continue  # told where its own row is looked at
                computed = merkle.node_hash(halves[0], halves[1])
                place = (level, idx)
                if nodes.get(place) == computed:
                    continue
                self._node(place, "it is not the hash of its halves" if place in nodes else "the row is missing")
                nodes[place] = self.found.corrected[place] = computed

    def _node(self, place: Place, said: str) -> None:
        level, idx = place
        self.found.add("ingest_node", (idx << level) + 1, f"hash at level {level}, index {idx}", said)


def beyond(session: Session, head: Head) -> list[Finding]:
    """Find rows above the head; read in the transaction that read the head, so that growth is no finding."""
    tops = {
        "ingest_entry": sa.select(sa.func.max(models.entry.c.sequence)),
        "ingest_body": sa.select(sa.func.max(models.body.c.sequence)),
        "ingest_node": sa.select(sa.func.max(models.node.c.idx) + 1).where(models.node.c.level == 0),
        "ingest_checkpoint": sa.select(sa.func.max(models.checkpoint.c.size)),
    }
    names = {"ingest_checkpoint": "size"}
    return [
        Finding(
            table=table, sequence=top, field=names.get(table, "sequence"), said=f"it is beyond the head, {head.size}"
        )
        for table, query in tops.items()
        if (top := session.scalar(query)) is not None and top > head.size
    ]


def _nodes(session: Session, lo: int, hi: int, size: int) -> dict[Place, bytes]:
    """Read the leaves of a page, all complete subtrees above them, and the other halves of those."""
    node = models.node.c
    ranges = []
    for level in range(size.bit_length()):
        low, high = (lo >> level + 1) * 2, (hi - 1 >> level + 1) * 2 + 1
        ranges.append((node.level == level) & node.idx.between(low, min(high, (size >> level) - 1)))
    rows = session.execute(sa.select(models.node).where(sa.or_(*ranges)))
    return hashes({(row.level, row.idx): row.hash for row in rows})


def _nodes_of(session: Session, sequences: Sequence[int], size: int) -> dict[Place, bytes]:
    """Read single leaves, their other halves, and what is right above both."""
    leaves = {index for sequence in sequences for index in ((sequence - 1) & ~1, (sequence - 1) | 1) if index < size}
    wanted = [(0, index) for index in sorted(leaves)]
    wanted += [(1, idx) for idx in sorted({index >> 1 for index in leaves}) if (idx + 1) << 1 <= size]
    found: dict[Place, bytes] = {}
    for first in range(0, len(wanted), read.NODES_A_LEVEL_MAX):
        found.update(read.nodes(session, wanted[first : first + read.NODES_A_LEVEL_MAX]))
    return hashes(found)


def _mistyped(row: Entry | Body) -> str | None:
    """Name the first field of a row that is of another type than it must be."""
    wanted = {"salt": bytes, "body": bytes, "commitment": bytes, "event_id": str, "kind": str, "class_": str}
    for name, type_ in wanted.items():
        if hasattr(row, name) and not isinstance(getattr(row, name), type_):
            return name.rstrip("_")
    return None


def _node_holds(nodes: Mapping[Place, bytes], index: int, head: Head) -> bool:
    """Tell whether the stored leaf agrees with what is stored above it."""
    pair = [nodes.get((0, index & ~1)), nodes.get((0, index | 1))]
    parent = nodes.get((1, index >> 1))
    if parent is not None and pair[0] is not None and pair[1] is not None:
        return merkle.node_hash(pair[0], pair[1]) == parent
    return root_of(nodes, head.size) == head.root


def _damaged_part(entry: Entry, body: Body, documents: Mapping[int, Document] | None) -> str:
    document = (documents or {}).get(entry.sequence)
    if document is not None:
        of_store = as_sealed(document)
        if form.commitment(body.salt, of_store) == entry.commitment:
            return "body"
        if of_store == body.body:
            return "salt"
    return "body" if _differing(entry, body) else "body or salt"


def _differing(entry: Entry, body: Body) -> list[str]:
    """Name the fields of an entry that its body contradicts."""
    try:
        document = canonical.decode(body.body)
    except NotCanonical:
        return ["body"]
    said = {
        "event_id": (entry.event_id, at_path(document, "event.id")),
        "kind": (entry.kind, at_path(document, "event.action")),
        "class": (entry.class_, at_path(document, "onepay.class")),
        "at": (rfc3339(entry.at), at_path(document, "@timestamp")),
    }
    return [name for name, (left, right) in said.items() if left != right]
