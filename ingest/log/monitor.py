"""Comparing the log with itself and its copies: body, commitment, entry, leaf, tree, root, checkpoints, store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel import canonical
from app.kernel.canonical import NotCanonical
from app.kernel.clock import rfc3339
from app.kernel.context import Context
from app.kernel.db import Database
from app.kernel.errors import Invalid
from ingest import models
from ingest.events.envelope import ADDED_WHEN_SEQUENCED, Outcome, at_path
from ingest.events.health import LogTampered, LogVerified
from ingest.log import entries as form
from ingest.log import merkle, note, outbox, read
from ingest.log.checkpoint import LAST_NAME, LogKey
from ingest.log.entries import NotPlain
from ingest.log.merkle import Edge, Place
from ingest.log.note import NoteRefused, VerifierKey
from ingest.log.read import Body, Entry, Head
from ingest.store.port import EventStore, walk
from ingest.store.query import Document, Order, Search, Sequenced, Window
from ingest.store.stubs import is_stub

FINDINGS_MAX: Final = 100
# The edge of a tree has one node a level at the most, and these are asked for together.
CHECKPOINTS_A_TIME: Final = read.NODES_A_LEVEL_MAX
EXIT_SOUND: Final = 0
EXIT_BROKEN: Final = 6
# SQLite keeps any bytes as text, and its driver says which column it could not read.
_UNDECODED: Final = re.compile(r"Could not decode to UTF-8 column '(\w+)'")
_MISREAD: Final = (TypeError, ValueError, OverflowError)
Row = TypeVar("Row", Entry, Body)
Name = TypeVar("Name")


class RangeInvalid(Invalid):
    """The range does not lie within the log."""

    code = "range_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place that is not what was sealed."""

    table: str
    sequence: int
    field: str
    said: str

    def __str__(self) -> str:
        return f"{self.table} sequence {self.sequence} {self.field}: {self.said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What comparing found. `findings` are ordered as they were met, the first `FINDINGS_MAX` of them."""

    size: int
    root: bytes
    first: int
    last: int
    documents: int
    checkpoints: int
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0 where all is sound, 6 where it is not."""
        return EXIT_BROKEN if self.findings else EXIT_SOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A store that must hold every event up to `done`, under the name its target has."""

    name: str
    store: EventStore
    done: int


