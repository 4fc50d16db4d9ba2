"""A folder as witness: signed heads, each as a file that is made once and never changed.

All of a week stay, one an hour of a quarter, one a day of what is older. A head that was seen a moment ago is not
looked at again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.kernel.access import service
from app.kernel.clock import from_micros
from app.kernel.context import Context
from app.kernel.crypto import write_private_once
from app.kernel.db import Database, changed, insert_once
from app.kernel.ids import Ids, RandomIds
from app.kernel.logs import logger
from ingest import models
from ingest.events.health import WitnessMissed
from ingest.log import durable, note, outbox
from ingest.log.checkpoint import Forked, WitnessAway
from ingest.log.note import NoteRefused, TreeHead, VerifierKey
from ingest.log.outbox import LogFull

NAME: Final = "file"
WEAK, INDEPENDENT = "weak", "independent"
# The same head is looked at again after so long, so that its age says that the witness is there.
FRESH: Final = timedelta(seconds=60)
THIN_EVERY: Final = timedelta(hours=1)
ALL_KEPT: Final = timedelta(days=7)
HOURLY_KEPT: Final = timedelta(days=90)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a witness was last seen to hold, and whether an insider of this machine could change it too."""

    name: str
    rating: str
    size: int
    at: datetime | None
    missed_since: datetime | None
    error: str | None

    def is_fresh(self, size: int, at: datetime) -> bool:
        """Tell whether it was seen to hold this very size a moment ago."""
        return self.size == size and self.at is not None and timedelta(0) <= at - self.at < FRESH


class FileWitness:
    """Keeps heads in a folder, best on another volume or machine: on ours it is rated weak."""

    def __init__(self, db: Database, key: VerifierKey, folder: Path, *, beside: Path, ids: Ids | None = None) -> None:
        """`beside` lies on the device that the log itself is on."""
        self._db = db
        self._key = key
        self._folder = folder
        self._beside = beside
        self._ids = ids or RandomIds()
        self._thinned_at: datetime | None = None

    @property
    def rating(self) -> str:
        """Tell whether the folder lies on a device of its own."""
        try:
            is_apart = self._folder.stat().st_dev != self._beside.stat().st_dev
        except OSError:
            return WEAK
        return INDEPENDENT if is_apart else WEAK

    def newest(self) -> TreeHead | None:
        """Return the largest head in the folder; raises `WitnessAway` where it cannot be read."""
        files = self._files()
        return self._read(files[-1]) if files else None

    def keep(self, head: TreeHead, note: str, at: datetime) -> None:
        """Keep a head, or see that it is kept; raises `Forked` where this size was seen with another root."""
        with self._db.read() as session:
            known = standing(session)
        if known is not None and known.is_fresh(head.size, at):
            return
        try:
            durable.make_folder(self._folder)
            file = self._folder / f"{head.size:020d}"
            write_private_once(file, note.encode())
            os.utime(file, (at.timestamp(), at.timestamp()))
        except OSError as error:
            raise WitnessAway(f"The witness folder cannot be written: {error.strerror}.") from error
        kept = self._read(file)
        if kept != head:
            raise Forked(f"The witness has seen another root at size {head.size}; nothing is signed.")
        self._seen(head.size, at)
        self._thin(at)

    def is_missed(self, at: datetime, error: Exception) -> None:
        """Note since when the folder cannot be used, and tell it once."""
        witness = models.witness
        with self._db.begin() as session:
            self._row(session)
            begun = changed(
                session,
                sa.update(witness)
                .where(witness.c.name == NAME, witness.c.missed_since.is_(None))
                .values(missed_since=at, error=str(error)),
            )
            if not begun:
                return
            ctx = Context(actor=service("log"), at=at, request_id=self._ids.new("run", at), ids=self._ids)
            try:
                outbox.record(session, WitnessMissed(witness=NAME, cause=str(error)), ctx)
            except LogFull:
                _log.warning("a witness is missed, and the log is full")

    def _files(self) -> list[Path]:
        try:
            return sorted(file for file in self._folder.iterdir() if file.name.isdecimal())
        except FileNotFoundError as error:
            with self._db.read() as session:
                known = standing(session)
            if known is None or known.size == 0:
                return []
            raise WitnessAway("The witness folder is not there.") from error
        except OSError as error:
            raise WitnessAway(f"The witness folder cannot be read: {error.strerror}.") from error

    def _read(self, file: Path) -> TreeHead:
        try:
            return note.parse_tree_head(note.open_note(file.read_text("utf-8"), self._key))
        except (OSError, NoteRefused, UnicodeDecodeError) as error:
            raise WitnessAway(f"The file {file.name} of the witness cannot be used: {error}.") from error

    def _seen(self, size: int, at: datetime) -> None:
        witness = models.witness
        with self._db.begin() as session:
            self._row(session)
            session.execute(
                sa.update(witness)
                .where(witness.c.name == NAME)
                .values(size=size, at=at, rating=self.rating, missed_since=None, error=None)
            )

    def _row(self, session: Session) -> None:
        fresh = {"name": NAME, "rating": self.rating, "size": 0, "at": None, "missed_since": None, "error": None}
        insert_once(session, models.witness, fresh)

    def _thin(self, at: datetime) -> None:
        """Keep all of a week, one an hour of a quarter, one a day of what is older; the newest always."""
        if self._thinned_at is not None and timedelta(0) <= at - self._thinned_at < THIN_EVERY:
            return
        self._thinned_at = at
        kept: set[tuple[timedelta, int]] = set()
        for file in reversed(self._files()[:-1]):
            signed_at = from_micros(int(file.stat().st_mtime * 1_000_000))
            age = at - signed_at
            if age <= ALL_KEPT:
                continue
            span = _HOUR if age <= HOURLY_KEPT else _DAY
            place = (span, int(signed_at.timestamp() // span.total_seconds()))
            if place in kept:
                file.unlink(missing_ok=True)
            kept.add(place)


def standing(session: Session) -> Standing | None:
    """Return how the file witness does, as last seen; None before it was ever asked."""
    row = session.execute(sa.select(models.witness).where(models.witness.c.name == NAME)).one_or_none()
    if row is None:
        return None
    return Standing(
        name=row.name, rating=row.rating, size=row.size, at=row.at, missed_since=row.missed_since, error=row.error
    )
