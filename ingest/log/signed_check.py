"""The log against what was signed: every checkpoint, and the head that is remembered beside the key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.clock import Clock
from ingest import models
from ingest.log import note, read
from ingest.log.checkpoint import LAST_NAME, LogKey
from ingest.log.comparing import MISREAD, Comparison, root_of, unread_field
from ingest.log.merkle import Place
from ingest.log.note import NoteRefused, VerifierKey

# The edge of a tree has one node a level at the most, and these are asked for together.
CHECKPOINTS_A_TIME: Final = read.NODES_A_LEVEL_MAX
# Clocks of two machines that are kept by NTP differ by less.
AHEAD_MAX: Final = timedelta(minutes=1)


@dataclass(slots=True)
class SignedCheck:
    """Compares what was signed with the tree."""

    found: Comparison

    def checkpoints(self, session: Session, first: int, key: VerifierKey | None, clock: Clock | None) -> int:
        """Compare every checkpoint that ends in the range with the tree, its note with its row, and its instant."""
        at, after, seen = models.checkpoint.c.size, first - 1, 0
        before: Any = None  # the row before, as far as its instant is to be believed
        while True:
            # What was signed after the head was read is no business of this verdict.
            inside = (at > after) & (at <= self.found.head.size)
            newest = models.entry.c.sequence == at
            query = sa.select(models.checkpoint, models.entry.c.ingested).outerjoin(models.entry, newest)
            try:
                rows = session.execute(query.where(inside).order_by(at).limit(CHECKPOINTS_A_TIME)).all()
            except MISREAD as error:
                field = unread_field(error)
                if field is None:
                    raise
                self.found.add("ingest_checkpoint", after + 1, field, "from here on a value cannot be read")
                return seen
            nodes = self.found.edges(session, [row.size for row in rows])
            for row in rows:
                self._checkpoint(row, nodes, key)
                before = self._dated(row, before, clock)
            seen += len(rows)
            if len(rows) < CHECKPOINTS_A_TIME:
                return seen
            after = rows[-1].size

    def remembered(self, session: Session, text: str | None, key: VerifierKey, checkpoints: int) -> None:
        """Compare the log with the head that was signed last: it must hold that head, whatever the database says."""
        size = self.found.head.size
        if text is None:
            if checkpoints:
                self.found.add(LAST_NAME, size, "note", "the file is missing, though checkpoints were signed")
            return
        try:
            signed = note.parse_tree_head(note.open_note(text, key))
        except NoteRefused as error:
            self.found.add(LAST_NAME, size, "note", str(error))
            return
        if signed.size > size:
            self.found.add(
                "ingest_head",
                size,
                "size",
                f"{signed.size} were signed: the log was cut or rolled back",
            )
            return
        if root_of(self.found.edges(session, [signed.size]), signed.size) not in (None, signed.root):
            self.found.add(LAST_NAME, signed.size, "root", "the log does not begin with what was signed last")

    def _checkpoint(self, row: Any, nodes: Mapping[Place, bytes], key: VerifierKey | None) -> None:
        size, root, text = row.size, row.root, row.note
        if root_of(nodes, size) not in (None, root):
            self.found.add("ingest_checkpoint", size, "root", "it is not the root of the tree at this size")
        if key is None:
            return
        try:
            signed = note.parse_tree_head(note.open_note(text, key))
        except NoteRefused as error:
            self.found.add("ingest_checkpoint", size, "note", str(error))
            return
        if (signed.origin, signed.size, signed.root) != (key.name, size, root):
            self.found.add("ingest_checkpoint", size, "note", "it says something else than its row")

    def _dated(self, row: Any, before: Any, clock: Clock | None) -> Any:
        """Compare when a checkpoint was signed with its neighbours; returns the row to compare the next with."""
        # Whoever signs while the clock stands back dates by the arrival of what is signed.
        if clock is not None and row.at > max(filter(None, (clock.now(), row.ingested))) + AHEAD_MAX:
            self.found.add("ingest_checkpoint", row.size, "at", "it is later than now")
            return before
        is_entry_sound = all((one.table, one.sequence) != ("ingest_entry", row.size) for one in self.found.findings)
        if is_entry_sound and row.ingested is not None and row.at < row.ingested:
            self.found.add("ingest_checkpoint", row.size, "at", "it is before the arrival of what was signed")
            return before
        if before is not None and row.at < before.at:
            self.found.add("ingest_checkpoint", before.size, "at", f"it is after that of size {row.size}")
        return row


def remembered_text(key: LogKey) -> str | None:
    """Return the head that was signed last, as it is kept beside the key; None where it is missing."""
    try:
        return key.last.read_text("utf-8", "replace")
    except FileNotFoundError:
        return None