def verify(
    db: Database,
    *,
    first: int = 1,
    last: int | None = None,
    copy: Copy | None = None,
    key: LogKey | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verdict:
    """Compare the sequences from `first` to `last` (all by default) and everything that ties them to the root.

    With `copy` the documents of a store are compared too; with `key` the signatures of the checkpoints, and the log
    with the head that was signed last, which is remembered beside the key. Holds no transaction longer than a page.
    Raises `RangeInvalid`, and what database and store raise when they do not answer.

    A checkpoint signs origin, size and root. When it was signed is not in it, so `at` is compared with what it must
    lie between: the arrival of the newest entry it covers, and the next checkpoint. That a checkpoint was removed is
    not found, and needs not be: each later one covers all before it, and old ones may once be thinned out.
    """
    # Read before the head, so that what is signed meanwhile is no finding.
    remembered = _remembered(key)
    with db.read() as session:
        head = read.head(session)
        head = replace(head, root=_hashes({"root": head.root})["root"])
        beyond = _beyond(session, head)
    last = head.size if last is None else last
    if not 1 <= first <= last + 1 or last > head.size:
        raise RangeInvalid(f"The log holds sequences 1 to {head.size}; {first} to {last} is no range of it.")
    check = _Check(head, copy)
    check.findings += beyond
    for lo in range(first - 1, last, read.SLICE_MAX):
        if len(check.findings) >= FINDINGS_MAX:
            break
        hi = min(lo + read.SLICE_MAX, last)
        with db.read() as session:
            check.page(session, lo, hi)
        progress(hi - first + 1, last - first + 1)
    check.beyond(db)
    with db.read() as session:
        check.root(session)
        checkpoints = check.checkpoints(session, first, key.verifier if key is not None else None)
        if key is not None:
            check.remembered(session, remembered, key.verifier, checkpoints)
    return Verdict(
        size=head.size,
        root=head.root,
        first=first,
        last=last,
        documents=check.documents,
        checkpoints=checkpoints,
        findings=tuple(check.findings[:FINDINGS_MAX]),
    )


def tell(session: Session, verdict: Verdict, ctx: Context) -> str:
    """Record the verdict as an event and return its id."""
    if not verdict.findings:
        sound = LogVerified(size=verdict.size, root=verdict.root.hex(), state="sound", outcome=Outcome.SUCCESS)
        return outbox.record(session, sound, ctx)
    broken = LogTampered(size=verdict.size, root=verdict.root.hex(), state="broken", cause=str(verdict.findings[0]))
    return outbox.record(session, broken, ctx)


@dataclass(slots=True)
class _Check:
    head: Head
    copy: Copy | None
    findings: list[Finding] = field(default_factory=list)
    documents: int = 0
    # What a damaged node must have been, so that one damage is one finding and does not spread upwards.
    corrected: dict[Place, bytes] = field(default_factory=dict)
    excused: set[int] = field(default_factory=set)
    unread: set[tuple[str, int]] = field(default_factory=set)

    def page(self, session: Session, lo: int, hi: int) -> None:
        entries = {entry.sequence: entry for entry in self._rows("ingest_entry", read.entries, session, lo, hi)}
        bodies = {body.sequence: body for body in self._rows("ingest_body", read.bodies, session, lo, hi)}
        edge = _hashes(read.nodes(session, merkle.places(0, self.head.size)))
        nodes = {**edge, **_nodes(session, lo, hi, self.head.size), **self.corrected}
        documents = self._documents(session, lo, hi)
        sealed: list[Sequenced] = []
        for sequence in range(lo + 1, hi + 1):
            entry, place = entries.get(sequence), (0, sequence - 1)
            if entry is None:
                if ("ingest_entry", sequence) not in self.unread:
                    self._add("ingest_entry", sequence, "sequence", "the row is missing")
                continue
            body = bodies.get(sequence)
            believed = self._entry(entry, body, nodes, documents)
            if place not in nodes:
                self._add("ingest_node", sequence, "hash at level 0", "the row is missing")
            if nodes.get(place) != believed:
                nodes[place] = self.corrected[place] = believed
            if documents is not None and body is not None and sequence in documents:
                self._document(entry, body, documents[sequence], believed)
                fits = form.commitment(body.salt, body.body) == entry.commitment
                if fits and not is_stub(documents[sequence]):
                    item = Sequenced(sequence=sequence, ingested=entry.ingested, hash=believed.hex(), body=body.body)
                    sealed.append(item)
        self._searched_by(sealed)
        self._climb(nodes, lo, hi)

    def beyond(self, db: Database) -> None:
        """Find documents of the store that no sequence of the log stands for yet."""
        if self.copy is None:
            return
        above = Search(window=Window(lo=self.head.size), order=Order.SEQUENCE, limit=read.SLICE_MAX)
        found = [at_path(document, "event.sequence") for document in self.copy.store.search(above).documents]
        if not found:
            return
        with db.read() as session:
            # Read after the store was asked, so that growth meanwhile is no finding.
            size = read.head(session).size
        for sequence in found:
            if sequence > size:
                said = f"it is beyond the head, {size}"
                self._add(f"store {self.copy.name}", sequence, "document", said)

    def root(self, session: Session) -> None:
        """Compare the right edge with the root of the head."""
        wanted = merkle.places(0, self.head.size)
        found = {**_hashes(read.nodes(session, wanted)), **self.corrected}
        if any(place not in found for place in wanted):
            lost = next(place for place in wanted if place not in found)
            self._node(lost, "the row is missing")
        elif merkle.root(Edge(self.head.size, tuple(found[place] for place in wanted))) != self.head.root:
            self._add("ingest_head", self.head.size, "root", "it is not the root of the tree")

    def checkpoints(self, session: Session, first: int, key: VerifierKey | None) -> int:
        """Compare every checkpoint that ends in the range with the tree, and its note with its row."""
        at, after, seen = models.checkpoint.c.size, first - 1, 0
        before: Any = None  # the row before, as far as its instant is to be believed
        while True:
            # What was signed after the head was read is no business of this verdict.
            inside = (at > after) & (at <= self.head.size)
            newest = models.entry.c.sequence == at
            query = sa.select(models.checkpoint, models.entry.c.ingested).outerjoin(models.entry, newest)
            try:
                rows = session.execute(query.where(inside).order_by(at).limit(CHECKPOINTS_A_TIME)).all()
            except (sa.exc.OperationalError, *_MISREAD) as error:
                field = _undecoded(error) if isinstance(error, sa.exc.OperationalError) else "one of its fields"
                if field is None:
                    raise
                self._add("ingest_checkpoint", after + 1, field, "from here on a value cannot be read")
                return seen
            nodes = self._edges(session, [row.size for row in rows])
            for row in rows:
                self._checkpoint(row, nodes, key)
                before = self._dated(row, before)
            seen += len(rows)
            if len(rows) < CHECKPOINTS_A_TIME:
                return seen
            after = rows[-1].size

    def _rows(
        self, table: str, rows: Callable[[Session, int, int], list[Row]], session: Session, lo: int, hi: int
    ) -> list[Row]:
        """Return the rows of a page without those that SQLite keeps and nobody can read; these are named.

        It takes bytes that are no text, and values of any type for any column.
        """
        try:
            found = rows(session, lo, hi)
        except (sa.exc.OperationalError, *_MISREAD) as error:
            field = _undecoded(error) if isinstance(error, sa.exc.OperationalError) else "one of its fields"
            if field is None:
                raise
            if hi - lo > 1:
                middle = (lo + hi) // 2
                halves = ((lo, middle), (middle, hi))
                return [row for half in halves for row in self._rows(table, rows, session, *half)]
            self._unreadable(table, hi, field, "it cannot be read")
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
        self._add(table, sequence, field, said)
        self.unread.add((table, sequence))

    def _entry(
        self, entry: Entry, body: Body | None, nodes: Mapping[Place, bytes], documents: Mapping[int, Document] | None
    ) -> bytes:
        """Compare one entry with its leaf and body, and return the leaf that is to be believed."""
        index = entry.sequence - 1
        stored = nodes.get((0, index))
        try:
            leaf = entry.leaf
        except NotPlain:
            # Such a row has no leaf of its own; what it was is told by its body, or by the tree alone.
            for name in (_differing(entry, body) if body is not None else []) or ["one of its fields"]:
                self._add("ingest_entry", entry.sequence, name, "it is not what was sealed")
            return stored or b""
        if body is None and ("ingest_body", entry.sequence) not in self.unread:
            self._add("ingest_body", entry.sequence, "sequence", "the row is missing")
        fits = body is not None and form.commitment(body.salt, body.body) == entry.commitment
        if stored is None or stored == leaf:
            if body is not None and not fits:
                self._add("ingest_body", entry.sequence, _damaged_part(entry, body, documents), "not what was sealed")
            elif body is not None and body.class_ != entry.class_:
                self._add("ingest_body", entry.sequence, "class", f"{body.class_!r}, the entry says {entry.class_!r}")
            return leaf
        differing = _differing(entry, body) if body is not None else []
        if body is not None and not fits:
            mended = replace(entry, commitment=form.commitment(body.salt, body.body))
            if mended.leaf == stored:
                differing = ["commitment"]
        if not differing and _node_holds(nodes, index, self.head):
            differing = ["ingested"] if fits else ["one of its fields"]
        if not differing:
            self._add("ingest_node", entry.sequence, "hash at level 0", "it is not the hash of the entry")
            return leaf
        for name in differing:
            self._add("ingest_entry", entry.sequence, name, "it is not what was sealed")
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
                nodes[place] = self.corrected[place] = computed

    def _documents(self, session: Session, lo: int, hi: int) -> dict[int, Document] | None:
        """Return the documents of the store in this page, or None where there is nothing to compare yet."""
        if self.copy is None or lo >= self.copy.done:
            return None
        hi = min(hi, self.copy.done)
        wanted = Search(window=Window(lo=lo, hi=hi), order=Order.SEQUENCE, limit=read.SLICE_MAX)
        found: dict[int, Document] = {}
        is_doubled = False
        for document in walk(self.copy.store, wanted):
            sequence = at_path(document, "event.sequence")
            if sequence in found:
                is_doubled = True
                self._add(f"store {self.copy.name}", sequence, "document", "it is there more than once")
            found[sequence] = document
        # A document that stands twice is one damage; that the sum is too large says no more.
        if not is_doubled and self.copy.store.coverage(lo, hi) > len(found):
            self._add(f"store {self.copy.name}", lo + 1, "documents", f"there are more than sequences up to {hi}")
        parked = models.parked.c
        waiting = sa.select(parked.sequence).where(
            parked.target == self.copy.name, parked.sequence > lo, parked.sequence <= hi, parked.released_at.is_(None)
        )
        self.excused = set(session.scalars(waiting))
        for sequence in range(lo + 1, hi + 1):
            if sequence not in found and sequence not in self.excused:
                self._add(f"store {self.copy.name}", sequence, "document", "it is missing")
        return found

    def _document(self, entry: Entry, body: Body, document: Document, leaf: bytes) -> None:
        assert self.copy is not None
        table = f"store {self.copy.name}"
        if is_stub(document):
            if entry.sequence not in self.excused:
                self._add(table, entry.sequence, "onepay.parked", "it is a stub of what nothing refused")
            return
        self.documents += 1
        added = {"event.ingested": rfc3339(entry.ingested), "event.hash": leaf.hex()}
        for path, value in added.items():
            if at_path(document, path) != value:
                self._add(table, entry.sequence, path, "it is not what was sealed")
        stripped = _without_added(document)
        if form.commitment(body.salt, _encoded(stripped)) != entry.commitment:
            self._add(table, entry.sequence, _first_difference(stripped, body), "it is not what was sealed")

    def _searched_by(self, sealed: Sequence[Sequenced]) -> None:
        """Compare what the store searches by with bodies that are what was sealed."""
        if self.copy is None or not sealed:
            return
        for sequence, name in self.copy.store.altered(sealed):
            self._add(f"store {self.copy.name}", sequence, name, "it is searched by what was not sealed")

    def _edges(self, session: Session, sizes: Sequence[int]) -> Mapping[Place, bytes]:
        """Return the nodes on the edges of trees of these sizes, as they stand or were corrected."""
        wanted = sorted({place for size in sizes for place in merkle.places(0, size)})
        return {**_hashes(read.nodes(session, wanted)), **self.corrected}

    def _checkpoint(self, row: Any, nodes: Mapping[Place, bytes], key: VerifierKey | None) -> None:
        size, root, text = row.size, row.root, row.note
        wanted = merkle.places(0, size)
        edge = Edge(size, tuple(nodes[place] for place in wanted if place in nodes))
        if len(edge.hashes) == len(wanted) and merkle.root(edge) != root:
            self._add("ingest_checkpoint", size, "root", "it is not the root of the tree at this size")
        if key is None:
            return
        try:
            signed = note.parse_tree_head(note.open_note(text, key))
        except NoteRefused as error:
            self._add("ingest_checkpoint", size, "note", str(error))
            return
        if (signed.origin, signed.size, signed.root) != (key.name, size, root):
            self._add("ingest_checkpoint", size, "note", "it says something else than its row")

    def _dated(self, row: Any, before: Any) -> Any:
        """Compare when a checkpoint was signed with its neighbours; returns the row to compare the next with."""
        is_entry_sound = all((one.table, one.sequence) != ("ingest_entry", row.size) for one in self.findings)
        if is_entry_sound and row.ingested is not None and row.at < row.ingested:
            self._add("ingest_checkpoint", row.size, "at", "it is before the arrival of what was signed")
            return before
        if before is not None and row.at < before.at:
            self._add("ingest_checkpoint", before.size, "at", f"it is after that of size {row.size}")
        return row

    def remembered(self, session: Session, text: str | None, key: VerifierKey, checkpoints: int) -> None:
        """Compare the log with the head that was signed last: it must hold that head, whatever the database says."""
        if text is None:
            if checkpoints:
                self._add(LAST_NAME, self.head.size, "note", "the file is missing, though checkpoints were signed")
            return
        try:
            signed = note.parse_tree_head(note.open_note(text, key))
        except NoteRefused as error:
            self._add(LAST_NAME, self.head.size, "note", str(error))
            return
        if signed.size > self.head.size:
            self._add(
                "ingest_head", self.head.size, "size", f"{signed.size} were signed: the log was cut or rolled back"
            )
            return
        wanted = merkle.places(0, signed.size)
        nodes = {**_hashes(read.nodes(session, wanted)), **self.corrected}
        edge = Edge(signed.size, tuple(nodes[place] for place in wanted if place in nodes))
        if len(edge.hashes) == len(wanted) and merkle.root(edge) != signed.root:
            self._add(LAST_NAME, signed.size, "root", "the log does not begin with what was signed last")

    def _node(self, place: Place, said: str) -> None:
        level, idx = place
        self._add("ingest_node", (idx << level) + 1, f"hash at level {level}, index {idx}", said)

    def _add(self, table: str, sequence: int, field: str, said: str) -> None:
        finding = Finding(table=table, sequence=sequence, field=field, said=said)
        if finding not in self.findings:
            self.findings.append(finding)


def _remembered(key: LogKey | None) -> str | None:
    if key is None:
        return None
    try:
        return key.last.read_text("utf-8", "replace")
    except FileNotFoundError:
        return None


def _undecoded(error: sa.exc.OperationalError) -> str | None:
    """Return the column that SQLite could not decode, or None where the error tells of something else."""
    found = _UNDECODED.search(str(error.orig))
    return None if found is None else found.group(1)


def _beyond(session: Session, head: Head) -> list[Finding]:
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
    return _hashes({(row.level, row.idx): row.hash for row in rows})


def _hashes(nodes: Mapping[Name, object]) -> dict[Name, bytes]:
    """Return hashes with what is none as an empty one: it is equal to nothing that is computed."""
    return {place: value if isinstance(value, bytes) else b"" for place, value in nodes.items()}


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
    edge = [nodes.get(place) for place in merkle.places(0, head.size)]
    hashes = tuple(value for value in edge if value is not None)
    return len(hashes) == len(edge) and merkle.root(Edge(head.size, hashes)) == head.root


def _damaged_part(entry: Entry, body: Body, documents: Mapping[int, Document] | None) -> str:
    document = (documents or {}).get(entry.sequence)
    if document is not None:
        of_store = _encoded(_without_added(document))
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


def _without_added(document: Document) -> Document:
    stripped = dict(document)
    for path in ADDED_WHEN_SEQUENCED:
        parent, _, leaf = path.partition(".")
        stripped[parent] = {name: value for name, value in stripped.get(parent, {}).items() if name != leaf}
    return stripped


def _encoded(document: Document) -> bytes:
    try:
        return canonical.encode(document)
    except NotCanonical:
        return b""


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
