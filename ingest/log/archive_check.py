"""The log against its archive: the line of each body, the entry in its bundle, the leaf in its tile."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from ingest.log import entries as form
from ingest.log import forgotten, tiles
from ingest.log.archive import OPEN_NAME, Archive, Segment, body_of
from ingest.log.comparing import Comparison
from ingest.log.entries import NotPlain
from ingest.log.forgotten import Removal
from ingest.log.read import Body, Entry
from ingest.store.columns import month_of

# Read front to back there is one open segment a class; twice as many keep a segment at hand that is asked for again.
FILES_KEPT: Final = 16
TABLE: Final = "archive"


class ArchiveReader:
    """Finds lines by sequence, and keeps the files it read last."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.size = archive.size
        self._kept: OrderedDict[str, dict[int, bytes]] = OrderedDict()
        self._segments: list[Segment] | None = None

    def body(self, sequence: int, class_: str) -> Body | None:
        """Return the body that the archive has for a sequence of a class, held ones included."""
        line = self._line(sequence, class_)
        if line is None:
            # What was open may have been sealed since it was read.
            self._segments = None
            self._kept.pop(f"body/{class_}/{OPEN_NAME}", None)
            line = self._line(sequence, class_)
        return None if line is None else body_of(line, class_)

    def _line(self, sequence: int, class_: str) -> bytes | None:
        if self._segments is None:
            self._segments = self.archive.segments()
        for one in self._segments:
            if one.class_ == class_ and one.first <= sequence <= one.last:
                found = self._file(one.path).get(sequence)
                if found is not None:
                    return found
        return self._file(f"body/{class_}/{OPEN_NAME}").get(sequence)

    def _file(self, path: str) -> dict[int, bytes]:
        if path not in self._kept:
            self._kept[path] = dict(self.archive.lines(path))
            while len(self._kept) > FILES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(path)
        return self._kept[path]


@dataclass(slots=True)
class ArchiveCheck:
    """Compares entries and bodies with the files of an archive, as far as it reached when this was made."""

    found: Comparison
    reader: ArchiveReader
    lines: int = 0
    _bundles: dict[int, tuple[list[bytes], list[bytes]]] = field(default_factory=dict)

    def compare(
        self, entry: Entry, leaf: bytes, body: Body | None, units: Sequence[Removal], held: Collection[int]
    ) -> None:
        """Compare one sequence; `leaf` is the one that is believed."""
        if entry.sequence > self.reader.size:
            return
        self._compare_tree(entry, leaf)
        archived = self.reader.body(entry.sequence, entry.class_)
        unit = forgotten.covers(units, entry.class_, entry.sequence)
        if unit is not None and month_of(entry.ingested) == unit.month and entry.sequence not in held:
            if archived is not None and unit.state == forgotten.GONE:
                self._add(entry, "line", "it is there, though it was dropped")
            return
        if archived is None:
            self._add(entry, "line", "it is missing or damaged")
            return
        self.lines += 1
        if form.commitment(archived.salt, archived.body) != entry.commitment:
            is_salt = body is not None and body.body == archived.body
            self._add(entry, "salt" if is_salt else "body", "it is not what was sealed")

    def _compare_tree(self, entry: Entry, leaf: bytes) -> None:
        number, at = divmod(entry.sequence - 1, tiles.WIDTH)
        if number not in self._bundles:
            folder, size = self.reader.archive.folder, self.reader.size
            self._bundles = {
                number: (tiles.read_entries(folder, number, size), tiles.read_leaves(folder, number, size))
            }
        entries, leaves = self._bundles[number]
        if at >= len(entries):
            self._add(entry, "entry in its bundle", "it is missing or cut short")
        elif not _is_same(entries[at], entry, leaf):
            self._add(entry, "entry in its bundle", "it is not what was sealed")
        if at >= len(leaves):
            self._add(entry, "leaf in its tile", "it is missing")
        elif leaves[at] != leaf:
            self._add(entry, "leaf in its tile", "it is not the leaf of the entry")

    def _add(self, entry: Entry, field: str, said: str) -> None:
        self.found.add(TABLE, entry.sequence, field, said)


def _is_same(encoded: bytes, entry: Entry, leaf: bytes) -> bool:
    try:
        return encoded == entry.encoded or form.leaf_hash(encoded) == leaf
    except NotPlain:
        return form.leaf_hash(encoded) == leaf
